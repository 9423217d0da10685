"""Every number is scikit-learn's on the same outcomes: one pane or many, one batch or a history of corrections."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from river import metrics as river
from sklearn import metrics

from processors.base import Reading
from processors.examples import PANE_US, START_US
from processors.performance.performance import Performance, PerformanceSettings
from processors.profile import BINARY, MULTICLASS, REGRESSION, ModelSpec, Profile
from tests.processors.performance.streams import HOUR_US, Run, by_series, outcome

EXACT = 1e-12
EPS = float(np.finfo(float).eps)

Scores = Callable[[np.random.Generator, int], Any]

UGLY_SCORES: dict[str, Scores] = {
    "uniform": lambda rng, n: rng.random(n),
    "ties": lambda rng, n: rng.integers(0, 5, n) / 4,
    "zeros and ones": lambda rng, n: rng.integers(0, 2, n).astype(float),
    "crowded near 0": lambda rng, n: 10 ** rng.uniform(-18, -6, n),
    "crowded near 1": lambda rng, n: 1 - 10 ** rng.uniform(-15, -6, n),
    "all the same": lambda _, n: np.full(n, 0.3),
    "denormal": lambda rng, n: rng.integers(0, 9, n) * 5e-324,
}


@pytest.fixture(autouse=True)
def quiet() -> Any:
    """scikit-learn warns where a number is undefined; numpy must not warn at all."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="sklearn")
        yield


def binary_oracle(label: Any, predicted: Any, score: Any) -> dict[str, float | None]:
    """What scikit-learn says; None where it is undefined."""
    matrix = metrics.confusion_matrix(label, predicted, labels=[0, 1])
    (tn, fp), (fn, tp) = matrix.tolist()
    both = len(set(label.tolist())) == 2
    return {
        "accuracy": metrics.accuracy_score(label, predicted),
        "error_rate": 1 - metrics.accuracy_score(label, predicted),
        "balanced_accuracy": metrics.balanced_accuracy_score(label, predicted),
        "precision": metrics.precision_score(label, predicted) if tp + fp else None,
        "recall": metrics.recall_score(label, predicted) if tp + fn else None,
        "specificity": metrics.recall_score(label, predicted, pos_label=0) if tn + fp else None,
        "f1": metrics.f1_score(label, predicted) if tp + fp + fn else None,
        "mcc": metrics.matthews_corrcoef(label, predicted) if (tp + fp) * (tn + fn) * (tp + fn) * (tn + fp) else None,
        "base_rate": label.mean(),
        "predicted_positive_rate": predicted.mean(),
        "log_loss": metrics.log_loss(label, y_proba=score, labels=[0, 1]),
        "brier": metrics.brier_score_loss(label, score, labels=[0, 1]),
        "roc_auc": metrics.roc_auc_score(label, score) if both else None,
        "pr_auc": metrics.average_precision_score(label, score) if label.any() else None,
    }


def assert_equal(found: dict[str, Reading], expected: dict[str, float | None], tolerance: float = EXACT) -> None:
    """Every expected series is there with its value, inside its interval."""
    for series, value in expected.items():
        reading = found[series]
        if value is None:
            assert reading.value is None, series
        else:
            assert reading.value == pytest.approx(value, rel=tolerance, abs=tolerance), series
        if reading.low is not None and reading.high is not None and reading.value is not None:
            assert reading.low - 1e-9 <= reading.value <= reading.high + 1e-9, series


def binary_profile() -> Profile:
    """One model known to be binary with positive class 1, whatever a pane holds."""
    return Profile({"m": ModelSpec(task=BINARY, classes=("0", "1"), positive_class="1")})


@pytest.mark.parametrize("n", [1, 2, 3, 40, 700])
@pytest.mark.parametrize("kind", UGLY_SCORES)
def test_binary_windows_cohorts_and_totals_equal_scikit_learn(kind: str, n: int) -> None:
    """Scores of every ugliness, samples down to a single outcome, overall and by segment."""
    rng = np.random.default_rng(n)
    score = UGLY_SCORES[kind](rng, n)
    label = (rng.random(n) < 0.4).astype(int)
    predicted = (score > np.median(score)).astype(int)
    place = rng.integers(0, 2, n)
    run = Run(Performance(PerformanceSettings()), binary_profile())
    for part, start in zip(np.array_split(np.arange(n), 3), (0, 1, 2), strict=True):
        events = [
            outcome(i, int(predicted[i]), int(label[i]), score=float(score[i]), segment={"s": f"s{place[i]}"})
            for i in part.tolist()
        ]
        run.add(events, START_US + start * PANE_US)
    run.finish(START_US + 3 * PANE_US)
    for scope in ("window", "cohort", "total"):
        assert_equal(by_series(run.readings, scope), binary_oracle(label, predicted, score))
        for value in np.unique(place).tolist():
            mine = place == value
            found = by_series(run.readings, scope, f"s{value}")
            assert_equal(found, binary_oracle(label[mine], predicted[mine], score[mine]))


