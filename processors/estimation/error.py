"""Estimated error of regressions before labels come: how far off are predictions of such a value usually?

Each version's predicted values are cut into twenty intervals of equal shares, and what lies beyond; outcomes teach how
large errors are in each. A window's predictions then tell the mean absolute error and the root mean square error that
labels are likely to show, with intervals, and are checked once those are there. It is a coarse form of NannyML's direct
loss estimation [1], which learns the loss from all features: errors that depend on other things than the value
predicted are seen only in so far as those move it. No alerts: thresholds can be set on the readings.

[1] NannyML 0.13, "Direct loss estimation".
"""

from __future__ import annotations

from typing import Any

import numpy as np

from processors.base import Judging, Monitor, State, Summary, Verdict
from processors.drift import samples
from processors.estimation import counts, reliability, shift
from processors.estimation import errors_by_value as by_value
from processors.estimation.errors_by_value import BINS, Errors
from processors.estimation.memory import EstimationSettings, Memory
from processors.estimation.said import errors, estimates, of_checked, of_closed
from processors.performance import entries as cube
from processors.performance.entries import Entries, Shelf
from processors.profile import REGRESSION, Profile
from processors.registry import register
from processors.rows import Floats
from processors.slices import BothRows
from processors.windows import Due

MEASURES = ("mae", "rmse")


class EstimatedErrorSettings(EstimationSettings):
    """How much must be known before errors are estimated."""


