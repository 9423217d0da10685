"""Distinct values of columns and their order, quickly where values are few, as in most panes, or mostly in order."""

from __future__ import annotations

from typing import Any

import numpy as np

from processors.kernels import hashing
from processors.rows import Index, Longs

_FEW = 32
"""Fewer values are sorted as fast."""
_WIDE = (np.int64, np.uint64)
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
        return _by_hash(values) if values.dtype in _WIDE else np.unique(values, return_inverse=True)
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


def ordered(first: Any, *then: Any) -> Index:
    """Positions of rows by `first`, equal ones by the next column and so on, those equal in all as they came.

    `np.lexsort` sorts by each column in turn. Here the first one mostly decides, is mostly sorted already, and the
    others are looked at only where it does not decide.
    """
    order = np.argsort(first, kind="stable")
    same = first[order[1:]] == first[order[:-1]]
    if not same.any():
        return order
    tied = np.zeros(len(order), np.bool_)
    tied[1:] = same
    tied[:-1] |= same
    rows = order[tied]
    order[tied] = rows[np.lexsort([column[rows] for column in (*then[::-1], first)])]
    return order


def _by_hash(values: Any) -> tuple[Any, Any]:
    """`distinct` of eight-byte whole numbers, mostly hashes, and few that occur often: only these are sorted."""
    found, place = hashing.numbered(values.view(np.uint64))
    found = found.view(values.dtype)
    order = np.argsort(found)
    rank = np.empty(len(order), np.intp)
    rank[order] = np.arange(len(order))
    return found[order], rank[place]


def _least_of_near(values: Any) -> int | None:
    """The least of integers that are so near to each other that they can be counted off; else None."""
    if values.dtype.kind != "i" or len(values) < _FEW:
        return None
    least, most = int(values.min()), int(values.max())
    return least if most - least < min(_NEAR, 4 * len(values)) else None
