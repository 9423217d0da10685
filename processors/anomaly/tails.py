"""Do more events lie beyond a version's own usual quantile than did? Histograms in, changes of a rate out.

The quantile is fixed once, from a version's first events; the rate of events beyond it is then judged by an e-detector
with a reference of its own, made of later events (`detectors.rates`), so that choosing the quantile biases nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from processors.base import Judging, State
from processors.detectors import budget, columns
from processors.detectors.change import Change
from processors.detectors.rates import Rates
from processors.rows import Ints

_NOT_YET = 0


@dataclass(frozen=True, slots=True)
class Tail:
    """A watch over the upper tail of histograms with `bins` bins."""

    bins: int
    share: float
    """Of the events that choose the quantile, how many at most may lie beyond it."""
    rates: Rates
    events: int = 1_000
    """Events that choose the quantile ..."""
    panes: int = 20
    """... and panes that they must come from at least."""

    def initial(self) -> State:
        """The state before the first pane."""
        return {"own": columns.empty(self._layout), "rates": self.rates.initial(), "budget": budget.initial()}

    def step(self, state: State, keys: Ints, counts: npt.NDArray[Any], context: Judging) -> list[Change]:
        """Take in one pane's histograms of base groups, shape (keys, bins). Changes `state` in place."""
        own = state["own"]
        columns.grow(own, self._layout, keys)
        known = own["cut"][keys] > _NOT_YET
        changes = self._judge(state, keys[known], counts[known], context) if known.any() else []
        learning = keys[~known & counts.any(axis=1)]
        own["counts"][learning] += counts[~known & counts.any(axis=1)]
        own["panes"][learning] += 1
        self._choose(own, learning)
        return changes

    def cut(self, state: State, key: int) -> int | None:
        """The first bin beyond the quantile of a key; None while it is not chosen."""
        cuts = state["own"]["cut"]
        return int(cuts[key]) if key < len(cuts) and cuts[key] > _NOT_YET else None

    def forget(self, state: State, keys: frozenset[int]) -> None:
        """Let `keys` be as if never seen."""
        columns.clear(state["own"], self._layout, columns.numbers(keys))
        self.rates.forget(state["rates"], keys)
        budget.forget(state["budget"], keys)

    @property
    def _layout(self) -> columns.Layout:
        return {
            "cut": (np.int32, (), _NOT_YET),
            "panes": (np.int32, (), 0),
            "counts": (np.int32, (self.bins,), 0),
        }

    def _judge(self, state: State, keys: Ints, counts: npt.NDArray[Any], context: Judging) -> list[Change]:
        weights = budget.weights(state["budget"], keys, budget.models_of(context.profile, keys), context)
        beyond = np.arange(self.bins) >= state["own"]["cut"][keys][:, None]
        hits, trials = (counts * beyond).sum(axis=1), counts.sum(axis=1)
        return self.rates.step(state["rates"], keys, hits, trials, context.start, context.end, weights)

    def _choose(self, own: State, keys: Ints) -> None:
        """Fix the quantile of those that have seen enough, and free their histograms."""
        ready = keys[(own["panes"][keys] >= self.panes) & (own["counts"][keys].sum(axis=1) >= self.events)]
        if not len(ready):
            return
        tail = own["counts"][ready][:, ::-1].cumsum(axis=1)[:, ::-1]
        within = tail <= self.share * tail[:, :1]
        own["cut"][ready] = np.where(within.any(axis=1), within.argmax(axis=1), self.bins)
        own["counts"][ready] = 0
