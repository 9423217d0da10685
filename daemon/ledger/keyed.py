"""Rows in slots, found by key: the columns behind retained predictions and waiting labels.

A row keeps its slot until it is removed; then the slot is given again. Every row also has a serial number, which
rises for ever and is what saved chunks and changes refer to. Columns grow by a little where they stand, so that there
is never a second copy of what may be gigabytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from daemon.ledger import index
from processors.rows import Bools, Hashes, Index, Longs

Columns = dict[str, npt.NDArray[Any]]

_BLOCK = 1 << 18
"""Slots that are looked at in one go, so that what is worked out on the way stays small."""


class Slots:
    """Fixed-width columns by slot. Slots that are free hang together by `following`, and so take no room."""

    def __init__(self, columns: Mapping[str, npt.DTypeLike]) -> None:
        self.columns: Columns = {name: np.zeros(0, dtype) for name, dtype in columns.items()}
        self.following = np.zeros(0, np.int32)
        self.top = 0
        """Slots from here on were never given."""
        self._first_free, self._free = -1, 0

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self.columns[name]

    def take_slots(self, count: int) -> Longs:
        """Slots for so many new rows."""
        reused, self._first_free = index.unlink(self.following, self._first_free, min(count, self._free))
        self._free -= len(reused)
        fresh = np.arange(self.top, self.top + count - len(reused))
        self.top += len(fresh)
        if self.top > len(self.following):
            self._grow(max(self.top, index.more_than(len(self.following))))
        return np.concatenate([reused, fresh])

    def give_back(self, slots: Longs) -> None:
        """Return slots: the rows in them are gone, or never came."""
        self._first_free = index.link(self.following, self._first_free, slots)
        self._free += len(slots)

    def nbytes(self) -> int:
        """Bytes of all columns."""
        return self.following.nbytes + sum(column.nbytes for column in self.columns.values())

    def _grow(self, rows: int) -> None:
        index.grow(self.following, rows)
        for column in self.columns.values():
            index.grow(column, rows)


class KeyedRows(Slots):
    """Rows with an index by key."""

    def __init__(self, columns: Mapping[str, npt.DTypeLike]) -> None:
        super().__init__({"key": np.uint64, "serial": np.int64} | dict(columns))
        self.count = 0
        self.next_serial = 0
        self.table = index.new_table(0)

    def __len__(self) -> int:
        return self.count

    @property
    def key(self) -> Hashes:
        """Key by slot."""
        return self.columns["key"]

    @property
    def serial(self) -> Longs:
        """Serial number by slot, -1 in slots that are free."""
        return self.columns["serial"]

    def take_slots(self, count: int) -> Longs:
        """Slots for so many new rows, and room in the index for their keys."""
        if index.too_full(self.count + count, len(self.table)):
            self._widen(self.count + count)
        return super().take_slots(count)

    def enter(self, slots: Longs, keys: Hashes, serials: Longs | None = None, *, indexed: bool = False) -> None:
        """Make slots rows of these keys. `indexed`: a kernel has entered them in the index already."""
        if serials is None:
            serials = np.arange(self.next_serial, self.next_serial + len(slots))
        self.key[slots], self.serial[slots] = keys, serials
        self.next_serial = max(self.next_serial, int(serials[-1]) + 1 if len(serials) else 0)
        self.count += len(slots)
        if not indexed:
            index.insert(self.table, self.key, self.following, slots)

    def find(self, keys: Hashes) -> Longs:
        """Slot of each key's newest row, -1 where there is none."""
        return index.find(self.table, self.key, keys)  # type: ignore[no-any-return]

    def remove(self, slots: Longs) -> None:
        """Take rows out and free their slots."""
        index.remove(self.table, self.key, self.following, slots)
        self.serial[slots] = -1
        self.count -= len(slots)
        self.give_back(slots)

    def slots(self) -> Longs:
        """All rows, in the order of their serial numbers."""
        return self.of_serials(0)

    def of_serials(self, low: int, high: int = np.iinfo(np.int64).max) -> Longs:
        """The rows with serial numbers from `low` to below `high`, in their order."""
        found = self.where(lambda block: (self.serial[block] >= low) & (self.serial[block] < high))
        return found[np.argsort(self.serial[found], kind="stable")]

    def where(self, meets: Callable[[slice], Bools]) -> Longs:
        """Slots of the rows in blocks of slots that meet a condition."""
        none = np.zeros(0, np.int64)
        parts = [np.flatnonzero(meets(block) & (self.serial[block] >= 0)) + block.start for block in self.blocks()]
        return np.concatenate([none, *parts])

    def blocks(self) -> Iterator[slice]:
        """All slots that were ever given, some at a time."""
        return (slice(low, min(low + _BLOCK, self.top)) for low in range(0, self.top, _BLOCK))

    def live(self, slots: Index, serials: Longs) -> Bools:
        """Do these slots still hold the rows with these serial numbers?"""
        return np.asarray(self.serial[slots] == serials)

    def nbytes(self) -> int:
        """Bytes of all columns and the index."""
        return super().nbytes() + self.table.nbytes

    def _grow(self, rows: int) -> None:
        before = len(self.following)
        super()._grow(rows)
        self.serial[before:] = -1

    def _widen(self, rows: int) -> None:
        entries = self.table[self.table != 0]
        self.table = np.zeros(0, np.uint64)  # gone before its successor comes
        self.table = index.new_table(rows)
        index.refill(self.table, self.key, entries)