@pytest.mark.parametrize("base_rate", [0.5, 0.05])
def test_areas_stay_close_when_there_are_more_scores_than_points(base_rate: float) -> None:
    """Beyond `score_points` distinct scores, neighbours are taken together: within 0.002, also of few positives."""
    rng = np.random.default_rng(5)
    n = 24_000
    label = (rng.random(n) < base_rate).astype(int)
    score = 1 / (1 + np.exp(-(rng.normal(size=n) * 2 + 1.5 * label - 4)))
    run = Run(Performance(PerformanceSettings()), binary_profile())
    for start, part in enumerate(np.array_split(np.arange(n), 12)):
        events = [outcome(i, int(score[i] > 0.5), int(label[i]), score=float(score[i])) for i in part.tolist()]
        run.add(events, START_US + start * PANE_US)
    run.finish(START_US + 20 * PANE_US)
    assert max(len(np.unique(part["code"])) for part in run.state["totals"]["runs"]) < 10_000
    for scope in ("window", "total"):
        found, expected = by_series(run.readings, scope), binary_oracle(label, score > 0.5, score)
        for series in ("roc_auc", "pr_auc"):
            assert found[series].value == pytest.approx(expected.pop(series), abs=0.002)
        assert_equal(found, expected)


def test_multiclass_equals_scikit_learn_and_river() -> None:
    """Averages and per-class numbers, with a class that is never predicted and one that never occurs."""
    rng = np.random.default_rng(2)
    n, names = 600, ["ant", "bee", "cat", "dog"]
    proba = rng.dirichlet([1, 1, 1, 1], n)
    label = np.minimum(rng.integers(0, 4, n), 2)
    predicted = proba[:, [0, 1, 3]].argmax(axis=1)
    predicted = np.array([0, 1, 3])[predicted]
    run = Run(Performance(PerformanceSettings()), Profile({"m": ModelSpec(task=MULTICLASS, classes=tuple(names))}))
    averages: dict[str, Any] = {"macro": river.MacroF1, "weighted": river.WeightedF1, "micro": river.MicroF1}
    peers = {f"f1_{average}": peer() for average, peer in averages.items()}
    events = []
    for i in range(n):
        probabilities = dict(zip(names, proba[i].tolist(), strict=True))
        events.append(outcome(i, names[predicted[i]], names[label[i]], proba=probabilities))
        for peer in peers.values():
            peer.update(names[label[i]], names[predicted[i]])
    run.add(events)
    run.finish(START_US + PANE_US)
    found = by_series(run.readings, "total")
    expected: dict[str, float | None] = {series: peer.get() for series, peer in peers.items()}
    expected |= {
        "accuracy": metrics.accuracy_score(label, predicted),
        "balanced_accuracy": metrics.recall_score(label, predicted, average="macro", labels=[0, 1, 2]),
        "mcc": metrics.matthews_corrcoef(label, predicted),
        "log_loss": metrics.log_loss(label, y_proba=proba, labels=[0, 1, 2, 3]),
        "roc_auc": float(np.mean([metrics.roc_auc_score(label == k, proba[:, k]) for k in range(3)])),
        "precision/cat": None,
        "recall/dog": None,
    }
    for average in ("macro", "micro", "weighted"):
        for series, of in (("precision", metrics.precision_score), ("recall", metrics.recall_score)):
            expected[f"{series}_{average}"] = of(label, predicted, average=average)
    for number, name in enumerate(names[:2]):
        expected[f"precision/{name}"] = metrics.precision_score(label, predicted, average=None, labels=[number])[0]
        expected[f"recall/{name}"] = metrics.recall_score(label, predicted, average=None, labels=[number])[0]
        expected[f"f1/{name}"] = metrics.f1_score(label, predicted, average=None, labels=[number])[0]
    assert_equal(found, expected)


