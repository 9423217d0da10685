"""What detectors of counts by bin have in common: who of a pane's series is judged, followed, and learnt from.

A series is calm until its evidence reaches what was needed, fires from then on, and is calm again when the test with
swapped roles says so (see `recovery`). Calm ones grow their reference (see `reference`) and teach how much panes
scatter (see `dispersion`); what is usual at this time of the day is gathered of all that still grow (see `seasons`).
Where the evidence comes from is what tells the detectors apart.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from processors.base import State
from processors.detectors import columns, cusum, dispersion, reference, seasons
from processors.detectors.change import Change
from processors.detectors.cusum import Pane
from processors.durations import DAY_US, HOUR_US
from processors.rows import Bools, Floats, Ints

_UNEVEN = 2.0
"""Log evidence from which panes no longer tell how much they scatter: they may have changed."""


@dataclass(frozen=True, slots=True)
class Binned(ABC):
    """A detector of counts in 32 bins. It is only settings; what it remembers is the state that it is handed."""

    layout: ClassVar[columns.Layout]
    """Of its state, beside what tells the dispersion."""
    views: ClassVar[int]
    """Rates of each series by which its dispersion is told: the largest counts."""

    min_effect: float
    """Changes smaller than this do not matter."""
    warmup: int
    """Events that the reference needs before it judges."""
    beta: float = 1e-4
    """Probability with which what is known of the reference may be wrong (of one series, or of one bin)."""
    recovery_us: int = DAY_US
    """Of series that are still bad, at most one is expected to be taken for well in this time."""
    update_us: int = HOUR_US
    """How often a firing series is reported anew."""

    def initial(self) -> State:
        """The state before the first pane."""
        return {**columns.empty(self.layout), "views": columns.empty(dispersion.LAYOUT)}

    def adopt(self, state: State, keys: Ints, counts: npt.ArrayLike) -> None:
        """Let `counts`, shape (keys, 32), be the reference of `keys`; they grow no more. Evidence starts anew."""
        self._grow(state, keys)
        self.forget(state, frozenset(keys.tolist()))
        reference.adopt(state, keys, np.asarray(counts, np.float64))
        self._bound(state, keys)

    def inherit(self, state: State, keys: Ints, others: Ints) -> Ints:
        """Let those of `keys` (ascending) that have no reference have that of their other, if it has one.

        Returns those of which the other has none yet: what they count is no reference.
        """
        if not len(keys):
            return keys
        self._grow(state, np.array([max(keys.max(), others.max())], np.int32))
        without = ~self._known(state, keys)
        new = without & self._known(state, others)
        if new.any():
            self.forget(state, frozenset(keys[new].tolist()))
            reference.inherit(state, keys[new], others[new])
            self._bound(state, keys[new])
        return np.asarray(keys[without & ~new & (keys != others)])

    def forget(self, state: State, keys: frozenset[int]) -> None:
        """Let `keys` be as if never seen."""
        columns.clear(state, self.layout, columns.numbers(keys))
        views, rates = self._rates(state, columns.numbers(keys))
        columns.clear(views, dispersion.LAYOUT, rates)

    def step(  # noqa: PLR0917 - a pane is its bounds and its counts; bundling them would only rename them
        self, state: State, keys: Ints, counts: npt.ArrayLike, start: int, end: int, weights: npt.ArrayLike
    ) -> list[Change]:
        """Take in one pane: `counts` of shape (keys, 32) of the series `keys` (ascending), `weights` from the budget.

        Changes `state` in place; returns the changes in the order of their keys.
        """
        tally, weight = np.asarray(counts, np.float64), np.asarray(weights, np.float64)
        seen = tally.sum(axis=1) > 0
        keys, tally, weight = keys[seen], tally[seen], weight[seen]
        self._grow(state, keys)
        pane = Pane(keys, tally, tally.sum(axis=1), start, end)
        self._season(state, keys[seasons.leaving(state, keys, start)], start)
        firing = state["firing"][keys] > 0
        ready = ~firing & self._ready(state, keys)
        changes: list[Change] = []
        if ready.any():
            changes += self._watch(state, pane.take(ready), weight[ready])
        if firing.any():
            changes += self._follow(state, pane.take(firing))
        growing = reference.growing(state, keys)
        if growing.any():
            state["block"][keys[growing]] += tally[growing]
        learning = growing & (state["firing"][keys] == 0)
        if learning.any():
            self._learn(state, pane.take(learning))
        return sorted(changes, key=lambda change: change.key)

    def _known(self, state: State, keys: Ints) -> Bools:
        """Which of `keys` have a reference?"""
        return np.asarray(state["ref"][keys].sum(axis=1) >= self.warmup)

    def _ready(self, state: State, keys: Ints) -> Bools:
        """Which of `keys` can be judged by their reference?"""
        return self._known(state, keys)

    def _season(self, state: State, keys: Ints, start: int) -> None:
        """These series enter another cell of the day: fold what they gathered, and judge by what is usual now."""
        if len(keys):
            self._fold(state, keys)
            seasons.enter(state, keys, start)
            self._allow(state, keys)

    def _learn(self, state: State, pane: Pane) -> None:
        """Let calm panes age and join the reference."""
        keys, run = pane.keys, state["run"][pane.keys]
        self._learn_dispersion(state, pane, run < _UNEVEN)
        moved = reference.learn(state, keys, pane.counts, run <= 0, pane.start, pane.end, self.warmup)
        if len(moved):
            dispersion.promote(*self._rates(state, moved))
            self._bound(state, moved)

    def _restart(self, state: State, key: int) -> None:
        """Begin anew after an alarm or a recovery: no evidence, and nothing learnt from what led to it."""
        for name in ("recent", "evidence", "back", "block"):
            state[name][key] = 0
        keys = np.array([key], np.int32)
        cusum.restart(state, keys)
        reference.drop(state, keys)
        dispersion.drop(*self._rates(state, keys))

    def _grow(self, state: State, keys: Ints) -> None:
        columns.grow(state, self.layout, keys)
        views, rates = self._rates(state, keys)
        columns.grow(views, dispersion.LAYOUT, rates)

    def _rates(self, state: State, keys: Ints) -> tuple[State, Ints]:
        """Where the rates by which the dispersion of `keys` is told stand, and their numbers, shape (keys * views,)."""
        return state["views"], np.asarray(keys[:, None] * self.views + np.arange(self.views), np.int32).ravel()

    def _spread(self, state: State, keys: Ints) -> Floats:
        """The dispersion of each of `keys`."""
        spread = dispersion.dispersion(*self._rates(state, keys))
        return np.asarray(spread.reshape(-1, self.views).max(axis=1))

    def _tell(self, state: State, pane: Pane, *hits: Floats) -> None:
        """Let a pane's series tell how much they scatter, by the `hits` of each view."""
        trials = np.repeat(pane.size, self.views)
        dispersion.add_pane(*self._rates(state, pane.keys), np.stack(hits, axis=1).ravel(), trials, pane.start)

    @abstractmethod
    def _watch(self, state: State, pane: Pane, weights: Floats) -> list[Change]:
        """The test of calm series that are ready."""

    @abstractmethod
    def _follow(self, state: State, pane: Pane) -> list[Change]:
        """The test of firing series."""

    @abstractmethod
    def _fold(self, state: State, keys: Ints) -> None:
        """Hand what `keys` gathered in a cell of the day to the seasons, and begin another."""

    @abstractmethod
    def _allow(self, state: State, keys: Ints) -> None:
        """Widen the null of `keys` by what is usual in the cell of the day that they are in."""

    @abstractmethod
    def _learn_dispersion(self, state: State, pane: Pane, even: Bools) -> None:
        """Let the `even` ones of a pane's series tell how much they scatter."""

    @abstractmethod
    def _bound(self, state: State, keys: Ints) -> None:
        """What follows from references that have changed."""
