"""Events that look unlike any of late: half-space trees over each version's numeric features.

A version's forest scores each event against the masses of the window before, and counts masses for the next; masses
pivot at the end of the pane in which the window fills (`kernels.half_space_trees`: River's algorithm and scores). Trees
follow from the names of model and version and stand in the sealed range of each feature; a value outside it falls
where the edge of the range falls. Only features that were sealed when the forest was planted take part; an absent
value or a text takes the way that most events took, so that missing data is left to `data_quality`.

The alert: a greater share of events than usual scores beyond the version's own 99% quantile (`tails`). While it fires
masses rest, for at most a day: River would take what is anomalous for usual after one window, so that the alert would
end while its cause went on, and fire again once that was mended. After a day it is usual, as in River. Until it fires
they do not rest: a change that shows little is taken for usual with a window and then seen again, so its onset may be
some windows before the evidence began to gather, and the bounds of the onset say so (how many was measured).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from processors.anomaly import forests
from processors.anomaly.log_bins import LogBins
from processors.anomaly.tails import Tail
from processors.base import (
    Finding,
    Judging,
    Monitor,
    MonitorSettings,
    Reading,
    State,
    Summary,
    Verdict,
    add_summaries,
)
from processors.detectors.change import Change
from processors.detectors.rates import Rates
from processors.distinct import distinct
from processors.durations import DAY_US
from processors.profile import Profile
from processors.registry import register
from processors.rows import Floats, Ints, read_texts
from processors.slices import PredictionRows
from processors.windows import Due, Windows
from processors.wording import basis, model_words, percent

USUALNESS = LogBins(-12, 1)
"""Bins of 1 - score, in which scores near 1 are told apart."""

EXAMPLES = 3
_PLAIN = 0.3
"""Gains of the anomalous share from which on a change is hardly ever taken for usual first."""
_WINDOWS_BEFORE, _WINDOWS_BEFORE_FAINT = 1, 6
"""Windows by which the onset may be earlier than the evidence, of plain changes and of others: nine in ten are not."""
_FIXED = 2.0**32
"""Scores add up as whole multiples of 1 / this, in any order."""

_WINDOWS = Windows(count_column="scored")


class AnomalySettings(MonitorSettings):
    """The forest, and when its scores matter."""

    trees: int = Field(10, ge=1, le=100)
    """Trees of each version's forest."""
    height: int = Field(8, ge=1, le=12)
    """Height of a tree: it tells 2^height regions apart."""
    window: int = Field(250, ge=20)
    """Events against which the next ones are scored."""
    min_effect: float = Field(0.03, gt=0, lt=1)
    """Rises of the share of anomalous events (usually 1%) by less than this are not worth an alert (absolute)."""


