"""Is a rate that had risen back where it was? A quick answer, beside the sure one of `rates`.

Two things are asked. That the rate is no more half-way to what it surely rose to is proved as a rise is, with the roles
swapped; that it does not matter any more is only likely: of what came since it began to fall (the argmin of a CUSUM)
the rate's upper bound (95%, one-sided; looked at in each pane) is at most the edge. To prove that it is below the edge
takes thousands of outcomes, hours after all is well.
"""

from __future__ import annotations

import numpy as np

from processors.base import State
from processors.detectors.bounds import wilson
from processors.detectors.columns import Layout
from processors.detectors.tilts import TILTS, log_ratios
from processors.rows import Bools, Floats, Ints

LAYOUT: Layout = {
    "fall": (np.float64, (len(TILTS),), 0),  # evidence that the rate is below half-way
    "falling": (np.float64, (), 0),  # the CUSUM of it
    "fallen": (np.float64, (2,), 0),  # hits and trials since it began to fall
}
_SURE_Z, _LIKELY_Z = 1.96, 1.645
_LEAST = 1e-6


def step(  # noqa: PLR0917 - columns of the same series
    state: State, keys: Ints, hits: Floats, trials: Floats, usual: Floats, edge: Floats, weight: Floats
) -> Bools:
    """Which of the firing series `keys` are back, with a pane's `hits` of `trials` on the side that fires?

    All arrays have shape (keys,). `usual` is the reference's rate; `state` has hits and trials since the onset, without
    this pane.
    """
    spread, fallen = state["dispersion"][keys], state["fallen"][keys]
    rose, _ = wilson(state["hits"][keys] - fallen[:, 0], state["trials"][keys] - fallen[:, 1], _SURE_Z)
    half_way = np.clip(np.maximum(edge, (usual + rose) / 2), _LEAST, 1 - _LEAST)
    before = state["fall"][keys] + weight[:, None] / len(TILTS)
    after = before * np.exp(log_ratios(trials - hits, trials, 1 - half_way, spread))
    state["fall"][keys] = np.minimum(after, 1)  # more is not needed, and would hide a relapse
    old, total = state["falling"][keys], after.sum(axis=1)
    new = np.maximum(old + np.log(np.maximum(total, 1e-300)) - np.log(before.sum(axis=1)), 0)
    fallen = np.where((old > 0)[:, None], fallen, 0) + np.stack([hits, trials], axis=1)
    state["falling"][keys], state["fallen"][keys] = new, np.where((new > 0)[:, None], fallen, 0)
    _, high = wilson(fallen[:, 0] / spread, fallen[:, 1] / spread, _LIKELY_Z)
    return np.asarray((new > 0) & (total >= 1) & (high <= edge))
