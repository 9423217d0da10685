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

from processors.base import Judging, Monitor, MonitorSettings, Reading, State, Summary, Verdict
from processors.detectors import budget
from processors.detectors.rates import Rates
from processors.estimation import counts, doubts, shift
from processors.estimation.expected import Learnt, estimated, turned_out
from processors.estimation.said import Said, alert, errors, estimates
from processors.estimation.waiting import Estimated
from processors.performance import entries as cube
from processors.performance.entries import Entries, Shelf
from processors.profile import BINARY, Profile
from processors.registry import register
from processors.rows import Ints
from processors.slices import BothRows
from processors.windows import Due, Windows

_WAIT_US = 7 * 24 * 3_600_000_000
_WHOLE_SHARE = 4.0
_FEWEST_CHECKED = 30


class EstimatedPerformanceSettings(MonitorSettings):
    """How much must be known before performance is estimated, and when a fall matters."""

    min_labels: int = Field(300, ge=50)
    """Outcomes that a version needs before its performance is estimated."""
    segment_labels: int = Field(2_000, ge=50)
    """Outcomes from which on a segment's scores are read by its own outcomes rather than by the whole version's."""
    labels: int = Field(100_000, ge=1_000)
    """Outcomes that are learnt from; beyond it old ones count half, again and again."""
    min_effect: float = Field(0.02, gt=0, lt=1)
    """Rises of the expected error rate by less than this are not worth an alert (absolute)."""
    alert_labels: int = Field(1_000, ge=100)
    """Outcomes that a version needs before it can raise an alert."""
    warmup: int = Field(500, ge=50)
    """Predictions that the reference of the expected error rate needs before it judges."""
    max_shift: float = Field(0.25, gt=0, le=1)
    """A feature that moved by more (total variation, beyond chance) since the labels makes an estimate unreliable."""
    min_support: float = Field(0.9, gt=0, le=1)
    """An estimate is unreliable if fewer of its predictions have scores that enough outcomes are known of."""
    ranked_classes: int = Field(20, ge=1)
    """Classes of a multiclass model that are looked at."""
    windows: int = Field(64, ge=1)
    """Windows of one group that wait for their labels; beyond it the oldest is checked with those that came."""
    entries: int = Field(500_000, ge=10_000)
    """Counts kept for each of predictions, outcomes and windows before scores are taken together further."""


