"""Attributions: which features drive a model's answers, and do they drive them as before?

Of each explained prediction a feature's share is its |attribution| over the sum of all: a number from 0 to 1 that does
not depend on the scale of the output. Told are each feature's mean |attribution| and mean share, and for the ranking
as a whole its NDCG against the reference (as in Amazon SageMaker Model Monitor) and the distance of the shares.

An alert asks of each feature whether its mean share left its reference by more than `min_effect`, in either direction,
by the e-detector on rates (`detectors.rates`) with the sum of shares for hits and the explained predictions for trials.
Proved: for x from 0 to 1 of mean at most r, E exp(dx) <= 1 + r (exp(d) - 1), since exp is convex; so what that detector
says of hits that are 0 or 1 holds for shares, for any number of samples a pane and any dependence among features: at
most the budget's false alarms while a prediction's mean share, given the past, stays within the reference's bound.
Shares vary less than hits do, so it is on the careful side. Measured only: what a daily cycle does to shares.

A version has one alert, however many of its features have moved: shares sum to 1, and none moves alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import numpy as np
from pydantic import Field

from processors.base import Finding, Judging, Monitor, MonitorSettings, Reading, State, Summary, Verdict
from processors.detectors import budget, columns
from processors.detectors.change import Change
from processors.detectors.projection import jensen_shannon, total_variation
from processors.detectors.rates import Rates
from processors.explanation.ranking import ndcg
from processors.profile import Profile
from processors.registry import register
from processors.rows import Floats, Ints
from processors.slices import ExplanationRows
from processors.windows import Due, Windows
from processors.wording import basis, model_words, percent

_WINDOWS = Windows()

_UNIT = 2**32
"""Shares are summed as whole multiples of 1 / _UNIT, which add up to the same in any order."""

_LARGEST = 1e150
_RECENT = 200.0
"""Evidence for other alerts is the mean over about so many explained predictions."""

_LAYOUT: columns.Layout = {
    "base": (np.int32, (), -1),
    "recent_n": (np.float64, (), 0),
    "recent_share": (np.float64, (), 0),
    "recent_abs": (np.float64, (), 0),
}


class AttributionSettings(MonitorSettings):
    """When a change of what drives a model matters."""

    min_effect: float = Field(0.1, gt=0, lt=1)
    """A feature's share of the explanations may change by this much before it is worth an alert."""
    warmup: int = Field(200, ge=20)
    """Explained predictions that a reference needs before it judges."""


