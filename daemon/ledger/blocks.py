"""Runs of equally wide items, one run a row, where rows come and go.

Runs that are free hang together by their length, each naming the next in its first item, and are given again to rows
that need that length. If rows change so much that more lies idle than is in use, the runs move together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from daemon.ledger.index import grow, more_than
from daemon.ledger.keyed import KeyedRows
from processors.distinct import distinct
from processors.profile.tokens import runs_by
from processors.rows import Longs

_LEAST_IDLE = 1 << 16
"""Fewer idle items than this are nobody's concern."""


class Blocks:
    """Columns of items; `bits` (uint64) is one of them."""

    def __init__(self, columns: Mapping[str, npt.DTypeLike]) -> None:
        self.columns = {name: np.zeros(0, dtype) for name, dtype in (*columns.items(), ("bits", np.uint64))}
        self.used = 0
        """Items in use."""
        self._end = 0
        self._free: dict[int, int] = {}
        """First free run plus one, by length."""

    def take(self, sizes: Longs) -> Longs:
        """Where the runs of new rows begin."""
        starts = np.zeros(len(sizes), np.int64)
        for size, rows in runs_by(sizes):
            if size:
                starts[rows] = self._take(size, len(rows))
        self.used += int(sizes.sum())
        return starts

    def take_for(self, rows: KeyedRows, slots: Longs, sizes_of: Callable[[Longs], Longs]) -> Longs:
        """Where the runs of new rows begin, which is noted in their column `start`; all move together if need be.

        `sizes_of` says how long the runs of rows are.
        """
        if self.scattered():
            live = rows.where(lambda block: rows.serial[block] >= 0)
            live = live[~np.isin(live, slots)]
            rows["start"][live] = self.move_together(rows["start"][live].astype(np.int64), sizes_of(live))
        starts = self.take(sizes_of(slots))
        rows["start"][slots] = starts
        return starts

    def give_back(self, starts: Longs, sizes: Longs) -> None:
        """The runs of rows that are gone."""
        for size, rows in runs_by(sizes):
            if size:
                self._free[size] = _link(self.columns["bits"], self._free.get(size, 0), starts[rows])
        self.used -= int(sizes.sum())

    def scattered(self) -> bool:
        """Does more lie idle than is in use?"""
        return self._end - self.used > max(self.used, _LEAST_IDLE)

    def move_together(self, starts: Longs, sizes: Longs) -> Longs:
        """Leave nothing idle; `starts` and `sizes` are all runs in use. Returns where they begin now."""
        places = positions(starts, sizes)
        self.columns = {name: column[places] for name, column in self.columns.items()}
        self._end, self._free = len(places), {}
        return np.cumsum(sizes, dtype=np.int64) - sizes

    def nbytes(self) -> int:
        """Bytes of all columns."""
        return sum(column.nbytes for column in self.columns.values())

    def _take(self, size: int, count: int) -> Longs:
        reused, self._free[size] = _unlink(self.columns["bits"], self._free.get(size, 0), count)
        fresh = self._end + size * np.arange(count - len(reused), dtype=np.int64)
        self._end += size * len(fresh)
        room = len(self.columns["bits"])
        if self._end > room:
            for column in self.columns.values():
                grow(column, max(self._end, more_than(room)))
        return np.concatenate([np.asarray(reused, np.int64), fresh])


def positions(starts: Longs, sizes: Longs) -> Longs:
    """Place of every item of runs, run after run."""
    if len(sizes) and len(distinct(sizes)[0]) == 1:
        return np.asarray((starts[:, None] + np.arange(sizes[0])).ravel())
    ends = np.cumsum(sizes, dtype=np.int64)
    shift = np.repeat(starts - (ends - sizes), sizes)
    return np.asarray(np.arange(len(shift), dtype=np.int64) + shift)


@njit(cache=True)
def _link(bits: Any, first: Any, starts: Any) -> Any:
    for i in range(len(starts)):
        bits[starts[i]] = np.uint64(first)
        first = starts[i] + 1
    return first


@njit(cache=True)
def _unlink(bits: Any, first: Any, count: Any) -> Any:
    taken = np.empty(count, np.int64)
    found = 0
    while found < count and first > 0:
        taken[found] = first - 1
        first = np.int64(bits[first - 1])
        found += 1
    return taken[:found], first
