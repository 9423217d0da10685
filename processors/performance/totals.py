"""Totals: all outcomes of a group since its version began, with every correction applied.

A total is read along with a window of its group, at most once a window's span and once a hundredth of it is new.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from processors.base import Judging, State
from processors.performance import entries as cube
from processors.performance.entries import Entries, Held, Shelf
from processors.rows import Ints, Longs

_COLUMNS = ("since", "read_at", "n", "fresh")
_NEVER = np.iinfo(np.int64).min // 2


@dataclass(frozen=True, slots=True)
class Read:
    """Totals to be read now: groups ascending, when each began, and all that is held of them."""

    group: Ints
    since: Longs
    held: Held


class Totals:
    """The totals of all groups. Holds no data itself; the state is a tree."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def initial(self) -> State:
        """Nothing was seen."""
        return {"runs": self._shelf.initial(), **{name: np.zeros(0, np.int64) for name in _COLUMNS}}

    def add(self, state: State, pane: Entries, context: Judging) -> None:
        """Take in one pane's entries; changes `state` in place."""
        if not len(pane):
            return
        pane = pane.renamed(cube.group_unit(cube.group_of(pane.unit)))
        self._shelf.add(state["runs"], pane)
        groups = np.unique(cube.group_of(pane.unit))
        self._grow(state, int(groups[-1]) + 1)
        new = groups[state["since"][groups] == _NEVER]
        state["since"][new] = context.start
        for code in (cube.ROWS, cube.CORRECTIONS):
            rows = np.flatnonzero((pane.what == cube.COUNT) & (pane.code == code))
            at = cube.group_of(pane.unit[rows])
            state["fresh"][at] += pane.value[rows]
            if code == cube.ROWS:
                state["n"][at] += pane.value[rows]

    def read(self, state: State, groups: Any, context: Judging) -> Read:
        """The totals that are worth reading, of these groups, whose windows closed; at the end of the input, of all."""
        fresh = state["fresh"]
        if context.last:
            groups = np.flatnonzero(fresh > 0)
        else:
            waited = context.end - state["read_at"][groups] >= context.window_span
            groups = groups[waited & (fresh[groups] > 0) & (100 * fresh[groups] >= state["n"][groups])]
        fresh[groups] = 0
        state["read_at"][groups] = context.end
        return Read(groups.astype(np.int32), state["since"][groups], self._shelf.held(state["runs"]))

    def forget(self, state: State, groups: frozenset[int]) -> None:
        """Drop everything of these groups."""
        gone = np.array(sorted(group for group in groups if group < len(state["since"])), np.int64)
        self._shelf.remove(state["runs"], cube.group_unit(gone))
        for name, nothing in zip(_COLUMNS, (_NEVER, _NEVER, 0, 0), strict=True):
            state[name][gone] = nothing

    def _grow(self, state: State, size: int) -> None:
        before = len(state["since"])
        if size <= before:
            return
        for name, nothing in zip(_COLUMNS, (_NEVER, _NEVER, 0, 0), strict=True):
            longer = np.full(max(size, before * 3 // 2), nothing, np.int64)
            longer[:before] = state[name]
            state[name] = longer
