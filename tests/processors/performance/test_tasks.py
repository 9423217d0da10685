"""Tasks that turn out later, and classes that were not admitted."""

from __future__ import annotations

from processors.examples import PANE_US, START_US
from processors.performance.performance import Performance, PerformanceSettings
from processors.profile import Limits, Profile
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
