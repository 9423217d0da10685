"""Multivariate drift: do features still go together as they used to, whatever each of them does alone?

A column that is joined to the wrong rows, a sensor mounted askew, a rule changed upstream: all may leave every
feature's own distribution as it was. Each feature is seen from one of two sides (`views`, chosen from the version's
first rows), and of each two features the share of predictions in which they are on the same side is a rate, judged by
an e-detector in both directions (`detectors.rates`, which says what is proved). Two sides and a fixed share of each
leave a pair one degree of freedom, and this is it. Counting all pairs of 20 features is a product of matrices. Besides,
each feature's side is held against what its four most telling fellows say of it: a little of it may be known from many.

A pair of which one feature has moved on its own is not judged meanwhile: that is feature drift, and said as such. All
pairs of a version raise one alert together, which names the feature whose pairs changed most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import Field

from processors.base import Action, Finding, Judging, Monitor, MonitorSettings, Reading, State, Summary, Verdict
from processors.detectors import budget
from processors.detectors.change import Change
from processors.detectors.rates import Rates
from processors.drift.pairs import FIRST, MOST_FEATURES, Pairs, features_of
from processors.kernels.binning import NUMERIC
from processors.kernels.together import together
from processors.profile import Profile
from processors.profile.tokens import runs_by
from processors.registry import register
from processors.rows import Hashes, Ints
from processors.sampling import bottom_k, priorities
from processors.slices import PredictionRows
from processors.windows import Due, Windows
from processors.wording import basis, model_words, percent

_WINDOWS = Windows()
_SAMPLE = 128
_ENOUGH = 1_024
_SEED = 11
_NONE = np.uint64(2**64 - 1)
_NEAR = 0.02
_AS_ONE = 0.3
"""So much more, or less, often on the same side than two that have nothing to do with each other (of 0.5)."""
_BEGINS = 2.0


class MultivariateDriftSettings(MonitorSettings):
    """When a change of how features go together matters."""

    min_effect: float = Field(0.03, gt=0, lt=0.5)
    """Changes of the share in which two features agree by less than this are not worth an alert (absolute)."""
    warmup: int = Field(500, ge=50)
    """Predictions that a reference made of own events needs before it judges."""
    pairs: int = Field(20_000, ge=1)
    """Pairs of features watched in all (about 1.5 kB each). A version gets a sixteenth of what is left, or 8, its most
    dependent first."""
    batch: int = Field(100, ge=1)
    """Predictions that are judged together."""


@register("multivariate_drift")
class MultivariateDrift(Monitor[MultivariateDriftSettings, PredictionRows]):
    """Rows in which two features are on the same side, by pair → the largest change, and an alert."""

    consumes = "predictions"
    code_version = 2
    Settings = MultivariateDriftSettings
    alarm_share = 0.5

    def __init__(self, settings: MultivariateDriftSettings) -> None:
        super().__init__(settings)
        self._detector = Rates(direction="both", min_effect=settings.min_effect, warmup=settings.warmup)
        self._pairs = Pairs(self._detector, settings.pairs, settings.batch)

    def measure(self, rows: PredictionRows, profile: Profile, sealed: Any) -> Summary:
        """By version: sums of products of sides and rows in which both are known, of each pair
        and of each feature with what its fellows tell of it, int64 (versions, 300).

        `up` and `seen` are the same of single features, (versions, 24). Versions without views yet bring a sample of
        their rows' bins instead. `sealed` has the views by version and each series' place among its features.
        """
        found = [(base, part) for base, part in runs_by(rows.base) if base >= 0]
        keys = np.array([base for base, _ in found], np.int32)
        columns = _nothing(len(keys))
        viewed: frozenset[int] = frozenset()
        if sealed is not None and len(sealed["bases"]):
            viewed = frozenset(sealed["bases"].tolist())
            self._count(rows, keys, sealed, columns)
        columns["n"][:] = [len(part) for _, part in found]
        numbers = {base: features_of(profile, base) for base, _ in found if base not in viewed}
        if any(map(len, numbers.values())):
            bins = _bins(rows, list(numbers.values()))
            for at, (base, part) in enumerate(found):
                if len(numbers.get(base, ())):
                    _sample(rows.table.key[part], bins[part], at, columns)
        return Summary(keys, columns)

    def merge(self, a: Summary, b: Summary) -> Summary:
        """Counts add up; of the samples the rows with the smallest hashes stay."""
        if not len(a) or not len(b):
            return a if len(a) else b
        keys = np.union1d(a.keys, b.keys).astype(np.int32)
        merged = _nothing(len(keys))
        order = np.full((len(keys), 2 * _SAMPLE), _NONE, np.uint64)
        bins = np.zeros((len(keys), 2 * _SAMPLE, MOST_FEATURES), np.uint8)
        for place, part in ((slice(0, _SAMPLE), a), (slice(_SAMPLE, None), b)):
            at = np.searchsorted(keys, part.keys)
            order[at, place], bins[at, place] = part["order"], part["bins"]
            for name in ("agree", "both", "up", "seen", "n"):
                merged[name][at] += part[name]
        for row in range(len(keys)):
            first = np.lexsort((*bins[row].T[::-1], order[row]))[:_SAMPLE]
            merged["order"][row], merged["bins"][row] = order[row][first], bins[row][first]
        return Summary(keys, merged)

    def initial(self) -> State:
        return {
            "sampled": {},
            "pairs": self._pairs.initial(),
            "budget": budget.initial(),
            "windows": _WINDOWS.initial(),
            "alerts": {},
        }

    def judge(self, state: State, summary: Summary, context: Judging) -> Verdict:
        verdict = Verdict(state)
        if len(summary):
            pairs = state["pairs"]
            # Before views are chosen: this pane was measured with those that there were.
            changes = self._pairs.step(pairs, summary, state["budget"], context)
            self._say(state, changes, context, verdict)
            fresh = [(at, base) for at, base in enumerate(summary.keys.tolist()) if base not in pairs["versions"]]
            found = {base: self._collect(state, summary, at, base, context.profile) for at, base in fresh}
            if opened := {base: forecasts for base, forecasts in found.items() if forecasts}:
                self._pairs.seal(pairs, opened)
        counted = Summary(summary.keys, {"n": summary["n"]} if len(summary) else {})
        for due in _WINDOWS.add(state["windows"], counted, context):
            verdict.readings.extend(self._readings(state, due, context.profile))
        return Verdict(state, verdict.readings, verdict.findings, state["pairs"]["sealed"])

    def adopt(self, state: State, rows: PredictionRows, context: Judging) -> Verdict:
        """Views, and how features go together in them, come from a reference that has enough rows."""
        for base, part in runs_by(rows.base):
            if base < 0 or len(part) < max(_ENOUGH, self.settings.warmup):
                continue
            numbers = features_of(context.profile, base)
            self._pairs.forget(state["pairs"], frozenset([base]))
            forecasts = self._open(state, base, numbers, _bins(rows, [numbers])[part], context.profile)
            self._pairs.seal(state["pairs"], {base: forecasts})
            verdict = self.measure(rows, context.profile, state["pairs"]["sealed"])
            self._pairs.adopt(state["pairs"], base, verdict, int(np.searchsorted(verdict.keys, base)))
        return Verdict(state, sealed=state["pairs"]["sealed"])

    def deadline(self, state: State) -> int | None:
        return _WINDOWS.deadline(state["windows"])

    def forget(self, state: State, groups: frozenset[int], series: frozenset[int]) -> State:
        self._pairs.forget(state["pairs"], groups)
        budget.forget(state["budget"], groups)
        _WINDOWS.forget(state["windows"], groups)
        for group in groups:
            state["sampled"].pop(group, None)
            state["alerts"].pop(group, None)
        return state

    # Measuring.

    @staticmethod
    def _count(rows: PredictionRows, keys: Ints, sealed: Any, columns: dict[str, Any]) -> None:
        bases, cells = sealed["bases"], rows.cells
        number = np.minimum(np.searchsorted(bases, rows.base), len(bases) - 1)
        version = np.where(bases[number] == rows.base, number, -1)
        counted = together(
            cells.row, cells.series, cells.bin, version, sealed["place"], sealed["side"], sealed["partner"],
            sealed["weight"], sealed["bar"],
        )  # fmt: skip
        at = np.flatnonzero(np.isin(keys, bases))
        for name, found in zip(("agree", "both", "up", "seen"), counted, strict=True):
            columns[name][at] = found[np.searchsorted(bases, keys[at])]

    # Judging.

    def _collect(self, state: State, summary: Summary, at: int, base: int, profile: Profile) -> State | None:
        """Keep a sample of a version's first rows; once there are enough choose its views, and return its forecasts."""
        numbers = features_of(profile, base)
        fresh = summary["bins"][at][summary["order"][at] != _NONE]
        held = state["sampled"].get(base)
        if held is None or held["numbers"].tolist() != numbers.tolist():
            held = {"numbers": numbers, "bins": fresh[:0]}
        held["bins"] = np.concatenate([held["bins"], fresh])
        state["sampled"][base] = held
        if len(held["bins"]) < _ENOUGH:
            return None
        del state["sampled"][base]
        return self._open(state, base, numbers, held["bins"], profile)

    def _open(self, state: State, base: int, numbers: Ints, bins: Any, profile: Profile) -> State:
        numeric = np.asarray(profile.series_type[numbers] == NUMERIC)
        return self._pairs.open(state["pairs"], base, numbers, bins[:, : len(numbers)], numeric)

    def _say(self, state: State, changes: list[tuple[int, Change]], context: Judging, verdict: Verdict) -> None:
        """One finding for each version of which pairs changed their minds."""
        by_version: dict[int, list[Change]] = {}
        for base, change in changes:
            by_version.setdefault(base, []).append(change)
        for base, mine in sorted(by_version.items()):
            alert = state["alerts"].get(base)
            fired = [change for change in mine if change.kind == "fired"]
            if alert is None and fired:
                lead = max(fired, key=lambda change: (change.log_evidence, -change.key))
                alert = state["alerts"][base] = self._lead(state, base, lead)
                verdict.findings.append(self._finding("fired", base, alert, lead, context.profile))
            elif alert is not None and not self._pairs.firing(state["pairs"], base):
                del state["alerts"][base]
                last = [change for change in mine if change.kind == "recovered"][-1]
                verdict.findings.append(self._finding("recovered", base, alert, last, context.profile))
            elif alert is not None:
                same = [change for change in mine if change.key == alert["pair"] and change.kind == "updated"]
                verdict.findings.extend(self._finding("updated", base, alert, one, context.profile) for one in same)

    def _lead(self, state: State, base: int, lead: Change) -> dict[str, Any]:
        """What the alert is about: of the two features of the pair the one that begins to move on its own, if one does.

        Else the one whose pairs changed more, all in all.
        """
        first, second = self._pairs.features(state["pairs"], base, lead.key)
        moved, alone = self._pairs.moved(state["pairs"], base).sum(axis=1), self._pairs.alone(state["pairs"], base)
        if max(alone[first], alone[second]) >= _BEGINS:
            moved = alone
        if moved[second] > moved[first]:
            first, second = second, first
        return {
            "pair": lead.key,
            "feature": first,
            "partner": second,
            "since": lead.since,
            "onset": None if lead.onset is None else list(lead.onset),
            "unrelated": self._pairs.unrelated(state["pairs"], base, lead.key),
        }

    def _finding(self, kind: Any, base: int, alert: dict[str, Any], change: Change, profile: Profile) -> Finding:
        numbers = features_of(profile, base)
        feature, partner = (profile.series_feature[numbers[alert[name]]] for name in ("feature", "partner"))
        held = alert.get("onset")
        onset = None if held is None or kind == "recovered" else (held[0], held[1])
        advice: tuple[Action, str] = ("none", "") if kind == "recovered" else _advice(change, alert["unrelated"])
        return replace(change, kind=kind, since=alert["since"], onset=onset).finding(
            self.name,
            "dependence",
            profile.groups[base],
            _sentence(kind, model_words(profile.groups[base]), feature, partner, change),
            feature=feature,
            action=advice[0],
            reason=advice[1],
            evidence={"features": list(dict.fromkeys([feature, partner]))},
        )

    def _readings(self, state: State, due: Due, profile: Profile) -> list[Reading]:
        """The largest recent change of a pair, where there is a reference."""
        readings = []
        for at, base in enumerate(due.keys.tolist()):
            if base not in state["pairs"]["versions"]:
                continue
            moved = self._pairs.moved(state["pairs"], base)
            if not moved.size or not moved.max() > 0:
                continue
            first, second = (int(place) for place in np.unravel_index(np.argmax(moved), moved.shape))
            names = [profile.series_feature[number] for number in features_of(profile, base)]
            details = {
                "features": list(dict.fromkeys([names[first], names[second]])),
                **self._pairs.watched(state["pairs"], base),
            }
            where = profile.groups[base], float(moved[first, second]), int(due.summary["n"][at])
            bounds = int(due.start[at]), int(due.end[at])
            readings.append(Reading(self.name, "dependence", *where, *bounds, reference=0.0, details=details))
        return readings


