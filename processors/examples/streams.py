"""The example stream located in a real profile: the rows that `Monitor.measure` is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from processors.base import Consumes, Reading
from processors.examples.events import PANE_US, START_US, example_events, example_signals
from processors.examples.tables import Event, explanations_of, outcomes_of, predictions_of, signals_of
from processors.profile import Profile
from processors.rows import Ints, Outcomes, Predictions
from processors.slices import BothRows, ExplanationRows, OutcomeRows, PredictionRows, SignalRows

PARTS = 4

Rows = PredictionRows | OutcomeRows | BothRows | SignalRows | ExplanationRows


@dataclass(frozen=True, slots=True)
class Stream:
    """A profile and the rows of consecutive panes; for monitors of readings, the readings of each."""

    profile: Profile
    panes: list[Rows]
    readings: list[tuple[Reading, ...]]


def example_rows(  # noqa: PLR0917 - each makes sense alone
    consumes: Consumes, seed: int = 0, panes: int = 60, rows: int = 96, ugly: bool = False, sealed: bool = True
) -> Stream:
    """The example stream as rows of the kind that a monitor consumes; `sealed` says whether series have their bins."""
    events = example_events(panes, rows, seed, ugly)
    profile = profile_of(example_events(10, 400, seed + 1, calm=True), sealed)
    located = []
    for pane, batch in enumerate(events):
        start = START_US + pane * PANE_US
        signals = signals_of(example_signals(panes, seed)[pane] if consumes == "signals" else [])
        predictions = predictions_of(batch)
        profile.admit(predictions, signals)
        profile.admit_labels(outcomes_of(batch))
        located.append(locate(profile, consumes, batch, start, signals))
    return Stream(profile, located, [readings_at(profile, pane) for pane in range(panes)])


def profile_of(reference: Sequence[Sequence[Event]], sealed: bool) -> Profile:
    """A profile that knows what a reference brings; `sealed` says whether its series get their bins from it."""
    profile = Profile()
    events = [event for pane in reference for event in pane]
    profile.admit(predictions_of(events), signals_of([]))
    for base in profile.bases() if sealed else []:
        group = profile.groups[base]
        mine = [event for event in events if (event["model"], event["version"]) == (group.model, group.version)]
        profile.adopt(group.model, group.version, predictions_of(mine))
    return profile


def locate(profile: Profile, consumes: Consumes, events: Sequence[Event], start: int, signals: Any) -> Rows:
    """One pane's events as rows of the kind that a monitor consumes."""
    end = start + PANE_US
    if consumes == "outcomes":
        return profile.locate_outcomes(outcomes_of(events), start, end)
    if consumes == "signals":
        return profile.locate_signals(signals, start, end)
    if consumes == "explanations":
        return profile.locate_explanations(explanations_of(events), start, end)
    duplicates = np.array(profile.bases()[:1], np.int32)
    predictions = profile.locate_predictions(predictions_of(events), start, end, duplicates)
    if consumes == "both":
        return BothRows(predictions, profile.locate_outcomes(outcomes_of(events), start, end))
    return predictions


def take(profile: Profile, rows: Rows, which: Ints) -> Rows:
    """Some of the rows, located anew; without the duplicates. Of both kinds the predictions come first."""
    if isinstance(rows, BothRows):
        first, rest = which[which < len(rows.predictions)], which[which >= len(rows.predictions)]
        parts = take(profile, rows.predictions, first), take(profile, rows.outcomes, rest - len(rows.predictions))
        return BothRows(*parts)  # type: ignore[arg-type]
    table = rows.table.take(which)
    if isinstance(table, Predictions):
        return profile.locate_predictions(table, rows.start, rows.end, np.zeros(0, np.int32))
    if isinstance(table, Outcomes):
        return profile.locate_outcomes(table, rows.start, rows.end)
    if isinstance(rows, SignalRows):
        return profile.locate_signals(table, rows.start, rows.end)  # type: ignore[arg-type]
    return profile.locate_explanations(table, rows.start, rows.end)  # type: ignore[arg-type]


def split(profile: Profile, rows: Rows, rng: np.random.Generator) -> list[Rows]:
    """The rows in four parts at random, in canonical order each; the first has the duplicates."""
    part = rng.integers(0, PARTS, len(rows))
    parts = [take(profile, rows, np.flatnonzero(part == at).astype(np.int32)) for at in range(PARTS)]
    if isinstance(rows, PredictionRows) and isinstance(parts[0], PredictionRows):
        parts[0] = profile.locate_predictions(parts[0].table, rows.start, rows.end, rows.duplicates)
    return parts


def readings_at(profile: Profile, pane: int) -> tuple[Reading, ...]:
    """What another monitor might say at that pane, for those that consume readings."""
    rng = np.random.default_rng(pane)
    start = START_US + pane * PANE_US
    return tuple(
        Reading("performance", series, profile.groups[base], float(rng.normal(0.9 - 0.3 * (pane > 30), 0.01)), 50,
                start, start + PANE_US)
        for base in profile.bases()
        for series in ("accuracy", "volume")
    )  # fmt: skip
