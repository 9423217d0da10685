"""Units to be measured, and what was measured of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from processors.kernels import exact
from processors.performance import entries as cube
from processors.performance.entries import Entries
from processors.performance.intervals import Interval
from processors.rows import Floats, Index, Longs


@dataclass(frozen=True, slots=True)
class Column:
    """One series of some units: `place` says which, the others have one entry each; NaN where undefined."""

    series: str
    place: Index
    value: Floats
    n: Floats
    interval: Interval | None = None
    details: Sequence[Mapping[str, Any]] = field(default_factory=list)
    """Of each unit what only this series has; empty: nothing."""


class Units:
    """Some units' entries, with the units numbered by their place."""

    def __init__(self, entries: Entries, units: Longs) -> None:
        """`units` ascend and hold all units of the entries."""
        self.units = units
        self.entries = entries
        self.place: Longs = np.searchsorted(units, entries.unit)
        self._kind = entries.what % cube.KINDS

    def __len__(self) -> int:
        return len(self.units)

    def every(self) -> Index:
        """The place of every unit."""
        return np.arange(len(self))

    def some(self, places: Index) -> Units:
        """The units at these places (ascending) only."""
        wanted = np.zeros(len(self), np.bool_)
        wanted[places] = True
        return Units(self.entries.take(wanted[self.place]), self.units[places])

    def kind(self, kind: int) -> tuple[Longs, Entries]:
        """(place, entry) of all entries of a kind."""
        mine = np.flatnonzero(self._kind == kind)
        return self.place[mine], self.entries.take(mine)

    def count(self, which: int) -> Floats:
        """A row count of every unit. A count below nothing is nothing: its first part was before the state began."""
        mine = np.flatnonzero((self.entries.what == cube.COUNT) & (self.entries.code == which))
        return np.maximum(np.bincount(self.place[mine], self.entries.value[mine], len(self)), 0.0)

    def fractions(self, sum_of: int) -> list[Fraction]:
        """An exact sum of every unit."""
        mine = np.flatnonzero(self.entries.what == cube.SUM + cube.KINDS * sum_of)
        parts: list[list[tuple[int, int]]] = [[] for _ in range(len(self))]
        limbs = self.entries.code[mine].tolist()
        for place, limb, amount in zip(
            self.place[mine].tolist(), limbs, self.entries.value[mine].tolist(), strict=True
        ):
            parts[place].append((limb, amount))
        return [exact.total(part) for part in parts]

    def sums(self, sum_of: int) -> Floats:
        """An exact sum of every unit, rounded once."""
        return np.array([float(total) for total in self.fractions(sum_of)], np.float64)