@register("attribution")
class Attribution(Monitor[AttributionSettings, ExplanationRows]):
    """Sums of |attribution| and of shares by feature → importance, its ranking against the reference, an alert."""

    consumes = "explanations"
    code_version = 2
    Settings = AttributionSettings

    def __init__(self, settings: AttributionSettings) -> None:
        super().__init__(settings)
        self._detector = Rates(direction="both", min_effect=settings.min_effect, warmup=settings.warmup)

    def measure(self, rows: ExplanationRows, profile: Profile, sealed: Any) -> Summary:
        """Of each series of the versions that occur: explained rows `n`, `share` (int64, units) and `total` |value|.

        A feature without an attribution in a row has none to give: its share there is 0. Rows in which all are 0 say
        nothing and are left out.
        """
        known = (rows.series >= 0) & np.isfinite(rows.value)
        row, series = rows.row[known], rows.series[known]
        size = np.minimum(np.abs(rows.value[known]), _LARGEST)
        share, useful = _shares(row, size, len(rows))
        per_base = np.bincount(rows.base[useful & (rows.base >= 0)], minlength=len(profile.groups) + 1)
        group = profile.series_group
        keys = np.flatnonzero((group >= 0) & (per_base[group] > 0)).astype(np.int32)
        mine = np.isin(series, keys)
        place = np.searchsorted(keys, series[mine])
        units = np.zeros(len(keys), np.int64)
        np.add.at(units, place, np.rint(share[mine] * _UNIT).astype(np.int64))
        total = np.bincount(place, size[mine], len(keys))
        return Summary(keys, {"n": per_base[group[keys]].astype(np.int64), "share": units, "total": total})

    def initial(self) -> State:
        return {
            "drift": self._detector.initial(),
            "budget": budget.initial(),
            "windows": _WINDOWS.initial(),
            "recent": columns.empty(_LAYOUT),
            "names": {},
            "since": {},
        }

    def judge(self, state: State, summary: Summary, context: Judging) -> Verdict:
        verdict = Verdict(state)
        summary = self._remember(state, summary, context.profile)
        if len(summary):
            bases = context.profile.series_group[summary.keys]
            weights = budget.weights(state["budget"], summary.keys, budget.models_of(context.profile, bases), context)
            before = set(bases[self._detector.firing(state["drift"], summary.keys)].tolist())
            hits = summary["share"] / _UNIT
            changes = self._detector.step(
                state["drift"], summary.keys, hits, summary["n"], context.start, context.end, weights
            )
            after = set(bases[self._detector.firing(state["drift"], summary.keys)].tolist())
            verdict.findings.extend(self._findings(state, changes, before, after, context.profile))
        for due in _WINDOWS.add(state["windows"], summary, context):
            verdict.readings.extend(self._readings(state, due, context.profile))
        return verdict

    def deadline(self, state: State) -> int | None:
        return _WINDOWS.deadline(state["windows"])

    def forget(self, state: State, groups: frozenset[int], series: frozenset[int]) -> State:
        self._detector.forget(state["drift"], series)
        budget.forget(state["budget"], series)
        _WINDOWS.forget(state["windows"], series)
        columns.clear(state["recent"], _LAYOUT, columns.numbers(series))
        for number in sorted(series):
            state["names"].pop(number, None)
        for group in sorted(groups):
            state["since"].pop(group, None)
        return state

    def evidence(self, state: State, base: int, profile: Profile | None = None, k: int = 5) -> dict[str, Any]:
        """What drives a version now, for any alert of it: `top_features`, the k with the largest recent share.

        Each has `feature`, `mean_abs`, `share`, and where there is a reference `reference_share` and `change`. Empty
        if nothing was explained yet.
        """
        recent = state["recent"]
        keys = np.flatnonzero((recent["base"] == base) & (recent["recent_n"] > 0)).astype(np.int32)
        n = recent["recent_n"][keys]
        share, mean = recent["recent_share"][keys] / n, recent["recent_abs"][keys] / n
        reference = self._reference(state, keys)
        order = sorted(range(len(keys)), key=lambda at: (-share[at], state["names"][int(keys[at])]))
        features = [
            _described(state["names"][int(keys[at])], float(mean[at]), float(share[at]), float(reference[at]))
            for at in order[:k]
        ]
        return {"top_features": features} if features else {}

    def _remember(self, state: State, summary: Summary, profile: Profile) -> Summary:
        """Keep the recent means, and leave out series that never had an attribution."""
        keys, recent = summary.keys, state["recent"]
        if not len(keys):
            return summary
        columns.grow(recent, _LAYOUT, keys)
        new = (recent["base"][keys] < 0) & (summary["share"] > 0)
        recent["base"][keys[new]] = profile.series_group[keys[new]]
        state["names"].update({int(key): profile.series_feature[key] for key in keys[new].tolist()})
        live = recent["base"][keys] >= 0
        keys = keys[live]
        summary = Summary(keys, {name: column[live] for name, column in summary.columns.items()})
        if len(keys):
            kept = np.exp(-summary["n"] / _RECENT)
            for name, added in zip(("n", "share", "abs"), ("n", "share", "total"), strict=True):
                scale = _UNIT if added == "share" else 1
                recent[f"recent_{name}"][keys] = recent[f"recent_{name}"][keys] * kept + summary[added] / scale
        return summary

    def _reference(self, state: State, keys: Ints) -> Floats:
        """Mean share of each of `keys` in the reference; NaN where there is none yet."""
        hits, trials = self._detector.reference_of(state["drift"], keys)
        return np.where(trials > 0, hits / np.maximum(trials, 1), np.nan)

    def _readings(self, state: State, due: Due, profile: Profile) -> Iterator[Reading]:
        bases = profile.series_group[due.keys]
        reference = self._reference(state, due.keys)
        share = due.summary["share"] / _UNIT / np.maximum(due.summary["n"], 1)
        mean = due.summary["total"] / np.maximum(due.summary["n"], 1)
        order = np.lexsort((due.keys, due.end, due.start, bases)).tolist()
        for _, members in groupby(order, key=lambda at: (bases[at], due.start[at], due.end[at])):
            at = np.array(list(members))
            group = profile.groups[bases[at[0]]]
            n, start, end = int(due.summary["n"][at[0]]), int(due.start[at[0]]), int(due.end[at[0]])
            for one in at.tolist():
                feature, usual = profile.series_feature[due.keys[one]], _known(reference[one])
                yield Reading(
                    self.name, "mean_abs_attribution", group, float(mean[one]), n, start, end, feature=feature
                )
                yield Reading(
                    self.name, "share", group, float(share[one]), n, start, end, feature=feature, reference=usual
                )
            if len(at) > 1 and np.isfinite(reference[at]).all():
                details = {
                    "total_variation": float(total_variation(reference[at], share[at])),
                    "jensen_shannon": float(jensen_shannon(reference[at], share[at])),
                }
                likeness = _known(ndcg(reference[at], share[at]))
                yield Reading(
                    self.name, "attribution_ndcg", group, likeness, n, start, end, reference=1.0, details=details
                )

    def _findings(
        self, state: State, changes: list[Change], before: set[int], after: set[int], profile: Profile
    ) -> Iterator[Finding]:
        """One finding for each version whose features changed: the first fires it, the last to recover ends it."""
        by_base: dict[int, list[Change]] = {}
        for change in changes:
            by_base.setdefault(int(profile.series_group[change.key]), []).append(change)
        for base, mine in sorted(by_base.items()):
            lead = max(mine, key=lambda change: (abs(change.value - change.reference), -change.key))
            feature, group = profile.series_feature[lead.key], profile.groups[base]
            since = state["since"].setdefault(base, min(change.since for change in mine))
            recovered = base not in after
            if recovered:
                del state["since"][base]
            yield Finding(
                kind="recovered" if recovered else "updated" if base in before else "fired",
                monitor=self.name,
                series="attribution_drift",
                group=group,
                since=since,
                value=lead.value,
                n=lead.n,
                summary=_sentence(model_words(group), feature, lead, since, recovered=recovered),
                reference=lead.reference,
                low=lead.low,
                high=lead.high,
                action="none" if recovered else "retrain",
                provisional=lead.provisional,
                evidence={"moved_feature": feature, **self.evidence(state, base)},
            )


def _shares(row: Ints, size: Floats, rows: int) -> tuple[Floats, Any]:
    """Each entry's part of its row's sum, and which rows have a sum at all."""
    total = np.bincount(row, size, rows)
    useful = total > 0
    return size / np.where(useful, total, 1.0)[row], useful


def _known(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None


def _described(feature: str, mean: float, share: float, reference: float) -> dict[str, Any]:
    described: dict[str, Any] = {"feature": feature, "mean_abs": mean, "share": share}
    if np.isfinite(reference):
        described |= {"reference_share": reference, "change": share - reference}
    return described


def _sentence(subject: str, feature: str, change: Change, since: int, *, recovered: bool) -> str:
    support = basis(change.n, "explained predictions", since)
    if recovered:
        return f"{subject}: what drives its answers is as in the reference again ({change.n:,} explained predictions)."
    now, before = percent(change.value), percent(change.reference)
    word = "more" if change.direction == "up" else "less"
    return f"{subject}: its answers rest {word} on {feature} than before, {now} instead of {before} ({support})."
