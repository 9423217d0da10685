"""The test of a series of counts that fires, roles swapped: does what had gained hold no more than its edge again?

The null is that it still holds `edge` or more; what fell elsewhere then has a share of at most 1 - edge (see `tilts`).
The evidence has a budget of its own: of series that are still bad, one is expected to pass in `recovery_us`.
"""

from __future__ import annotations

import numpy as np

from processors.base import State
from processors.detectors import cusum
from processors.detectors.columns import Layout
from processors.detectors.cusum import Pane
from processors.detectors.tilts import TILTS, log_ratios
from processors.rows import Floats

LAYOUT: Layout = {"back": (np.float64, (len(TILTS),), 0)}


def step(state: State, pane: Pane, elsewhere: Floats, most: Floats, recovery_us: int) -> Floats:
    """Take in a pane of which so many events fell `elsewhere`, a share of at `most` so much under the null.

    Returns the evidence of each series, which is well at 1; its CUSUM goes on with it.
    """
    keys = pane.keys
    before = state["back"][keys] + (pane.end - pane.start) / recovery_us / len(TILTS)
    gain = log_ratios(elsewhere, pane.size, most, state["dispersion"][keys])
    state["back"][keys] = before * np.exp(gain)
    total: Floats = state["back"][keys].sum(axis=1)
    cusum.add(state, pane, np.log(np.maximum(total, 1e-300)) - np.log(before.sum(axis=1)))
    return total