@register("estimated_performance")
class EstimatedPerformance(Monitor[EstimatedPerformanceSettings, BothRows]):
    """Scores of predictions, and outcomes by score → expected performance, its error, and an alert where it fell."""

    Settings = EstimatedPerformanceSettings
    consumes = "both"
    alarm_share = 0.5

    def __init__(self, settings: EstimatedPerformanceSettings) -> None:
        super().__init__(settings)
        self._shelf = Shelf(4096, settings.entries)
        self._windows = Windows()
        self._waiting = Estimated(settings.windows, 10_000, 5)
        self._detector = Rates(direction="up", min_effect=settings.min_effect, warmup=settings.warmup)

    def measure(self, rows: BothRows, profile: Profile, sealed: Any) -> Summary:
        """Counts by facet and score (`counts`); `sealed` is the table of doubts."""
        return cube.to_summary(counts.measured(rows, profile, self.settings.ranked_classes, sealed))

    def merge(self, a: Summary, b: Summary) -> Summary:
        return cube.to_summary(cube.merged([cube.from_summary(a), cube.from_summary(b)]))

    def empty(self) -> Summary:
        return cube.to_summary(cube.NO_ENTRIES)

    def initial(self) -> State:
        return {
            "windows": self._windows.initial(),
            "recent": self._shelf.initial(),
            "learnt": self._shelf.initial(),
            "arrived": self._shelf.initial(),
            "labels": np.zeros(0, np.int64),
            "off": np.zeros(0),
            "waiting": self._waiting.initial(),
            "features": shift.initial(),
            "unreliable": {},
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
        self._read(state, self._windows.overdue(state["windows"], context), context, verdict)
        self._shelf.add(state["recent"], counts.of_facets(predictions))
        shift.add(state["features"], predictions)
        self._watch(state, predictions, context, verdict)
        groups, n = counts.rows_by_group(predictions)
        for due in self._windows.add(state["windows"], Summary(groups, {"n": n}), context):
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
        times = [self._windows.deadline(state["windows"]), self._waiting.deadline(state["waiting"])]
        return min((time for time in times if time is not None), default=None)

    def forget(self, state: State, groups: frozenset[int], series: frozenset[int]) -> State:
        for shelf in ("recent", "learnt", "arrived"):
            self._shelf.remove(state[shelf], cube.units_of_groups(state[shelf], groups))
        self._windows.forget(state["windows"], groups)
        self._waiting.forget(state["waiting"], groups)
        shift.forget(state["features"], groups, series)
        doubts.forget(state["doubts"], groups)
        self._detector.forget(state["drift"], groups)
        budget.forget(state["budget"], groups)
        known = [group for group in groups if group < len(state["labels"])]
        state["labels"][known], state["off"][known] = 0, 0.0
        for group in groups:
            state["unreliable"].pop(group, None)
        return state

    # Steps.

    def _read(self, state: State, due: Due, context: Judging, verdict: Verdict) -> None:
        """Estimate windows that closed, and let them wait for their labels."""
        if not len(due):
            return
        units = cube.group_unit(due.keys)
        entries = self._shelf.read(state["recent"], units)
        self._shelf.remove(state["recent"], units)
        _grow(state, int(due.keys[-1]) + 1)
        owners = self._owners(state, due.keys, context.profile)
        learnt = Learnt.of(self._shelf.read(state["learnt"], cube.group_unit(np.unique(owners))), context.profile)
        found = estimated(due.keys, owners, entries, learnt, context.profile)
        known = found.known & (state["labels"][owners] >= self.settings.min_labels)
        n, wait = due.summary["n"], np.array([self._wait(group, context) for group in due.keys.tolist()], np.int64)
        self._judge_reliability(state, due, found.support, known, context)
        said = [
            Said(context, self.name, group, int(start), int(end), int(count), state["unreliable"].get(base, ""))
            for group, base, start, end, count in zip(
                due.keys.tolist(), context.profile.group_base[due.keys].tolist(), due.start, due.end, n, strict=True
            )
        ]
        for at in np.flatnonzero(known).tolist():
            verdict.readings.extend(estimates(said[at], found, at, int(state["labels"][owners[at]])))
        self._drop(state, due.keys[~known], due.end[~known])
        bounds = {"start": due.start[known], "end": due.end[known], "n": n[known], "until": (due.end + wait)[known]}
        self._waiting.put(state["waiting"], due.keys[known], bounds, found.columns(known))

    def _drop(self, state: State, groups: Ints, end: Any) -> None:
        """Windows that could not be estimated are not checked either."""
        if len(groups):
            self._waiting.grow(state["waiting"], int(groups[-1]) + 1)
            self._shelf.remove(state["arrived"], self._waiting.open_units(state["waiting"], groups))
            self._waiting.close(state["waiting"], groups, end)

    def _owners(self, state: State, groups: Ints, profile: Profile) -> Ints:
        """Whose outcomes each group is read by."""
        many = state["labels"][groups] >= self.settings.segment_labels
        return np.where(many, groups, profile.group_base[groups]).astype(np.int32)

    def _wait(self, group: int, context: Judging) -> int:
        known = context.coverage.get(context.profile.groups[group].model, {})
        return int(known.get("wait_us", _WAIT_US))

    def _judge_reliability(self, state: State, due: Due, support: Any, known: Any, context: Judging) -> None:
        """Note of each version whose window closed why its estimates may be off, if they may."""
        for at, key in enumerate(due.keys.tolist()):
            if context.profile.group_base[key] != key:
                continue
            moved = shift.moved(state["features"], key, context.profile)
            why = ""
            if moved is not None and moved[0] > self.settings.max_shift:
                why = f"feature {moved[1]} moved away from what labels are known of"
            elif known[at] and support[at] < self.settings.min_support:
                why = "scores fall where few labels are known"
            elif state["off"][key]:
                why = f"the last estimate that labels could check was off by {state['off'][key]:+.3f}"
            shift.close(state["features"], key, context.profile, int(due.end[at]))
            state["unreliable"].pop(key, None)
            if why:
                state["unreliable"][key] = why

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
            why = state["unreliable"].get(int(context.profile.group_base[change.key]), "")
            verdict.findings.append(alert(self.name, change, context.profile, why))

    def _learn(self, state: State, outcomes: Entries, profile: Profile, waiting: bool = True) -> None:
        units, n = counts.outcomes_by_unit(outcomes)
        groups, time = cube.group_of(units), counts.time_of(units)
        _grow(state, int(groups[-1]) + 1)
        if waiting:
            self._assign(state, outcomes, units, n)
        self._shelf.add(state["learnt"], outcomes.renamed(cube.group_unit(cube.group_of(outcomes.unit))))
        np.add.at(state["labels"], groups, n)
        touched = np.unique(groups)
        for group in touched[state["labels"][touched] > self.settings.labels].tolist():
            faded = self._shelf.halve(state["learnt"], cube.group_unit(group))
            state["labels"][group] = int(counts.outcomes_by_unit(faded)[1].sum())
        bases = touched[profile.group_base[touched] == touched]
        newest = time[np.searchsorted(groups, bases, "right") - 1]
        shift.learn(state["features"], bases.astype(np.int32), newest, profile)
        for base in bases.tolist():
            self._freeze(state, base, profile)

    def _assign(self, state: State, outcomes: Entries, units: Any, n: Any) -> None:
        """Put outcomes to the windows of their predictions."""
        window = self._waiting.units_of(state["waiting"], cube.group_of(units), counts.time_of(units))
        waits = window >= 0
        self._waiting.note(state["waiting"], window[waits], n[waits])
        of_entry = window[np.searchsorted(units, outcomes.unit)]
        mine = outcomes.take(of_entry >= 0)
        self._shelf.add(state["arrived"], mine.renamed(of_entry[of_entry >= 0]))

    def _freeze(self, state: State, base: int, profile: Profile) -> None:
        labels = int(state["labels"][base])
        if not doubts.due(state["doubts"], base, labels, self.settings.alert_labels):
            return
        groups = np.flatnonzero(profile.group_base == base).astype(np.int32)
        if self._detector.firing(state["drift"], groups).any():
            return
        learnt = self._shelf.read(state["learnt"], np.array([cube.group_unit(base)], np.int64))
        doubts.freeze(state["doubts"], base, learnt, labels, joint=profile.task(base) == BINARY)
        self._detector.forget(state["drift"], frozenset(groups.tolist()))

    def _check(self, state: State, context: Judging, verdict: Verdict) -> None:
        """Compare estimates with what their labels showed."""
        checked = self._waiting.take(state["waiting"], context.end, last=context.last)
        if not len(checked.unit):
            return
        entries = self._shelf.read(state["arrived"], checked.unit)
        self._shelf.remove(state["arrived"], checked.unit)
        realised = turned_out(checked.table["group"], checked.unit, entries, context.profile)
        for at in np.flatnonzero(checked.table["seen"] >= _FEWEST_CHECKED).tolist():
            group, start, end, n, seen = (
                int(checked.table[name][at]) for name in ("group", "start", "end", "n", "seen")
            )
            said = Said(context, self.name, group, start, end, seen, coverage=min(seen / max(n, 1), 1.0))
            found = errors(said, {name: rows[at] for name, rows in checked.estimates.items()}, realised[at])
            verdict.readings.extend(found)
            state["off"][group] = _surprise(found)


def _surprise(found: list[Reading]) -> float:
    """The error of the accuracy, if it is well beyond what the estimate allowed for; else 0."""
    for reading in found:
        if reading.series == "estimation_error_accuracy" and reading.value is not None:
            low, high = reading.low or 0.0, reading.high or 0.0
            return reading.value if reading.value > 1.5 * high or reading.value < 1.5 * low else 0.0
    return 0.0


def _grow(state: State, size: int) -> None:
    before = len(state["labels"])
    if size > before:
        for name in ("labels", "off"):
            state[name] = np.concatenate([state[name], np.zeros(size + before // 8 - before, state[name].dtype)])
