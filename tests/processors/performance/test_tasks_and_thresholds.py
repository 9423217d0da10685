"""Tasks that turn out later, classes that were not admitted, and thresholds that operators set."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from processors.examples import PANE_US, START_US
from processors.performance.performance import Performance, PerformanceSettings
from processors.performance.thresholds import Threshold
from processors.profile import BINARY, Limits, ModelSpec, Profile
from tests.processors.performance.streams import Run, by_series, outcome


def test_a_class_that_was_not_admitted_is_right_or_wrong_all_the_same() -> None:
    """It counts in the accuracy; the other measures leave it out and say how many."""
    run = Run(Performance(PerformanceSettings()), Profile(limits=Limits(classes=2)))
    pairs = [("a", "a"), ("a", "b"), ("b", "b"), ("z", "z"), ("z", "y"), ("a", "z")]
    run.add([outcome(i, said, true) for i, (said, true) in enumerate(pairs)])
    run.finish(START_US + PANE_US)
    found = by_series(run.readings, "window")
    assert (found["accuracy"].value, found["accuracy"].n) == (3 / 6, 6)
    assert (found["recall"].value, found["recall"].n) == (1 / 2, 2)
    assert found["accuracy"].details["excluded"] == found["recall"].details["excluded"] == 3


def test_a_third_class_turns_a_binary_model_into_a_multiclass_one_with_nothing_lost() -> None:
    """Cells are kept by class, so the total is measured over all outcomes by the task that is known now."""
    run = Run(Performance(PerformanceSettings()))
    run.add([outcome(i, i % 2, 0) for i in range(10)])
    run.add([outcome(i, i % 3, 2) for i in range(10, 22)], START_US + PANE_US)
    run.finish(START_US + 2 * PANE_US)
    found = by_series(run.readings, "total")
    assert (found["accuracy"].value, found["accuracy"].n) == (9 / 22, 22)
    assert (found["recall/2"].value, found["recall/2"].n) == (4 / 12, 12)
    assert "specificity" not in found


def test_whole_numbers_that_turn_out_to_be_a_regression_are_excluded_and_said() -> None:
    """What was counted as classes before can't be measured as errors; it isn't lost in silence."""
    run = Run(Performance(PerformanceSettings()))
    run.add([outcome(i, 1, 1) for i in range(3)])
    run.add([outcome(i, 1.5, 2.0) for i in range(3, 8)], START_US + PANE_US)
    run.finish(START_US + 2 * PANE_US)
    mae = by_series(run.readings, "total")["mae"]
    assert (mae.value, mae.n, mae.details["excluded"]) == (0.5, 5, 3)


def test_text_predictions_and_missing_scores_leave_the_rest_measured() -> None:
    """A score-less row counts in the accuracy and not in the AUC; coverage and keep-rate come along."""
    coverage = {"m": {"coverage": 0.8, "keep_rate": 0.5}}
    run = Run(Performance(PerformanceSettings()), Profile(), coverage=coverage)
    run.add([outcome(0, "yes", "yes", score=0.9), outcome(1, "no", "no", score=0.2), outcome(2, "no", "yes")])
    run.finish(START_US + PANE_US)
    found = by_series(run.readings, "window")
    assert (found["accuracy"].n, found["roc_auc"].n, found["roc_auc"].value) == (3, 2, 1.0)
    assert (found["accuracy"].coverage, found["accuracy"].details["keep_rate"]) == (0.8, 0.5)


@pytest.mark.parametrize("bounds", [{}, {"below": 0.5, "above": 0.7}])
def test_a_threshold_has_one_bound(bounds: dict[str, float]) -> None:
    """Neither none nor both."""
    with pytest.raises(ValidationError, match="either 'below' or 'above'"):
        Threshold(series="accuracy", **bounds)


def test_a_threshold_fires_and_recovers_only_when_the_whole_interval_has_crossed() -> None:
    """What lies across changes nothing; a window with few outcomes neither; each fires once."""
    threshold = Threshold(series="accuracy", below=0.8, min_n=50, severity="critical")
    profile = Profile({"m": ModelSpec(task=BINARY, classes=("0", "1"))})
    run = Run(Performance(PerformanceSettings(thresholds=(threshold,))), profile, window_events=10, restart=True)
    for pane, (right, n) in enumerate([(95, 100), (0, 20), (78, 100), (60, 100), (70, 100), (82, 100), (99, 100)]):
        run.add([outcome(i, 1, int(i < right)) for i in range(n)], START_US + pane * PANE_US)
    assert [(finding.kind, finding.value) for finding in run.findings] == [
        ("fired", 0.60),
        ("updated", 0.70),
        ("recovered", 0.99),
    ]
    fired, _, recovered = run.findings
    assert (fired.severity, fired.reference, fired.since) == ("critical", 0.8, START_US + 3 * PANE_US)
    assert recovered.since == fired.since
    assert fired.summary == (
        "Model m v1: accuracy is below 0.8: 0.6, between 0.502 and 0.691 "
        "(100 outcomes since 2025-11-22 03:00 UTC; crossed 2025-11-22 03:00 UTC)."
    )
    assert "is back from below 0.8" in recovered.summary


def test_a_threshold_above_looks_the_other_way() -> None:
    """The log loss of confident mistakes rises beyond its bound; before and at it nothing is said."""
    profile = Profile({"m": ModelSpec(task=BINARY, classes=("0", "1"), positive_class="1")})
    rule = Threshold(series="log_loss", above=1.0)
    run = Run(Performance(PerformanceSettings(thresholds=(rule,))), profile, window_events=10)
    for pane, wrong in enumerate((10, 30, 200)):
        run.add(
            [outcome(i, 1, i % 2, score=0.9 if (i % 2) ^ (i < wrong) else 0.1) for i in range(300)],
            START_US + pane * PANE_US,
        )
    assert [(finding.kind, finding.since) for finding in run.findings] == [("fired", START_US + 2 * PANE_US)]
    assert "log loss is above 1:" in run.findings[0].summary


def test_a_series_without_an_interval_is_taken_at_its_value() -> None:
    """A bound on R2 must not be ignored in silence."""
    rule = Threshold(series="r2", below=0.5, min_n=2)
    run = Run(Performance(PerformanceSettings(thresholds=(rule,))), window_events=2)
    run.add([outcome(0, 1.5, 9.25), outcome(1, 2.5, 1.5)])
    assert [finding.kind for finding in run.findings] == ["fired"]
    assert "r2 is below 0.5: -1.03 (2 outcomes" in run.findings[0].summary
