"""Are the features of a model what they used to be: present, of their type, known, in range, alive, and sent once?

Per feature the rates of missing values (absent or null), of values of the wrong type, and of unseen categories or
numbers outside the sealed range; per version the rate of duplicate ids. Each is a binomial series judged against its
own reference by an e-detector (`detectors.rates`), so that a feature of which half is missing by nature is no news; but
a version that began without a feature, or with another unit, is judged by what is usual in the others (`born`).
Beside them two rules: a feature that is stuck at one value (`stuck`), and one that appears (`schema`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
from pydantic import Field

from processors.base import Finding, Judging, Monitor, MonitorSettings, Reading, Severity, State, Summary, Verdict
from processors.detectors import births, budget, columns, turns
from processors.detectors.bounds import wilson
from processors.detectors.change import Change
from processors.detectors.rates import Rates
from processors.kernels.binning import CATEGORICAL
from processors.profile import Profile
from processors.profile.lending import lent
from processors.quality import born, counting, schema, stuck
from processors.quality.counting import DUPLICATE, KINDS, MISSING, NOVEL, place_of
from processors.registry import register
from processors.rows import Bools, Ints
from processors.slices import PredictionRows
from processors.windows import Due, Windows
from processors.wording import basis, model_words, percent

_PARTS = np.array([0.35, 0.2, 0.35, 0.1])
"""Of the monitor's false-alarm budget, by kind."""
_GONE = 0.99
_ACCEPTED: columns.Layout = {"accepted": (np.bool_, (), 0)}
_WINDOWS = Windows()
_SHOWN = ("n", "bad", "trials")


class DataQualitySettings(MonitorSettings):
    """When bad data matters."""

    min_effect: float = Field(0.02, gt=0, lt=1)
    """Rises of a rate by less than this are not worth an alert (absolute)."""
    critical_effect: float = Field(0.5, gt=0, le=1)
    """From this rise on an alert is critical."""
    warmup: int = Field(200, ge=50)
    """Events that a reference needs before it judges."""
    stuck_after: int = Field(200, ge=20)
    """A feature may be stuck once this many values were the same."""


