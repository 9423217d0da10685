"""What ends with a version, and what with the last version of a model."""

from __future__ import annotations

from pathlib import Path

from tests.daemon.wiring.replays import configured, fleet, replayed, written

SETTINGS = (
    "time: {lateness: 1s}\nwindow: {events: 200}\nlabels: {wait: 1m}\ndefaults: {retire_after: 30m}\n"
    "monitors: {silence: {after: 2m, learn: 3m}}\n"
)


def test_the_silence_of_a_model_ends_when_its_last_version_is_retired(tmp_path: Path) -> None:
    """It is about no version, so no version's retirement would end it; a model that lives on keeps its alerts."""
    gone = fleet(6_000, "gone", version="7")
    living = fleet(6_000, "living", version="1") + fleet(300, "living", version="2", seed=3)
    clock = fleet(600, "clock", per_s=0.1, seed=5)
    events = sorted(gone + living + clock, key=lambda event: float(event["ts"]))
    alerts = replayed(configured(SETTINGS), [written(tmp_path / "events.ndjson", events)], tmp_path)["alerts"]
    silence = [alert for alert in alerts if alert.get("monitor") == "silence"]
    told = [(alert["model"], alert["change"]) for alert in silence]
    assert ("gone", "fired") in told
    assert told[-2:] == [("gone", "retired"), ("living", "retired")]
    retired = [alert for alert in silence if alert["change"] == "retired"]
    assert {alert["version"] for alert in retired} == {""}
    # An hour for the last cohort to be over, and a minute for its labels.
    assert not any(alert["change"] == "retired" and alert["duration_s"] > 3_700 for alert in retired)


def test_a_version_is_not_retired_before_its_cohorts_are_final_though_another_waits_longer(tmp_path: Path) -> None:
    """Each model's cohorts wait for its own labels: those of the slowest model keep nobody else's open."""
    settings = "labels: {wait: 1m}\nmodels: {slow: {labels: {wait: 6h}}}\n"
    events = fleet(300, "quick") + fleet(150, "slow", per_s=0.01)
    path = written(tmp_path / "events.ndjson", sorted(events, key=lambda event: float(event["ts"])))
    readings = replayed(configured(settings), [path], tmp_path)["readings"]
    mine = [reading for reading in readings if (reading["model"], reading["series"]) == ("quick", "accuracy")]
    cohorts = [reading["details"] for reading in mine if reading["scope"] == "cohort"]
    assert cohorts[-1]["final"]
