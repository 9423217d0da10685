"""A real stream with late, corrected and orphaned labels, replayed, against scikit-learn on the same events."""

from __future__ import annotations

import csv
import gzip
import math
import random
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import accuracy_score, f1_score, log_loss, roc_auc_score

from daemon.stamps import rfc3339
from tests.integration.running import configured, replayed, said

START_S, HALF_HOUR_S, DAY_S = 1_400_000_000, 1_800, 86_400
TRAINED_ON, WATCHED = 3_000, 800


class Truth(NamedTuple):
    """What is known of one prediction: when it was made, what it said, when its first label came, and both labels."""

    made_s: int
    predicted: int
    score: float
    labelled_s: int
    first: int
    last: int


@pytest.fixture(scope="module")
def stream(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Truth]]:
    """A frozen model on the electricity stream: 20% of labels a day late, 5% corrected, 1% of nothing."""
    with gzip.open(shared_data / "electricity" / "elec.csv.gz", "rt") as file:
        header, *rows = csv.reader(file)
    rows = rows[: TRAINED_ON + WATCHED]
    features = np.array([[float(value) for value in row[:-1]] for row in rows])
    up = np.array([int(row[-1] in ("UP", "1")) for row in rows])
    model = HistGradientBoostingClassifier(max_iter=60, random_state=0).fit(features[:TRAINED_ON], up[:TRAINED_ON])
    scores = model.predict_proba(features[TRAINED_ON:])[:, 1]
    rng = random.Random(1)
    events: list[tuple[int, dict[str, Any]]] = []
    truths = []
    for number, (row, score, label) in enumerate(zip(features[TRAINED_ON:], scores, up[TRAINED_ON:], strict=True)):
        made = START_S + number * HALF_HOUR_S
        came = made + (DAY_S if rng.random() < 0.2 else 60)
        corrected = rng.random() < 0.05
        truth = Truth(made, int(score > 0.5), float(score), came, int(label) ^ corrected, int(label))
        events.append((made, _prediction(number, truth, dict(zip(header[:-1], row.tolist(), strict=True)))))
        events.append((came, _label(f"e{number}", truth.first, came)))
        if corrected:
            events.append((came + 3_600, _label(f"e{number}", truth.last, came + 3_600)))
        if rng.random() < 0.01:
            events.append((came, _label(f"nobody-{number}", 1, came)))
        truths.append(truth)
    path = tmp_path_factory.mktemp("electricity") / "elec.ndjson"
    path.write_bytes(b"".join(orjson.dumps(event) + b"\n" for _, event in sorted(events, key=lambda item: item[0])))
    return path, truths


@pytest.fixture(scope="module")
def readings(stream: tuple[Path, list[Truth]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The readings of a replay by scope, start, end and series; twice, and the same both times."""
    folder = tmp_path_factory.mktemp("replays")
    once, again = (replayed(configured(""), [stream[0]], folder / name) for name in ("once", "again"))
    assert once == again, "a second replay gives other bytes"
    return {
        scope: [r for r in said(once["readings"]) if r["scope"] == scope and r["monitor"] == "performance"]
        for scope in ("window", "cohort", "total")
    }


def _prediction(number: int, truth: Truth, features: dict[str, float]) -> dict[str, Any]:
    return {
        "type": "prediction",
        "id": f"e{number}",
        "model": "elec",
        "version": "1",
        "ts": truth.made_s,
        "features": features,
        "prediction": truth.predicted,
        "proba": {"0": 1 - truth.score, "1": truth.score},
    }


def _label(event_id: str, label: int, ts: int) -> dict[str, Any]:
    return {"type": "label", "id": event_id, "model": "elec", "label": label, "ts": ts}


def _last(readings: Iterable[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """The last word of each kind: by start and series."""
    return {(reading["start"], reading["series"]): reading for reading in readings}


def _compare(found: dict[str, dict[str, Any]], truths: list[Truth], labels: list[int]) -> None:
    """Counts exact, log loss to rounding, AUC within 0.002; undefined where one class is missing."""
    predicted, scores = [t.predicted for t in truths], [t.score for t in truths]
    assert found["accuracy"]["n"] == len(truths)
    assert found["accuracy"]["value"] == pytest.approx(accuracy_score(labels, predicted), abs=1e-12)
    if any(labels) or any(predicted):
        assert found["f1"]["value"] == pytest.approx(f1_score(labels, predicted), abs=1e-12)
    assert found["log_loss"]["value"] == pytest.approx(log_loss(labels, scores, labels=[0, 1]), rel=1e-6)
    if len(set(labels)) == 2:
        assert found["roc_auc"]["value"] == pytest.approx(roc_auc_score(labels, scores), abs=0.002)
    else:
        assert found["roc_auc"]["value"] is None


def test_every_cohort_equals_scikit_learn(stream: tuple[Path, list[Truth]], readings: dict[str, Any]) -> None:
    """After the last label, by hour of prediction, with corrected labels."""
    cohorts: dict[str, list[Truth]] = defaultdict(list)
    for truth in stream[1]:
        cohorts[rfc3339(truth.made_s // 3_600 * 3_600 * 1_000_000)].append(truth)
    last = _last(readings["cohort"])
    assert {start for start, _ in last} == set(cohorts)
    for start, truths in cohorts.items():
        found = {series: reading for (begun, series), reading in last.items() if begun == start}
        _compare(found, truths, [t.last for t in truths])


def test_every_window_equals_scikit_learn(stream: tuple[Path, list[Truth]], readings: dict[str, Any]) -> None:
    """By the time at which prediction and label were both there, with the labels that came first."""
    windows = {(reading["start"], reading["end"]) for reading in readings["window"]}
    assert sum(r["n"] for r in readings["window"] if r["series"] == "accuracy") == len(stream[1])
    last = _last(readings["window"])
    for start, end in windows:
        truths = [t for t in stream[1] if start <= rfc3339(t.labelled_s // 10 * 10_000_000) < end]
        found = {series: reading for (begun, series), reading in last.items() if begun == start}
        _compare(found, truths, [t.first for t in truths])


def test_the_whole_equals_scikit_learn(stream: tuple[Path, list[Truth]], readings: dict[str, Any]) -> None:
    """Since the version began, with corrected labels."""
    found = {reading["series"]: reading for reading in readings["total"]}
    _compare(found, stream[1], [t.last for t in stream[1]])
    assert math.isclose(found["base_rate"]["value"], sum(t.last for t in stream[1]) / len(stream[1]))
