"""95% intervals, vectorised; NaN in, NaN out.

Proportions get Wilson's [1], means the normal one, the area under a ROC curve Newcombe's method 5 [2]: it inverts
Hanley and McNeil's variance, so that an area of 1 from two outcomes does not pretend to be certain.

[1] Wilson (1927), JASA 22.   [2] Newcombe (2006), Statistics in Medicine 25, 559-573.
"""

from __future__ import annotations

import numpy as np

from processors.rows import Floats

Interval = tuple[Floats, Floats]

Z = 1.959963984540054
_ROUNDS = 5


def share(hits: Floats, n: Floats) -> Floats:
    """Hits among n; NaN where n is 0."""
    result: Floats = np.divide(hits, n, out=np.full(len(n), np.nan), where=n > 0)
    return result


def wilson(p: Floats, n: Floats) -> Interval:
    """Of a proportion p among n."""
    n = np.where(n > 0, n, np.nan)
    middle = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * np.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)


def mean(average: Floats, average_square: Floats, n: Floats) -> Interval:
    """Of a mean, from the mean of squares; NaN below two values."""
    n = np.where(n > 1, n, np.nan)
    half = Z * np.sqrt(np.maximum(average_square - average**2, 0.0) / (n - 1))
    return average - half, average + half


def correlation(r: Floats, n: Floats) -> Interval:
    """Of a correlation (so also of Matthews'), by Fisher's transformation; NaN below four values."""
    half = Z / np.sqrt(np.where(n > 3, n - 3, np.nan))
    middle = np.arctanh(np.clip(r, -1 + 1e-15, 1 - 1e-15))
    return np.tanh(middle - half), np.tanh(middle + half)


def averaged(parts: list[tuple[Floats, Interval]]) -> Interval:
    """Of the average of independent shares, from their own intervals (square-and-add, MOVER); NaN parts don't count."""
    known = np.maximum(sum(~np.isnan(value) for value, _ in parts), 1)
    average = sum(np.nan_to_num(value) for value, _ in parts) / known
    down = np.sqrt(sum(np.nan_to_num(value - low) ** 2 for value, (low, _) in parts)) / known
    up = np.sqrt(sum(np.nan_to_num(high - value) ** 2 for value, (_, high) in parts)) / known
    return average - down, average + up


def area(auc: Floats, positives: Floats, negatives: Floats) -> Interval:
    """Of an area under the ROC curve: the areas from which `auc` is just as far off as chance allows.

    Hanley and McNeil's variance is that of a proportion among an effective number of outcomes, which depends a little
    on the area itself; so Wilson's bounds, each with the number that holds at the bound.
    """
    bounds = np.stack([auc, auc])
    for _ in range(_ROUNDS):
        low, high = wilson(auc, _effective(bounds, positives, negatives))
        bounds = np.stack([low[0], high[1]])
    return bounds[0], bounds[1]


def _effective(auc: Floats, positives: Floats, negatives: Floats) -> Floats:
    star = (positives + negatives) / 2 - 1
    return positives * negatives / (1 + star * (1 - auc) / (2 - auc) + star * auc / (1 + auc))
