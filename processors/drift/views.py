"""Two sides of every feature, so chosen that features which depend on each other tend to be on the same side.

Each feature's bins are divided in two. A numeric feature begins with its upper half; a categorical one with its most
frequent category. Then each in turn is divided anew by the partner that tells most of it: bins in which the partner is
more often on its upper side than elsewhere go up. So the age at which people are married and a marital status of two
words, or hours of the day and a demand that peaks at noon, become pairs that agree more often than not.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from processors.kernels.binning import REGULAR, WIDTH
from processors.rows import Bools, Bytes, Floats

Views = npt.NDArray[np.int8]
"""Side of each bin of each feature, shape (features, 32): 1, -1, or 0 for what is no usual value."""

_FEW = 5
_CHANCE = 0.1
"""Two halves of a thousand rows agree by less than that, if a feature has nothing to do with its partner."""


def choose(bins: Bytes, numeric: Bools) -> Views:
    """Views of features from a sample of their bins, shape (rows, features)."""
    views = np.stack([_first(bins[:, at], bool(numeric[at])) for at in range(bins.shape[1])])
    sides = seen(views, bins)
    for at in range(bins.shape[1]):
        views[at] = _best(bins[:, at], at, views[at], sides)
        sides[:, at] = views[at][bins[:, at]]
    return views


def seen(views: Views, bins: Bytes) -> Floats:
    """Side of each feature in each row, float64 of the shape of `bins`."""
    return views[np.arange(bins.shape[1]), bins].astype(np.float64)


def agreement(sides: Floats) -> Floats:
    """Mean product of the sides of each two features, less what their shares lead to expect: (features, features)."""
    known = np.abs(sides)
    both = np.maximum(known.T @ known, 1)
    mean = sides.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    covariance = (sides.T @ sides) / both - np.outer(mean, mean)
    return np.asarray(covariance)


def _first(column: Bytes, numeric: bool) -> Views:
    counts = np.bincount(column, minlength=WIDTH)
    counts[:REGULAR] = 0
    if numeric:
        below = np.cumsum(counts) - counts / 2
        view = np.where(below > counts.sum() / 2, 1, -1)
    else:
        view = np.where(np.arange(WIDTH) == np.argmax(counts), 1, -1)
    view[:REGULAR] = 0
    return view.astype(np.int8)


def _best(column: Bytes, at: int, view: Views, sides: Floats) -> Views:
    """The view of one feature that agrees most with any single other one, if that clearly beats the one that it has.

    Found in one half of the rows and held against the other: of many partners one always agrees by chance.
    """
    even = np.arange(len(column)) % 2 == 0
    best, most = view, np.abs(np.delete(agreement(sides[~even])[at], at)).max(initial=0.0)
    wanted = 1.2 * most + _CHANCE
    for partner in range(sides.shape[1]):
        found = _by_partner(column[even], sides[even, partner])
        pair = np.stack([found[column[~even]].astype(np.float64), sides[~even, partner]], axis=1)
        gain = abs(float(agreement(pair)[0, 1]))
        if partner != at and gain > wanted:
            best, wanted = _by_partner(column, sides[:, partner]), gain
    return best


def _by_partner(column: Bytes, other: Floats) -> Views:
    """Bins in which the other one is more often on its upper side than elsewhere; those of few rows go down."""
    known = (other != 0) & (column >= REGULAR)
    n = np.bincount(column[known], minlength=WIDTH)
    total = np.bincount(column[known], other[known], WIDTH)
    tilt = total - n * (total.sum() / max(n.sum(), 1))
    view = np.where((tilt > 0) & (n >= _FEW), 1, -1)
    view[:REGULAR] = 0
    return view.astype(np.int8)
