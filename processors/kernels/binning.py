"""Which bin of its feature's profile does each cell fall into? And what is in each series, in one pass over cells."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from processors.rows import BOOLEAN, MISSING, NUMBER

# Bins that every series has, before its regular ones.
ABSENT, WRONG_TYPE, BELOW, ABOVE, REGULAR = range(5)
UNSEEN = BELOW
"""For a categorical series: a category outside its vocabulary."""

WIDTH = 32
"""Bins of a series in all: the four above and up to 28 intervals or categories."""

_STEPS = (12, 8, 4, 2, 1)
"""By which an interval is searched for: together they reach the last of the 28 that there may be."""

# Types of a series.
UNSEALED, NUMERIC, CATEGORICAL, IGNORED = range(4)


@njit(cache=True)
def locate(
    row_slots: Any,
    base: Any,
    start: Any,
    size: Any,
    kind: Any,
    bits: Any,
    number: Any,
    slot_start: Any,
    slot_series: Any,
    series_type: Any,
    edges: Any,
    upper: Any,
    vocabulary: Any,
    bins: Any,
) -> Any:
    """The cells that are monitored: their row, series and bin (int32), and value (NaN: no number); and how many aren't.

    `row_slots[row]` names a run of `slot_series`, beginning at `slot_start`, that gives the series of the row's cells
    in order, -1 for those that are not monitored; of these the ones in rows whose `base` is, are counted.
    `edges[series]` holds the left edges of `bins[series]` intervals and infinity after them; the last interval is
    closed at `upper`. `vocabulary[series]` holds the tokens (bits + kind) of its categories, in ascending order.
    """
    total = size.sum()
    cell_row = np.empty(total, np.int32)
    cell_series = np.empty(total, np.int32)
    cell_bin = np.empty(total, np.int32)
    cell_value = np.empty(total)
    out, left_out = 0, 0
    for row in range(len(size)):
        slots = slot_start[row_slots[row]]
        for j in range(size[row]):
            cell = start[row] + j
            series = slot_series[slots + j]
            if series < 0:
                left_out += base[row] >= 0
                continue
            numeric = kind[cell] == NUMBER or kind[cell] == BOOLEAN
            found = ABSENT
            if kind[cell] != MISSING:
                if series_type[series] == NUMERIC:
                    if not numeric:
                        found = WRONG_TYPE
                    else:
                        value = number[cell]
                        if value < edges[series, 0]:
                            found = BELOW
                        elif value > upper[series]:
                            found = ABOVE
                        else:  # steps without a branch, which would be guessed wrong half of the time
                            low = 0
                            for step in _STEPS:
                                low += step * int(edges[series, low + step] <= value)
                            found = REGULAR + low
                elif series_type[series] == CATEGORICAL:
                    token = bits[cell] + np.uint64(kind[cell])
                    low, high = 0, bins[series]
                    while low < high:
                        middle = (low + high) // 2
                        if vocabulary[series, middle] < token:
                            low = middle + 1
                        else:
                            high = middle
                    found = UNSEEN
                    if low < bins[series] and vocabulary[series, low] == token:
                        found = REGULAR + low
                else:
                    found = REGULAR
            cell_row[out], cell_series[out], cell_bin[out] = row, series, found
            cell_value[out] = number[cell] if numeric else np.nan
            out += 1
    return cell_row[:out], cell_series[:out], cell_bin[:out], cell_value[:out], left_out


@njit(cache=True)
def counts(series: Any, bins: Any, place: Any, rows: int) -> Any:
    """How many cells of each series are in each bin: int64 of shape (rows, 32).

    `place[series]` is the row of a series, -1 where it is not wanted: here and below.
    """
    found = np.zeros((rows, WIDTH), np.int64)
    for at in range(len(series)):
        if place[series[at]] >= 0:
            found[place[series[at]], bins[at]] += 1
    return found


@njit(cache=True)
def sums(series: Any, value: Any, place: Any, rows: int) -> Any:
    """(sum of the finite values of each series, added in their order, and how many there are), shape (rows,)."""
    total, numbers = np.zeros(rows), np.zeros(rows, np.int64)
    for at in range(len(series)):
        row = place[series[at]]
        if row >= 0 and np.isfinite(value[at]):
            total[row] += value[at]
            numbers[row] += 1
    return total, numbers


@njit(cache=True)
def extremes(series: Any, bins: Any, value: Any, place: Any, rows: int) -> Any:
    """(least, greatest) of each series' values that are of its type and known, shape (rows,); inf, -inf without any.

    A category's value is its bin.
    """
    least, greatest = np.full(rows, np.inf), np.full(rows, -np.inf)
    for at in range(len(series)):
        row = place[series[at]]
        text = np.isnan(value[at])
        if row >= 0 and bins[at] >= BELOW and not (text and bins[at] == UNSEEN):
            one = float(bins[at]) if text else value[at]
            least[row], greatest[row] = min(least[row], one), max(greatest[row], one)
    return least, greatest


@njit(cache=True)
def side_counts(bins: Any, sides: Any) -> Any:
    """How many rows have one feature in a bin and another on its lower (0) or upper (1) side.

    `bins` has shape (rows, features); `sides[feature, bin]` is 1, -1, or 0 for neither. Returns int64 of shape
    (features, features, 32, 2).
    """
    rows, features = bins.shape
    found = np.zeros((features, features, WIDTH, 2), np.int64)
    for row in range(rows):
        for other in range(features):
            side = sides[other, bins[row, other]]
            if side != 0:
                for one in range(features):
                    found[one, other, bins[row, one], int(side > 0)] += 1
    return found


def places(keys: Any, size: int) -> Any:
    """The `place` of each of `size` series, of which the rows are these."""
    place = np.full(size, -1, np.int32)
    place[keys] = np.arange(len(keys), dtype=np.int32)
    return place
