"""Panes of many series filled into blocks of several lengths: the bookkeeping of `detectors.dispersion`."""

from __future__ import annotations

from typing import Any

from numba import njit


@njit(cache=True)
def fill(
    filling: Any,
    start: Any,
    last: Any,
    live: Any,
    keys: Any,
    hits: Any,
    trials: Any,
    now: int,
    scales: Any,
    longest_us: int,
    longest_panes: int,
) -> None:
    """Take in one pane of each of `keys`, which began at `now`; changes the first four arrays, by series, in place.

    `filling` (series, 3, scales) holds panes, hits and trials of the open block, `start` when the longest began, `last`
    (series, 4, scales) hits and trials of the block before and of that before it, `live` (series, 5, scales) of all
    full blocks their number and the sums of hits^2 / trials, squared second differences, hits, and trials. A block is
    full with `scales` panes; the longest also when it spans `longest_us` and holds `longest_panes`.
    """
    longest = len(scales) - 1
    for at in range(len(keys)):
        key = keys[at]
        if filling[key, 0, longest] <= 0:
            start[key] = now
        long_enough = now - start[key] >= longest_us and filling[key, 0, longest] + 1 >= longest_panes
        for scale in range(len(scales)):
            filling[key, 0, scale] += 1
            filling[key, 1, scale] += hits[at]
            filling[key, 2, scale] += trials[at]
            if filling[key, 0, scale] >= scales[scale] or (scale == longest and long_enough):
                block, before = filling[key, :, scale], last[key, :, scale]
                live[key, 0, scale] += 1
                live[key, 1, scale] += block[1] * block[1] / block[2]
                live[key, 2, scale] += _second_difference(block[1], block[2], before)
                live[key, 3, scale] += block[1]
                live[key, 4, scale] += block[2]
                before[2], before[3] = before[0], before[1]
                before[0], before[1] = block[1], block[2]
                block[:] = 0


@njit(cache=True)
def _second_difference(hits: float, trials: float, before: Any) -> float:
    """Squared, of this block's rate and the two before; over what it is of binomial draws, it is their variance."""
    if before[1] <= 0 or before[3] <= 0:
        return 0.0
    difference = hits / trials - 2 * before[0] / before[1] + before[2] / before[3]
    return float(difference * difference / (1 / trials + 4 / before[1] + 1 / before[3]))
