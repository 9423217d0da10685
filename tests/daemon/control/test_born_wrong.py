"""A version whose feature came in another unit from its first prediction on: told once, accepted, and then its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.daemon.control.living import EVENTS, Living
from tests.daemon.messages import START
from tests.integration.running import said


class Deployed(Living):
    """From 260 s on version 2 answers; the amounts that it is sent are a thousand times as large, until `mended`."""

    mended = float("inf")

    def events(self, since: float, until: float) -> None:
        """The fleet's events, changed."""
        begin = len(self.logs.records[EVENTS])
        super().events(since, until)
        records = self.logs.records[EVENTS]
        for at in range(begin, len(records)):
            ms, value = records[at]
            event, second = orjson.loads(value), ms / 1000 - START / 1e6
            if "features" in event and second >= 260:
                event["version"] = "2"
                event["features"]["amount"] *= 1_000 if second < self.mended else 1
            records[at] = (ms, orjson.dumps(event))

    def about_amount(self) -> list[dict[str, Any]]:
        """What was said of the feature."""
        return [a for a in said(b"\n".join(self.outputs()["alerts"])) if a["feature"] == "amount"]


def test_it_is_told_in_one_page_until_it_is_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what the others had, across a restart, and explains the errors; the same again in a replay of the dump."""
    living = Deployed(tmp_path)
    living.mended = 480
    living.go(0, 390)
    living.restart()
    living.go(390, 600)
    alerts = living.about_amount()
    fired = [alert for alert in alerts if alert["change"] == "fired"]
    assert {(alert["monitor"], alert["version"], alert["action"]) for alert in fired} == {
        ("data_quality", "2", "fix_feature"),
        ("feature_drift", "2", "fix_feature"),
    }
    everything = said(b"\n".join(living.outputs()["alerts"]))
    assert len([alert for alert in everything if alert["page"]]) == 1
    worse = [alert for alert in everything if alert["monitor"] == "deployment"]
    assert worse[-1]["inhibited_by"] in {alert["fingerprint"] for alert in fired}
    assert all("from its first value on this version has sent" in alert["summary"] for alert in fired)
    assert all("other_versions" in alert["evidence"] for alert in fired)
    last = {alert["fingerprint"]: alert["state"] for alert in alerts}
    assert set(last.values()) == {"resolved"}
    live = living.outputs()["alerts"]
    living.close()
    assert living.replayed(monkeypatch)["alerts"] == live


def test_what_an_operator_accepts_is_told_no_more(tmp_path: Path) -> None:
    """It gets bins of its own, whatever other versions have; across a restart."""
    living = Deployed(tmp_path)
    living.go(0, 400)
    fired = living.about_amount()
    assert fired
    living.order(400, {"order": "accept", "alert": fired[0]["incident"], "who": "ana", "why": "another market"})
    living.go(400, 420)
    living.restart()
    before = len(living.about_amount())
    assert {a["fingerprint"]: a["state"] for a in living.about_amount()} == dict.fromkeys(
        {a["fingerprint"] for a in fired}, "accepted"
    )
    living.go(420, 600)
    profile = living.pipeline.parts.watch.profile
    number = profile.series_of(profile.number("m0", "2"))["amount"]
    assert profile.series_edges[number, 0] > 500
    assert not profile.loans
    assert len(living.about_amount()) == before
    living.close()
