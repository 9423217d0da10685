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

PARTNERS = 4
_SMOOTHING = 3.0
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


def forecasts(views: Views, bins: Bytes) -> tuple[Bytes, Floats, Floats]:
    """How to tell a feature's side from its four most telling fellows: (partner, weight, bar).

    `partner` are places of features, shape (features, 4); `weight` the log-odds of the upper side in each of their
    bins, (features, 4, 32); with `bar`, (features,), half of the sample is told to be on the upper side. Naive Bayes.
    """
    size = bins.shape[1]
    partner = np.zeros((size, PARTNERS), np.uint8)
    weight = np.zeros((size, PARTNERS, WIDTH))
    sides = seen(views, bins)
    for at in range(size):
        odds = [_log_odds(bins[:, other], sides[:, at]) for other in range(size)]
        telling = [np.abs(one[bins[:, other]]).mean() if other != at else -1.0 for other, one in enumerate(odds)]
        best = np.argsort(-np.array(telling), kind="stable")[: min(PARTNERS, size - 1)]
        partner[at, : len(best)] = best
        weight[at, : len(best)] = np.array([odds[other] for other in best.tolist()]).reshape(-1, WIDTH)
    return partner, weight, np.median(forecast(partner, weight, bins), axis=0)


def forecast(partner: Bytes, weight: Floats, bins: Bytes) -> Floats:
    """Log-odds of the upper side of each feature, as its partners tell, shape of `bins`."""
    place = np.arange(len(partner))
    total = np.zeros((len(bins), len(partner)), weight.dtype)
    for turn in range(PARTNERS):
        total += weight[place, turn, bins[:, partner[:, turn]]]
    return total


def _log_odds(column: Bytes, side: Floats) -> Floats:
    """Of the upper side in each bin of another feature, less what it is anywhere; 0 for what is no usual value."""
    upper, lower = (np.bincount(column[side == one], minlength=WIDTH) for one in (1, -1))
    both = np.log((upper.sum() + _SMOOTHING) / (lower.sum() + _SMOOTHING))
    odds = np.log((upper + _SMOOTHING) / (lower + _SMOOTHING)) - np.where(upper + lower > 0, both, 0.0)
    odds[:REGULAR] = 0
    return np.asarray(odds)


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
    wanted = most + _CHANCE
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
