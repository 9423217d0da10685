"""Sums of floats that are exact, so that they add in any order, and subtract without a trace.

Each float64 is cut into whole numbers at multiples of 2^26; these "limbs" are added as integers (a small
superaccumulator [1]). Merging, splitting and correcting such sums is then integer arithmetic: associative,
commutative, and x - x is nothing. The sum is rounded once, when it is read.

[1] Neal (2015), "Fast exact summation using small and large superaccumulators", arXiv:1505.05571.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import numpy as np

from processors.rows import Floats, Longs

LIMB_BITS = 26
_MANTISSA_BITS = 53
_SPLITTER = 2.0**27 + 1.0


def limbs(numbers: Floats) -> tuple[Longs, Longs]:
    """(limb, amount): two int64 arrays of shape (3, n) with number[j] = sum over i of amount[i, j] * 2^(26 limb[i, j]).

    Amounts are below 2^28 in size, so that 2^35 of them add up within an int64. Numbers must be finite.
    """
    mantissa, exponent = np.frexp(numbers)
    whole = (mantissa * 2.0**_MANTISSA_BITS).astype(np.int64)
    sign, whole = np.sign(whole), np.abs(whole)
    limb, shift = np.divmod(exponent.astype(np.int64) - _MANTISSA_BITS, LIMB_BITS)
    low = (whole & (1 << LIMB_BITS) - 1) << shift
    high = (whole >> LIMB_BITS) << shift
    mask = (1 << LIMB_BITS) - 1
    amounts = np.stack([low & mask, (low >> LIMB_BITS) + (high & mask), high >> LIMB_BITS]) * sign
    return np.stack([limb, limb + 1, limb + 2]), amounts


def total(parts: Iterable[tuple[int, int]]) -> Fraction:
    """The exact sum of limbs given as (limb, amount)."""
    known = list(parts)
    if not known:
        return Fraction(0)
    least = min(limb for limb, _ in known)
    whole = sum(amount << LIMB_BITS * (limb - least) for limb, amount in known)
    return Fraction(whole) * Fraction(2) ** (LIMB_BITS * least)


def squares(numbers: Floats) -> tuple[Floats, Floats]:
    """(high, low): two floats that together are exactly each number's square (Dekker's product).

    Holds for sizes from about 1e-140 to 1e150; below, what is lost is smaller than any float.
    """
    spread = numbers * _SPLITTER
    upper = spread - (spread - numbers)
    lower = numbers - upper
    high = numbers * numbers
    return high, ((upper * upper - high) + 2.0 * upper * lower) + lower * lower
