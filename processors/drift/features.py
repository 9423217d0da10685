"""Feature drift: do the values of a feature still fall where they used to?

Each sealed feature of each version is a histogram of up to 32 bins, absence, wrong types, unseen categories and values
out of range among them. An e-detector on histograms (`detectors.histograms`, which says what is proved) asks whether
the distribution is further from the reference than `min_effect`, in total variation: the share of the predictions
whose value would have to move. The population stability index and the Jensen-Shannon distance are told beside it, for
those who know their size by heart; alerts do not depend on them.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from pydantic import Field

from processors.base import (
    Action,
    Finding,
    Judging,
    Monitor,
    MonitorSettings,
    Reading,
    Severity,
    State,
    Summary,
    Verdict,
)
from processors.detectors import births, budget, turns
from processors.detectors.change import Change
from processors.detectors.histograms import Histograms
from processors.detectors.projection import jensen_shannon, stability_index, total_variation
from processors.drift import distances
from processors.kernels import binning
from processors.kernels.binning import ABOVE, ABSENT, BELOW, CATEGORICAL, NUMERIC, REGULAR, WRONG_TYPE
from processors.profile import Profile
from processors.profile.lending import lent, pairs
from processors.registry import register
from processors.rows import Floats, Ints, Longs
from processors.slices import PredictionRows
from processors.windows import Due, Windows
from processors.wording import basis, model_words, percent

_WINDOWS = Windows()
_NAMED = 5
"""Features that other alerts of the version name."""


class FeatureDriftSettings(MonitorSettings):
    """When a feature's change matters."""

    min_effect: float = Field(0.1, gt=0, lt=1)
    """Changes that move less than this share of the values are not worth an alert (total variation distance)."""
    critical_effect: float = Field(0.5, gt=0, le=1)
    """From this share on an alert is critical."""
    warmup: int = Field(500, ge=50)
    """Predictions that a reference made of own events needs before it judges."""


@register("feature_drift")
class FeatureDrift(Monitor[FeatureDriftSettings, PredictionRows]):
    """Counts by (feature, bin) → distance to the reference, mean, and an alert for each feature that moved."""

    consumes = "predictions"
    code_version = 2
    Settings = FeatureDriftSettings

    def __init__(self, settings: FeatureDriftSettings) -> None:
        super().__init__(settings)
        self._detector = Histograms(min_effect=settings.min_effect, warmup=settings.warmup)

    def measure(self, rows: PredictionRows, profile: Profile, sealed: Any) -> Summary:
        """Counts by bin (int64, (series, 32)) of every sealed feature of the versions that occur; sums of numbers."""
        keys, seen = sealed_series(rows, profile)
        if not len(keys):
            return self.empty()
        cells, place = rows.cells, binning.places(keys, len(profile.series_group))
        counts = binning.counts(cells.series, cells.bin, place, len(keys))
        counts[:, ABSENT] += seen - counts.sum(axis=1)
        totals, numbers = binning.sums(cells.series, cells.value, place, len(keys))
        return Summary(keys, {"counts": counts, "n": seen, "numbers": numbers, "total": totals})

    def initial(self) -> State:
        return {
            "drift": self._detector.initial(),
            "budget": budget.initial(),
            "turns": turns.initial(),
            "windows": _WINDOWS.initial(),
        }

    def judge(self, state: State, summary: Summary, context: Judging) -> Verdict:
        verdict = Verdict(state)
        if len(summary):
            bases = context.profile.series_group[summary.keys]
            weights = budget.weights(state["budget"], summary.keys, budget.models_of(context.profile, bases), context)
            by_turns = turns.taken(turns.of(state), summary.keys, summary["counts"], context.start)
            weights[by_turns & ~lent(context.profile.loans, summary.keys)] = 0
            waiting = self._detector.inherit(state["drift"], *pairs(context.profile.loans))
            counts = summary["counts"] * ~np.isin(summary.keys, waiting)[:, None]
            changes = self._detector.step(state["drift"], summary.keys, counts, context.start, context.end, weights)
            verdict.findings.extend(self._finding(state, change, context.profile) for change in changes)
        for due in _WINDOWS.add(state["windows"], summary, context):
            verdict.readings.extend(self._readings(state, due, context.profile))
        return verdict

    def adopt(self, state: State, rows: PredictionRows, context: Judging) -> Verdict:
        summary = self.measure(rows, context.profile, None)
        if len(summary):
            enough = summary["n"] >= self.settings.warmup
            self._detector.adopt(state["drift"], summary.keys[enough], summary["counts"][enough])
        return Verdict(state)

    def examples(self, finding: Finding, rows: PredictionRows, profile: Profile, sealed: Any) -> Any:
        """Predictions whose value lies where the feature has gained most."""
        base = profile.number(finding.group.model, finding.group.version)
        key = profile.series_of(base).get(finding.feature or "", -1)
        gained = {moved["bin"] for moved in finding.evidence["moved"][:1] if moved["share"] > moved["reference"]}
        places = range(REGULAR + int(profile.series_bins[key]))
        bins = [place for place in places if profile.bin_name(key, place) in gained]
        mine, of_feature = rows.base == base, rows.cells.series == key
        there = np.zeros(len(rows), np.bool_)
        there[rows.cells.row[of_feature & np.isin(rows.cells.bin, bins)]] = True
        if ABSENT in bins:
            there |= ~np.isin(np.arange(len(rows)), rows.cells.row[of_feature])
        return mine & there

    def evidence(self, state: State, base: int, profile: Profile) -> dict[str, Any]:
        """The features of a version that have moved most, and what part each has in the shift of all."""
        own = profile.series_of(base)
        keys = np.array(sorted(own.values()), np.int32)
        if not len(keys):
            return {}
        names = {number: feature for feature, number in own.items()}
        moved = self._detector.moved(state["drift"], keys)
        order = [at for at in np.argsort(-moved, kind="stable").tolist() if moved[at] > 0][:_NAMED]
        total = float(moved.sum())
        features = [
            {"feature": names[int(keys[at])], "moved": float(moved[at]), "part": float(moved[at]) / total}
            for at in order
        ]
        return {"moved_features": features} if features else {}

    def deadline(self, state: State) -> int | None:
        return _WINDOWS.deadline(state["windows"])

    def forget(self, state: State, groups: frozenset[int], series: frozenset[int]) -> State:
        self._detector.forget(state["drift"], series)
        budget.forget(state["budget"], series)
        turns.forget(turns.of(state), series)
        _WINDOWS.forget(state["windows"], series)
        return state

    def _readings(self, state: State, due: Due, profile: Profile) -> list[Reading]:
        shares = due.summary["counts"] / np.maximum(due.summary["n"], 1)[:, None]
        reference = self._detector.shares(state["drift"], due.keys)
        columns = zip(
            due.keys.tolist(),
            due.summary["n"].tolist(),
            due.start.tolist(),
            due.end.tolist(),
            total_variation(reference, shares).tolist(),
            jensen_shannon(reference, shares).tolist(),
            stability_index(reference, shares).tolist(),
            _means(due.summary).tolist(),
            strict=True,
        )
        readings = []
        for key, n, start, end, moved, js, psi, mean in columns:
            group, feature = profile.groups[profile.series_group[key]], profile.series_feature[key]
            if np.isfinite(moved):
                details = {"jensen_shannon": js, "psi": psi}
                readings.append(
                    Reading(
                        self.name,
                        "distance",
                        group,
                        moved,
                        n,
                        start,
                        end,
                        feature=feature,
                        reference=0.0,
                        details=details,
                    )
                )
            if profile.series_type[key] == NUMERIC:
                value = mean if np.isfinite(mean) else None
                readings.append(Reading(self.name, "mean", group, value, n, start, end, feature=feature))
        return readings

    def _finding(self, state: State, change: Change, profile: Profile) -> Finding:
        key = np.array([change.key], np.int32)
        reference = self._detector.shares(state["drift"], key)[0]
        group = profile.groups[profile.series_group[change.key]]
        feature = profile.series_feature[change.key]
        assert change.counts is not None  # noqa: S101 - histograms always say what they counted
        shares = change.counts / max(change.counts.sum(), 1)
        bin_ = int(np.argmax(shares - reference))
        recovered = change.kind == "recovered"
        finding = change.finding(
            self.name,
            "distance",
            group,
            _sentence(change, profile, bin_, reference, shares),
            feature=feature,
            severity=_severity(change.value, self.settings.critical_effect),
            action="none" if recovered else _action(bin_, reference, shares),
            evidence={"moved": distances.most_moved(partial(profile.bin_name, change.key), reference, shares)},
            reason="" if recovered else _reason(bin_, reference, shares),
        )
        return births.told(finding, profile.loans.get(change.key))