def _nothing(size: int) -> dict[str, Any]:
    return {
        "agree": np.zeros((size, len(FIRST)), np.int64),
        "both": np.zeros((size, len(FIRST)), np.int64),
        "up": np.zeros((size, MOST_FEATURES), np.int64),
        "seen": np.zeros((size, MOST_FEATURES), np.int64),
        "n": np.zeros(size, np.int64),
        "order": np.full((size, _SAMPLE), _NONE, np.uint64),
        "bins": np.zeros((size, _SAMPLE, MOST_FEATURES), np.uint8),
    }


def _sample(key: Hashes, bins: Any, at: int, columns: dict[str, Any]) -> None:
    """Of a version's rows those with the smallest hashes."""
    # Equal hashes (one id, several versions or times) are told apart by the bins, here as in `merge`.
    order = np.lexsort(bins.T[::-1])
    chosen = order[bottom_k(key[order], np.zeros(len(key), np.int32), _SAMPLE, _SEED)]
    columns["order"][at, : len(chosen)] = priorities(key[chosen], _SEED)
    columns["bins"][at, : len(chosen)] = bins[chosen]


def _bins(rows: PredictionRows, versions: Sequence[Ints]) -> Any:
    """Bins of the rows of versions whose features have these numbers, uint8 of shape (rows, 24); absent ones are 0.

    One pass for all of them, for there may be a thousand.
    """
    place = np.full(max(int(rows.cells.series.max(initial=-1)), *(int(n.max(initial=-1)) for n in versions)) + 2, -1)
    for numbers in versions:
        place[numbers] = np.arange(len(numbers))
    table = np.zeros((len(rows), MOST_FEATURES), np.uint8)
    at = place[rows.cells.series]
    known = at >= 0
    table[rows.cells.row[known], at[known]] = rows.cells.bin[known]
    return table


