"""Catching up after an outage: nobody is paged for yesterday."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.daemon.control.living import EVENTS, FLEET, Living


def _away(tmp_path: Path, until: float) -> Living:
    """A run that was live for three minutes and comes back at the end of ten, with all the events in between."""
    living = Living(tmp_path)
    living.go(0, 180)
    living.events(180, until)
    living.wall = 600.0
    living.restart()
    return living


def test_what_fired_meanwhile_is_said_when_vigil_has_caught_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Held back while there is more to read and the panes are old; said once, if it still fires then."""
    living = _away(tmp_path, 600)
    position = living.pipeline.parts.source.positions
    while living.pipeline.status().get("closed_until", 0) == 0 or position()[EVENTS].next_offset < len(
        living.logs.records[EVENTS]
    ):
        living.steps(1)
        if living.pipeline.status()["catching_up"]:
            assert living.alerts() == []
    living.steps(20, seconds=5)
    (fired,) = living.alerts()
    assert (fired["change"], fired["page"], fired["sequence"]) == ("fired", True, 2)
    assert not living.pipeline.status()["catching_up"]
    again = living.replayed(monkeypatch)
    assert again["alerts"] == living.outputs()["alerts"]
    living.close()


def test_a_first_start_on_an_old_log_says_what_it_finds(tmp_path: Path) -> None:
    """It was never live: whoever reads an old log wants to know what is in it."""
    living = Living(tmp_path)
    living.wall = 86_400.0
    living.events(0, 600)
    living.steps(20)
    assert [alert["sequence"] for alert in living.alerts()] == [1]
    assert len(FLEET) > 6_000
    living.close()