@register("data_quality")
class DataQuality(Monitor[DataQualitySettings, PredictionRows]):
    """Cells and duplicates per pane → rates per feature and version, and alerts that name the feature."""

    consumes = "predictions"
    code_version = 3
    Settings = DataQualitySettings

    def __init__(self, settings: DataQualitySettings) -> None:
        super().__init__(settings)
        self._rates = Rates(min_effect=settings.min_effect, warmup=settings.warmup)

    def initial(self) -> State:
        return {
            "rates": self._rates.initial(),
            "duplicates": self._rates.initial(),
            "budget": budget.initial(),
            "stuck": stuck.initial(),
            "schema": schema.initial(),
            "turns": turns.initial(),
            "accepted": columns.empty(_ACCEPTED),
            "windows": _WINDOWS.initial(),
        }

    def measure(self, rows: PredictionRows, profile: Profile, sealed: Any) -> Summary:
        """See `counting.count`."""
        return counting.count(rows, profile)

    def merge(self, a: Summary, b: Summary) -> Summary:
        return counting.merge(a, b)

    def judge(self, state: State, summary: Summary, context: Judging) -> Verdict:
        verdict = Verdict(state)
        shown = Summary(summary.keys, {})
        if len(summary):
            verdict.findings.extend(self._step(state, summary, context))
            verdict.findings.extend(self._rules(state, summary, context))
            sealed = summary["trials"].any(axis=1)
            shown = Summary(summary.keys[sealed], {name: summary[name][sealed] for name in _SHOWN})
        for due in _WINDOWS.add(state["windows"], shown, context):
            verdict.readings.extend(self._readings(state, due, context.profile))
        return verdict

    def adopt(self, state: State, rows: PredictionRows, context: Judging) -> Verdict:
        """All but duplicates: how often a file repeats an id says nothing about how often the stream does."""
        summary = counting.count(rows, context.profile)
        if len(summary):
            row, kind = np.nonzero(summary["trials"][:, :DUPLICATE] >= self.settings.warmup)
            self._rates.adopt(
                state["rates"],
                place_of(summary.keys[row] // 2, kind),
                summary["bad"][row, kind],
                summary["trials"][row, kind],
            )
        return Verdict(state)

    def deadline(self, state: State) -> int | None:
        return _WINDOWS.deadline(state["windows"])

    def accept(self, state: State, groups: frozenset[int], series: frozenset[int]) -> State:
        """Learn them anew, whatever is usual in other versions; that they are there is known."""
        gone = {_rate_key(number, kind) for number in series for kind in range(DUPLICATE)}
        gone |= {_rate_key(number, DUPLICATE) for number in groups}
        rates = frozenset(place_of(number, kind) for number in series for kind in range(DUPLICATE))
        self._rates.forget(state["rates"], rates)
        self._rates.forget(state["duplicates"], groups)
        budget.forget(state["budget"], frozenset(gone))
        stuck.forget(state["stuck"], series)
        turns.forget(turns.of(state), series)
        numbers = columns.numbers(series)
        _acceptances(state, numbers)["accepted"][numbers] = True
        _WINDOWS.forget(state["windows"], [2 * number for number in series] + [2 * number + 1 for number in groups])
        return state

    def forget(self, state: State, groups: frozenset[int], series: frozenset[int]) -> State:
        schema.forget(state["schema"], groups, series)
        self.accept(state, groups, series)
        columns.clear(state["accepted"], _ACCEPTED, columns.numbers(series))
        return state

    def _step(self, state: State, summary: Summary, context: Judging) -> list[Finding]:
        """Judge all rates at once. The budget is shared out by kind first, then among the rates of a kind."""
        row, kind = np.nonzero(summary["trials"])
        numbers = summary.keys[row] // 2
        bases, of_series = numbers.copy(), kind != DUPLICATE
        bases[of_series] = context.profile.series_group[numbers[of_series]]
        keys, owners = _rate_key(numbers, kind), _rate_key(budget.models_of(context.profile, bases), kind)
        weights = budget.weights(state["budget"], keys, owners, context, part=_PARTS[kind])
        by_turns = _take_turns(state, summary, context.start)[row] & ~lent(context.profile.loans, numbers)
        weights[(kind == NOVEL) & by_turns] = 0
        hits, trials = summary["bad"][row, kind], summary["trials"][row, kind]
        missing = place_of(numbers[kind == MISSING], MISSING).astype(np.int32)
        new = missing[~self._begun(state["rates"], missing)]
        waiting = born.inherit(self._rates, state["rates"], context.profile)
        found: list[Change] = []
        for name, mine in (("rates", kind != DUPLICATE), ("duplicates", kind == DUPLICATE)):
            places = (place_of(numbers, kind) if name == "rates" else numbers)[mine]
            known = ~np.isin(places, waiting) if name == "rates" else 1
            pane = hits[mine], trials[mine] * known, context.start, context.end, weights[mine]
            for change in self._rates.step(state[name], places.astype(np.int32), *pane):
                number, of = divmod(change.key, DUPLICATE) if name == "rates" else (change.key, DUPLICATE)
                found.append(replace(change, key=_rate_key(number, of)))
        new = new[self._begun(state["rates"], new)]
        accepted = _acceptances(state, new // DUPLICATE)["accepted"]
        born.compare(self._rates, state["rates"], new[~accepted[new // DUPLICATE]], context.profile)
        by_kind = sorted(found, key=lambda change: change.key % len(KINDS))
        return [self._finding(change, context.profile) for change in by_kind]

    def _begun(self, rates: State, places: Ints) -> Bools:
        """Which of these rates have a reference?"""
        return self._rates.reference_of(rates, places)[1] > 0

    def _rules(self, state: State, summary: Summary, context: Judging) -> list[Finding]:
        """Features that are stuck, and features that appeared."""
        profile, series = context.profile, counting.of_series(summary.keys)
        cells = counting.take(summary, series)
        numbers = (cells.keys // 2).astype(np.int32)
        sealed = cells["trials"].any(axis=1) & (profile.series_bins[numbers] > 1)
        held = stuck.step(
            state["stuck"],
            numbers[sealed],
            counting.take(cells, sealed),
            (context.start, context.end),
            self.settings.stuck_after,
        )
        groups, present = (summary.keys[~series] // 2).astype(np.int32), numbers[cells["cells"] > 0]
        appeared = schema.step(state["schema"], groups, present, profile, context.start)
        return [self._stuck(one, profile) for one in held] + [self._appeared(one, profile) for one in appeared]

    def _readings(self, state: State, due: Due, profile: Profile) -> list[Reading]:
        series = counting.of_series(due.keys)
        readings = []
        for kind in range(len(KINDS)):
            some = np.flatnonzero((series == (kind != DUPLICATE)) & (due.summary["trials"][:, kind] > 0))
            keys = (due.keys[some] // 2).astype(np.int32)
            hits, n = due.summary["bad"][some, kind], due.summary["trials"][some, kind]
            low, high = wilson(hits.astype(np.float64), n.astype(np.float64), 1.96)
            where = ("duplicates", keys) if kind == DUPLICATE else ("rates", place_of(keys, kind))
            ref_hits, ref_trials = self._rates.reference_of(state[where[0]], where[1])
            for at, key in enumerate(keys.tolist()):
                base = key if kind == DUPLICATE else int(profile.series_group[key])
                readings.append(
                    Reading(
                        self.name,
                        _series(kind, key, profile),
                        profile.groups[base],
                        float(hits[at] / n[at]),
                        int(n[at]),
                        int(due.start[some[at]]),
                        int(due.end[some[at]]),
                        feature=None if kind == DUPLICATE else profile.series_feature[key],
                        low=float(low[at]),
                        high=float(high[at]),
                        reference=float(ref_hits[at] / ref_trials[at]) if ref_trials[at] else None,
                    )
                )
        return readings

    def _finding(self, change: Change, profile: Profile) -> Finding:
        number, kind = divmod(change.key, len(KINDS))
        feature = None if kind == DUPLICATE else profile.series_feature[number]
        base = number if kind == DUPLICATE else int(profile.series_group[number])
        recovered = change.kind == "recovered"
        critical = change.value - change.reference >= self.settings.critical_effect
        severity: Severity = "critical" if critical else "warning"
        finding = change.finding(
            self.name,
            _series(kind, number, profile),
            profile.groups[base],
            f"{model_words(profile.groups[base])}: {_sentence(kind, change, number, feature, profile)}.",
            feature=feature,
            severity=severity,
            action="none" if recovered or kind == DUPLICATE else "fix_feature",
        )
        return births.told(finding, profile.loans.get(number) if kind in born.OF_VALUES else None)

    def _stuck(self, one: stuck.Stuck, profile: Profile) -> Finding:
        feature = profile.series_feature[one.series]
        what = f"feature {feature} has had one value only ({basis(one.events, 'values', one.since)})"
        if one.over:
            what = f"feature {feature} changes its value again"
        return self._rule("stuck", one.over, one.series, one.since, one.events, what, profile)

    def _appeared(self, one: schema.Appeared, profile: Profile) -> Finding:
        feature = profile.series_feature[one.series]
        what = f"feature {feature} appeared, which was not sent before"
        if one.over:
            what = f"feature {feature} is taken as part of the model's features now"
        return self._rule("new_feature", one.over, one.series, one.since, 0, what, profile)

    def _rule(  # noqa: PLR0917 - what a finding of a rule says
        self, series: str, over: bool, number: int, since: int, n: int, what: str, profile: Profile
    ) -> Finding:
        group = profile.groups[int(profile.series_group[number])]
        kind: Literal["fired", "recovered"] = "recovered" if over else "fired"
        return Finding(
            kind=kind,
            monitor=self.name,
            series=series,
            group=group,
            since=since,
            value=None,
            n=n,
            summary=f"{model_words(group)}: {what}.",
            feature=profile.series_feature[number],
            severity="info" if series == "new_feature" else "warning",
            action="none" if over else "fix_feature",
        )


def _acceptances(state: State, series: Ints) -> State:
    """Of which series an operator has said that they are well as they are, with room for these (ascending)."""
    known: State = state.setdefault("accepted", columns.empty(_ACCEPTED))  # an older release kept none
    columns.grow(known, _ACCEPTED, series)
    return known


def _take_turns(state: State, summary: Summary, start: int) -> Bools:
    """Which keys of a pane's summary are of series that take turns? What is new of those says nothing by itself."""
    taking = counting.of_series(summary.keys)
    numbers = (summary.keys[taking] // 2).astype(np.int32)
    taking[taking] = turns.taken(turns.of(state), numbers, summary["bins"][taking], start)
    return taking


def _rate_key(number: Any, kind: Any) -> Any:
    """What the rate of a kind is known by, of a series or (of duplicates) of a group."""
    return number * len(KINDS) + kind


def _series(kind: int, key: int, profile: Profile) -> str:
    if kind == NOVEL:
        return "unseen_rate" if profile.series_type[key] == CATEGORICAL else "out_of_range_rate"
    return f"{KINDS[kind]}_rate"


def _sentence(kind: int, change: Change, number: int, feature: str | None, profile: Profile) -> str:
    if kind == DUPLICATE:
        what = "of events are duplicates"
    elif kind == NOVEL:
        unseen = profile.series_type[number] == CATEGORICAL
        what = f"of feature {feature} {'are categories never seen before' if unseen else 'is out of range'}"
    else:
        what = f"of feature {feature} {'is missing' if kind == MISSING else 'has the wrong type'}"
    usual, support = percent(change.reference), basis(change.n, "events", change.since)
    if change.kind == "recovered":
        return f"back to usual: {percent(change.value)} {what} ({change.n:,} events; usually {usual})"
    if kind == MISSING and change.value >= _GONE and change.reference < _GONE / 2:
        return f"feature {feature} is gone, it was missing in {usual} ({support})"
    return f"{percent(change.value)} {what}, usually {usual} ({support})"
