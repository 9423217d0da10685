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
_FREE = -1
_LEAST_EFFECT = 0.002
_LEANS = 2.0
"""Log evidence from which on a class may have changed."""


class Classes:
    """Holds no data itself: it works on the state that it is handed."""

    def __init__(self, min_effect: float, warmup: int) -> None:
        self._rates = Rates("both", min_effect, least_effect=_LEAST_EFFECT, of_rarer=True, warmup=warmup)

    def initial(self) -> State:
        """No class is known. By the number of a class's rate: its version (-1: free) and its bin."""
        return {"version": np.zeros(0, np.int32), "bin": np.zeros(0, np.int8), "rates": self._rates.initial()}

    @staticmethod
    def several(state: State, bases: Ints, labels: Longs) -> Bools:
        """Which versions have three classes or more: in `labels`, shape (bases, 32), or before?"""
        return np.asarray(np.isin(bases, state["version"]) | ((labels[:, REGULAR:] > 0).sum(axis=1) >= FEWEST))

    def enter(self, state: State, bases: Ints, labels: Longs) -> None:
        """Watch the classes of these versions (ascending), those among them that are new in `labels`."""
        slots, place = _of(state, bases)
        new = labels > 0
        new[:, :REGULAR] = False
        new[place, state["bin"][slots]] = False
        at, bins = np.nonzero(new)
        taken = _take_free(state, len(at))
        state["version"][taken], state["bin"][taken] = bases[at[: len(taken)]], bins[: len(taken)]

    def step(  # noqa: PLR0917 - a pane is its bounds and its counts
        self, state: State, bases: Ints, labels: Longs, start: int, end: int, weights: Floats
    ) -> list[tuple[int, int, Change]]:
        """Take in labels of versions (ascending) that were entered, shape (bases, 32).

        Returns (version, bin, change) of each class that changed. `weights` are those of versions: their classes share.
        """
        slots, place = _of(state, bases)
        if not len(slots):
            return []
        share = weights / np.maximum(np.bincount(place, minlength=len(bases)), 1)
        changes = self._rates.step(
            state["rates"], slots, labels[place, state["bin"][slots]], labels.sum(axis=1)[place], start, end,
            share[place],
        )  # fmt: skip
        return [(int(state["version"][change.key]), int(state["bin"][change.key]), change) for change in changes]

    def calm(self, state: State, bases: Ints) -> Bools:
        """Of which versions does nothing say that a class has changed?"""
        versions, place = distinct(bases)
        return np.asarray((self._leaning(state, versions) < _LEANS)[place])

    def firing(self, state: State) -> Ints:
        """The versions of which a class fires."""
        bases = np.unique(state["version"][state["version"] >= 0])
        return bases[np.isinf(self._leaning(state, bases))]

    def adopt(self, state: State, base: int, counts: Longs) -> None:
        """Let counts of labels by bin be what is usual of a version's classes."""
        self.forget(state, [base])
        if (counts[REGULAR:] > 0).sum() >= FEWEST:
            only = np.array([base], np.int32)
            self.enter(state, only, counts[None])
            slots, _ = _of(state, only)
            hits = counts[state["bin"][slots]]
            self._rates.adopt(state["rates"], slots, hits, np.full(len(hits), counts.sum()))

    def begin_anew(self, state: State, bases: Iterable[int], adopted: dict[int, Longs]) -> None:
        """Forget what was learnt of these versions; those in `adopted` begin with that."""
        self.forget(state, bases)
        for base, counts in adopted.items():
            self.adopt(state, base, counts)

    def accept(self, state: State, groups: Iterable[int]) -> None:
        """Let what firing classes of these versions had since their onset be their reference."""
        self._rates.accept(state["rates"], _slots_of(state, groups))

    def forget(self, state: State, groups: Iterable[int]) -> None:
        """Free the classes of these versions."""
        gone = _slots_of(state, groups)
        self._rates.forget(state["rates"], frozenset(gone.tolist()))
        state["version"][gone] = _FREE

    def upgrade(self, state: State) -> State:
        """Version 2 of label drift had classes in dictionaries, by version and bin."""
        now = self.initial()
        found = sorted((slot, base, bin_) for base, mine in state["slots"].items() for bin_, slot in mine.items())
        _take_free(now, state["next"])
        for slot, base, bin_ in found:
            now["version"][slot], now["bin"][slot] = base, bin_
        return {**now, "rates": state["rates"]}

    def _leaning(self, state: State, bases: Ints) -> Floats:
        """Log evidence against the class of each version that leans most; infinite where one fires, 0 without any."""
        slots, place = _of(state, bases)
        most = np.zeros(len(bases))
        if len(slots):
            np.maximum.at(most, place, self._rates.leaning(state["rates"], slots)[2])
        return most


def _of(state: State, bases: Ints) -> tuple[Ints, Longs]:
    """The classes of versions (ascending), as numbers of their rates (ascending), and at which version each stands."""
    slots = np.flatnonzero(np.isin(state["version"], bases)).astype(np.int32)
    return slots, np.searchsorted(bases, state["version"][slots])


def _slots_of(state: State, groups: Iterable[int]) -> Ints:
    return _of(state, np.array(sorted(groups), np.int32))[0]


def _take_free(state: State, wanted: int) -> Ints:
    """Numbers of that many rates that are nobody's, the least first; fewer where all would be too many."""
    free = np.flatnonzero(state["version"] == _FREE)[:wanted]
    have = len(state["version"])
    more = min(wanted - len(free), _MOST - have)
    state["version"] = np.append(state["version"], np.full(more, _FREE, np.int32))
    state["bin"] = np.append(state["bin"], np.zeros(more, np.int8))
    return np.append(free, np.arange(have, have + more)).astype(np.int32)


def spread_over(before: Floats, bin_: int, hits: float, n: float) -> Floats:
    """Counts by bin of `n` labels of which a class had `hits` and the others the rest, in their usual proportions."""
    rest = np.where(np.arange(WIDTH) == bin_, 0.0, before)
    counts = rest / max(float(rest.sum()), 1e-12) * (n - hits)
    counts[bin_] = hits
    return np.asarray(counts)
