"""Repeated values: does one exact value of a numeric feature come far more often than it used to?

A clipped range makes many of its limit; a default that is filled in, a sensor that sticks now and then, or a sentinel
like -1 make many of one number. None of these need move a distribution far, so `feature_drift` may not mind. Values
are counted by hash in 32 buckets, where what is not repeated spreads evenly, wherever it drifts to; an e-detector
(`detectors.crowding`, which says what is proved) asks whether one bucket holds more than it did. Watched are features
with more values than bins; of those with fewer `feature_drift` sees each value by itself.

A drift of a feature of few values may also fill buckets, many of them a little: it is told only if one bucket makes up
most of what was gained. The value itself is told from the last of what fell into the bucket while it was suspected.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import Field

from processors.base import Finding, Judging, Monitor, MonitorSettings, State, Summary, Verdict
from processors.detectors import budget
from processors.detectors.change import Change
from processors.detectors.crowding import Crowding
from processors.drift import samples
from processors.kernels.binning import NUMERIC
from processors.kernels.hashing import bucket_counts, buckets
from processors.profile import Profile
from processors.profile.lending import pairs
from processors.registry import register
from processors.rows import Bools, Floats, Index, Ints
from processors.slices import PredictionRows
from processors.wording import basis, model_words, percent

_KEPT = 64
"""Values of a suspected bucket that are remembered."""
_FEWEST_ALIKE = 3
"""Values of the sample that have to be the same for it to be named."""
_REASON = "One value that often is rarely real: look for a limit, a default or a sensor that sticks upstream."


class RepeatedValuesSettings(MonitorSettings):
    """When the repetition of a value matters."""

    min_effect: float = Field(0.05, gt=0, lt=1)
    """Gains of a value by less than this share of the predictions are not worth an alert (absolute)."""
    critical_effect: float = Field(0.5, gt=0, le=1)
    """From this gain on an alert is critical."""
    warmup: int = Field(500, ge=50)
    """Values that a reference made of own events needs before it judges."""


@register("repeated_values")
class RepeatedValues(Monitor[RepeatedValuesSettings, PredictionRows]):
    """Counts by (feature, bucket of the value's hash) → an alert for each feature of which one value crowds."""

    consumes = "predictions"
    alarm_share = 0.5
    code_version = 2
    Settings = RepeatedValuesSettings

    def __init__(self, settings: RepeatedValuesSettings) -> None:
        super().__init__(settings)
        self._detector = Crowding(min_effect=settings.min_effect, warmup=settings.warmup)

    def measure(self, rows: PredictionRows, profile: Profile, sealed: Any) -> Summary:
        """`counts` (int64, (series, 32)) of each watched series that occurs; samples of values in suspected buckets.

        `sealed` names the suspected bucket of each series, -1 for none.
        """
        cells, place = rows.cells, _watched(profile)
        value = cells.value + 0.0  # -0.0 is 0.0
        size = int(place.max(initial=-1)) + 1
        counts = bucket_counts(cells.series, value.view(np.uint64), value, place, size)
        present = counts.any(axis=1)
        if not present.any():
            return self.empty()
        keys = np.flatnonzero(place >= 0).astype(np.int32)[present]
        at = _suspected(cells.series, value, keys, sealed)
        sample = samples.columns(keys, cells.series[at], rows.table.key[cells.row[at]], value[at])
        return Summary(keys, {"counts": counts[present], **sample})

    def merge(self, a: Summary, b: Summary) -> Summary:
        return samples.merge(a, b)

    def initial(self) -> State:
        return {"crowding": self._detector.initial(), "budget": budget.initial(), "told": {}, "seen": {}}

    def judge(self, state: State, summary: Summary, context: Judging) -> Verdict:
        findings: list[Finding] = []
        if len(summary):
            _remember(state["seen"], summary)
            bases = context.profile.series_group[summary.keys]
            weights = budget.weights(state["budget"], summary.keys, budget.models_of(context.profile, bases), context)
            waiting = self._detector.inherit(state["crowding"], *pairs(context.profile.loans))
            counts = summary["counts"] * ~np.isin(summary.keys, waiting)[:, None]
            changes = self._detector.step(state["crowding"], summary.keys, counts, context.start, context.end, weights)
            for change in changes:
                findings += self._findings(state, change, context.profile)
            suspects = self._detector.suspects(state["crowding"])
            for key in summary.keys[suspects[summary.keys] < 0].tolist():
                state["seen"].pop(key, None)
        return Verdict(state, findings=findings, sealed=self._detector.suspects(state["crowding"]))

    def adopt(self, state: State, rows: PredictionRows, context: Judging) -> Verdict:
        summary = self.measure(rows, context.profile, None)
        if len(summary):
            enough = summary["counts"].sum(axis=1) >= self.settings.warmup
            self._detector.adopt(state["crowding"], summary.keys[enough], summary["counts"][enough])
            for key in summary.keys[enough].tolist():
                state["told"].pop(key, None)
        return Verdict(state, sealed=self._detector.suspects(state["crowding"]))

    def examples(self, finding: Finding, rows: PredictionRows, profile: Profile, sealed: Any) -> Bools | None:
        """Predictions with that value."""
        value = finding.evidence.get("value")
        key = profile.series_of(profile.number(finding.group.model, finding.group.version)).get(finding.feature or "")
        if value is None or key is None:
            return None
        there = np.zeros(len(rows), np.bool_)
        there[rows.cells.row[(rows.cells.series == key) & (rows.cells.value == float(value))]] = True
        return there

    def forget(self, state: State, groups: frozenset[int], series: frozenset[int]) -> State:
        self._detector.forget(state["crowding"], series)
        budget.forget(state["budget"], series)
        for key in series:
            state["told"].pop(key, None)
            state["seen"].pop(key, None)
        return state

    def _findings(self, state: State, change: Change, profile: Profile) -> list[Finding]:
        """What to say of a change: nothing of one that is no repetition, and was not told as one."""
        key, told = change.key, state["told"]
        if change.kind == "recovered":
            value = told.pop(key, None)
            return [] if value is None else [self._finding(change, profile, _known(value))]
        first = key not in told
        if first and not self._detector.alone(state["crowding"], key):
            return []
        if first or np.isnan(told[key]):
            told[key] = _commonest(state["seen"].get(key, np.zeros(0)))
        change = replace(change, kind="fired" if first else "updated")
        return [self._finding(change, profile, _known(told[key]))]

    def _finding(self, change: Change, profile: Profile, value: float | None) -> Finding:
        group, feature = profile.groups[profile.series_group[change.key]], profile.series_feature[change.key]
        gain, recovered = change.value - change.reference, change.kind == "recovered"
        return change.finding(
            self.name,
            "share",
            group,
            f"{model_words(group)}: {_sentence(change, feature, value)}.",
            feature=feature,
            severity="critical" if gain >= self.settings.critical_effect else "warning",
            action="none" if recovered else "fix_feature",
            evidence={} if value is None else {"value": repr(value)},  # a text, for redaction
            reason="" if recovered else _REASON,
        )


def _watched(profile: Profile) -> Ints:
    """A row for each numeric series with more values than bins, ascending, -1 for the others; shape (series,).

    Where a sample had few values each has a bin of its own, and the last of them is the largest.
    """
    live = (profile.series_type == NUMERIC) & (profile.series_group >= 0)
    last = np.maximum(profile.series_bins - 1, 0)
    live &= profile.series_upper > profile.series_edges[np.arange(len(last)), last]
    return np.where(live, np.cumsum(live) - 1, -1).astype(np.int32)


def _suspected(series: Ints, value: Floats, keys: Ints, sealed: Any) -> Index:
    """Which cells are in the suspected bucket of one of `keys`?"""
    hot = np.full(int(series.max()) + 1, -1, np.int32)
    known = keys[keys < (0 if sealed is None else len(sealed))]
    hot[known] = sealed[known] if len(known) else -1
    if not (hot >= 0).any():
        return np.zeros(0, np.int64)
    mine = np.flatnonzero((hot[series] >= 0) & np.isfinite(value))
    return np.asarray(mine[buckets(value[mine]) == hot[series[mine]]])


def _remember(seen: dict[int, Floats], summary: Summary) -> None:
    """Keep the last values of suspected buckets, of each series."""
    for at in np.flatnonzero(~np.isnan(summary["sample"]).all(axis=1)).tolist():
        key, values = int(summary.keys[at]), summary["sample"][at]
        seen[key] = np.concatenate([seen.get(key, np.zeros(0)), values[~np.isnan(values)]])[-_KEPT:]


def _commonest(sample: Floats) -> float:
    """The value that occurs most often in a sample, NaN if none does so clearly."""
    values, counts = np.unique(sample[~np.isnan(sample)], return_counts=True)
    if not len(values) or counts.max() < max(_FEWEST_ALIKE, counts.sum() / 2):
        return float("nan")
    return float(values[counts.argmax()])


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


def _sentence(change: Change, feature: str, value: float | None) -> str:
    which = "one and the same value" if value is None else f"exactly {value:.6g}"
    if change.kind == "recovered":
        return f"feature {feature} repeats {which} no more than usual ({change.n:,} predictions)"
    now, usual = percent(change.value), percent(change.reference)
    support = basis(change.n, "predictions", change.since)
    return f"feature {feature} is {which} in {now} of the predictions, usually in {usual} or less ({support})"
