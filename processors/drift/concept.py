"""Concept drift: is a model more often wrong than it used to be?

Classification: errors per pane and group, against the version's own first outcomes. Regression: outcomes whose
absolute error exceeds what one in ten exceeded when the version began. Both are rates, judged by a mixture e-detector
with a composite null (`detectors.rates` says what is proved and what is only measured). The reference is made of
served outcomes, never of training rows. Of a model's false-alarm budget the daemon gives this monitor half.

Corrections of labels are for cohorts and do not count here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from processors.base import Finding, Judging, Monitor, MonitorSettings, Reading, Severity, State, Summary, Verdict
from processors.detectors import budget, columns
from processors.detectors.bounds import wilson
from processors.detectors.change import Change
from processors.detectors.rates import Rates
from processors.distinct import distinct
from processors.drift import blame, errors, samples
from processors.durations import DAY_US
from processors.profile import BINARY, REGRESSION, Profile
from processors.registry import register
from processors.rows import Bools, Floats, Ints
from processors.slices import OutcomeRows
from processors.windows import Due, Windows
from processors.wording import basis, model_words, percent

_WINDOWS = Windows()
_COUNTS = ("hits", "n", "binary", "true", "said")
_SCORES = ("scored", "scored_true", "score", "score_true")
_SCORE_UNIT = 2**20
"""Scores are added up in whole numbers of this part, so that they add in any order."""
_WORST = 5
"""Segments that an alert names."""
_WHOLE_SHARE = 4.0
"""Weight of a whole version's series beside one of its segments'."""


class ConceptDriftSettings(MonitorSettings):
    """When more errors matter."""

    min_effect: float | None = Field(None, gt=0, lt=1)
    """Rises of the error rate by less than this are not worth an alert (absolute). null: by less than 0.02, or than
    half of the rate where that is less, but at least 0.005."""
    critical_effect: float = Field(0.1, gt=0, le=1)
    """From this rise of the error rate on an alert is critical."""
    warmup: int = Field(200, ge=50)
    """Outcomes that the reference needs before it judges."""


@register("concept_drift")
class ConceptDrift(Monitor[ConceptDriftSettings, OutcomeRows]):
    """Errors per group and pane → error rate with interval, and an alert where it rose."""

    consumes = "outcomes"
    code_version = 4
    Settings = ConceptDriftSettings
    alarm_share = 1.0
    """Not used for this one: the daemon gives it half of the budget before the others share theirs."""

    def __init__(self, settings: ConceptDriftSettings) -> None:
        super().__init__(settings)
        self._detector = Rates(
            direction="up",
            min_effect=settings.min_effect or errors.EFFECT,
            least_effect=settings.min_effect or errors.LEAST_EFFECT,
            warmup=settings.warmup,
            doubling=True,
        )

    def measure(self, rows: OutcomeRows, profile: Profile, sealed: Any) -> Summary:
        """Errors (`hits`) of `n` outcomes by group, int64; samples of the errors of regressions that have no scale yet.

        `sealed` gives the absolute error that counts as one by base group, NaN or nothing where it is not known.
        """
        wrong, judged, error = errors.of(rows, sealed)
        waiting = rows.counted & (rows.task == REGRESSION) & ~judged & ~np.isnan(error) & (rows.base >= 0)
        member, group = rows.member_row, rows.member_group
        used = judged[member] | (waiting[member] & (rows.base[member] == group))
        keys, place = distinct(group[used])
        if not len(keys):
            return self.empty()
        counts = judged[member[used]]
        hits = np.bincount(place, wrong[member[used]] & counts, len(keys)).astype(np.int64)
        n = np.bincount(place, counts, len(keys)).astype(np.int64)
        positive = np.where(rows.task == BINARY, profile.positive_of(rows.base), -1)
        binary = {
            name: np.bincount(place, column[member[used]] & counts, len(keys)).astype(np.int64)
            for name, column in (
                ("binary", positive >= 0),
                ("true", (positive >= 0) & (rows.actual == positive)),
                ("said", (positive >= 0) & (rows.predicted == positive)),
            )
        }
        which = member[used]
        scored = _scored(len(keys), place, counts, positive[which], rows.actual[which], rows.score[which])
        keys = keys.astype(np.int32)
        sample = samples.columns(keys, np.where(waiting, rows.base, -1), rows.table.key, error)
        return Summary(keys, {"hits": hits, "n": n, **binary, **scored, **sample})

    def merge(self, a: Summary, b: Summary) -> Summary:
        return samples.merge(a, b)

    def initial(self) -> State:
        return {
            "drift": self._detector.initial(),
            "budget": budget.initial(),
            "windows": _WINDOWS.initial(),
            "waiting": {},
            "scale": np.zeros(0),
            "blame": columns.empty(blame.LAYOUT),
        }

    def judge(self, state: State, summary: Summary, context: Judging) -> Verdict:
        counted = Summary(summary.keys, {})
        if len(summary):
            state["scale"] = errors.with_scales(state["scale"], samples.collect(state["waiting"], summary))
            known = summary["n"] > 0
            counted = Summary(summary.keys[known], {name: summary[name][known] for name in (*_COUNTS, *_SCORES)})
        verdict = Verdict(state, sealed=state["scale"])
        if len(counted):
            changes = self._step(state, counted, context)
            calm = self._detector.leaning(state["drift"], counted.keys)[2] <= 0
            blame.remember(state["blame"], counted, calm, context.end)
            verdict.findings.extend(self._finding(state, change, context) for change in changes)
        shown = Summary(counted.keys, {name: counted[name] for name in _COUNTS if len(counted)})
        for due in _WINDOWS.add(state["windows"], shown, context):
            verdict.readings.extend(self._readings(state, due, context.profile))
        return verdict

    def adopt(self, state: State, rows: OutcomeRows, context: Judging) -> Verdict:
        """A regression without a scale of errors gets it from the reference, whole."""
        _, _, error = errors.of(rows, state["scale"])
        off = np.where((rows.task == REGRESSION) & rows.counted, error, np.nan)
        full = samples.whole(state["waiting"], rows.base, off, state["scale"])
        state["scale"] = errors.with_scales(state["scale"], full)
        summary = self.measure(rows, context.profile, state["scale"])
        if len(summary):
            enough = summary["n"] >= self.settings.warmup
            self._detector.adopt(state["drift"], summary.keys[enough], summary["hits"][enough], summary["n"][enough])
        return Verdict(state, sealed=state["scale"])

    def accept(self, state: State, groups: frozenset[int], series: frozenset[int]) -> State:
        self._detector.accept(state["drift"], columns.numbers(groups))
        columns.clear(state["blame"], blame.LAYOUT, columns.numbers(groups))
        return state

    def upgrade(self, state: State, sealed: Any, code_version: int) -> tuple[State, Any] | None:
        """Version 2 did not know how scores go with labels, nor 3 the errors of the last hundred outcomes."""
        if code_version not in (2, 3):
            return None
        have = len(state["blame"]["last"])
        added = {name: at for name, at in blame.LAYOUT.items() if name not in state["blame"]}
        for name, (kind, shape, fill) in added.items():
            state["blame"][name] = np.full((have, *shape), fill, kind)
        return state, sealed

    def examples(self, finding: Finding, rows: OutcomeRows, profile: Profile, sealed: Any) -> Bools:
        """Outcomes of its group that are wrong."""
        wrong, judged, _ = errors.of(rows, sealed)
        inside = np.zeros(len(rows), np.bool_)
        group = profile.groups.index(finding.group)
        inside[rows.member_row[rows.member_group == group]] = True
        return np.asarray(wrong & judged & inside)

    def deadline(self, state: State) -> int | None:
        return _WINDOWS.deadline(state["windows"])

    def forget(self, state: State, groups: frozenset[int], series: frozenset[int]) -> State:
        self._detector.forget(state["drift"], groups)
        columns.clear(state["blame"], blame.LAYOUT, columns.numbers(groups))
        budget.forget(state["budget"], groups)
        _WINDOWS.forget(state["windows"], groups)
        state["scale"] = errors.without(state["scale"], groups)
        for group in groups:
            state["waiting"].pop(group, None)
        return state

    def _step(self, state: State, counted: Summary, context: Judging) -> list[Change]:
        bases = context.profile.group_base[counted.keys]
        shares = np.where(bases == counted.keys, _WHOLE_SHARE, 1.0)
        weights = budget.weights(
            state["budget"], counted.keys, budget.models_of(context.profile, bases), context, shares
        )
        return self._detector.step(
            state["drift"], counted.keys, counted["hits"], counted["n"], context.start, context.end, weights
        )

    def _readings(self, state: State, due: Due, profile: Profile) -> list[Reading]:
        hits, n = due.summary["hits"].astype(np.float64), due.summary["n"].astype(np.float64)
        low, high = wilson(hits, n, 1.96)
        ref_hits, ref_trials = self._detector.reference_of(state["drift"], due.keys)
        readings = []
        for at, key in enumerate(due.keys.tolist()):
            known = ref_trials[at] >= self.settings.warmup
            readings.append(
                Reading(
                    self.name,
                    _series(profile, key),
                    profile.groups[key],
                    float(hits[at] / n[at]),
                    int(n[at]),
                    int(due.start[at]),
                    int(due.end[at]),
                    low=float(low[at]),
                    high=float(high[at]),
                    reference=float(ref_hits[at] / ref_trials[at]) if known else None,
                )
            )
        return readings

    def _finding(self, state: State, change: Change, context: Judging) -> Finding:
        profile, recovered = context.profile, change.kind == "recovered"
        advice = blame.Advice("none", "") if recovered else blame.advise(state["blame"], change, profile)
        critical = change.value - change.reference >= self.settings.critical_effect
        severity: Severity = "critical" if critical else "warning"
        return change.finding(
            self.name,
            _series(profile, change.key),
            profile.groups[change.key],
            _sentence(change, profile),
            severity=severity,
            action=advice.action,
            evidence={} if recovered else {**_cost(change, context.end), **self._segments(state, change, profile)},
            reason=advice.reason,
        )

    def _segments(self, state: State, change: Change, profile: Profile) -> dict[str, Any]:
        """The segments of a whole version whose own error rate has risen, the surest first."""
        mine = (profile.group_base == change.key) & (np.arange(len(profile.group_base)) != change.key)
        keys = np.flatnonzero(mine).astype(np.int32)
        if not len(keys):
            return {}
        hits, n, evidence = self._detector.leaning(state["drift"], keys)
        ref_hits, ref_n = self._detector.reference_of(state["drift"], keys)
        risen = np.flatnonzero((evidence > 0) & (n > 0) & (hits * ref_n > ref_hits * n))
        rise = hits / np.maximum(n, 1) - ref_hits / np.maximum(ref_n, 1)
        worst = sorted(risen.tolist(), key=lambda at: (-evidence[at], -rise[at], at))[:_WORST]
        found = [
            {
                "segment": {profile.groups[keys[at]].segment: profile.groups[keys[at]].value},
                "value": float(hits[at] / n[at]),
                "reference": float(ref_hits[at] / ref_n[at]) if ref_n[at] else None,
                "n": int(n[at]),
            }
            for at in worst
        ]
        return {"worst_segments": found} if found else {}


def _cost(change: Change, end: int) -> dict[str, Any]:
    """Errors more than usual since the onset, and in a day if it goes on like that."""
    extra = max(change.value - change.reference, 0.0) * change.n
    days = max(end - change.since, 1) / DAY_US
    return {"cost": {"extra_errors": round(extra), "extra_errors_per_day": round(extra / days)}}


def _scored(  # noqa: PLR0917 - columns of the same rows
    keys: int, place: Any, judged: Bools, positive: Ints, actual: Ints, score: Floats
) -> dict[str, Any]:
    """Of each key the outcomes with a score for the positive class, those that came true, and the sums of scores."""
    known = judged & (positive >= 0) & np.isfinite(score)
    place, true = place[known], (actual == positive)[known]
    parts = np.rint(np.clip(score[known], 0, 1) * _SCORE_UNIT)
    found = (np.ones(len(place)), true, parts, parts * true)
    return {
        name: np.bincount(place, column, keys).astype(np.int64) for name, column in zip(_SCORES, found, strict=True)
    }


def _series(profile: Profile, group: int) -> str:
    return "large_error_rate" if profile.task(group) == REGRESSION else "error_rate"


def _sentence(change: Change, profile: Profile) -> str:
    large = "share of large errors" if profile.task(change.key) == REGRESSION else "error rate"
    subject = f"{model_words(profile.groups[change.key])}: {large}"
    if change.kind == "recovered":
        return (
            f"{subject} is back at {percent(change.value)} ({change.n:,} outcomes; usual: {percent(change.reference)})."
        )
    support = basis(change.n, "outcomes", change.since)
    return f"{subject} rose from {percent(change.reference)} to {percent(change.value)} ({support})."
