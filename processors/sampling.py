"""Samples that need no memory and no order: of each group the rows with the smallest seeded hash of (model, id).

A bottom-k sample is uniform without replacement if the hash behaves like random numbers; it can be drawn again at any
time from the same rows, in any order, and the sample of a union is the bottom-k of its parts' samples (E. Cohen & H.
Kaplan, 2007, "Summarizing data using bottom-k sketches").
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from processors.rows import Hashes, Ints
from processors.slices import PredictionRows

Positions = npt.NDArray[np.int64]

_STEP = 0x9E3779B97F4A7C15
_MASK = 2**64 - 1


def priorities(key: Hashes, seed: int) -> Hashes:
    """A uniform 64-bit number for each key, another one for each seed.

    Independent of the key's own order, by which the ledger sheds under pressure. The finalizer of SplitMix64 (G.
    Steele, D. Lea & C. Flood, 2014, "Fast splittable pseudorandom number generators").
    """
    shift = np.uint64((_scrambled(seed) * _STEP + _STEP) & _MASK)
    mixed: Hashes = key ^ shift
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def bottom_k(key: Hashes, group: Ints, k: int, seed: int) -> Positions:
    """Positions of the k rows of each group (number 0 or above) with the smallest priorities.

    Ordered by group and priority: a smaller k gives the first of them. Among equal keys the earlier row comes first.
    """
    order = np.lexsort((priorities(key, seed), group))
    order = order[group[order] >= 0]
    groups = group[order]
    first = np.searchsorted(groups, groups, side="left")
    chosen: Positions = order[np.arange(len(order)) - first < k].astype(np.int64)
    return chosen


def sample(rows: PredictionRows, k: int, seed: int) -> Positions:
    """Positions of k predictions of each (model, version) of a pane, all of them where there are fewer."""
    return bottom_k(rows.table.key, rows.base, k, seed)


def _scrambled(seed: int) -> int:
    """A seed spread over 64 bits, so that seeds 0, 1, 2 do not give related samples."""
    mixed = (seed + _STEP) & _MASK
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    return mixed ^ (mixed >> 27)
