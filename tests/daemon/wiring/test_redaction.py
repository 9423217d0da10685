"""What must not leave does not: values of redacted features, in alerts, readings, dead letters and the log."""

from __future__ import annotations

from pathlib import Path

import orjson

from tests.daemon.wiring.replays import START_S, Event, configured, fleet, replayed, written

PLACE = "Liechtenstein"


def leaking() -> list[Event]:
    """A stream in which everybody moves to one country, in amounts that are easily recognised."""
    events = fleet(5_000, amount=lambda n: 50.0 if n < 3_000 else 77_000.0)
    made = [event for event in events if event["type"] == "prediction"]
    moved = made[3_000:]
    for event in (*made[:3_000:20], *moved[1::2]):
        event["features"]["country"] = PLACE
    bad = {**moved[0], "id": "bad", "prediction": [1]}
    return [*events, bad, {**moved[0], "id": "bad too", "features": {"country": PLACE}, "score": "high"}]


def test_values_of_redacted_features_leave_in_no_way(tmp_path: Path) -> None:
    """Alerts are raised all the same, and say which feature it is, how far it moved and what to do."""
    stream = written(tmp_path / "events.ndjson", leaking())
    text = (
        "window: {events: 500}\n"
        "monitors: {threshold: {thresholds: [{series: mean, above: 100}]}}\n"
        "detectors: [{river: drift.PageHinkley, series: 'feature:amount'}]\n"
    )
    plain = replayed(configured(text), [stream], tmp_path / "plain")
    hidden = replayed(configured(text + "redact: {features: [country, amo*]}\n"), [stream], tmp_path / "hidden")
    for name in ("alerts", "dead_letters"):
        assert PLACE in orjson.dumps(plain[name]).decode(), "the test's secret must be there to be hidden"
        assert PLACE not in orjson.dumps(hidden[name]).decode()
    alerted = {(alert.get("monitor"), alert.get("series"), alert.get("feature")) for alert in plain["alerts"]}
    assert ("threshold", "mean above 100", "amount") in alerted
    assert ("drift.PageHinkley:feature:amount", "feature:amount", None) in alerted
    assert {(alert.get("monitor"), alert.get("series"), alert.get("feature")) for alert in hidden["alerts"]} == alerted
    drift = next(alert for alert in hidden["alerts"] if alert.get("feature") == "country")
    assert drift["value"] > 0.4
    assert drift["summary"].startswith("Model fraud v1: feature country is not as usual (feature_drift, distance; ")
    for found in (*hidden["alerts"], *hidden["readings"]):
        numbers = [found.get(name) for name in ("value", "reference")]
        large = [number for number in numbers if number is not None and number > 20_000]
        assert not large, found
    means = [reading for reading in hidden["readings"] if reading["series"] == "mean"]
    assert means
    assert {reading["value"] for reading in means} == {None}


def test_what_is_not_redacted_is_told_in_full(tmp_path: Path) -> None:
    """One feature's secrecy costs another one nothing."""
    stream = written(tmp_path / "events.ndjson", leaking())
    alerts = replayed(configured("redact: {features: [country]}\n"), [stream], tmp_path)["alerts"]
    amount = next(alert for alert in alerts if (alert["monitor"], alert["feature"]) == ("feature_drift", "amount"))
    assert "above its known range" in amount["summary"]


def test_what_a_new_version_is_sent_does_not_leave_either(tmp_path: Path) -> None:
    """Data quality says how often something is wrong; of a version that began so, what, unless it must not leave."""
    deployed = fleet(2_000, version="2", seed=1, start_s=START_S + 400)
    for event in deployed:
        if event["type"] == "prediction":
            event["features"]["country"] = f"{PLACE} {event['features']['country']}"
    both = sorted([*fleet(6_000), *deployed], key=lambda event: float(event["ts"]))
    stream = written(tmp_path / "events.ndjson", both)
    plain = replayed(configured("{}"), [stream], tmp_path / "plain")["alerts"]
    hidden = replayed(configured("redact: {features: [country]}\n"), [stream], tmp_path / "hidden")["alerts"]
    for alerts, known in ((plain, True), (hidden, False)):
        about = [alert for alert in alerts if (alert["monitor"], alert["feature"]) == ("data_quality", "country")]
        assert {(alert["version"], alert["series"], alert["value"]) for alert in about} == {("2", "unseen_rate", 1.0)}
        assert (PLACE in orjson.dumps(alerts).decode()) is known