def _advice(change: Change, unrelated: float) -> tuple[Action, str]:
    """What the way in which they went together, before and now, says of the cause."""
    apart = change.low - _NEAR <= unrelated <= change.high + _NEAR
    were_apart = abs(change.reference - unrelated) <= 2 * _NEAR
    if apart and not were_apart:
        return "fix_feature", (
            "They went together and have nothing to do with each other now, as where rows are joined wrongly: look "
            "where they come from."
        )
    if were_apart and abs(change.value - unrelated) >= _AS_ONE:
        return "fix_feature", (
            "They had nothing to do with each other and are nearly one now, as where one is filled in from the other: "
            "look where they come from."
        )
    return "retrain", (
        "Each has the values that it had, and they go together in another way: if the world has changed, the model has "
        "to learn it."
    )


def _sentence(kind: str, subject: str, feature: str, partner: str, change: Change) -> str:
    both = f"features {feature} and {partner}" if feature != partner else f"feature {feature} and the others"
    if kind == "recovered":
        return f"{subject}: {both} go together again as they used to ({change.n:,} predictions)."
    what = "both are on their upper or both on their lower side" if feature != partner else "it is where they tell"
    return (
        f"{subject}: {both} no longer go together as they used to: {what} in {percent(change.value)} of the "
        f"predictions, was {percent(change.reference)} ({basis(change.n, 'predictions', change.since)})."
    )
