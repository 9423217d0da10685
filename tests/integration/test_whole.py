"""The whole of Vigil on a real broker, against offline oracles and against itself."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss

from daemon import dumping
from daemon.stamps import rfc3339
from tests.broker import Cluster
from tests.conftest import NewTopic
from tests.integration.fleet import GARBAGE, encoded, events
from tests.integration.running import configured, everything_in, produce, replayed, run_until, said

PARTITIONS = 4
HOUR_MS = 3_600_000


@pytest.fixture
def topics(new_topic: NewTopic) -> dict[str, str]:
    """A topic to read and three to write to."""
    return {
        "in": new_topic("events", PARTITIONS, **{"retention.ms": "-1"}),
        **{name: new_topic(name) for name in ("alerts", "readings", "dead")},
    }


def settings(broker: Cluster, topics: dict[str, str], folder: Path, more: str = "") -> Any:
    """A config over the test's topics."""
    return configured(
        f"""
kafka:
  brokers: [{broker.bootstrap}]
  topics: [{topics["in"]}]
  group: {topics["in"]}
  alerts: {topics["alerts"]}
  readings: {topics["readings"]}
  dead_letters: {topics["dead"]}
state: {{path: {folder / "state"}}}
time: {{idle_after: 2s, max_skew: 1h}}
http: {{port: null}}
{more}
"""
    )


def spread(topic: str, rows: list[tuple[int, dict[str, Any]]]) -> list[tuple[str, int, int, bytes]]:
    """Records over the partitions, each id in its own, with garbage of every kind in between."""
    records = []
    for place, (ms, event) in enumerate(rows):
        records.append((topic, hash_of(event["id"]) % PARTITIONS, ms, encoded(event)))
        if place % 100 == 50:
            records.append((topic, place % PARTITIONS, ms, GARBAGE[place // 100 % len(GARBAGE)][1]))
    return records


def hash_of(text: str) -> int:
    """A number for a text, the same in every process."""
    return sum(ord(letter) * 31**place for place, letter in enumerate(text))


def test_a_live_run_accounts_for_every_event_and_a_replay_of_its_dump_is_the_same_to_the_byte(
    broker: Cluster, topics: dict[str, str], tmp_path: Path
) -> None:
    """Every event ends in one account, every bad one as a dead letter; replay(dump) equals what was sent."""
    config = settings(broker, topics, tmp_path)
    records = spread(topics["in"], events(models=5, count=6_000, drift_at=3_000))
    produce(broker.bootstrap, records)
    garbage = Counter(reason for reason, message in GARBAGE for record in records if record[3] == message)

    def done(status: dict[str, Any]) -> bool:
        positions = status.get("positions", {})
        return sum(positions.values()) == len(records) and not status["open_rows"] and not status["outbox"]["readings"]

    status = run_until(config, done)
    accounts = status["accounts"]
    assert accounts["received"] == len(records)
    assert accounts["received"] == sum(count for name, count in accounts.items() if name != "received")
    assert accounts["refused"] == garbage.total()
    dead = [orjson.loads(value or b"") for value in everything_in(broker.bootstrap, topics["dead"])]
    assert Counter(letter["reason"] for letter in dead) == garbage

    dumping.dump(config, tmp_path / "dump.ndjson.gz")
    again = replayed(config, [tmp_path / "dump.ndjson.gz"], tmp_path / "replay")
    sent = [value for value in everything_in(broker.bootstrap, topics["readings"]) if value is not None]
    assert sorted(again["readings"].splitlines()) == sorted(sent)
    alerts = [value or b"" for value in everything_in(broker.bootstrap, topics["alerts"])]
    alerts = [value for value in alerts if b"vigil.heartbeat" not in value]
    assert again["alerts"].splitlines() == alerts
    assert {alert["monitor"] for alert in said(alerts)} >= {"concept_drift"}


def test_final_cohorts_equal_an_offline_oracle(broker: Cluster, topics: dict[str, str], tmp_path: Path) -> None:
    """Accuracy, F1 and log loss by hour of prediction equal scikit-learn's on the corrected labels."""
    config = settings(broker, topics, tmp_path, more="labels: {wait: 1h}")
    rows = events(models=2, count=3_000)
    later = rows[-1][0] + 4 * HOUR_MS
    end = [(later, {"type": "signal", "model": "m0", "name": "end", "value": 1, "id": str(n)}) for n in range(64)]
    produce(
        broker.bootstrap, [(topics["in"], hash_of(e["id"]) % PARTITIONS, ms, encoded(e)) for ms, e in [*rows, *end]]
    )
    status = run_until(config, lambda status: status.get("closed_until", 0) > (later - HOUR_MS) * 1000, 60)
    assert status["accounts"]["received"] >= len(rows)
    final = {
        (reading["model"], reading["start"], reading["series"]): reading
        for reading in said(everything_in(broker.bootstrap, topics["readings"]))
        if reading["scope"] == "cohort" and not reading["segment"] and reading["details"].get("final")
    }
    expected = cohorts_of(rows)
    assert {(model, start) for model, start, _ in final} == set(expected)
    for (model, start), (truth, guess, score) in expected.items():
        assert final[model, start, "accuracy"]["n"] == len(truth)
        assert final[model, start, "accuracy"]["value"] == pytest.approx(accuracy_score(truth, guess), abs=1e-12)
        assert final[model, start, "f1"]["value"] == pytest.approx(f1_score(truth, guess), abs=1e-12)
        assert final[model, start, "log_loss"]["value"] == pytest.approx(log_loss(truth, score), rel=1e-6)


def cohorts_of(
    rows: list[tuple[int, dict[str, Any]]],
) -> dict[tuple[str, str], tuple[list[int], list[int], list[float]]]:
    """Labels as they stand in the end, predictions and scores, by model and hour of prediction."""
    labels = {event["id"]: event["label"] for _, event in rows if event["type"] == "label"}
    found: dict[tuple[str, str], tuple[list[int], list[int], list[float]]] = {}
    for event in {event["id"]: event for _, event in rows if event["type"] == "prediction"}.values():
        start = rfc3339(event["ts"] // HOUR_MS * HOUR_MS * 1000)
        truth, guess, score = found.setdefault((event["model"], start), ([], [], []))
        truth.append(labels[event["id"]])
        guess.append(event["prediction"])
        score.append(event["score"])
    return found
