"""How much more than independent draws does a rate vary from pane to pane?

Batch means at three scales (1, 16 and 256 panes): at each the variance of the blocks' rates is compared with that
of independent draws; the ratio at the longest scale tends to the long-run variance ratio. What the detectors divide
their evidence by is the largest over the scales of the ratio's upper 99% bound, at least 1; of a scale with fewer than
100 blocks only the ratio itself, for its bound would say nothing but that there are few. A scale of which fewer than
ten blocks are known is taken to exceed the one below by as much as that surely (99%) exceeds independence: dependence
that has not ended at 16 panes goes on until seen to end. Measured only: how well that guards against dependence longer
than the longest scale, such as a daily cycle.
"""

from __future__ import annotations

import numpy as np

from processors.base import State
from processors.detectors.bounds import chi2_quantile, normal_quantile
from processors.detectors.columns import Layout
from processors.rows import Floats, Ints

SCALES = (1, 16, 256)
MOST = 100.0

_Z = normal_quantile(0.01)
_FEWEST, _MANY = 10, 100
_N = len(SCALES)

LAYOUT: Layout = {
    "open": (np.float64, (3, _N), 0),  # panes, hits and trials of the block that is being filled
    "live": (np.float64, (4, _N), 0),  # blocks, sums of hits^2 / trials, hits and trials
    "pending": (np.float64, (4, _N), 0),
    "kept": (np.float64, (4, _N), 0),
}
"""What panes teach is used only when they have joined the reference: `live`, then `pending`, then `kept`."""


def add_pane(state: State, keys: Ints, hits: Floats, trials: Floats) -> None:
    """Take in one pane of each of `keys` (`trials` above 0)."""
    pane = np.stack([np.ones(len(keys)), hits, trials], axis=1)
    filled = state["open"][keys] + pane[:, :, None]
    full = filled[:, 0] >= np.array(SCALES)
    _, block_hits, block_trials = np.moveaxis(filled, 1, 0)
    block = np.stack([np.ones(full.shape), block_hits**2 / block_trials, block_hits, block_trials], axis=1)
    state["live"][keys] += block * full[:, None]
    state["open"][keys] = np.where(full[:, None], 0, filled)


def promote(state: State, keys: Ints) -> None:
    """Panes of `keys` moved up by one stage (see `reference`); the first ones are kept at once, as there."""
    first = state["kept"][keys][:, 0, :1] + state["pending"][keys][:, 0, :1] <= 0
    state["kept"][keys] = np.where(first[:, :, None], state["live"][keys], state["pending"][keys])
    state["pending"][keys] = state["live"][keys]


def drop(state: State, keys: Ints) -> None:
    """Drop what was learnt from panes that led to an alarm."""
    state["live"][keys] = state["pending"][keys] = state["kept"][keys]
    state["open"][keys] = 0


def dispersion(state: State, keys: Ints) -> Floats:
    """What to divide the evidence of each of `keys` by, from 1 to `MOST`."""
    blocks, squares, hits, trials = np.moveaxis(state["kept"][keys], 1, 0)
    rate = hits / np.maximum(trials, 1)
    freedom = np.maximum(blocks - 1, 1)
    variance = rate * (1 - rate)
    ratio = np.where(variance > 0, (squares - rate**2 * trials) / (freedom * np.maximum(variance, 1e-12)), 1.0)
    few = chi2_quantile(_Z, freedom), chi2_quantile(-_Z, freedom)
    bound = np.where(blocks > _MANY, ratio * freedom / np.maximum(few[0], 0.1), ratio)
    known = blocks > _FEWEST
    spread = np.where(known, bound, 1.0)
    longer = np.maximum(ratio[:, 1] * freedom[:, 1] / few[1][:, 1], 1.0)
    spread[:, 2] = np.where(known[:, 1] & ~known[:, 2], spread[:, 1] * longer, spread[:, 2])
    return np.asarray(np.clip(spread.max(axis=1, initial=1.0), 1.0, MOST))
