"""Whole numbers for scores: in the scores' order, exact where scores live, and coarser by dropping bits.

A code is the score's own float64 bits up to 0.5 and, mirrored, the bits of its complement from there to 1, so that
scores crowded near 0 or near 1 stay apart alike (what logit-spaced bins are for). Equal scores, and only those, have
equal codes; ties and ranks of the codes are those of the scores. Only above 1, where no probability lies, are scores
that differ by less than one part in 2^43 taken together.

Dropping the low `bits` of a code gives nested bins, so that coarsening twice is coarsening once.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from processors.rows import Floats, Longs

_HALF = int(np.float64(0.5).view(np.int64))
_ONE = 2 * _HALF
_ONE_BITS = int(np.float64(1.0).view(np.int64))
_SHIFT_ABOVE = 9
_MANTISSA = 52
_LENGTHS = 65
"""Bits in which two codes may differ: from none to all 64."""


def codes(scores: Floats) -> Longs:
    """The code of each score, int64. Scores must not be NaN; infinite ones are fine."""
    plain = scores + 0.0
    below = np.where(plain < 0, -np.abs(plain).view(np.int64), plain.view(np.int64))
    mirrored = _ONE - np.clip(1.0 - plain, 0.0, 0.5).view(np.int64)
    above = _ONE + 1 + ((np.maximum(plain, 1.0).view(np.int64) - _ONE_BITS) >> _SHIFT_ABOVE)
    result: Longs = np.where(plain <= 0.5, below, np.where(plain <= 1.0, mirrored, above))
    return result


def values(codes: Longs) -> Floats:
    """The score of each code; of a coarsened one, that of its bin's middle."""
    below = np.where(codes < 0, -np.abs(np.minimum(codes, 0)).view(np.float64), np.maximum(codes, 0).view(np.float64))
    mirrored = 1.0 - np.clip(_ONE - codes, 0, _HALF).view(np.float64)
    above = ((np.maximum(codes - _ONE - 1, 0) << _SHIFT_ABOVE) + _ONE_BITS).view(np.float64)
    result: Floats = np.where(codes <= _HALF, below, np.where(codes <= _ONE, mirrored, above))
    return result


def stepped(scores: Floats, bits: int) -> Longs:
    """Codes to 2^bits steps an octave (`bits` from 1 to 42), above 1 too; 1 itself stays. NaN has no code."""
    exact = codes(scores)
    drop = np.where(exact > _ONE, _MANTISSA - _SHIFT_ABOVE - bits, _MANTISSA - bits)
    middle = ((exact >> drop) << drop) | (np.int64(1) << (drop - 1))
    return np.asarray(np.where(exact == _ONE, _ONE, middle), np.int64)


def coarsened(codes: Longs, bits: Any) -> Longs:
    """Codes of the middles of the bins that are left when the low `bits` (one number, or one a code) are dropped."""
    middle = np.int64(1) << (np.maximum(bits, 1) - 1)
    return np.asarray(np.where(bits > 0, ((codes >> bits) << bits) | middle, codes), np.int64)


def bits_to_drop(codes: Longs, part: Longs, most: int) -> Longs:
    """The fewest low bits of each part that must go so that no more than `most` (>= 2) distinct codes of it remain.

    `part` numbers them from 0, ascending. Neighbours stay apart as long as a bit in which they differ is kept.
    """
    parts = int(part.max(initial=-1)) + 1
    codes = codes.copy()
    for begin, end in pairwise(np.searchsorted(part, np.arange(parts + 1)).tolist()):
        codes[begin:end].sort()
    neighbours = part[1:] == part[:-1]
    length = _bit_length((codes[1:] ^ codes[:-1])[neighbours])
    apart = np.bincount(part[1:][neighbours] * _LENGTHS + length, minlength=parts * _LENGTHS).reshape(parts, _LENGTHS)
    # How many neighbours of each part are still apart with so many bits dropped: those that differ in more.
    left = apart[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
    return np.asarray((left[:, :63] >= most).sum(axis=1), np.int64)


def _bit_length(numbers: Longs) -> Longs:
    """How many bits each number takes; 64 where it is negative."""
    high, low = numbers >> 32, numbers & 0xFFFFFFFF
    length = np.where(high > 0, 32 + np.frexp(high.astype(np.float64))[1], np.frexp(low.astype(np.float64))[1])
    return np.where(numbers < 0, 64, length).astype(np.int64)
