"""Distinct values of columns, quickly where all are the same, as in most panes: they are small or of one model."""

from __future__ import annotations

from typing import Any

import numpy as np

from processors.rows import Longs

_FEW = 32
"""Fewer values are sorted as fast."""
_NEAR = 2**16
"""Integers of a narrower range are counted off, such as the numbers of groups."""


def alike(values: Any) -> bool:
    """Are all values the same? NaN is not the same as NaN."""
    return len(values) < 2 or bool((values == values[0]).all())


def distinct(values: Any) -> tuple[Any, Any]:
    """The distinct values, ascending, and where each value stands among them."""
    if alike(values):
        return values[:1], np.zeros(len(values), np.intp)
    least = _least_of_near(values)
    if least is None:
        return np.unique(values, return_inverse=True)
    offsets = values - least
    occurs = np.bincount(offsets) > 0
    return (np.flatnonzero(occurs) + least).astype(values.dtype), (np.cumsum(occurs) - 1)[offsets]


def counted(values: Any) -> tuple[Any, Longs]:
    """The distinct values, ascending, and how often each occurs."""
    if alike(values):
        return values[:1], np.full(min(len(values), 1), len(values), np.int64)
    least = _least_of_near(values)
    if least is None:
        return np.unique(values, return_counts=True)
    counts = np.bincount(values - least)
    found = np.flatnonzero(counts)
    return (found + least).astype(values.dtype), counts[found]


def ascending(values: Any) -> Any:
    """Positions of the values in ascending order, those of equal ones as they came."""
    if (least := _least_of_near(values)) is not None:
        values = (values - least).astype(np.uint16)  # sorted by its digits, in one pass
    return np.argsort(values, kind="stable")


def _least_of_near(values: Any) -> int | None:
    """The least of integers that are so near to each other that they can be counted off; else None."""
    if values.dtype.kind != "i" or len(values) < _FEW:
        return None
    least, most = int(values.min()), int(values.max())
    return least if most - least < min(_NEAR, 4 * len(values)) else None
