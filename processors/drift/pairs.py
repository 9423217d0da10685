"""Pairs of features: which are watched of each version, how often they agree, and what a detector makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from processors.base import Judging, State, Summary
from processors.detectors import budget
from processors.detectors.change import Change
from processors.detectors.rates import Rates
from processors.drift import views
from processors.kernels.binning import CATEGORICAL, NUMERIC, WIDTH
from processors.profile import Profile
from processors.rows import Bools, Bytes, Floats, Ints

MOST_FEATURES = 24
"""Features of a version whose pairs are watched: the first that were admitted, which are the most frequent."""

UPPER = np.triu_indices(MOST_FEATURES, 1)
"""Rows and columns of all pairs of so many features, in their order."""

FIRST, SECOND = (np.concatenate([side, np.arange(MOST_FEATURES)]) for side in UPPER)
"""Of all that is watched: the two features of each pair; then each feature with itself, which stands for its side and
what its fellows tell of it (`views.forecasts`)."""

_RECENT = 500.0
"""Half-life, in predictions, of what is told of lately."""
_SETTLED = 4_000
_VERSIONS, _FEWEST = 16, 8
_KNOWN = 500
_OF_PAIRS = ("agree", "both")
_ALONE = {"up": MOST_FEATURES, "seen": MOST_FEATURES, "n": 1}
"""What is summed up of features on their own, with how many numbers."""
_TOLD: Mapping[str, tuple[tuple[int, ...], type]] = {
    "partner": ((views.PARTNERS,), np.uint8),
    "weight": ((views.PARTNERS, WIDTH), np.float32),
    "bar": ((), np.float32),
}
"""Shape of a feature's forecast."""
_MOVED, _MOVED_Z = 0.05, 4.0
"""A feature has moved on its own if its share differs by that much, and by that many standard errors."""


def features_of(profile: Profile, base: int) -> Ints:
    """Numbers of the series of a version whose pairs may be watched, ascending: not those of clocks."""
    types, turning = profile.series_type, profile.series_turning
    own = profile.series_of(base).values()
    numbers = sorted(n for n in own if types[n] in (NUMERIC, CATEGORICAL) and not turning[n])
    return np.array(numbers[:MOST_FEATURES], np.int32)