@register("anomaly")
class Anomaly(Monitor[AnomalySettings, PredictionRows]):
    """Numeric features per event → anomaly scores per version, and an alert when many are high."""

    consumes = "predictions"
    Settings = AnomalySettings
    code_version = 2

    def __init__(self, settings: AnomalySettings) -> None:
        super().__init__(settings)
        self._shape = forests.Shape(settings.trees, settings.height)
        self._tail = Tail(USUALNESS.size, 0.01, Rates(direction="up", min_effect=settings.min_effect))

    def initial(self) -> State:
        return {
            "forests": forests.empty(self._shape),
            "forming": np.zeros((0, *self._shape.leaves), np.int32),
            "forming_rows": np.zeros(0, np.int64),
            "resting": np.full(0, -1, np.int64),  # when the alert fired that masses rest for; -1: they do not
            "tail": self._tail.initial(),
            "windows": _WINDOWS.initial(),
        }

    def measure(self, rows: PredictionRows, profile: Profile, sealed: Any) -> Summary:
        """By base group: events `n`, how many were `scored`, the sum and histogram of scores, masses, and examples."""
        known = rows.base >= 0
        keys, place = distinct(rows.base[known])
        if not len(keys):
            return self.empty()
        scores, leaves = forests.score(sealed or forests.empty(self._shape), self._shape, keys, rows, profile)
        scored = np.flatnonzero(~np.isnan(scores[known]))
        at, score = place[scored], scores[known][scored]
        top_score, top_id = _top(at, score, rows.table.id[known][scored], len(keys))
        columns = {
            "n": np.bincount(place, minlength=len(keys)),
            "scored": np.bincount(at, minlength=len(keys)),
            "total": np.bincount(at, np.rint(score * _FIXED), len(keys)).astype(np.int64),
            # Bins of usualness from the last to the first: what is most anomalous is the upper tail.
            "counts": USUALNESS.count(at, 1 - score, len(keys))[:, ::-1].astype(np.int64),
            "leaves": leaves,
            "top_score": top_score,
            "top_id": top_id,
        }
        return Summary(keys.astype(np.int32), columns)

    def merge(self, a: Summary, b: Summary) -> Summary:
        """Counts add; of the examples the most anomalous stay."""
        if not len(a) or not len(b):
            return b if not len(a) else a
        counts = add_summaries(_counts(a), _counts(b))
        place = np.concatenate([np.searchsorted(counts.keys, part.keys).repeat(EXAMPLES) for part in (a, b)])
        score = np.concatenate([a["top_score"].ravel(), b["top_score"].ravel()])
        ids = np.concatenate([a["top_id"].ravel(), b["top_id"].ravel()])
        there = score >= 0
        top_score, top_id = _top(place[there], score[there], ids[there], len(counts))
        return Summary(counts.keys, {**counts.columns, "top_score": top_score, "top_id": top_id})

    def judge(self, state: State, summary: Summary, context: Judging) -> Verdict:
        verdict = Verdict(state)
        if len(summary):
            changes = self._tail.step(state["tail"], summary.keys, summary["counts"], context)
            verdict.findings.extend(self._finding(change, summary, context) for change in changes)
            self._rest(state, changes, context.end)
            self._pivot(state, summary, context.end)
            self._plant(state, summary.keys, context.profile)
        counted = Summary(summary.keys, {})
        if len(summary):
            some = summary["scored"] > 0
            names = ("scored", "total", "counts")
            counted = Summary(summary.keys[some], {name: summary[name][some] for name in names})
        for due in _WINDOWS.add(state["windows"], counted, context):
            verdict.readings.extend(self._readings(due, context.profile))
        return Verdict(state, verdict.readings, verdict.findings, sealed=state["forests"])

    def deadline(self, state: State) -> int | None:
        return _WINDOWS.deadline(state["windows"])

    def forget(self, state: State, groups: frozenset[int], series: frozenset[int]) -> State:
        kept = np.flatnonzero(~np.isin(state["forests"]["group"], sorted(groups)))
        state["forests"] = forests.take(state["forests"], kept)
        for name in ("forming", "forming_rows", "resting"):
            state[name] = state[name][kept]
        self._tail.forget(state["tail"], groups)
        _WINDOWS.forget(state["windows"], groups)
        return state

    def _rest(self, state: State, changes: list[Change], end: int) -> None:
        """Begin and end the rest of masses. What was forming when the alert fired holds what it fired for."""
        for change in changes:
            place, _ = forests.places(state["forests"], np.array([change.key], np.int32))
            if change.kind == "fired":
                state["resting"][place] = end
                state["forming"][place], state["forming_rows"][place] = 0, 0
            elif change.kind == "recovered":
                state["resting"][place] = -1

    def _pivot(self, state: State, summary: Summary, end: int) -> None:
        """Add the pane's masses; where the window is full now, they are what the next panes are scored against.

        `measure` holds the forests too, so they are replaced, never changed.
        """
        place, mine = forests.places(state["forests"], summary.keys)
        learning = (state["resting"][place] < 0) | (end - state["resting"][place] >= DAY_US)
        place, mine = place[learning], mine[learning]
        for low in range(0, len(place), forests.TOGETHER):
            some = slice(low, low + forests.TOGETHER)
            state["forming"][place[some]] += summary["leaves"][mine[some]]
        state["forming_rows"][place] += summary["n"][mine]
        full = np.flatnonzero(state["forming_rows"] >= self.settings.window)
        if len(full):
            state["forests"] = forests.with_masses(
                state["forests"], full, state["forming"][full], state["forming_rows"][full]
            )
            state["forming"][full], state["forming_rows"][full] = 0, 0

    def _plant(self, state: State, keys: Ints, profile: Profile) -> None:
        """Give a forest to each version whose features have been sealed since it was last seen."""
        have = set(state["forests"]["group"].tolist())
        found = {group: forests.columns_of(profile, group) for group in keys.tolist() if group not in have}
        groups = [group for group, series in found.items() if series]
        if not groups:
            return
        order = np.argsort(np.concatenate([state["forests"]["group"], groups]), kind="stable")
        for name, value in (("forming", 0), ("forming_rows", 0), ("resting", -1)):
            state[name] = forests.with_new(state[name], len(groups), value)[order]
        of_groups = [profile.groups[group] for group in groups]
        state["forests"] = forests.planted(state["forests"], groups, of_groups, [found[group] for group in groups])

    def _readings(self, due: Due, profile: Profile) -> list[Reading]:
        readings = []
        for at, key in enumerate(due.keys.tolist()):
            n, span = int(due.summary["scored"][at]), (int(due.start[at]), int(due.end[at]))
            mean = float(due.summary["total"][at]) / _FIXED / n
            p99 = 1 - USUALNESS.quantile(due.summary["counts"][at][::-1], 0.01)
            for series, value in (("anomaly_score", mean), ("anomaly_score_p99", p99)):
                readings.append(Reading(self.name, series, profile.groups[key], value, n, *span))
        return readings

    def _bounds(self, change: Change, context: Judging) -> tuple[int, int] | None:
        """Of the onset: it may be windows earlier than the evidence, during which it was taken for usual."""
        if change.onset is None:
            return None
        windows = _WINDOWS_BEFORE if change.value - change.reference >= _PLAIN else _WINDOWS_BEFORE_FAINT
        per_event = (context.end - change.since) / max(change.n, 1)
        return max(change.onset[0] - int(windows * self.settings.window * per_event), 0), change.onset[1]

    def _finding(self, change: Change, summary: Summary, context: Judging) -> Finding:
        at = int(np.searchsorted(summary.keys, change.key))
        group = context.profile.groups[change.key]
        support = basis(change.n, "predictions", change.since)
        sentence = f"{percent(change.value)} of events look anomalous, usually {percent(change.reference)} ({support})"
        if change.kind == "recovered":
            sentence = f"as few events look anomalous as usual ({percent(change.value)} of {change.n:,} predictions)"
        return replace(change, onset=self._bounds(change, context)).finding(
            self.name,
            "anomalous_share",
            group,
            f"{model_words(group)}: {sentence}.",
            evidence={} if change.kind == "recovered" else {"examples": _words(summary, at)},
        )


