"""Rows in slots, found by key: the columns behind retained predictions and waiting labels.

A row keeps its slot until it is removed; then the slot is given again. Every row also has a serial number, which
rises for ever and is what saved chunks and changes refer to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from daemon.ledger import index
from processors.rows import Bools, Cells, Hashes, Longs, Scalars

Columns = dict[str, npt.NDArray[Any]]


class KeyedRows:
    """Fixed-width columns by slot, with an index by key."""

    def __init__(self, columns: Mapping[str, npt.DTypeLike]) -> None:
        self.columns: Columns = {name: np.zeros(0, dtype) for name, dtype in columns.items()}
        self.key = np.zeros(0, np.uint64)
        self.serial = np.full(0, -1, np.int64)
        """-1 in slots that are free."""
        self.following = np.zeros(0, np.int64)
        self.count = 0
        self.next_serial = 0
        self.table_key, self.table_head = index.new_table(0)
        self._entered = 0
        """Places of the table that are taken, by keys with or without rows."""
        self._free = np.zeros(0, np.int64)
        self._top = 0

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self.columns[name]

    def __len__(self) -> int:
        return self.count

    def take_slots(self, count: int) -> Longs:
        """Slots for so many new rows, and room in the index for their keys."""
        reused = self._free[max(0, len(self._free) - count) :][::-1]
        self._free = self._free[: len(self._free) - len(reused)]
        fresh = np.arange(self._top, self._top + count - len(reused))
        self._top += len(fresh)
        if self._top > len(self.key):
            self._grow(self._top)
        if 2 * (self._entered + count) > len(self.table_key):
            self._rebuild(count)
        return np.concatenate([reused, fresh])

    def enter(self, slots: Longs, keys: Hashes, serials: Longs | None = None, *, indexed: bool = False) -> None:
        """Make slots rows of these keys. `indexed`: a kernel has entered them in the index already."""
        if serials is None:
            serials = np.arange(self.next_serial, self.next_serial + len(slots))
        self.key[slots], self.serial[slots] = keys, serials
        self.next_serial = max(self.next_serial, int(serials[-1]) + 1 if len(serials) else 0)
        self.count += len(slots)
        self._entered += len(slots)
        if not indexed:
            index.insert(self.table_key, self.table_head, self.following, keys, slots)

    def give_back(self, slots: Longs) -> None:
        """Return slots that were taken and not entered."""
        if not len(slots):
            return
        self._free = np.concatenate([self._free, slots[::-1]])

    def find(self, keys: Hashes) -> Longs:
        """Slot of each key's newest row, -1 where there is none."""
        return index.find(self.table_key, self.table_head, keys)  # type: ignore[no-any-return]

    def remove(self, slots: Longs) -> None:
        """Take rows out and free their slots."""
        index.remove(self.table_key, self.table_head, self.following, self.key[slots], slots)
        self.serial[slots] = -1
        self.count -= len(slots)
        self._free = np.concatenate([self._free, slots[::-1]])

    def slots(self) -> Longs:
        """All rows, in the order of their serial numbers."""
        used = np.flatnonzero(self.serial[: self._top] >= 0)
        return used[np.argsort(self.serial[used])]

    def live(self, slots: Longs, serials: Longs) -> Bools:
        """Do these slots still hold the rows with these serial numbers?"""
        return np.asarray(self.serial[slots] == serials)

    def _grow(self, rows: int) -> None:
        capacity = max(1024, 1 << int(rows - 1).bit_length())
        self.key, self.following = _wider(self.key, capacity, 0), _wider(self.following, capacity, -1)
        self.serial = _wider(self.serial, capacity, -1)
        self.columns = {name: _wider(column, capacity, 0) for name, column in self.columns.items()}

    def _rebuild(self, more: int) -> None:
        self.table_key, self.table_head = index.new_table(2 * (self.count + more))
        slots = self.slots()
        index.insert(self.table_key, self.table_head, self.following, self.key[slots], slots)
        self._entered = self.count


class Arena:
    """Ragged cells by slot. Space of removed rows comes back when more than half of it is dead."""

    def __init__(self) -> None:
        self.layout = np.zeros(0, np.uint64)
        self.start = np.zeros(0, np.int64)
        self.size = np.zeros(0, np.int32)
        self._kind = np.zeros(0, np.uint8)
        self._bits = np.zeros(0, np.uint64)
        self._end = 0
        self._live = 0

    def put(self, slots: Longs, cells: Cells, capacity: int) -> None:
        """Give slots their cells. `capacity` is the number of slots that there are."""
        if capacity > len(self.layout):
            self.layout, self.start = _wider(self.layout, capacity, 0), _wider(self.start, capacity, 0)
            self.size = _wider(self.size, capacity, 0)
        need = len(cells.values)
        if self._end + need > len(self._bits):
            self._compact(need)
        self.layout[slots], self.size[slots] = cells.layout, cells.size
        self.start[slots] = cells.start + self._end
        self._kind[self._end : self._end + need] = cells.values.kind
        self._bits[self._end : self._end + need] = cells.values.bits
        self._end += need
        self._live += need

    def get(self, slots: Longs) -> Cells:
        """The cells of slots, compact."""
        return Cells(self.layout, self.start, self.size, Scalars(self._kind, self._bits)).packed(slots)

    def drop(self, slots: Longs) -> None:
        """Free the cells of slots."""
        self._live -= int(self.size[slots].sum())
        self.size[slots] = 0
        self.layout[slots] = 0

    def _compact(self, need: int) -> None:
        used = np.flatnonzero(self.size)
        kept = self.get(used)
        capacity = max(1024, 1 << int(2 * (self._live + need) - 1).bit_length())
        self._kind, self._bits = np.zeros(capacity, np.uint8), np.zeros(capacity, np.uint64)
        self._kind[: len(kept.values)], self._bits[: len(kept.values)] = kept.values.kind, kept.values.bits
        self.start[used] = kept.start
        self._end = len(kept.values)


def _wider(column: npt.NDArray[Any], capacity: int, fill: int) -> npt.NDArray[Any]:
    wider = np.full(capacity, fill, column.dtype) if fill else np.zeros(capacity, column.dtype)
    wider[: len(column)] = column
    return wider
