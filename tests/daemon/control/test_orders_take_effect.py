"""Orders on the control topic of a live run: each takes effect once, and again in a replay, whatever is restarted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from daemon.stamps import rfc3339
from tests.daemon.control.living import Living
from tests.daemon.messages import SECOND, START

WHO = {"who": "ana", "why": "because"}


@pytest.fixture
def living(tmp_path: Path) -> Iterator[Living]:
    """A run that has seen five minutes; the model is worse since one."""
    found = Living(tmp_path)
    found.go(0, 420)
    assert [alert["change"] for alert in found.alerts()] == ["fired"]
    yield found
    found.close()


def _same(living: Living, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, again = living.outputs(), living.replayed(monkeypatch)
    assert again["alerts"] == expected["alerts"]
    assert again["readings"] == expected["readings"]
    assert sorted(again["dead_letters"]) == sorted(expected["dead_letters"])


def test_an_acknowledged_alert_says_so_once_and_again_in_a_replay(
    living: Living, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the next pane that closes, though the order's own partition has no clock and holds nothing back."""
    name = living.alerts()[0]["fingerprint"]
    living.order(421, {"order": "acknowledge", "alert": name[:8], **WHO})
    living.go(420, 450)
    first, second = living.alerts()
    assert (second["change"], second["acknowledged"]["by"], second["page"]) == ("acknowledged", "ana", False)
    assert first["page"]
    living.restart()
    living.go(450, 480)
    assert len(living.alerts()) == 2
    assert living.pipeline.accounts["refused"] == 0
    _same(living, monkeypatch)


def test_an_order_that_was_read_but_not_carried_out_survives_a_restart(
    living: Living, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its position is committed, so it is in the state until a pane closes."""
    living.order(421, {"order": "acknowledge", "alert": living.alerts()[0]["fingerprint"], **WHO})
    living.steps(2)
    assert len(living.alerts()) == 1
    living.restart()
    living.steps(2)
    living.go(420, 450)
    assert [alert["change"] for alert in living.alerts()] == ["fired", "acknowledged"]
    _same(living, monkeypatch)


def test_an_order_takes_effect_though_the_stream_is_quiet(living: Living, monkeypatch: pytest.MonkeyPatch) -> None:
    """When everything is idle event time goes on by the wall clock, and the next pane closes for the order alone."""
    living.order(421, {"order": "acknowledge", "alert": living.alerts()[0]["fingerprint"], **WHO})
    living.steps(10, seconds=10)
    assert [alert["change"] for alert in living.alerts()] == ["fired", "acknowledged"]
    _same(living, monkeypatch)


def test_what_is_accepted_ends_and_is_the_reference_from_then_on(
    living: Living, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error rate since the onset is normal now: it does not fire again."""
    living.order(421, {"order": "accept", "alert": living.alerts()[0]["incident"], **WHO})
    living.go(420, 600)
    last = living.alerts()[-1]
    assert (last["state"], last["accepted"]["by"], last["accepted"]["why"]) == ("accepted", "ana", "because")
    assert [alert["change"] for alert in living.alerts()] == ["fired", "accepted"]
    _same(living, monkeypatch)


def test_a_silence_holds_back_until_it_is_lifted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ordered before anything fires, lifted while it does: said then, with the time at which it is said."""
    living = Living(tmp_path)
    living.go(0, 100)
    until = rfc3339(START + 3600 * SECOND)
    silence = {"order": "silence", "name": "s1", "match": {"model": "m0"}, "until": until, **WHO}
    living.order(100, silence)
    living.go(100, 420)
    assert living.alerts() == []
    living.restart()
    living.order(420, {"order": "lift", "name": "s1", **WHO})
    living.go(420, 450)
    (fired,) = living.alerts()
    assert (fired["change"], fired["page"], fired["sequence"]) == ("fired", True, 2)
    _same(living, monkeypatch)
    living.close()


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (b"{oops", "bad_order"),
        (b"\xff\xfe", "bad_order"),
        ({"order": "acknowledge", "alert": "7ed8103d", "who": "ana"}, "bad_order"),
        ({"order": "reboot", **WHO}, "bad_order"),
        ({"order": "acknowledge", "alert": "all", **WHO}, "bad_order"),
        ({"order": "silence", "name": "s", "match": {}, "until": "2026-11-22T06:00:00Z", **WHO}, "bad_order"),
        ({"order": "acknowledge", "alert": "7ed8103d", **WHO}, "no_such_alert"),
        ({"order": "lift", "name": "s9", **WHO}, "no_such_silence"),
    ],
)
def test_what_cannot_be_obeyed_is_a_dead_letter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: Any, reason: str
) -> None:
    """With its reference and reason; it changes nothing and is in no account."""
    living = Living(tmp_path)
    living.go(0, 60)
    living.order(60, order)
    living.go(60, 100)
    (letter,) = map(orjson.loads, living.outputs()["dead_letters"])
    assert (letter["ref"], letter["reason"]) == (
        {"topic": "orders", "partition": 0, "offset": 0, "index": 0}, reason,
    )  # fmt: skip
    assert living.pipeline.accounts["refused"] == 0
    _same(living, monkeypatch)
    living.close()
