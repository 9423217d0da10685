"""Two sides of every feature, so chosen that features which depend on each other tend to be on the same side.

Each feature's bins are divided in two. A numeric feature begins with its upper half; a categorical one with its most
frequent category. Then each in turn is divided anew by the partner that tells most of it: bins in which the partner is
more often on its upper side than elsewhere go up. So the age at which people are married and a marital status of two
words, or hours of the day and a demand that peaks at noon, become pairs that agree more often than not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from processors.kernels.binning import REGULAR, WIDTH, side_counts
from processors.rows import Bools, Bytes, Floats

Views = npt.NDArray[np.int8]
"""Side of each bin of each feature, shape (features, 32): 1, -1, or 0 for what is no usual value."""

PARTNERS = 4
_ONE_HOT = np.eye(WIDTH, dtype=np.float32)
"""Sums of up to 2^24 ones are exact in single precision; samples are shorter, and a reference is, too."""
_SMOOTHING = 3.0
_FEW = 5
_CHANCE = 0.1
"""Two halves of a thousand rows agree by less than that, if a feature has nothing to do with its partner."""


def choose(bins: Bytes, numeric: Bools) -> Views:
    """Views of features from a sample of their bins, shape (rows, features)."""
    features = bins.shape[1]
    views = np.stack([_first(bins[:, at], bool(numeric[at])) for at in range(features)])
    sides = seen(views, bins).astype(np.float32)
    halves = [(bins[begin::2], np.hstack([sides[begin::2], np.abs(sides[begin::2])])) for begin in (0, 1)]
    for at in range(features):
        counts = [_Counts.of(known, _ONE_HOT[half[:, at]]) for half, known in halves]
        view = views[at] = _best(at, views[at], counts, halves[1][1])
        for half, known in halves:
            known[:, at] = view[half[:, at]]
            known[:, features + at] = np.abs(known[:, at])
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
    odds = _log_odds(views, bins)
    telling = np.array([_telling(bins[:, other], odds[other]) for other in range(size)]).reshape(size, size)
    np.fill_diagonal(telling, -1.0)
    for at in range(size):
        best = np.argsort(-telling[:, at], kind="stable")[: min(PARTNERS, size - 1)]
        partner[at, : len(best)] = best
        weight[at, : len(best)] = odds[best, at]
    return partner, weight, np.median(forecast(partner, weight, bins), axis=0)


def forecast(partner: Bytes, weight: Floats, bins: Bytes) -> Floats:
    """Log-odds of the upper side of each feature, as its partners tell, shape of `bins`."""
    place = np.arange(len(partner))
    total = np.zeros((len(bins), len(partner)), weight.dtype)
    for turn in range(PARTNERS):
        total += weight[place, turn, bins[:, partner[:, turn]]]
    return total


def _telling(column: Bytes, odds: Floats) -> Floats:
    """How much a feature's bins tell of each feature's side: mean size of the log-odds, shape (features,)."""
    return np.asarray(np.abs(odds[:, column]).mean(axis=1))


def _log_odds(views: Views, bins: Bytes) -> Floats:
    """In each bin of each feature, of the upper side of every feature, less what it is anywhere; 0 for what is no usual
    value. Shape (features, features, 32).
    """
    lower, upper = np.moveaxis(side_counts(np.ascontiguousarray(bins), views), -1, 0).astype(np.float64)
    totals = (side.sum(axis=2, keepdims=True) + _SMOOTHING for side in (upper, lower))
    ratio = np.divide(*totals)
    odds = np.log((upper + _SMOOTHING) / (lower + _SMOOTHING)) - np.where(upper + lower > 0, np.log(ratio), 0.0)
    odds[..., :REGULAR] = 0
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


@dataclass(frozen=True, slots=True)
class _Counts:
    """Rows by the bin of one feature: `n` (features, 32) in which another is known, `total` the sum of its sides there,
    and all of them, (32,).
    """

    total: Floats
    n: Floats
    rows: Floats

    @classmethod
    def of(cls, sides: Any, in_bin: Any) -> _Counts:
        """From the sides of features and then their sizes, shape (rows, 2 features), and (rows, 32) ones and zeros."""
        total, n = np.split((sides.T @ in_bin).astype(np.float64), 2)
        return cls(total, n, in_bin.sum(axis=0, dtype=np.float64))


def _best(at: int, view: Views, halves: Sequence[_Counts], held: Any) -> Views:
    """The view of one feature that agrees most with any single other one, if that clearly beats the one that it has.

    Found in one half of the rows and held against the other, of which there are the sides: of many partners one always
    agrees by chance. All partners at once, and from counts by bin: a version of twenty features took 20 ms row by row,
    and a thousand may begin together.
    """
    first, second = halves
    found = _by_partner(first.total, first.n).astype(np.float64)
    known = np.abs(found)
    mean = second.total.sum(axis=1) / np.maximum(second.n.sum(axis=1), 1)
    mean_of_found = (found * second.rows).sum(axis=1) / np.maximum((known * second.rows).sum(axis=1), 1)
    both = np.maximum((known * second.n).sum(axis=1), 1)
    gains = np.abs((found * second.total).sum(axis=1) / both - mean * mean_of_found)
    gains[at] = 0.0
    partner = int(np.argmax(gains))
    if gains[partner] <= _most(at, held, mean) + _CHANCE:
        return view
    total, n = (sum(getattr(half, name)[[partner]] for half in halves) for name in ("total", "n"))
    return np.asarray(_by_partner(total, n)[0])


def _most(at: int, held: Any, mean: Floats) -> float:
    """The largest `agreement` of a feature with another one."""
    sides, known = np.hsplit(held, 2)
    together, both = (column[:, at].astype(np.float64) @ column for column in (sides, known))
    found = np.abs(together / np.maximum(both, 1) - mean * mean[at])
    return float(np.delete(found, at).max(initial=0.0))


def _by_partner(total: Floats, n: Floats) -> Views:
    """By partner the bins in which it is more often on its upper side than elsewhere; those of few rows go down."""
    total, n = total[:, REGULAR:], n[:, REGULAR:]
    share = total.sum(axis=1, keepdims=True) / np.maximum(n.sum(axis=1, keepdims=True), 1)
    views = np.zeros((len(n), WIDTH), np.int8)
    views[:, REGULAR:] = np.where((total - n * share > 0) & (n >= _FEW), 1, -1)
    return views
