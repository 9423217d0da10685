"""Which bin of its feature's profile does each cell fall into?"""

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

# Types of a series.
UNSEALED, NUMERIC, CATEGORICAL, IGNORED = range(4)


@njit(cache=True)
def locate(
    row_slots: Any,
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
    """For each cell its row, series (-1: not monitored) and bin, three int32 arrays of shape (cells,).

    `row_slots[row]` names a run of `slot_series`, beginning at `slot_start`, that gives the series of the row's cells
    in order. `edges[series]` holds the left edges of `bins[series]` intervals, the last of which is closed at `upper`;
    `vocabulary[series]` the tokens (bits + kind) of its categories, in ascending order.
    """
    total = size.sum()
    cell_row = np.empty(total, np.int32)
    cell_series = np.empty(total, np.int32)
    cell_bin = np.empty(total, np.int32)
    out = 0
    for row in range(len(size)):
        slots = slot_start[row_slots[row]]
        for j in range(size[row]):
            cell = start[row] + j
            series = slot_series[slots + j]
            found = ABSENT
            if series >= 0 and kind[cell] != MISSING:
                numeric = kind[cell] == NUMBER or kind[cell] == BOOLEAN
                if series_type[series] == NUMERIC:
                    if not numeric:
                        found = WRONG_TYPE
                    else:
                        value = number[cell]
                        if value < edges[series, 0]:
                            found = BELOW
                        elif value > upper[series]:
                            found = ABOVE
                        else:
                            low, high = 0, bins[series]
                            while high - low > 1:
                                middle = (low + high) // 2
                                if edges[series, middle] <= value:
                                    low = middle
                                else:
                                    high = middle
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
            cell_row[out] = row
            cell_series[out] = series
            cell_bin[out] = found
            out += 1
    return cell_row, cell_series, cell_bin
