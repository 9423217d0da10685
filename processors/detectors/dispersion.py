"""How much more than independent draws does a rate vary from pane to pane?

Batch means at three scales (1, 16 and 256 panes; the longest block ends after an hour too, if it has 64 panes by
then): at each, the variance of the blocks' rates is compared with that of independent draws; the ratio at the longest
scale tends to the long-run variance ratio. What the detectors divide their evidence by is the largest over the scales
of the ratio's upper 99% bound (of a scale with fewer than 100 blocks of the ratio itself, for its bound would say
nothing but that there are few), and 1 where chance explains the ratio in more than 5% of cases. A scale of which
fewer than ten blocks are known is taken to exceed the one below by as much as that surely (99%) exceeds independence:
dependence that has not ended at 16 panes goes on until seen to end.

Once two dozen of the longest blocks are known, the variance is told by squared second differences of successive blocks
instead [1], which leave out what changes slower than a block: the hours of the day are for `seasons`. Measured only
(`make bench-alarms`): how well that guards against dependence longer than the longest scale.

[1] J. von Neumann (1941), "Distribution of the ratio of the mean square successive difference to the variance", Ann.
Math. Stat. 12, taken to the second order, for which a daily cycle is nearly straight from hour to hour; they overlap,
so that k of them are worth 18/35 k degrees of freedom.
"""

from __future__ import annotations

import numpy as np

from processors.base import State
from processors.detectors.bounds import chi2_quantile, normal_quantile
from processors.detectors.columns import Layout
from processors.durations import HOUR_US
from processors.kernels import blocks
from processors.rows import Floats, Ints

SCALES = (1, 16, 256)
MOST = 1e6

_Z = normal_quantile(0.01)
_TELLING = normal_quantile(0.95)
_FEWEST, _MANY = 10, 100
_N = len(SCALES)
_SCALES = np.array(SCALES)

_WORTH = 18 / 35
_STEPS = 24
_LONGEST_US, _LONGEST_PANES = HOUR_US, 64

LAYOUT: Layout = {
    "open": (np.float64, (3, _N), 0),  # panes, hits and trials of the block that is being filled
    "open_start": (np.int64, (), 0),  # of the longest block
    "last": (np.float64, (4, _N), 0),  # hits and trials of the block before, and of that before it; no trials: none
    "live": (np.float64, (5, _N), 0),  # blocks, sums of hits^2 / trials, of squared differences, of hits and of trials
    "pending": (np.float64, (5, _N), 0),
    "kept": (np.float64, (5, _N), 0),
}
"""What panes teach is used only when they have joined the reference: `live`, then `pending`, then `kept`."""


def add_pane(state: State, keys: Ints, hits: Floats, trials: Floats, start: int) -> None:
    """Take in one pane of each of `keys` (`trials` above 0), which began at `start` (microseconds)."""
    blocks.fill(
        state["open"],
        state["open_start"],
        state["last"],
        state["live"],
        keys.astype(np.int32, copy=False),
        np.asarray(hits, np.float64),
        np.asarray(trials, np.float64),
        start,
        _SCALES,
        _LONGEST_US,
        _LONGEST_PANES,
    )


def promote(state: State, keys: Ints) -> None:
    """Panes of `keys` moved up by one stage (see `reference`); the first ones are kept at once, as there."""
    first = state["kept"][keys][:, 0, :1] + state["pending"][keys][:, 0, :1] <= 0
    state["kept"][keys] = np.where(first[:, :, None], state["live"][keys], state["pending"][keys])
    state["pending"][keys] = state["live"][keys]


def drop(state: State, keys: Ints) -> None:
    """Drop what was learnt from panes that led to an alarm."""
    state["live"][keys] = state["pending"][keys] = state["kept"][keys]
    state["open"][keys] = state["last"][keys] = 0


def dispersion(state: State, keys: Ints, *, by_steps: bool = False) -> Floats:
    """What to divide the evidence of each of `keys` by, from 1 to `MOST`.

    `by_steps`: squared differences from the first blocks on, for rates that may have jumped.
    """
    blocks, squares, steps, hits, trials = np.moveaxis(state["kept"][keys], 1, 0)
    stepping = (blocks[:, -1:] >= _STEPS) | by_steps
    rate = hits / np.maximum(trials, 1)
    variance = np.maximum(rate * (1 - rate), 1e-12)
    freedom = np.maximum((blocks - 1) * np.where(stepping, _WORTH, 1.0), 1)
    scatter = np.where(stepping, steps / np.maximum(blocks - 2, 1), (squares - rate**2 * trials) / freedom)
    ratio = np.where(rate * (1 - rate) > 0, scatter / variance, 1.0)
    few = chi2_quantile(_Z, freedom), chi2_quantile(-_Z, freedom)
    upper = np.where(blocks > _MANY, ratio * freedom / np.maximum(few[0], 0.1), ratio)
    told = ratio * freedom > chi2_quantile(_TELLING, freedom)
    known = blocks > _FEWEST
    spread = np.where(known & told, upper, 1.0)
    longer = np.maximum(ratio[:, 1] * freedom[:, 1] / few[1][:, 1], 1.0)
    spread[:, 2] = np.where(known[:, 1] & ~known[:, 2], spread[:, 1] * longer, spread[:, 2])
    return np.asarray(np.clip(spread.max(axis=1, initial=1.0), 1.0, MOST))