class Pairs:
    """The pairs of all versions. Holds no data itself; the state is a tree.

    Every pair watched has a slot, its series number for the detector; slots of versions that retire are given again.
    """

    def __init__(self, detector: Rates, most: int, batch: int) -> None:
        self._detector, self._most, self._batch = detector, most, batch

    def initial(self) -> State:
        """No version is watched."""
        return {"versions": {}, "free": [], "slots": 0, "sealed": None, "drift": self._detector.initial()}

    def open(self, state: State, base: int, numbers: Ints, bins: Bytes, numeric: Bools) -> State:
        """Begin with a version: its series, and a sample of their bins from which views and forecasts are chosen.

        Returns the forecasts, for `seal`.
        """
        sides = views.choose(bins, numeric) if len(numbers) else np.zeros((0, WIDTH), np.int8)
        partner, weight, bar = views.forecasts(sides, bins)
        strength = np.abs(views.agreement(views.seen(sides, bins)))
        strength[np.diag_indices(len(numbers))] = 1.0
        wanted = [
            (-float(strength[first, second]), pair)
            for pair, (first, second) in enumerate(zip(FIRST.tolist(), SECOND.tolist(), strict=True))
            if second < len(numbers) > 1
        ]
        room = max(len(state["free"]) + self._most - state["slots"], 0)
        # A part of the room that is left, so that many versions find some.
        share = min(room, max(room // _VERSIONS, _FEWEST))
        chosen = sorted(pair for _, pair in sorted(wanted)[:share])
        state["versions"][base] = {
            "numbers": numbers,
            "views": sides,
            "partner": partner,
            "of": len(wanted),
            "pair": np.array(chosen, np.int64),
            "slot": np.array(sorted(self._slot(state) for _ in chosen), np.int32),
            "start": -1,
            "waiting": _sums(len(chosen)),
            "recent": _sums(len(chosen)),
            "last": _alone(),
            "usual": _alone(),
        }
        return {"partner": partner, "weight": weight, "bar": bar}

    @staticmethod
    def seal(state: State, new: Mapping[int, State]) -> None:
        """Put together what measuring needs: by version its forecasts, by series its place and its sides.

        Forecasts of versions that are not `new` are those that were sealed before. Whoever measures may hold these, so
        they are copied, never changed.
        """
        before = state["sealed"]
        bases = np.array(sorted(state["versions"]), np.int32)
        top = max((int(v["numbers"].max(initial=-1)) for v in state["versions"].values()), default=-1)
        place = np.full(top + 1, -1, np.int16)
        side = np.zeros((top + 1, WIDTH), np.int8)
        for version in state["versions"].values():
            place[version["numbers"]] = np.arange(len(version["numbers"]))
            side[version["numbers"]] = version["views"]
        told: State = {
            name: np.zeros((len(bases), MOST_FEATURES, *shape), kind) for name, (shape, kind) in _TOLD.items()
        }
        old = np.flatnonzero(~np.isin(bases, list(new)))
        for name, table in told.items():
            if len(old):
                table[old] = before[name][np.searchsorted(before["bases"], bases[old])]
            for base, forecasts in new.items():
                table[np.searchsorted(bases, base), : len(forecasts[name])] = forecasts[name]
        state["sealed"] = {"bases": bases, "place": place, "side": side, **told}

    def step(self, state: State, summary: Summary, spent: State, context: Judging) -> list[tuple[int, Change]]:
        """Take in a pane; returns (version, change) of each pair that changed its mind."""
        due: dict[int, list[int]] = {}
        for at, base in enumerate(summary.keys.tolist()):
            version = state["versions"].get(base)
            if version is None or not len(version["pair"]):
                continue
            if version["start"] < 0:
                version["start"] = context.start
            pair = version["pair"]
            _add(version["waiting"], _row(summary, at) | {name: summary[name][at][pair] for name in _OF_PAIRS})
            if version["waiting"]["n"][0] >= self._batch:
                due.setdefault(version["start"], []).append(base)
        changes = []
        for start, bases in sorted(due.items()):
            changes += self._judge(state, bases, start, spent, context)
        return changes

    def adopt(self, state: State, base: int, summary: Summary, at: int) -> None:
        """Let counts of a reference be what is usual of a version."""
        version = state["versions"][base]
        _add(version["usual"], _row(summary, at))
        order = np.argsort(version["slot"])
        hits, trials = _rates({name: summary[name][at][version["pair"]] for name in _OF_PAIRS})
        self._detector.adopt(state["drift"], version["slot"][order], hits[order], trials[order])

    def forget(self, state: State, groups: frozenset[int]) -> None:
        """Free the slots of these versions."""
        gone = [state["versions"].pop(base) for base in sorted(groups & state["versions"].keys())]
        if not gone:
            return
        self.seal(state, {})
        slots = [slot for version in gone for slot in version["slot"].tolist()]
        self._detector.forget(state["drift"], frozenset(slots))
        state["free"] = sorted([*state["free"], *slots], reverse=True)

    def firing(self, state: State, base: int) -> bool:
        """Does any pair of a version fire?"""
        return bool(self._detector.firing(state["drift"], state["versions"][base]["slot"]).any())

    def features(self, state: State, base: int, slot: int) -> tuple[int, int]:
        """Places of the two features of a pair; of a feature and its forecast the same twice."""
        version = state["versions"][base]
        pair = int(version["pair"][np.searchsorted(version["slot"], slot)])
        return int(FIRST[pair]), int(SECOND[pair])

    def unrelated(self, state: State, base: int, slot: int) -> float:
        """How often a pair would agree if its features had nothing to do with each other."""
        usual = state["versions"][base]["usual"]
        mean = usual["up"] / np.maximum(usual["seen"], 1)
        first, second = self.features(state, base, slot)
        # Half of all forecasts are for the upper side.
        return float((1 + mean[first] * (mean[second] if second != first else 0.0)) / 2)

    def moved(self, state: State, base: int) -> Floats:
        """By how much each two features agree more or less often than usual lately, beyond chance; symmetric."""
        version = state["versions"][base]
        size = len(version["numbers"])
        table = np.zeros((size, size))
        hits, trials = self._detector.reference_of(state["drift"], version["slot"])
        recent, n = _rates(version["recent"])
        known = (trials > 0) & (n >= self._batch / 2)
        usual = np.where(known, hits / np.maximum(trials, 1), 0.5)
        error = np.sqrt(usual * (1 - usual) * (1 / np.maximum(n, 1) + 1 / np.maximum(trials, 1)))
        beyond = np.abs(recent / np.maximum(n, 1) - usual) - 2 * error
        first, second = FIRST[version["pair"]], SECOND[version["pair"]]
        table[first, second] = table[second, first] = np.where(known, np.maximum(beyond, 0), 0)
        return table

    def alone(self, state: State, base: int) -> Floats:
        """By how many standard errors each feature's own share differs from the usual in what was judged last."""
        version = state["versions"][base]
        return np.maximum(*_apart(version["last"], version["usual"]))

    def watched(self, state: State, base: int) -> dict[str, int]:
        """How many pairs of a version are watched, of how many."""
        version = state["versions"][base]
        return {"pairs": len(version["pair"]), "of": version["of"]}

    def _judge(
        self, state: State, bases: list[int], start: int, spent: State, context: Judging
    ) -> list[tuple[int, Change]]:
        keys = np.array(sorted(bases), np.int32)
        weights = budget.weights(spent, keys, budget.models_of(context.profile, keys), context)
        slots, hits, trials, weight, owner = [], [], [], [], {}
        for base, mine in zip(keys.tolist(), weights.tolist(), strict=True):
            version = state["versions"][base]
            hit, n = _rates(version["waiting"])
            steady = self._remember(version)
            apart = ~_steady_pairs(version, steady)
            slots.append(version["slot"])
            hits.append(hit)
            trials.append(np.where(apart, 0, n))
            weight.append(np.full(len(hit), mine / len(hit)))
            owner.update(dict.fromkeys(version["slot"].tolist(), base))
        order = np.argsort(np.concatenate(slots), kind="stable")
        keys, hit, n = (np.concatenate(column)[order] for column in (slots, hits, trials))
        shares = np.concatenate(weight)[order]
        changes = self._detector.step(state["drift"], keys, hit, n, start, context.end, shares)
        return [(owner[change.key], change) for change in changes]

    @staticmethod
    def _remember(version: State) -> Bools:
        """Put what waits to what is recent and usual; says which features are what they used to be on their own."""
        waiting, usual = version["waiting"], version["usual"]
        fade = 0.5 ** (float(waiting["n"][0]) / _RECENT)
        recent = version["recent"] = {name: fade * total for name, total in version["recent"].items()}
        _add(recent, waiting)
        steady = _alike(recent, usual) & _alike(waiting, usual)
        version["last"] = {name: waiting[name] for name in _ALONE}
        if usual["n"][0] < _SETTLED and steady.all():
            _add(usual, version["last"])
        version["waiting"], version["start"] = _sums(len(version["pair"])), -1
        return steady

    @staticmethod
    def _slot(state: State) -> int:
        if state["free"]:
            return int(state["free"].pop())
        state["slots"] += 1
        return int(state["slots"]) - 1


def _alone() -> dict[str, Floats]:
    return {name: np.zeros(size) for name, size in _ALONE.items()}


def _sums(pairs: int) -> dict[str, Floats]:
    return {name: np.zeros(pairs) for name in _OF_PAIRS} | _alone()


def _row(summary: Summary, at: int) -> dict[str, Any]:
    """What a pane holds of a version's features on their own."""
    return {name: summary[name][at] for name in _ALONE}


def _steady_pairs(version: State, steady: Bools) -> Bools:
    """Pairs of which both features are as usual on their own, and forecasts of and from such."""
    pair = version["pair"]
    size = len(version["numbers"])
    fellows = np.ones(MOST_FEATURES, np.bool_)
    fellows[:size] = steady[version["partner"]].all(axis=1)
    return np.asarray(
        steady[FIRST[pair]] & steady[SECOND[pair]] & (fellows[FIRST[pair]] | (FIRST[pair] != SECOND[pair]))
    )


def _alike(now: dict[str, Floats], usual: dict[str, Floats]) -> Bools:
    """Which features' shares are what they usually are, as far as so many rows tell?"""
    side, known = _apart(now, usual)
    return np.asarray((np.maximum(side, known) <= _MOVED_Z) | (usual["n"] < _KNOWN))


def _apart(now: dict[str, Floats], usual: dict[str, Floats]) -> tuple[Floats, Floats]:
    """By how many standard errors are the share on the upper side, and that of usual values, more than a little off?"""
    side, side_before = (one["up"] / np.maximum(one["seen"], 1) for one in (now, usual))
    known, known_before = (one["seen"] / np.maximum(one["n"], 1) for one in (now, usual))
    error = np.sqrt((1 - side_before**2 + 0.01) / np.maximum(now["seen"], 1))
    off = np.maximum(np.abs(side - side_before) - 2 * _MOVED, 0) / error
    error = np.sqrt((known_before * (1 - known_before) + 0.01) / np.maximum(now["n"], 1))
    return off, np.maximum(np.abs(known - known_before) - _MOVED, 0) / error


def _add(sums: dict[str, Floats], more: Mapping[str, Any]) -> None:
    for name, total in more.items():
        sums[name] = sums[name] + total


def _rates(sums: Mapping[str, Any]) -> tuple[Floats, Floats]:
    """Rows in which the two of each pair that is watched agree, and in which both are known."""
    return (sums["both"] + sums["agree"]) / 2, sums["both"]