def _counts(summary: Summary) -> Summary:
    return Summary(summary.keys, {n: column for n, column in summary.columns.items() if not n.startswith("top_")})


def _words(summary: Summary, at: int) -> list[str]:
    there = summary["top_score"][at] >= 0
    return [str(name) for name in summary["top_id"][at][there].tolist()]


def _top(place: npt.NDArray[Any], score: Floats, ids: npt.NDArray[Any], keys: int) -> tuple[Floats, Any]:
    """The highest scores of each key and whose they are, shape (keys, EXAMPLES); equal ones by the alphabet."""
    top_score, top_id = np.full((keys, EXAMPLES), -1.0), np.full((keys, EXAMPLES), "", object)
    if not len(place):
        return top_score, top_id
    order = np.lexsort([-score, place])
    first = np.searchsorted(place[order], place[order])
    last = score[order][np.minimum(first + EXAMPLES, len(order)) - 1]
    near = order[(np.arange(len(order)) - first < EXAMPLES) | (score[order] == last)]
    named = dict(zip(near.tolist(), read_texts(ids[near]), strict=True))
    ranked = sorted(named, key=lambda row: (int(place[row]), -float(score[row]), named[row]))
    rank, before = 0, -1
    for row in ranked:
        key = int(place[row])
        rank, before = (rank + 1 if key == before else 0), key
        if rank < EXAMPLES:
            top_score[key, rank], top_id[key, rank] = score[row], named[row]
    return top_score, top_id
