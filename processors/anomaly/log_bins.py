"""Bins whose width grows with the value: 16 an octave, so that any quantile of positive numbers is good to 3%.

The bin of a float64 is its exponent with the first four bits of its mantissa, as in HdrHistogram: exact on any machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from processors.rows import Floats, Ints

_SHIFT = np.int64(48)
_PER_OCTAVE = 16

Counts = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class LogBins:
    """Bins of values from 2^`lowest` to 2^`highest`; the first and the last hold what is beyond."""

    lowest: int
    highest: int

    @property
    def size(self) -> int:
        """How many bins."""
        return (self.highest - self.lowest) * _PER_OCTAVE

    def bin_of(self, values: Floats) -> Ints:
        """The bin of each value; NaN and what is not positive are in the first."""
        positive = np.where(values > 0, values, 0.0)
        bits = (positive.view(np.int64) >> _SHIFT) - self._first
        return np.asarray(np.clip(bits, 0, self.size - 1), np.int32)

    def edge(self, place: int) -> float:
        """Left edge of a bin."""
        return float(np.int64((place + int(self._first)) << int(_SHIFT)).view(np.float64))

    def count(self, place: Counts, values: Floats, rows: int) -> npt.NDArray[np.int32]:
        """Counts of shape (rows, size): `place` gives the row of each value."""
        flat = np.bincount(place.astype(np.int64) * self.size + self.bin_of(values), minlength=rows * self.size)
        return flat.reshape(rows, self.size).astype(np.int32)

    def quantile(self, counts: Counts, share: float) -> float:
        """The value below which `share` of the counts of one row lie, interpolated within its bin; NaN without any."""
        ends = np.cumsum(counts)
        total = int(ends[-1])
        if not total:
            return float("nan")
        wanted = share * total
        place = min(int(np.searchsorted(ends, wanted)), self.size - 1)
        inside = (wanted - (int(ends[place]) - int(counts[place]))) / max(int(counts[place]), 1)
        left = self.edge(place)
        return left + (self.edge(place + 1) - left) * inside

    @property
    def _first(self) -> np.int64:
        return np.float64(2.0**self.lowest).view(np.int64) >> _SHIFT
