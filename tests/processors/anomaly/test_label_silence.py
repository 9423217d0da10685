"""Labels that stop while the model goes on are told; those that nobody owes are not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from processors.anomaly.label_silence import LabelSilence, LabelSilenceSettings
from processors.base import Finding, Summary
from processors.durations import DAY_US, HOUR_US, MINUTE_US
from processors.rows import FIRST, IMPLICIT
from processors.slices import BothRows
from tests.processors.panes import NO_SIGNALS, PANE, Run, outcomes, predictions

STEP = 10 * MINUTE_US
"""There is a pane each ten minutes."""


def labels(models: int = 1) -> Run:
    """The monitor as it comes, and models that it may hear of."""
    run = Run(LabelSilence(LabelSilenceSettings()))
    for number in range(models):
        run.profile.admit(predictions(1, model=f"m{number}"), NO_SIGNALS)
    return run


def go_on(run: Run, steps: Iterable[int], predicted: Any = 60, labelled: Any = 30) -> list[Finding]:
    """Panes with so many predictions and labels of each model; between them the deadlines are kept."""
    for step in steps:
        start = step * STEP
        while (deadline := run.monitor.deadline(run.state)) is not None and deadline <= start:
            run.judge(run.monitor.empty(), deadline, deadline)
        keys = np.arange(len(run.profile.groups), dtype=np.int32)
        made, came = (np.broadcast_to(each, len(keys)).astype(np.int64) for each in (predicted, labelled))
        mine = made + came > 0
        summary = Summary(keys[mine], {"predictions": made[mine], "labels": came[mine]})
        run.judge(summary, start, start + PANE)
    return run.findings


def at(days: float) -> int:
    """The step there."""
    return int(days * DAY_US) // STEP


def test_labels_that_stop_are_told_after_an_hour_and_taken_back() -> None:
    """While the model goes on. Who is told can look after the labels, and sleep."""
    run = labels()
    go_on(run, range(at(1.5)))
    (fired,) = go_on(run, range(at(1.5), at(1.7)), labelled=0)
    assert (fired.kind, fired.severity, fired.action) == ("fired", "warning", "check_labels")
    assert fired.since == (at(1.5) - 1) * STEP + PANE
    assert fired.value == HOUR_US / 1e6
    assert "Model m0: no label since 1970-01-02 11:50 UTC (60 minutes; usual pauses last up to 10 minutes)." in str(
        fired.summary
    )
    assert [finding.kind for finding in go_on(run, range(at(1.7), at(1.8)))] == ["fired", "recovered"]


def test_a_model_that_does_not_predict_is_owed_nothing() -> None:
    """It was switched off, its labels went on for an hour, then they stopped; nor once it predicts again, at first."""
    run = labels()
    go_on(run, range(at(1.5)))
    go_on(run, range(at(1.5), at(1.5) + 6), predicted=0)
    go_on(run, range(at(1.5) + 6, at(2.5)), predicted=0, labelled=0)
    assert not run.findings
    go_on(run, range(at(2.5), at(2.5) + 1), predicted=15, labelled=0)
    assert not run.findings
    (fired,) = go_on(run, range(at(2.5) + 1, at(2.5) + 3), labelled=0)
    assert fired.kind == "fired"


@pytest.mark.parametrize(
    ("hours", "days"), [(1, range(7)), (8, range(5)), (2, range(1))], ids=["nightly", "in office hours", "weekly"]
)
def test_batches_are_not_missed_between_two_of_them(hours: int, days: range) -> None:
    """Labels that come for so many hours on some days of the week, while the model goes on."""
    run = labels()
    for day in range(35):
        done = at(day) + (6 * hours if day % 7 in days else 0)
        go_on(run, range(at(day), done))
        go_on(run, range(done, at(day + 1)), labelled=0)
    assert not run.findings


def test_labels_of_few_predictions_are_not_missed_by_chance() -> None:
    """One in a hundred predictions gets a label, at random: for three weeks no silence is told, and its end is."""
    rng = np.random.default_rng(3)
    run = labels()
    for step in range(at(21)):
        go_on(run, [step], labelled=rng.binomial(60, 0.01))
    assert not run.findings
    (fired,) = go_on(run, range(at(21), at(23)), labelled=0)
    assert fired.kind == "fired"


def test_labels_of_a_whole_fleet_that_stop_are_one_alert() -> None:
    """And one of a fleet is told by name."""
    run = labels(4)
    go_on(run, range(at(1.5)))
    go_on(run, range(at(1.5), at(1.6)), labelled=np.array([30, 30, 0, 30]))
    (fired,) = run.findings
    assert fired.group.model == "m2"
    run = labels(4)
    go_on(run, range(at(1.5)))
    go_on(run, range(at(1.5), at(1.6)), labelled=0)
    (fired,) = run.findings
    assert fired.group.model == ""
    assert fired.summary == "No label of any of 4 models since 1970-01-02 11:50 UTC (60 minutes)."
    assert "topic of labels" in fired.reason


def test_labels_that_silence_implies_are_none() -> None:
    """They would go on for ever."""
    run = labels()
    table = predictions(10, model="m0")
    matched = outcomes(table, [1] * 10)
    matched.how[:] = [FIRST] * 4 + [IMPLICIT] * 6
    run.profile.admit_labels(matched)
    none = np.zeros(0, np.int32)
    rows = BothRows(run.profile.locate_predictions(table, 0, PANE, none), run.profile.locate_outcomes(matched, 0, PANE))
    summary = run.monitor.measure(rows, run.profile, None)
    assert {name: column.tolist() for name, column in summary.columns.items()} == {"predictions": [10], "labels": [4]}
