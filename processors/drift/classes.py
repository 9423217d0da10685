"""Each class of several by itself: has one become rarer than it was, or more frequent?

Where a distribution is judged as a whole, a rare class among many can vanish unseen: what it had is less than what does
not matter. So of (model, version)s with three classes or more each class is a rate, too (`detectors.rates`, which says
what is proved), to both sides; what does not matter is half of what it has, or `min_effect` where that is less. The
classes of a version share what its budget leaves them. A version's classes are as many as there are bins, and all
versions together have at most 20,000: a class beyond that is only judged with the whole.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from processors.base import State
from processors.detectors.change import Change
from processors.detectors.rates import Rates
from processors.distinct import distinct
from processors.kernels.binning import REGULAR, WIDTH
from processors.rows import Bools, Floats, Ints, Longs

FEWEST = 3
"""Classes from which on each is judged by itself: of two each says what the other does."""
_MOST = 20_000
_LEAST_EFFECT = 0.002
_LEANS = 2.0
"""Log evidence from which on a class may have changed."""


class Classes:
    """Holds no data itself: it works on the state that it is handed."""

    def __init__(self, min_effect: float, warmup: int) -> None:
        self._rates = Rates("both", min_effect, least_effect=_LEAST_EFFECT, of_rarer=True, warmup=warmup)

    def initial(self) -> State:
        """No class is known. `slots` has by version the number of each class's rate, by bin."""
        return {"slots": {}, "free": [], "next": 0, "rates": self._rates.initial()}

    @staticmethod
    def several(state: State, bases: Ints, labels: Longs) -> Bools:
        """Which versions have three classes or more: in `labels`, shape (bases, 32), or before?"""
        return np.asarray(np.isin(bases, list(state["slots"])) | ((labels[:, REGULAR:] > 0).sum(axis=1) >= FEWEST))

    def enter(self, state: State, bases: Ints, labels: Longs) -> None:
        """Watch the classes of these versions, those among them that are new in `labels`."""
        for base, mine in zip(bases.tolist(), labels, strict=True):
            self._enter(state, base, np.flatnonzero(mine[REGULAR:] > 0) + REGULAR)

    def step(  # noqa: PLR0917 - a pane is its bounds and its counts
        self, state: State, bases: Ints, labels: Longs, start: int, end: int, weights: Floats
    ) -> list[tuple[int, int, Change]]:
        """Take in labels of versions that were entered, shape (bases, 32).

        Returns (version, bin, change) of each class that changed. `weights` are those of versions: their classes share.
        """
        found = [(slot, at, bin_) for at, base in enumerate(bases.tolist()) for bin_, slot in self._of(state, base)]
        if not found:
            return []
        slots, place, bins = (np.array(column, np.int64) for column in zip(*sorted(found), strict=True))
        share = weights / np.maximum(np.bincount(place, minlength=len(bases)), 1)
        changes = self._rates.step(
            state["rates"], slots.astype(np.int32), labels[place, bins], labels[place].sum(axis=1), start, end,
            share[place],
        )  # fmt: skip
        owner = {slot: (int(bases[at]), bin_) for slot, at, bin_ in found}
        return [(*owner[change.key], change) for change in changes]

    def calm(self, state: State, bases: Ints) -> Bools:
        """Of which versions does nothing say that a class has changed?"""
        versions, place = distinct(bases)
        return np.asarray((self._leaning(state, versions) < _LEANS)[place])

    def firing(self, state: State) -> Ints:
        """The versions of which a class fires."""
        bases = np.array(sorted(state["slots"]), np.int32)
        return bases[np.isinf(self._leaning(state, bases))]

    def adopt(self, state: State, base: int, counts: Longs) -> None:
        """Let counts of labels by bin be what is usual of a version's classes."""
        self.forget(state, [base])
        if (counts[REGULAR:] > 0).sum() >= FEWEST:
            self._enter(state, base, np.flatnonzero(counts[REGULAR:] > 0) + REGULAR)
            bins, slots = (np.array(column, np.int32) for column in zip(*self._of(state, base), strict=True))
            order = np.argsort(slots)
            hits = counts[bins[order]]
            self._rates.adopt(state["rates"], slots[order], hits, np.full(len(hits), counts.sum()))

    def begin_anew(self, state: State, bases: Iterable[int], adopted: dict[int, Longs]) -> None:
        """Forget what was learnt of these versions; those in `adopted` begin with that."""
        self.forget(state, bases)
        for base, counts in adopted.items():
            self.adopt(state, base, counts)

    def accept(self, state: State, groups: Iterable[int]) -> None:
        """Let what firing classes of these versions had since their onset be their reference."""
        slots = sorted(slot for base in groups for _, slot in self._of(state, base))
        self._rates.accept(state["rates"], np.array(slots, np.int32))

    def forget(self, state: State, groups: Iterable[int]) -> None:
        """Free the classes of these versions."""
        gone = [slot for base in groups for slot in state["slots"].pop(base, {}).values()]
        self._rates.forget(state["rates"], frozenset(gone))
        state["free"] = sorted([*state["free"], *gone], reverse=True)

    def _enter(self, state: State, base: int, bins: Longs) -> None:
        mine = state["slots"].setdefault(base, {})
        for bin_ in bins.tolist():
            if bin_ not in mine and (state["free"] or state["next"] < _MOST):
                if not state["free"]:
                    state["free"].append(state["next"])
                    state["next"] += 1
                mine[bin_] = state["free"].pop()

    @staticmethod
    def _of(state: State, base: int) -> list[tuple[int, int]]:
        """(bin, slot) of each class of a version."""
        return sorted(state["slots"].get(base, {}).items())

    def _leaning(self, state: State, bases: Ints) -> Floats:
        """Log evidence against the class of each version that leans most; infinite where one fires, 0 without any."""
        found = [(slot, at) for at, base in enumerate(bases.tolist()) for _, slot in self._of(state, base)]
        most = np.zeros(len(bases))
        if found:
            slots, place = (np.array(column, np.int32) for column in zip(*found, strict=True))
            np.maximum.at(most, place, self._rates.leaning(state["rates"], slots)[2])
        return most


def spread_over(before: Floats, bin_: int, hits: float, n: float) -> Floats:
    """Counts by bin of `n` labels of which a class had `hits` and the others the rest, in their usual proportions."""
    rest = np.where(np.arange(WIDTH) == bin_, 0.0, before)
    counts = rest / max(float(rest.sum()), 1e-12) * (n - hits)
    counts[bin_] = hits
    return np.asarray(counts)
