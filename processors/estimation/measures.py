"""Measures of classifiers from how often each class is expected to be true, with intervals.

Each prediction of score s counts as the share q(s) of a hit: the confusion counts, and the area under the ROC curve,
are what they are expected to be [1]. The interval is for what the labels of these very predictions will show. It has
two sources of error, joined by the delta method: that an outcome is a draw from q, and that q was learnt from so many
outcomes. It knows nothing of a change of what scores mean: for that, estimates are checked once labels come.

[1] J. Bialek et al. (2024), "Estimating model performance under covariate shift without labels", arXiv:2401.08348.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from processors.estimation import counts
from processors.estimation.calibration import Known
from processors.performance.intervals import share, wilson
from processors.rows import Bools, Floats, Ints, Longs

BINARY_MEASURES = ("accuracy", "precision", "recall", "f1", "roc_auc")
MACRO_MEASURES = ("accuracy", "precision_macro", "recall_macro", "f1_macro", "roc_auc")


def names_of(binary: bool) -> tuple[str, ...]:
    """By which names the five measures of a model go."""
    return BINARY_MEASURES if binary else MACRO_MEASURES


@dataclass(frozen=True, slots=True)
class Expected:
    """Predictions by unit, facet and score, how many, and what is known of them. `units` is how many units there are.

    What nothing is known of must have been left out.
    """

    place: Longs
    facet: Ints | Longs
    code: Longs
    n: Floats
    known: Known
    units: int


@dataclass(frozen=True, slots=True)
class Measures:
    """Shape (units, 5), in the order of `BINARY_MEASURES`; NaN where undefined."""

    value: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class _Confusion:
    """Of each (unit, class): counts expected."""

    tp: Floats
    fp: Floats
    fn: Floats
    tn: Floats


def measures(expected: Expected, *, binary: bool) -> Measures:
    """All five of each unit: of the positive class, or (not `binary`) averaged over the classes."""
    width = 1 if binary else int(counts.class_of(expected.facet).max(initial=0)) + 1
    number = counts.class_of(expected.facet) if not binary else np.zeros(len(expected.facet), np.int64)
    cell = expected.place * width + number
    said = counts.is_said(expected.facet)
    found = _confusion(expected, cell, said, expected.units * width)
    parts = [_accuracy(expected, said, found, width, binary=binary)]
    for value, slope_said, slope_not in _rates(found):
        slope = np.where(said, slope_said[cell], slope_not[cell])
        parts.append(_averaged(value, slope, cell, _seen(found), width, fill=None if binary else 0.0))
    area, slope = _area(expected, cell, expected.units * width)
    parts.append(_averaged(area, slope, cell, ~np.isnan(area), width, fill=None))
    value = np.stack([part[0] for part in parts], axis=1)
    variance = np.stack([_variance(expected, part[1]) for part in parts], axis=1)
    low, high = _interval(value, variance)
    return Measures(value, low, high)


def _confusion(expected: Expected, cell: Longs, said: Bools, size: int) -> _Confusion:
    hit, miss = expected.n * expected.known.rate, expected.n * (1 - expected.known.rate)
    sides = ((said, hit), (said, miss), (~said, hit), (~said, miss))
    return _Confusion(*(_sums(cell, part * side, size) for side, part in sides))


def _accuracy(expected: Expected, said: Bools, found: _Confusion, width: int, *, binary: bool) -> tuple[Floats, Floats]:
    """Value by unit, and by entry how it changes with one more hit."""
    tp, fp, fn, tn = (part.reshape(-1, width).sum(axis=1) for part in (found.tp, found.fp, found.fn, found.tn))
    n = tp + fp + (fn + tn if binary else 0)
    right = tp + (tn if binary else 0)
    slope = np.where(said, 1.0, -1.0 if binary else 0.0) / np.maximum(n, 1e-300)[expected.place]
    return share(right, n), slope


def _rates(found: _Confusion) -> list[tuple[Floats, Floats, Floats]]:
    """Precision, recall and F1 of each (unit, class), and their slopes in a hit that was predicted, and in another."""
    predicted, actual = found.tp + found.fp, found.tp + found.fn
    both = predicted + actual
    precision, recall, f1 = share(found.tp, predicted), share(found.tp, actual), share(2 * found.tp, both)
    one = np.ones(len(predicted))
    return [
        (precision, share(one, predicted), np.zeros(len(one))),
        (recall, share(1 - recall, actual), share(-recall, actual)),
        (f1, share(2 - f1, both), share(-f1, both)),
    ]


def _seen(found: _Confusion) -> Bools:
    return np.asarray(found.tp + found.fp + found.fn > 0)


def _averaged(  # noqa: PLR0917 - two columns, what they are of, and what is averaged
    value: Floats, slope: Floats, cell: Longs, seen: Bools, width: int, fill: float | None
) -> tuple[Floats, Floats]:
    """The mean over the classes of a unit that were seen, with its slopes; `fill` stands for what is undefined."""
    if fill is not None:
        value, slope = np.where(np.isnan(value), fill, value), np.nan_to_num(slope)
    known = (seen & ~np.isnan(value)).reshape(-1, width)
    size = known.sum(axis=1).astype(np.float64)
    average = share(np.where(known, value.reshape(-1, width), 0.0).sum(axis=1), size)
    weight = np.where(known.ravel(), np.repeat(share(np.ones(len(size)), size), width), 0.0)
    return average, np.nan_to_num(slope) * np.nan_to_num(weight)[cell]


def _area(expected: Expected, cell: Longs, size: int) -> tuple[Floats, Floats]:
    """Area under the ROC curve of each (unit, class), and its slope at each entry; ties count half."""
    scored = counts.is_scored(expected.facet)
    hit = np.where(scored, expected.n * expected.known.rate, 0.0)
    miss = np.where(scored, expected.n * (1 - expected.known.rate), 0.0)
    positives, negatives = _sums(cell, hit, size), _sums(cell, miss, size)
    order = np.lexsort((expected.code, cell))
    key_cell, key_code = cell[order], expected.code[order]
    new = np.ones(len(order), np.bool_)
    new[1:] = (key_cell[1:] != key_cell[:-1]) | (key_code[1:] != key_code[:-1])
    tie = np.cumsum(new) - 1
    owner = key_cell[new]
    hits, misses = _sums(tie, hit[order], len(owner)), _sums(tie, miss[order], len(owner))
    below = _before(misses, owner) + misses / 2
    above = positives[owner] - _before(hits, owner) - hits / 2
    # Nothing can be ranked where one side is not even half an event.
    pairs = np.where((positives >= 0.5) & (negatives >= 0.5), positives * negatives, 0.0)
    area = share(_sums(owner, hits * below, size), pairs)
    slope = np.zeros(len(order))
    gain = share(below[tie] - above[tie], pairs[key_cell])
    inverse = share(np.ones(size), positives) - share(np.ones(size), negatives)
    slope[order] = gain - (area * inverse)[key_cell]
    return area, np.where(scored, slope, 0.0)


def _sums(place: Longs, amount: Floats, size: int) -> Floats:
    return np.bincount(place, amount, size).astype(np.float64)


def _before(amount: Floats, owner: Longs) -> Floats:
    """Sum of the amounts of the same owner that come before; owners stand together."""
    running = np.concatenate([[0.0], np.cumsum(amount)])
    first = np.searchsorted(owner, owner, "left")
    return np.asarray(running[:-1] - running[first])


def _variance(expected: Expected, slope: Floats) -> Floats:
    """Of an estimate against what labels will show: outcomes are draws, and rates were learnt from so many."""
    known = expected.known
    drawn = _sums(expected.place, expected.n * known.spread * slope**2, expected.units)
    blocks = int(known.block.max(initial=0)) + 1
    keys, at = np.unique(expected.place * blocks + known.block, return_inverse=True)
    pull = _sums(at, expected.n * slope, len(keys))
    of_block = np.zeros(len(keys))
    of_block[at] = known.spread / known.block_size
    return drawn + _sums(keys // blocks, pull**2 * of_block, expected.units)


def _interval(value: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Wilson's, of a share that varies as much; shapes as `value`."""
    size = value.shape
    inner = np.clip(value, 1e-6, 1 - 1e-6).ravel()
    trials = share(inner * (1 - inner), variance.ravel())
    low, high = wilson(value.ravel(), trials)
    return low.reshape(size), high.reshape(size)
