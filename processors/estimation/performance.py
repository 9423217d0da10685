"""Estimated performance: how good is a classifier likely to be now, before any label has come?

A model that says .8 and used to be right four times in five when it did is expected to be right four times in five
again. What scores are worth is learnt from outcomes as their labels come (`calibration`); each window of
predictions then gives expected accuracy, precision, recall, F1 and area under the ROC curve, with intervals
(`measures`), of the model and of each segment. It is confidence-based performance estimation [1] for streams:
counts of scores instead of rows, so cost and memory are bounded and nothing is looked at twice.

It holds as long as a score means what it meant. So each estimate says whether it can be relied on (the scores were
seen before, the features are what they were, the last estimate that labels could check was right), and once a window's
labels have come its estimate is checked against them: `estimation_error_*`. An alert says that the expected error
rate rose. Proved, as in `detectors.rates`: at most the budgeted false alarms while the mean of the expected errors is
at most the null's edge. What is *not* covered is what scores cannot show: concept drift needs labels.

[1] NannyML 0.13, CBPE; S. Garg et al. (2022), "Leveraging unlabeled data to predict out-of-distribution performance".
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from processors.base import Judging, Monitor, Reading, State, Summary, Verdict
from processors.detectors import budget
from processors.detectors.rates import Rates
from processors.estimation import counts, doubts, reliability, shift
from processors.estimation.expected import Learnt, estimated, turned_out
from processors.estimation.measures import BINARY_MEASURES, names_of
from processors.estimation.memory import EstimationSettings, Memory
from processors.estimation.said import alert, errors, estimates, of_checked, of_closed
from processors.performance import entries as cube
from processors.performance.entries import Entries, Shelf
from processors.profile import BINARY, Profile
from processors.registry import register
from processors.rows import Longs
from processors.slices import BothRows
from processors.windows import Due

_WHOLE_SHARE = 4.0


class EstimatedPerformanceSettings(EstimationSettings):
    """How much must be known before performance is estimated, and when a fall matters."""

    min_effect: float = Field(0.02, gt=0, lt=1)
    """Rises of the expected error rate by less than this are not worth an alert (absolute)."""
    alert_labels: int = Field(1_000, ge=100)
    """Outcomes that a version needs before it can raise an alert."""
    warmup: int = Field(500, ge=50)
    """Predictions that the reference of the expected error rate needs before it judges."""
    ranked_classes: int = Field(20, ge=1)
    """Classes of a multiclass model that are looked at."""
    entries: int = Field(500_000, ge=10_000)
    """Counts kept for each of predictions, outcomes and windows before scores are taken together further."""


@register("estimated_performance")
class EstimatedPerformance(Monitor[EstimatedPerformanceSettings, BothRows]):
    """Scores of predictions, and outcomes by score → expected performance, its error, and an alert where it fell."""

    Settings = EstimatedPerformanceSettings
    consumes = "both"
    code_version = 3
    alarm_share = 0.5

    def __init__(self, settings: EstimatedPerformanceSettings) -> None:
        super().__init__(settings)
        shelf = Shelf(4096, settings.entries)
        self._memory = Memory(settings, shelf, len(BINARY_MEASURES), counts.outcomes_by_unit)
        self._detector = Rates(direction="up", min_effect=settings.min_effect, warmup=settings.warmup)

    def measure(self, rows: BothRows, profile: Profile, sealed: Any) -> Summary:
        """Counts by facet and score (`counts`); `sealed` is the table of doubts."""
        return cube.to_summary(counts.measured(rows, profile, self.settings.ranked_classes, sealed))

    def merge(self, a: Summary, b: Summary) -> Summary:
        return cube.to_summary(cube.merged([cube.from_summary(a), cube.from_summary(b)]))

    def empty(self) -> Summary:
        return cube.to_summary(cube.NO_ENTRIES)

    def initial(self) -> State:
        return self._memory.initial() | {
            "doubts": doubts.initial(),
            "drift": self._detector.initial(),
            "budget": budget.initial(),
        }

    def judge(self, state: State, summary: Summary, context: Judging) -> Verdict:
        """Predictions first, outcomes then: what came before a pane's labels is estimated without them.

        1. Read the windows that had run out before the pane.
        2. Add its predictions, look for a rise of what they are expected to get wrong, read the windows that they fill.
        3. Learn from its outcomes, and put each to the window of its prediction.
        4. Check the windows whose labels have come.
        """
        pane = cube.from_summary(summary)
        came = counts.is_outcome(pane.unit)
        predictions, outcomes = pane.take(~came), counts.of_facets(pane.take(came))
        verdict = Verdict(state)
        self._read(state, self._memory.overdue(state, context), context, verdict)
        rows = counts.rows_by_group(predictions)
        filled = self._memory.add(state, counts.of_facets(predictions), predictions, rows, context)
        self._watch(state, predictions, context, verdict)
        for due in filled:
            self._read(state, due, context, verdict)
        if len(outcomes):
            self._learn(state, outcomes, context.profile)
        self._check(state, context, verdict)
        return Verdict(state, verdict.readings, verdict.findings, state["doubts"]["table"])

    def adopt(self, state: State, rows: BothRows, context: Judging) -> Verdict:
        """Learn what scores are worth from a reference's outcomes; its predictions are what is usual."""
        pane = counts.measured(rows, context.profile, self.settings.ranked_classes, None)
        came = counts.is_outcome(pane.unit)
        shift.adopt(state["features"], pane.take(~came))
        outcomes = counts.of_facets(pane.take(came))
        if len(outcomes):
            self._learn(state, outcomes, context.profile, waiting=False)
        return Verdict(state, sealed=state["doubts"]["table"])

    def deadline(self, state: State) -> int | None:
        return self._memory.deadline(state)

    def forget(self, state: State, groups: frozenset[int], series: frozenset[int]) -> State:
        self._memory.forget(state, groups, series)
        doubts.forget(state["doubts"], groups)
        self._detector.forget(state["drift"], groups)
        budget.forget(state["budget"], groups)
        return state

    def upgrade(self, state: State, sealed: Any, code_version: int) -> tuple[State, Any] | None:
        """Version 2 kept reasons for doubt elsewhere; they are found again with the next windows."""
        if code_version != 2:
            return None
        kept = {name: part for name, part in state.items() if name not in ("off", "unreliable")}
        return {**kept, "reliability": reliability.initial()}, sealed

    # Steps.

    def _read(self, state: State, due: Due, context: Judging, verdict: Verdict) -> None:
        """Estimate windows that closed, and let them wait for their labels."""
        if not len(due):
            return
        entries = self._memory.take(state, due)
        owners = self._memory.owners(state, due.keys, context.profile)
        learnt = Learnt.of(self._memory.known_of(state, np.unique(owners)), context.profile)
        found = estimated(due.keys, owners, entries, learnt, context.profile)
        labels = state["labels"][owners]
        known = found.known & (labels >= self.settings.min_labels)
        thin = known & (found.support < self.settings.min_support)
        said = of_closed(self.name, due, context, self._memory.doubts(state, due, thin, context))
        for at in np.flatnonzero(known).tolist():
            names = names_of(bool(found.binary[at]))
            estimate, support = found.columns(at), float(found.support[at])
            verdict.readings.extend(estimates(said[at], names, estimate, support, int(labels[at])))
        self._memory.wait(state, due, known, found.columns(known), context)

    def _watch(self, state: State, predictions: Entries, context: Judging, verdict: Verdict) -> None:
        """Is the rate of expected errors above its reference?"""
        mine = predictions.take(predictions.what == cube.COUNT)
        doubted = mine.take((mine.code == counts.DOUBTED) & (mine.value > 0))
        if not len(doubted):
            return
        keys = cube.group_of(doubted.unit).astype(np.int32)
        parts = mine.take(mine.code == counts.DOUBT)
        hits = np.zeros(len(keys))
        at = np.searchsorted(keys, cube.group_of(parts.unit))
        hits[at] = parts.value / counts.UNIT
        bases = context.profile.group_base[keys]
        shares = np.where(bases == keys, _WHOLE_SHARE, 1.0)
        owners = budget.models_of(context.profile, bases)
        weights = budget.weights(state["budget"], keys, owners, context, shares)
        for change in self._detector.step(
            state["drift"], keys, hits, doubted.value, context.start, context.end, weights
        ):
            why = reliability.why(state["reliability"], change.key, int(context.profile.group_base[change.key]))
            verdict.findings.append(alert(self.name, change, context.profile, why))

    def _learn(self, state: State, outcomes: Entries, profile: Profile, waiting: bool = True) -> None:
        self._freeze(state, self._memory.learn(state, outcomes, profile, waiting=waiting), profile)

    def _freeze(self, state: State, bases: Longs, profile: Profile) -> None:
        """Freeze (anew) what is due, but of no version of which an alert fires: all that it was judged by is over."""
        labels, fewest = state["labels"], self.settings.alert_labels
        found = [base for base in bases.tolist() if doubts.due(state["doubts"], base, int(labels[base]), fewest)]
        if not found:
            return
        groups = np.flatnonzero(np.isin(profile.group_base, found)).astype(np.int32)
        firing = profile.group_base[groups[self._detector.firing(state["drift"], groups)]]
        due = np.setdiff1d(found, firing).astype(np.int32)
        if not len(due):
            return
        joint = np.array([profile.task(base) == BINARY for base in due.tolist()])
        doubts.freeze(state["doubts"], due, self._memory.known_of(state, due), labels[due], joint)
        self._detector.forget(state["drift"], frozenset(groups[np.isin(profile.group_base[groups], due)].tolist()))

    def _check(self, state: State, context: Judging, verdict: Verdict) -> None:
        """Compare estimates with what their labels showed."""
        checked, arrived = self._memory.check(state, context)
        if not len(checked):
            return
        realised = turned_out(checked.table["group"], checked.unit, arrived, context.profile)
        for at, said in of_checked(self.name, checked, context):
            names = names_of(context.profile.task(said.group) == BINARY)
            found = errors(said, names, checked.estimate(at), realised[at])
            verdict.readings.extend(found)
            reliability.note_checked(state["reliability"], said.group, _surprise(found))


def _surprise(found: list[Reading]) -> float:
    """The error of the accuracy, if it is well beyond what the estimate allowed for; else 0."""
    for reading in found:
        if reading.series == "estimation_error_accuracy" and reading.value is not None:
            low, high = reading.low or 0.0, reading.high or 0.0
            return reading.value if reading.value > 1.5 * high or reading.value < 1.5 * low else 0.0
    return 0.0
