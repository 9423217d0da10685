"""Prediction drift: does a model still answer as it used to?

Of each group the histogram of what was predicted (classes; for a regression, intervals of the predicted value, chosen
from the version's first predictions) and, for binary models, that of the score. An e-detector on histograms
(`detectors.histograms`, which says what is proved) asks of each whether it left its reference. No labels are needed,
so this is the first to say that something happened, and the last to say what.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from processors.base import Finding, Judging, Monitor, MonitorSettings, Reading, State, Summary, Verdict
from processors.detectors import budget, columns
from processors.detectors.change import Change
from processors.detectors.histograms import Histograms
from processors.distinct import distinct
from processors.drift import bins, distances, samples
from processors.kernels.binning import WIDTH
from processors.profile import REGRESSION, UNDECIDED, Profile
from processors.registry import register
from processors.rows import Floats, Ints, Longs
from processors.slices import PredictionRows
from processors.windows import Due, Windows
from processors.wording import basis, model_words, percent

_WINDOWS = Windows()
_WHOLE_SHARE = 4.0
_OF = {"predictions": "predicted", "scores": "score"}


class PredictionDriftSettings(MonitorSettings):
    """When a change of what is predicted matters."""

    min_effect: float = Field(0.1, gt=0, lt=1)
    """Changes that move less than this share of the predictions are not worth an alert (total variation distance)."""
    critical_effect: float = Field(0.5, gt=0, le=1)
    """From this share on an alert is critical."""
    warmup: int = Field(500, ge=50)
    """Predictions that a reference made of own predictions needs before it judges."""


@register("prediction_drift")
class PredictionDrift(Monitor[PredictionDriftSettings, PredictionRows]):
    """Predicted classes (or values) and scores by group → distance to the reference, and an alert where they moved."""

    consumes = "predictions"
    code_version = 2
    Settings = PredictionDriftSettings

    def __init__(self, settings: PredictionDriftSettings) -> None:
        super().__init__(settings)
        self._detector = Histograms(min_effect=settings.min_effect, warmup=settings.warmup)

    def measure(self, rows: PredictionRows, profile: Profile, sealed: Any) -> Summary:
        """Counts by bin of predictions and scores, int64 (groups, 32); samples of regressions without intervals.

        `sealed` gives by base group the 19 edges between a regression's intervals, NaN where they are not known.
        """
        member, group = rows.member_row, rows.member_group
        keys, place = distinct(group)
        if not len(keys):
            return self.empty()
        keys = keys.astype(np.int32)
        answer, waiting = _answers(rows, sealed)
        predicted = _count(place, answer[member], len(keys))
        scored = _count(place, bins.of_scores(rows.score)[member], len(keys))
        n = np.bincount(place, minlength=len(keys))
        sample = samples.columns(keys, np.where(waiting, rows.base, -1), rows.table.key, rows.value)
        return Summary(keys, {"predicted": predicted, "score": scored, "n": n, **sample})

    def merge(self, a: Summary, b: Summary) -> Summary:
        return samples.merge(a, b)

    def initial(self) -> State:
        return {
            **{series: self._detector.initial() for series in _OF},
            "budget": budget.initial(),
            "windows": _WINDOWS.initial(),
            "waiting": {},
            "edges": bins.no_edges(),
        }

    def judge(self, state: State, summary: Summary, context: Judging) -> Verdict:
        counted = Summary(summary.keys, {})
        if len(summary):
            state["edges"] = bins.sealed(state["edges"], samples.collect(state["waiting"], summary))
            counted = Summary(summary.keys, {name: summary[name] for name in ("predicted", "score", "n")})
        verdict = Verdict(state, sealed=state["edges"])
        if len(counted):
            weights = self._weights(state, counted.keys, context)
            for series, column in _OF.items():
                changes = self._detector.step(
                    state[series], counted.keys, counted[column], context.start, context.end, weights
                )
                verdict.findings.extend(self._finding(state, series, change, context.profile) for change in changes)
        for due in _WINDOWS.add(state["windows"], counted, context):
            for series, column in _OF.items():
                verdict.readings.extend(self._readings(state, series, due, due.summary[column], context.profile))
        return verdict

    def adopt(self, state: State, rows: PredictionRows, context: Judging) -> Verdict:
        """A regression without intervals gets them from the reference, whole."""
        values = np.where(rows.task == REGRESSION, rows.value, np.nan)
        full = samples.whole(state["waiting"], rows.base, values, state["edges"])
        state["edges"] = bins.sealed(state["edges"], full)
        summary = self.measure(rows, context.profile, state["edges"])
        for series, column in _OF.items() if len(summary) else ():
            enough = summary[column].sum(axis=1) >= self.settings.warmup
            self._detector.adopt(state[series], summary.keys[enough], summary[column][enough])
        return Verdict(state, sealed=state["edges"])

    def accept(self, state: State, groups: frozenset[int], series: frozenset[int]) -> State:
        for name in _OF:
            self._detector.accept(state[name], columns.numbers(groups))
        return state

    def deadline(self, state: State) -> int | None:
        return _WINDOWS.deadline(state["windows"])

    def forget(self, state: State, groups: frozenset[int], series: frozenset[int]) -> State:
        for name in _OF:
            self._detector.forget(state[name], groups)
        budget.forget(state["budget"], groups)
        _WINDOWS.forget(state["windows"], groups)
        state["edges"] = bins.without(state["edges"], groups)
        for group in groups:
            state["waiting"].pop(group, None)
        return state

    def _weights(self, state: State, keys: Ints, context: Judging) -> Floats:
        bases = context.profile.group_base[keys]
        shares = np.where(bases == keys, _WHOLE_SHARE, 1.0)
        owners = budget.models_of(context.profile, bases)
        return np.asarray(budget.weights(state["budget"], keys, owners, context, shares) / len(_OF))

    def _readings(self, state: State, series: str, due: Due, counts: Longs, profile: Profile) -> list[Reading]:
        reference = self._detector.shares(state[series], due.keys)
        return distances.readings(self.name, series, due, counts, reference, profile)

    def _finding(self, state: State, series: str, change: Change, profile: Profile) -> Finding:
        reference = self._detector.shares(state[series], np.array([change.key], np.int32))[0]
        counts = change.counts if change.counts is not None else np.zeros(WIDTH)
        shares = counts / max(counts.sum(), 1)
        names = _bin_names(state, series, change.key, profile)
        most = _moved(names, int(np.argmax(shares - reference)), reference, shares)
        return change.finding(
            self.name,
            series,
            profile.groups[change.key],
            _sentence(change, series, profile, most),
            severity="critical" if change.value >= self.settings.critical_effect else "warning",
            action="none" if change.kind == "recovered" else "retrain",
            evidence={"moved": distances.most_moved(names.__getitem__, reference, shares)},
        )


def _answers(rows: PredictionRows, sealed: Any) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Bin of each prediction (-1: none yet), and which rows wait for their model's intervals."""
    regression = rows.task == REGRESSION
    values, ready = bins.of_values(rows.value, rows.base, regression, sealed)
    classes = bins.of_classes(rows.predicted)
    answer = np.where(regression, values, np.where(rows.task == UNDECIDED, -1, classes)).astype(np.int32)
    waiting = regression & ~ready & (rows.base >= 0) & np.isfinite(rows.value)
    return answer, waiting


def _count(place: Any, at: Ints, size: int) -> Longs:
    known = at >= 0
    counts = np.bincount(place[known] * WIDTH + at[known], minlength=size * WIDTH)
    return counts.reshape(size, WIDTH).astype(np.int64)


def _bin_names(state: State, series: str, group: int, profile: Profile) -> list[str]:
    return bins.names_of_scores() if series == "scores" else bins.names(group, profile, state["edges"])


def _moved(names: list[str], at: int, reference: Floats, shares: Floats) -> str:
    return f"{names[at]} went from {percent(float(reference[at]))} to {percent(float(shares[at]))}"


def _sentence(change: Change, series: str, profile: Profile, moved: str) -> str:
    subject = f"{model_words(profile.groups[change.key])}: {series}"
    if change.kind == "recovered":
        return f"{subject} are again distributed as in the reference ({change.n:,} predictions)."
    return f"{subject} moved: {moved} ({basis(change.n, 'predictions', change.since)})."
