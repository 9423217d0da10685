"""Running a drift monitor over panes of events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pytest

from processors.base import Judging, Monitor
from processors.examples import PANE_US, Event, outcomes_of, predictions_of, signals_of
from processors.examples.trials import Said
from processors.profile import Profile

START_US = 1_763_780_400_000_000
DAY_US = 24 * 3_600_000_000

Run = Callable[[Monitor[Any, Any], Iterable[Sequence[Event]]], Said]


@pytest.fixture
def run() -> Run:
    """A function that runs a monitor over panes of events, through a profile that learns as in the daemon."""
    return run_events


def run_events(monitor: Monitor[Any, Any], panes: Iterable[Sequence[Event]]) -> Said:
    """All that the monitor says, with a budget of one alarm in 30 days and windows of 500 events."""
    profile, sealed = Profile(), None
    said = Said(monitor.initial(), [], [])
    for number, events in enumerate(panes):
        start, end = START_US + number * PANE_US, START_US + (number + 1) * PANE_US
        predictions = predictions_of(events)
        profile.admit(predictions, signals_of([]))
        profile.admit_labels(outcomes_of(events))
        rows: Any = profile.locate_predictions(predictions, start, end, np.zeros(0, np.int32))
        learnt = rows
        if monitor.consumes == "outcomes":
            rows = profile.locate_outcomes(outcomes_of(events), start, end)
        summary = monitor.measure(rows, profile, sealed)
        context = Judging(start, end, profile, 1 / (30 * DAY_US), 500, DAY_US, PANE_US)
        verdict = monitor.judge(said.state, summary, context)
        profile.learn(learnt)
        said.state, sealed = verdict.state, verdict.sealed
        said.readings += verdict.readings
        said.findings += verdict.findings
    return said
