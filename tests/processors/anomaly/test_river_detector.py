"""Detectors of River by name: its own results, whatever the order, across restarts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from river import anomaly, drift, metrics, stats

from processors.anomaly.river_detector import RiverDetector, RiverSettings
from processors.anomaly.river_names import seed_of
from processors.base import Reading
from processors.profile import GroupKey
from processors.rows import Signals
from tests.processors.panes import PANE, Run, predictions, signals

river: Any = drift
river_anomaly: Any = anomaly
river_metrics: Any = metrics
river_stats: Any = stats


def detector(river: str, series: str, **more: Any) -> RiverDetector:
    """A monitor as a config would make it."""
    return RiverDetector(RiverSettings(river=river, series=series, **more))


def jump(count: int = 600, at: int = 400) -> list[float]:
    """Noise whose mean jumps."""
    rng = np.random.default_rng(5)
    return [float(value) for value in np.r_[rng.normal(0, 1, at), rng.normal(4, 1, count - at)]]


def feed_signals(run: Run, values: list[float], per_pane: int = 50) -> list[int]:
    """Panes of a signal; returns the value number after which each alarm's pane ended."""
    fired = []
    for start in range(0, len(values), per_pane):
        found = run.signals(signals(values[start : start + per_pane], "loss", start=start // per_pane * PANE))
        fired += [start // per_pane for finding in found if finding.kind == "fired"]
    return fired


@pytest.mark.parametrize(
    ("name", "params"),
    [("drift.KSWIN", {"alpha": 0.001}), ("drift.ADWIN", {}), ("drift.PageHinkley", {"threshold": 20.0})],
)
def test_drift_is_detected_at_rivers_value(name: str, params: dict[str, Any]) -> None:
    """The alert begins with the very value at which River's detector, seeded alike, says so; saving changes nothing."""
    series = "signal:loss"
    run = Run(detector(name, series, params=params))
    values = jump()
    fired = feed_signals(run, values)
    seeded = {"seed": seed_of("fraud", "1", series, f"{name}:{series}")} if name == "drift.KSWIN" else {}
    oracle = getattr(river, name.removeprefix("drift."))(**params, **seeded)
    expected = []
    for at, value in enumerate(values):
        oracle.update(value)
        if oracle.drift_detected:
            expected.append(at)
    assert fired == [expected[0] // 50]
    assert run.findings[0].since == expected[0] * PANE // 50
    assert run.findings[0].value == values[expected[0]]
    assert "false-alarm budget" in run.findings[0].evidence["false_alarms"]


def test_binary_detectors_are_fed_errors() -> None:
    """DDM on the error series fires where River's own DDM does."""
    rng = np.random.default_rng(1)
    wrong = np.r_[rng.random(1000) < 0.1, rng.random(1000) < 0.5]
    run, oracle = Run(detector("drift.binary.DDM", "error")), river.binary.DDM()
    expected = -1
    for pane in range(20):
        mistakes = wrong[pane * 100 : pane * 100 + 100]
        run.outcomes(predictions(100, start=pane * PANE, prediction=[0] * 100), [int(wrong) for wrong in mistakes])
        for at, mistake in enumerate(mistakes.tolist()):
            oracle.update(mistake)
            if oracle.drift_detected and expected < 0:
                expected = pane * PANE + at * PANE // 100
    assert expected > 0
    assert run.findings[0].since == expected


def test_an_alert_of_drift_ends_after_calm_values() -> None:
    """`calm` values without another detection, and it recovers."""
    run = Run(detector("drift.ADWIN", "signal:loss", calm=200))
    feed_signals(run, jump(1_000))
    assert [finding.kind for finding in run.findings if finding.kind != "updated"] == ["fired", "recovered"]


def test_metrics_equal_rivers() -> None:
    """F1 and ROC AUC of labels and predictions, as River's metric would have it from the same rows."""
    rng = np.random.default_rng(2)
    label, score = rng.integers(0, 2, 500), rng.random(500)
    for name, oracle in (("F1", river_metrics.F1()), ("ROCAUC", river_metrics.ROCAUC())):
        run = Run(detector(f"metrics.{name}", "outcomes"), window_events=500)
        guess = [int(value > 0.4) for value in score.tolist()]
        run.outcomes(predictions(500, prediction=guess, score=score), label.tolist())
        for truth, answer, chance in zip(label.tolist(), guess, score.tolist(), strict=True):
            oracle.update(truth == 1, answer == 1 if name == "F1" else chance)
        assert [reading.value for reading in run.readings] == [oracle.get()]


def test_multiclass_and_regression_metrics_equal_rivers() -> None:
    """Classes go in by name, numbers as numbers."""
    rng = np.random.default_rng(3)
    names = np.array(["a", "b", "c"])
    label, guess = names[rng.integers(0, 3, 300)].tolist(), names[rng.integers(0, 3, 300)].tolist()
    run, oracle = Run(detector("metrics.MacroF1", "outcomes"), window_events=300), river_metrics.MacroF1()
    run.outcomes(predictions(300, prediction=guess), label)
    target, answer = rng.normal(0, 1, 300).tolist(), rng.normal(0, 1, 300).tolist()
    other, number = Run(detector("metrics.MAE", "outcomes"), window_events=300), river_metrics.MAE()
    other.outcomes(predictions(300, prediction=answer), target)
    for at in range(300):
        oracle.update(label[at], guess[at])
        number.update(target[at], answer[at])
    assert run.readings[0].value == pytest.approx(oracle.get(), abs=1e-12)
    assert other.readings[0].value == pytest.approx(number.get(), abs=1e-12)


def test_anomaly_scores_and_statistics_equal_rivers() -> None:
    """The mean score of a window, and a statistic at its end."""
    values = np.random.default_rng(4).lognormal(2, 0.5, 400)
    run = Run(detector("anomaly.GaussianScorer", "latency_ms", threshold=0.9), window_events=400)
    quantile = Run(detector("stats.Quantile", "latency_ms", params={"q": 0.9}), window_events=400)
    scorer, oracle, total = river_anomaly.GaussianScorer(), river_stats.Quantile(0.9), 0.0
    for one in (run, quantile):
        one.predictions(predictions(400, latency_ms=values))
    for value in values.tolist():
        total += scorer.score_one({}, value)
        scorer.learn_one({}, value)
        oracle.update(value)
    assert run.readings[0].value == pytest.approx(total / 400, abs=1e-12)
    assert quantile.readings[0].value == oracle.get()
    assert not run.findings


def test_a_threshold_on_a_statistic_fires_and_recovers() -> None:
    """A rolling maximum above the threshold alerts until a window is below it again."""
    params = {"window_size": 5}
    run = Run(detector("stats.RollingMax", "signal:loss", params=params, threshold=10.0), window_events=10)
    for pane, high in enumerate([1.0, 50.0, 50.0, 1.0]):
        run.signals(signals([high] * 10, "loss", start=pane * PANE))
    assert [finding.kind for finding in run.findings] == ["fired", "updated", "recovered"]
    assert run.findings[0].since == PANE


def test_a_filter_calls_single_values_anomalous() -> None:
    """A threshold filter over a scorer, both written in the config, fires at the outlier."""
    params = {"anomaly_detector": {"river": "anomaly.GaussianScorer"}, "threshold": 0.999999}
    run = Run(detector("anomaly.ThresholdFilter", "feature:amount", params=params))
    amounts = np.random.default_rng(6).normal(100, 5, 500)
    amounts[450] = 900.0
    run.predictions(predictions(500, {"amount": amounts.tolist()}))
    assert [(finding.kind, finding.value) for finding in run.findings] == [("fired", 900.0)]
    assert run.findings[0].since == 450 * PANE // 500


def test_readings_of_other_monitors_are_a_series() -> None:
    """Windows of `accuracy` go into the detector; those of segments, classes and other series do not."""
    monitor = detector("stats.Count", "accuracy")
    assert monitor.consumes == "readings"
    run = Run(monitor, window_events=2)
    run.profile.admit(predictions(1), signals([]))
    group = GroupKey("fraud", "1")
    wanted = [Reading("performance", "accuracy", group, 0.9 - at / 10, 1000, at, at + PANE) for at in range(2)]
    others = [
        Reading("performance", "recall", group, 0.5, 1000, 0, PANE),
        Reading("performance", "accuracy", GroupKey("fraud", "1", "region", "eu"), 0.5, 1000, 0, PANE),
        Reading("performance", "accuracy", group, None, 0, 0, PANE),
        Reading("performance", "accuracy", group, 0.5, 1000, 0, PANE, details={"class": "a"}),
    ]
    run.judge(monitor.empty(), 0, PANE, readings=[*others, *wanted])
    assert [(reading.value, reading.n) for reading in run.readings] == [(2.0, 2)]


def test_only_wanted_models_are_watched() -> None:
    """`models` takes globs."""
    monitor = detector("drift.ADWIN", "score", models=("fraud*",))
    run = Run(monitor)
    tables = [predictions(5, model=model, score=np.full(5, 0.5)) for model in ("fraud-eu", "churn")]
    for table in tables:
        run.predictions(table)
    assert [run.profile.groups[group].model for group in run.state["objects"]] == ["fraud-eu"]


def test_pieces_merge_to_the_whole_in_any_order() -> None:
    """Values measured in pieces and merged either way are the values measured at once, even beyond `most`."""
    monitor = detector("drift.ADWIN", "signal:loss", most=40)
    run = Run(monitor)
    table = signals(np.random.default_rng(7).random(100), "loss")
    run.signals(table)

    def measured(part: Signals) -> Any:
        return monitor.measure(run.profile.locate_signals(part, 0, PANE), run.profile, None)

    whole = measured(table)
    parts = [measured(table.take(np.arange(start, 100, 3))) for start in range(3)]
    ways = [
        monitor.merge(monitor.merge(parts[0], parts[1]), parts[2]),
        monitor.merge(parts[2], monitor.merge(parts[1], parts[0])),
    ]
    assert len(whole) == 40
    for merged in ways:
        assert merged.keys.tobytes() == whole.keys.tobytes()
        assert all(merged[name].tobytes() == whole[name].tobytes() for name in whole.columns)


def test_losses_are_log_losses_of_the_true_class() -> None:
    """With a score alone the true class's probability follows from it."""
    run = Run(detector("stats.Mean", "loss"), window_events=2)
    run.outcomes(predictions(2, prediction=[1, 0], score=[0.8, 0.3]), [1, 1])
    assert run.readings[0].value == pytest.approx(-(math.log(0.8) + math.log(0.3)) / 2)


def test_a_retired_version_leaves_nothing() -> None:
    """`forget` frees the object and the window."""
    run = Run(detector("drift.ADWIN", "score"))
    run.predictions(predictions(5, score=np.full(5, 0.5)))
    run.monitor.forget(run.state, frozenset({0}), frozenset())
    assert run.state["objects"] == {}
    assert run.finish() == []
    assert not run.readings


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"river": "drift.KSWYN"}, "Did you mean drift.KSWIN"),
        ({"river": "drift.KSWIN", "params": {"alpa": 1}}, "Did you mean 'alpha'"),
        ({"river": "drift.KSWIN", "params": {"alpha": 7}}, "between 0 and 1"),
        ({"river": "utils.os.system"}, "is not in river's"),
        ({"river": "drift.adwin.ADWIN"}, "is not in river's"),
        ({"river": "drift.__class__"}, "has no __class__"),
        ({"river": "datasets.Bikes"}, "is not in river's"),
        ({"river": "drift.DriftRetrainingClassifier"}, "cannot watch a series"),
        ({"river": "stats.Cov"}, "cannot watch a series"),
        ({"river": "metrics.F1"}, "its series is outcomes"),
        ({"river": "drift.ADWIN", "series": "outcomes"}, "its series is outcomes"),
        ({"river": "anomaly.QuantileFilter", "params": {"q": 0.5, "anomaly_detector": {"river": "x"}}}, "is not in"),
    ],
)
def test_a_wrong_name_or_parameter_is_refused_with_a_remedy(settings: dict[str, Any], hint: str) -> None:
    """At construction, before any event."""
    with pytest.raises(ValidationError, match=hint):
        RiverSettings(**settings)