def sealed_series(rows: PredictionRows, profile: Profile) -> tuple[Ints, Longs]:
    """Numbers of the sealed series of the versions that occur (ascending), and how many rows each version has."""
    base = rows.base[rows.base >= 0]
    group = profile.series_group
    per_base = np.bincount(base, minlength=len(profile.groups) + 1)
    type_ = profile.series_type
    drawn = (group >= 0) & ((type_ == NUMERIC) | (type_ == CATEGORICAL)) & (per_base[group] > 0)
    keys = np.flatnonzero(drawn).astype(np.int32)
    return keys, per_base[group[keys]].astype(np.int64)


def _means(summary: Summary) -> Floats:
    return np.where(summary["numbers"] > 0, summary["total"] / np.maximum(summary["numbers"], 1), np.nan)


def _severity(moved: float, critical: float) -> Severity:
    return "critical" if moved >= critical else "warning"


def _action(bin_: int, reference: Floats, shares: Floats) -> Action:
    """What gained most tells what to do: values that cannot be right are broken upstream, others are the world's."""
    wrong = shares[:REGULAR].sum() - reference[:REGULAR].sum()
    return "fix_feature" if bin_ < REGULAR or wrong >= 0.1 else "retrain"


def _reason(bin_: int, reference: Floats, shares: Floats) -> str:
    if _action(bin_, reference, shares) == "fix_feature":
        return "Its new values are none that the model was trained on: repair where they come from."
    return "Its values are such as it had before, in other shares: if the world has changed, the model has to learn it."


def _sentence(change: Change, profile: Profile, bin_: int, reference: Floats, shares: Floats) -> str:
    group = profile.groups[profile.series_group[change.key]]
    subject = f"{model_words(group)}: feature {profile.series_feature[change.key]}"
    if change.kind == "recovered":
        return f"{subject} is again distributed as in the reference ({change.n:,} predictions)."
    support = basis(change.n, "predictions", change.since)
    wrong = {
        ABSENT: "is missing",
        WRONG_TYPE: "has the wrong type",
        BELOW: "is below its known range",
        ABOVE: "is above its known range",
    }
    if profile.series_type[change.key] == CATEGORICAL:
        wrong[BELOW] = "has a category never seen before"
    before, now = percent(float(reference[bin_])), percent(float(shares[bin_]))
    if bin_ in wrong:
        return f"{subject} {wrong[bin_]} in {now} of the predictions, was {before} ({support})."
    name = profile.bin_name(change.key, bin_)
    return f"{subject} moved: {name} went from {before} to {now} of the predictions ({support})."
