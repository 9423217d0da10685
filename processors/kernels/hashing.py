"""By hash: counts of values, which tell that one exact value comes too often; and the distinct ones of a column."""

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


@njit(cache=True)
def numbered(tokens: Any) -> Any:
    """(the distinct tokens as they came first, the place of each token among them, int64). `tokens` are uint64.

    Open addressing with linear probing, in a table at least half of which is empty.
    """
    bits = 1
    while (1 << bits) < 2 * len(tokens):
        bits += 1
    mask, shift = (1 << bits) - 1, np.uint64(64 - bits)
    table = np.full(mask + 1, -1, np.int64)
    distinct, size = np.empty(len(tokens), np.uint64), 0
    place = np.empty(len(tokens), np.int64)
    for at in range(len(tokens)):
        slot = np.int64(((tokens[at] ^ (tokens[at] >> _FOLD)) * _MULTIPLIER) >> shift)
        while table[slot] >= 0 and distinct[table[slot]] != tokens[at]:
            slot = (slot + 1) & mask
        if table[slot] < 0:
            table[slot] = size
            distinct[size] = tokens[at]
            size += 1
        place[at] = table[slot]
    return distinct[:size].copy(), place
