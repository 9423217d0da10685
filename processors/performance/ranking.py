"""What the order of scores tells: areas under curves, and calibration; exact for the scores that are counted.

Both areas treat ties as scikit-learn does: a tie is half a win for the ROC curve, and one threshold for both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from processors.kernels import scores
from processors.rows import Bools, Floats, Index, Longs

CALIBRATION_BINS = 10


@dataclass(frozen=True, slots=True)
class Ranked:
    """Counts by score: entries ascend by (place, code); `place` is the index of a unit, `units` how many there are."""

    place: Longs
    code: Longs
    positive: Longs
    negative: Longs
    units: int

    @classmethod
    def of(cls, place: Longs, code: Longs, count: Longs, hit: Bools, units: int) -> Ranked:
        """From counts of one score and side each, in any order. What was taken away more than added is nothing."""
        order = np.lexsort((code, place))
        place, code, count, hit = place[order], code[order], np.maximum(count[order], 0), hit[order]
        new = np.ones(len(place), np.bool_)
        new[1:] = (place[1:] != place[:-1]) | (code[1:] != code[:-1])
        first = np.flatnonzero(new)
        if not len(first):
            return cls(place, code, count, count, units)
        positive = np.add.reduceat(np.where(hit, count, 0), first)
        negative = np.add.reduceat(np.where(hit, 0, count), first)
        return cls(place[first], code[first], positive, negative, units)

    def totals(self) -> tuple[Floats, Floats]:
        """(positives, negatives) of each unit."""
        return self._sums(self.positive), self._sums(self.negative)

    def roc_auc(self) -> Floats:
        """Probability that a positive scores above a negative; NaN where one of them is missing."""
        positives, negatives = self.totals()
        below = self._before(self.negative)
        wins = self._sums(self.positive * (below + self.negative / 2.0))
        with np.errstate(divide="ignore", invalid="ignore"):
            return wins / (positives * negatives)

    def average_precision(self) -> Floats:
        """Precision averaged over the positives, at the threshold of each; NaN without positives."""
        positives, negatives = self.totals()
        above = positives[self.place] - self._before(self.positive)
        above_negative = negatives[self.place] - self._before(self.negative)
        with np.errstate(divide="ignore", invalid="ignore"):
            precision = np.nan_to_num(above / (above + above_negative))
            return self._sums(self.positive * precision) / positives

    def calibration(self) -> tuple[Floats, Floats, Floats, Floats]:
        """(expected calibration error, and mean score, share of positives and count by bin), over equal-width bins.

        Shapes (units,) and (units, 10). The error is NaN where there is nothing, or a score that is no probability.
        """
        value = scores.values(self.code)
        outside = self._sums(((value < -1e-9) | (value > 1 + 1e-9)).astype(np.float64)) > 0
        value = np.clip(value, 0.0, 1.0)
        cell = self.place * CALIBRATION_BINS + np.minimum((value * CALIBRATION_BINS).astype(np.int64), 9)
        shape = (self.units, CALIBRATION_BINS)
        both = (self.positive + self.negative).astype(np.float64)
        n, hits, mass = (
            np.bincount(cell, weights, self.units * CALIBRATION_BINS).astype(np.float64).reshape(shape)
            for weights in (both, self.positive, both * value)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            error: Floats = np.abs(mass - hits).sum(axis=1) / n.sum(axis=1)
            error[outside] = np.nan
            return error, mass / n, hits / n, n

    def _sums(self, weights: Floats | Longs) -> Floats:
        return np.bincount(self.place, weights, self.units).astype(np.float64)

    def _before(self, counts: Longs) -> Longs:
        """How many of the same unit come before each entry."""
        running = np.cumsum(counts) - counts
        first: Index = np.searchsorted(self.place, np.arange(self.units))
        start = np.append(running, 0)[np.minimum(first, len(running))]
        before: Longs = running - start[self.place]
        return before


def quantile_ranks(value: Longs, count: Longs, ranks: Longs) -> Longs:
    """The values that stand at these ranks (from 0) when each value occurs `count` times; values ascend."""
    at = np.searchsorted(np.cumsum(count), np.maximum(ranks, 0), side="right")
    return value[np.minimum(at, len(value) - 1)]
