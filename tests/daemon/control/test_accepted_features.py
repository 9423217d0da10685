"""A feature whose change was accepted: learnt anew, in new bins, and watched again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from processors.kernels.binning import NUMERIC, UNSEALED
from tests.daemon.control.living import EVENTS, Living
from tests.daemon.messages import START
from tests.integration.running import said


class Cents(Living):
    """The amounts are a thousand times as large between two times."""

    def events(self, since: float, until: float) -> None:
        """The fleet's events, changed."""
        begin = len(self.logs.records[EVENTS])
        super().events(since, until)
        records = self.logs.records[EVENTS]
        for at in range(begin, len(records)):
            ms, value = records[at]
            event = orjson.loads(value)
            if "features" in event and 280 <= ms / 1000 - START / 1e6 < 550:
                event["features"]["amount"] *= 1_000
            records[at] = (ms, orjson.dumps(event))


def test_an_accepted_feature_gets_new_bins_and_is_watched_in_them(tmp_path: Path) -> None:
    """The alert and what it explains end; in the old bins all new values would lie outside, and nothing be seen."""
    living = Cents(tmp_path)
    living.go(0, 320)

    def about_amount() -> list[dict[str, Any]]:
        return [a for a in said(b"\n".join(living.outputs()["alerts"])) if a["feature"] == "amount"]

    fired = about_amount()
    assert {alert["change"] for alert in fired} <= {"fired", "updated"}
    assert {alert["monitor"] for alert in fired} >= {"data_quality"}
    living.order(320, {"order": "accept", "alert": fired[0]["incident"], "who": "ana", "why": "cents now"})
    profile = living.pipeline.parts.watch.profile
    number = profile.series_of(profile.number("m0", "1"))["amount"]
    living.go(320, 350)
    assert {alert["fingerprint"]: alert["state"] for alert in about_amount()} == dict.fromkeys(
        {alert["fingerprint"] for alert in about_amount()}, "accepted"
    )
    assert profile.series_type[number] == UNSEALED
    before = len(about_amount())
    living.go(350, 550)
    assert profile.series_type[number] == NUMERIC
    assert len(about_amount()) == before
    living.go(550, 600)
    assert {alert["state"] for alert in about_amount()[before:]} == {"firing"}
    living.close()
