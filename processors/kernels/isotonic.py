"""Isotonic regression of rates by pooling adjacent violators, for many curves at once; and looking curves up again.

[1] Ayer, Brunk, Ewing, Reid & Silverman (1955), "An empirical distribution function for sampling with incomplete
information", Ann. Math. Statist. 26.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True)
def pool(curve: Any, hits: Any, trials: Any) -> Any:
    """Number of the block that each entry is pooled in, int64 of shape (entries,), ascending.

    Entries of one `curve` stand together, in the order in which their rates should not fall; `trials` are above 0. The
    rate of a block, its hits by its trials, is the rate that fits best (least squares) and never falls.
    """
    size = len(curve)
    start = np.empty(size, np.int64)
    block_hits = np.empty(size)
    block_trials = np.empty(size)
    blocks = 0
    for at in range(size):
        start[blocks], block_hits[blocks], block_trials[blocks] = at, hits[at], trials[at]
        blocks += 1
        while (
            blocks > 1
            and curve[start[blocks - 2]] == curve[at]
            and block_hits[blocks - 2] * block_trials[blocks - 1] >= block_hits[blocks - 1] * block_trials[blocks - 2]
        ):
            blocks -= 1
            block_hits[blocks - 1] += block_hits[blocks]
            block_trials[blocks - 1] += block_trials[blocks]
    block = np.empty(size, np.int64)
    for number in range(blocks):
        end = start[number + 1] if number + 1 < blocks else size
        block[start[number] : end] = number
    return block


@njit(cache=True)
def nearest(curve: Any, code: Any, known_curve: Any, known_code: Any) -> Any:
    """For each (curve, code) the place of the nearest code of the same curve among the known, -1 if it has none.

    The known ones ascend by (curve, code). Of two equally near the lower is taken.
    """
    found = np.empty(len(curve), np.int64)
    for at in range(len(curve)):
        low, high = 0, len(known_curve)
        while low < high:
            middle = (low + high) // 2
            if known_curve[middle] < curve[at] or (known_curve[middle] == curve[at] and known_code[middle] < code[at]):
                low = middle + 1
            else:
                high = middle
        above = low < len(known_curve) and known_curve[low] == curve[at]
        below = low > 0 and known_curve[low - 1] == curve[at]
        if above and below:
            found[at] = low if known_code[low] - code[at] < code[at] - known_code[low - 1] else low - 1
        elif above:
            found[at] = low
        elif below:
            found[at] = low - 1
        else:
            found[at] = -1
    return found
