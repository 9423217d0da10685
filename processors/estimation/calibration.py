"""How often is a prediction of a score right? Learnt from outcomes, one rising curve for each facet of each group.

Binary models have one curve over all their scores; a class of a multiclass model one for when it was predicted and one
for when it was not, which need not agree. Curves are isotonic regressions (pooled adjacent violators), as in NannyML's
CBPE [1]: they keep the sums, so that what was learnt from is estimated without error. A score between or beyond those
that were learnt from has the rate of the nearest.

[1] NannyML 0.13, "Confidence-based performance estimation"; C. Guo et al. (2017), "On calibration of modern neural
networks", for why raw scores will not do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from processors.estimation import counts
from processors.kernels import isotonic
from processors.performance.entries import Entries
from processors.rows import Bools, Floats, Ints, Longs

_BITS = 16
_FEW = 30.0
"""A block of fewer outcomes says little of the predictions that fall into it."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a calibration says of some predictions: `rate` is how often their class is true (NaN: not known).

    `block` is the number of the block that the rate is of, `block_size` how many outcomes that rests on, and `spread`
    the variance of one outcome in it. `close` says whether enough of the scores learnt from were near.
    """

    rate: Floats
    spread: Floats
    block: Longs
    block_size: Floats
    close: Bools

    def take(self, which: Longs) -> Known:
        """Of some of the predictions."""
        rates = self.rate[which], self.spread[which], self.block[which]
        return Known(*rates, self.block_size[which], self.close[which])


@dataclass(frozen=True, slots=True)
class Calibration:
    """Curves of several owners; entries ascend by (curve, code)."""

    curve: Longs
    code: Longs
    block: Longs
    hits: Floats
    """Of each block."""
    size: Floats
    """Of each block."""

    @classmethod
    def of(cls, owner: Longs, learnt: Entries, joint: Bools) -> Calibration:
        """From entries of outcomes and the owner of each; `joint` says whose two sides share a curve."""
        facet, hit = counts.facet_in(learnt.what)
        curve = _curve(owner, facet, joint)
        order = np.lexsort((learnt.code, curve))
        curve, code, hit, value = curve[order], learnt.code[order], hit[order], learnt.value[order]
        new = np.ones(len(curve), np.bool_)
        new[1:] = (curve[1:] != curve[:-1]) | (code[1:] != code[:-1])
        first = np.flatnonzero(new)
        if not len(first):
            return cls(curve, code, curve, np.zeros(0), np.zeros(0))
        hits = np.add.reduceat(np.where(hit, value, 0), first).astype(np.float64)
        size = np.add.reduceat(value, first).astype(np.float64)
        block = isotonic.pool(curve[first], hits, size)
        totals = (np.bincount(block, column).astype(np.float64) for column in (hits, size))
        return cls(curve[first], code[first], block, *totals)

    def look_up(self, owner: Longs, facet: Ints | Longs, code: Longs, joint: Bools) -> Known:
        """What is known of predictions of these facets and scores, each by its owner's curves."""
        curve = _curve(owner, facet, joint)
        place = isotonic.nearest(curve, code, self.curve, self.code)
        if not len(self.curve):
            nothing = np.full(len(code), np.nan)
            return Known(nothing, nothing, place, nothing, np.zeros(len(code), np.bool_))
        known = place >= 0
        at = np.maximum(place, 0)
        block = self.block[at]
        hits, size = self.hits[block], self.size[block]
        rate = np.where(known, hits / size, np.nan)
        cautious = (hits + 0.5) / (size + 1.0)
        close = known & (size >= _FEW) & (np.abs(self.code[at] - code) <= _near(code))
        return Known(rate, cautious * (1 - cautious), block, size, close)


def _curve(owner: Longs, facet: Ints | Longs, joint: Bools) -> Longs:
    together = joint & counts.is_scored(facet)
    return np.asarray((owner.astype(np.int64) << _BITS) | np.where(together, facet & ~1, facet))


def _near(code: Longs) -> Longs:
    """Codes this far apart are scores within a quarter of an octave of each other."""
    return np.full(len(code), 1 << 50, np.int64)