@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (1e9, 1.0), (0.0, 1e-9), (-5.0, 1e12)])
@pytest.mark.parametrize("n", [2, 501])
def test_regressions_equal_scikit_learn(n: int, shift: float, scale: float) -> None:
    """Also where labels are far from zero, where a naive sum of squares has no digits left for R2."""
    rng = np.random.default_rng(n)
    label = shift + scale * rng.normal(size=n)
    predicted = label + scale * rng.normal(0.1, 0.5, n)
    run = Run(Performance(PerformanceSettings(quantile=0.8)), Profile({"m": ModelSpec(task=REGRESSION)}))
    for start, part in enumerate(np.array_split(np.arange(n), 2)):
        events = [outcome(i, float(predicted[i]), float(label[i])) for i in part.tolist()]
        run.add(events, START_US + start * PANE_US)
    run.finish(START_US + 2 * PANE_US)
    expected: dict[str, float | None] = {
        "mae": metrics.mean_absolute_error(label, predicted),
        "rmse": metrics.root_mean_squared_error(label, predicted),
        "r2": metrics.r2_score(label, predicted),
        "mape": metrics.mean_absolute_percentage_error(label, predicted),
        "median_absolute_error": metrics.median_absolute_error(label, predicted),
        "quantile_loss": metrics.mean_pinball_loss(label, predicted, alpha=0.8),
    }
    for scope in ("window", "cohort", "total"):
        found = by_series(run.readings, scope)
        for series, value in expected.items():
            assert found[series].value == pytest.approx(value, rel=1e-11), series
        assert found["bias"].value == pytest.approx((predicted - label).mean(), rel=1e-9, abs=1e-15 * abs(shift))


def test_calibration_error_is_the_gap_between_score_and_share_over_ten_bins() -> None:
    """The oracle is the definition, row by row; the curve in the details is what it is made of."""
    rng = np.random.default_rng(8)
    score = np.concatenate([rng.random(500), [0.0, 1.0, 0.1, 0.3, 0.7]])
    label = (rng.random(len(score)) < score**2).astype(int)
    run = Run(Performance(PerformanceSettings()), binary_profile())
    run.add([outcome(i, 1, int(label[i]), score=float(score[i])) for i in range(len(score))])
    run.finish(START_US + PANE_US)
    reading = by_series(run.readings, "total")["calibration_error"]
    bins = np.minimum((score * 10).astype(int), 9)
    gaps = [abs((score - label)[bins == place].sum()) for place in range(10)]
    assert reading.value == pytest.approx(sum(gaps) / len(score), abs=1e-12)
    assert sum(n for _, _, n in reading.details["curve"]) == len(score)
    assert reading.details["curve"][3][:2] == pytest.approx(
        [score[bins == 3].mean(), label[bins == 3].mean()], abs=1e-6
    )


def test_a_score_that_is_no_probability_is_ranked_but_has_no_loss() -> None:
    """Margins have an area under the curve; log loss and calibration rest on the rows in [0, 1], or are undefined."""
    label, score = np.array([0, 1, 0, 1, 1]), np.array([-3.0, 2.5, 0.4, 17.0, -8.0])
    run = Run(Performance(PerformanceSettings()), binary_profile())
    run.add([outcome(i, int(score[i] > 0), int(label[i]), score=float(score[i])) for i in range(5)])
    run.finish(START_US + PANE_US)
    found = by_series(run.readings, "window")
    assert found["roc_auc"].value == pytest.approx(metrics.roc_auc_score(label, score))
    assert found["log_loss"].n == 1
    assert found["log_loss"].value == pytest.approx(-np.log(0.6))
    assert found["calibration_error"].value is None


def test_cohorts_are_by_the_hour_of_the_prediction() -> None:
    """Labels of three hours' predictions that come in one pane make three cohorts, each with its own numbers."""
    rng = np.random.default_rng(3)
    label, score = rng.integers(0, 2, 90), rng.random(90)
    start = START_US // HOUR_US * HOUR_US
    run = Run(Performance(PerformanceSettings()), binary_profile())
    run.add(
        [
            outcome(i, int(score[i] > 0.5), int(label[i]), score=float(score[i]), ts=start + (i % 3) * HOUR_US + i)
            for i in range(90)
        ],
        start + 5 * HOUR_US,
    )
    run.finish(start + 6 * HOUR_US)
    for hour in range(3):
        readings = [reading for reading in run.readings if reading.start == start + hour * HOUR_US]
        mine = np.arange(90) % 3 == hour
        found = by_series(readings, "cohort")
        assert_equal(found, binary_oracle(label[mine], (score > 0.5)[mine].astype(int), score[mine]))
        assert all(reading.end == reading.start + HOUR_US for reading in found.values())
