"""How much more than independent draws does a rate vary from pane to pane?

Batch means at four scales (1, 8, 64 and 512 panes): at each the variance of the blocks' rates is compared with that
of independent draws; the ratio at the longest scale tends to the long-run variance ratio. What the detectors divide
their evidence by is the largest over the scales of the ratio's upper 99% bound, at least 1; of a scale with fewer than
100 blocks only the ratio itself, for its bound would say nothing but that there are few. Measured only: how well that
guards against dependence longer than the longest scale, such as a daily cycle.
"""

from __future__ import annotations

import numpy as np

from processors.base import State
from processors.detectors.bounds import chi2_quantile, normal_quantile
from processors.detectors.columns import Layout
from processors.rows import Floats, Ints

SCALES = (1, 8, 64, 512)
MOST = 100.0

_Z = normal_quantile(0.01)
_FEWEST, _MANY = 10, 100
_N = len(SCALES)

LAYOUT: Layout = {
    "blocks": (np.float64, (_N,), 0),
    "block_squares": (np.float64, (_N,), 0),
    "block_hits": (np.float64, (_N,), 0),
    "block_trials": (np.float64, (_N,), 0),
    "open_panes": (np.int32, (_N,), 0),
    "open_hits": (np.float64, (_N,), 0),
    "open_trials": (np.float64, (_N,), 0),
}


def add_pane(state: State, keys: Ints, hits: Floats, trials: Floats) -> None:
    """Take in one pane of each of `keys` (`trials` above 0)."""
    panes = state["open_panes"][keys] + 1
    open_hits = state["open_hits"][keys] + hits[:, None]
    open_trials = state["open_trials"][keys] + trials[:, None]
    full = panes >= np.array(SCALES)
    state["blocks"][keys] += full
    state["block_squares"][keys] += np.where(full, open_hits**2 / open_trials, 0)
    state["block_hits"][keys] += np.where(full, open_hits, 0)
    state["block_trials"][keys] += np.where(full, open_trials, 0)
    state["open_panes"][keys] = np.where(full, 0, panes)
    state["open_hits"][keys] = np.where(full, 0, open_hits)
    state["open_trials"][keys] = np.where(full, 0, open_trials)


def dispersion(state: State, keys: Ints) -> Floats:
    """What to divide the evidence of each of `keys` by, from 1 to `MOST`."""
    blocks, trials = state["blocks"][keys], state["block_trials"][keys]
    rate = state["block_hits"][keys] / np.maximum(trials, 1)
    squares = state["block_squares"][keys] - rate**2 * trials
    freedom = np.maximum(blocks - 1, 1)
    variance = rate * (1 - rate)
    ratio = np.where(variance > 0, squares / (freedom * np.maximum(variance, 1e-12)), 1.0)
    bound = np.where(blocks > _MANY, ratio * freedom / np.maximum(chi2_quantile(_Z, freedom), 0.1), ratio)
    return np.asarray(np.clip(np.where(blocks > _FEWEST, bound, 1.0).max(axis=1, initial=1.0), 1.0, MOST))
