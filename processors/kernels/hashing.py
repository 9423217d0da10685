"""Counts of values by hash: what tells that one exact value comes too often, whatever the values are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

WIDTH = 32
"""Buckets of a series."""

_FOLD = np.uint64(32)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_TOP_BITS = np.uint64(59)


@njit(cache=True)
def bucket_counts(series: Any, bits: Any, value: Any, place: Any, rows: int) -> Any:
    """How many finite values of each series fall into each bucket: int64 of shape (rows, 32).

    `place[series]` is the row of a series, -1 where it is not counted; `bits` are those of the float64 `value`. The
    bucket is the top five bits of the folded bits times 2^64 / golden ratio (Knuth, TAOCP 3, 6.4).
    """
    counts = np.zeros((rows, WIDTH), np.int64)
    for at in range(len(series)):
        row = place[series[at]]
        if row >= 0 and np.isfinite(value[at]):
            mixed = bits[at] ^ (bits[at] >> _FOLD)
            counts[row, (mixed * _MULTIPLIER) >> _TOP_BITS] += 1
    return counts


def buckets(values: Any) -> Any:
    """The bucket of each value (finite float64), int64: the same as `bucket_counts`'."""
    bits = np.asarray(values, np.float64).view(np.uint64)
    with np.errstate(over="ignore"):
        return (((bits ^ (bits >> _FOLD)) * _MULTIPLIER) >> _TOP_BITS).astype(np.int64)