@register("estimated_error")
class EstimatedError(Monitor[EstimatedErrorSettings, BothRows]):
    """Predicted values, and errors by predicted value → expected MAE and RMSE, and how far off those were."""

    Settings = EstimatedErrorSettings
    consumes = "both"
    code_version = 2
    alarm_share = 0.0

    def __init__(self, settings: EstimatedErrorSettings) -> None:
        super().__init__(settings)
        self._memory = Memory(settings, Shelf(4096, 500_000), len(MEASURES), by_value.outcomes_by_unit)

    def measure(self, rows: BothRows, profile: Profile, sealed: Any) -> Summary:
        """Predictions and errors by interval of the predicted value, whose edges are `sealed`, shape (groups, 21)."""
        parts = [by_value.predictions(rows.predictions, sealed), by_value.outcomes(rows.outcomes, sealed)]
        if len(parts[0]):
            regressions = np.unique(rows.predictions.base[rows.predictions.task == REGRESSION])
            features = counts.features(rows.predictions, profile)
            parts.append(features.take(np.isin(cube.group_of(features.unit), regressions)))
        return _summary(cube.merged(parts), by_value.sample(rows.predictions, sealed))

    def merge(self, a: Summary, b: Summary) -> Summary:
        entries = cube.merged([cube.from_summary(_entries(part)) for part in (a, b)])
        return _summary(entries, samples.merge(_samples(a), _samples(b)))

    def empty(self) -> Summary:
        return _summary(cube.NO_ENTRIES, Summary(np.zeros(0, np.int32), {}))

    def initial(self) -> State:
        return self._memory.initial() | {"unsealed": {}, "edges": np.zeros((0, BINS - 1))}

    def judge(self, state: State, summary: Summary, context: Judging) -> Verdict:
        """Predictions first, outcomes then: what came before a pane's labels is estimated without them."""
        verdict = Verdict(state)
        if len(summary) and len(summary["sampled"]):
            _seal(state, samples.collect(state["unsealed"], _samples(summary)))
        pane = cube.from_summary(_entries(summary))
        came = counts.is_outcome(pane.unit)
        predictions, outcomes = pane.take(~came), pane.take(came)
        self._read(state, self._memory.overdue(state, context), context, verdict)
        made = predictions.take(predictions.what % cube.KINDS == cube.COUNT)
        for due in self._memory.add(state, made, predictions, by_value.predictions_by_group(made), context):
            self._read(state, due, context, verdict)
        if len(outcomes):
            self._memory.learn(state, outcomes, context.profile)
        self._check(state, context, verdict)
        return Verdict(state, verdict.readings, sealed=state["edges"])

    def adopt(self, state: State, rows: BothRows, context: Judging) -> Verdict:
        """Learn how large errors are from a reference's outcomes; its predictions give the intervals."""
        predictions = rows.predictions
        values = np.where(predictions.task == REGRESSION, predictions.value, np.nan)
        _seal(state, samples.whole(state["unsealed"], predictions.base, values, state["edges"]))
        pane = cube.from_summary(_entries(self.measure(rows, context.profile, state["edges"])))
        came = counts.is_outcome(pane.unit)
        shift.adopt(state["features"], pane.take(~came))
        if came.any():
            self._memory.learn(state, pane.take(came), context.profile, waiting=False)
        return Verdict(state, sealed=state["edges"])

    def deadline(self, state: State) -> int | None:
        return self._memory.deadline(state)

    def forget(self, state: State, groups: frozenset[int], series: frozenset[int]) -> State:
        self._memory.forget(state, groups, series)
        edges = state["edges"].copy()
        edges[[group for group in sorted(groups) if group < len(edges)]] = np.nan
        state["edges"] = edges
        for group in groups:
            state["unsealed"].pop(group, None)
        return state

    def upgrade(self, state: State, sealed: Any, code_version: int) -> tuple[State, Any] | None:
        """Version 1 kept no reasons for doubt."""
        return ({**state, "reliability": reliability.initial()}, sealed) if code_version == 1 else None

    def _read(self, state: State, due: Due, context: Judging, verdict: Verdict) -> None:
        """Estimate windows that closed, and let them wait for their labels."""
        if not len(due):
            return
        made = by_value.table(self._memory.take(state, due), cube.group_unit(due.keys))
        owners = self._memory.owners(state, due.keys, context.profile)
        whose = np.unique(owners)
        known = Errors.of(self._memory.known_of(state, whose), cube.group_unit(whose))
        estimate, support = by_value.expected(made, known.take(np.searchsorted(whose, owners)))
        labels = state["labels"][owners]
        ready = (labels >= self.settings.min_labels) & (made.sum(axis=1) > 0)
        thin = support < self.settings.min_support
        said = of_closed(self.name, due, context, self._memory.doubts(state, due, thin, context))
        for at in np.flatnonzero(ready).tolist():
            mine = {name: rows[at] for name, rows in estimate.items()}
            verdict.readings.extend(estimates(said[at], MEASURES, mine, float(support[at]), int(labels[at])))
        self._memory.wait(state, due, ready, {name: rows[ready] for name, rows in estimate.items()}, context)

    def _check(self, state: State, context: Judging, verdict: Verdict) -> None:
        """Compare estimates with what their labels showed."""
        checked, arrived = self._memory.check(state, context)
        if not len(checked):
            return
        realised = Errors.of(arrived, checked.unit).realised()
        for at, said in of_checked(self.name, checked, context):
            verdict.readings.extend(errors(said, MEASURES, checked.estimate(at), realised[at]))


def _seal(state: State, full: dict[int, Floats]) -> None:
    """Choose the intervals of versions that have predictions enough: even shares of them, and what is beyond."""
    if not full:
        return
    edges = np.full((max(len(state["edges"]), max(full) + 1), BINS - 1), np.nan)
    edges[: len(state["edges"])] = state["edges"]
    for group, values in full.items():
        edges[group] = np.quantile(values, np.arange(BINS - 1) / (BINS - 2), method="inverted_cdf")
        edges[group, -1] = np.nextafter(edges[group, -1], np.inf)
    state["edges"] = edges


def _summary(entries: Entries, sample: Summary) -> Summary:
    """Entries and samples in one; the keys are the groups of either."""
    counted = cube.to_summary(entries)
    keys = np.union1d(counted.keys, sample.keys).astype(np.int32)
    return Summary(keys, {**counted.columns, "sampled": sample.keys, **sample.columns})


def _entries(summary: Summary) -> Summary:
    return Summary(summary.keys, {name: summary[name] for name in ("unit", "what", "code", "value")})


def _samples(summary: Summary) -> Summary:
    columns = {
        name: column for name, column in summary.columns.items() if name.startswith("sample_") or name == "sample"
    }
    return Summary(summary["sampled"], columns)
