"""Thresholds in the configuration, from events to alerts."""

from __future__ import annotations

from pathlib import Path

from daemon.suite import chosen
from tests.daemon.wiring.replays import configured, fleet, replayed, written


def test_a_models_thresholds_alert_on_its_readings_alone(tmp_path: Path) -> None:
    """Said for one model it holds for that one, beside what is said for all; nothing about a feature lowers it."""
    settings = configured(
        "window: {events: 200}\n"
        "monitors: {threshold: {thresholds: [{series: accuracy, below: 0.3}]}}\n"
        "models: {fraud: {thresholds: [{series: accuracy, below: 0.8, severity: critical}]}}\n"
    )
    bad = fleet(600, "fraud", wrong=lambda _: 0.4) + fleet(600, "churn", wrong=lambda _: 0.4)
    bad += fleet(600, "fees", wrong=lambda _: 0.9)
    events = written(tmp_path / "events.ndjson", sorted(bad, key=lambda event: event["ts"]))
    alerts = [alert for alert in replayed(settings, [events], tmp_path)["alerts"] if alert["monitor"] == "threshold"]
    fired = {(alert["model"], alert["series"], alert["severity"]) for alert in alerts if alert["change"] == "fired"}
    assert fired == {("fraud", "accuracy below 0.8", "critical"), ("fees", "accuracy below 0.3", "warning")}
    assert not any("inhibited_by" in alert for alert in alerts)


def test_models_with_the_same_settings_share_one_monitor() -> None:
    """States are kept by settings: two monitors with equal ones would overwrite each other's."""
    one = "{monitors: {concept_drift: {min_effect: 0.1}}}"
    watched = chosen(configured(f"models: {{a: {one}, b: {one}, c: {{monitors: {{concept_drift: false}}}}}}"))
    drift = [each for each in watched if each.monitor.name == "concept_drift"]
    wanted = [[model for model in "abcd" if each.wants is None or each.wants(model)] for each in drift]
    assert wanted == [["d"], ["a", "b"]]
    assert len({each.key for each in watched}) == len(watched)
    assert [each.share for each in drift] == [0.5, 0.5]
