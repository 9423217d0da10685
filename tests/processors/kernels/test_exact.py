"""Exact sums equal `math.fsum`, in any order, and leave nothing after subtracting."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from processors.kernels import exact

NUMBERS = st.lists(st.floats(-1e75, 1e75, allow_subnormal=True), min_size=1, max_size=40)


def parts(numbers: list[float], sign: int = 1) -> list[tuple[int, int]]:
    """All limbs of the numbers."""
    limb, amount = exact.limbs(np.array(numbers))
    return list(zip(limb.ravel().tolist(), (amount * sign).ravel().tolist(), strict=True))


@given(NUMBERS)
def test_the_sum_is_the_correctly_rounded_one(numbers: list[float]) -> None:
    """The oracle is the standard library's `math.fsum`."""
    assert float(exact.total(parts(numbers))) == math.fsum(numbers)


@given(NUMBERS, NUMBERS)
def test_what_is_added_and_taken_away_again_leaves_no_trace(kept: list[float], gone: list[float]) -> None:
    """A corrected label must not leave rounding behind."""
    assert exact.total(parts(kept) + parts(gone) + parts(gone, -1)) == exact.total(parts(kept))


@given(st.floats(-1e75, 1e75).filter(lambda number: number == 0 or abs(number) > 1e-130))
def test_squares_are_exact_in_two_floats(number: float) -> None:
    """High and low part together are the square, as a fraction."""
    high, low = exact.squares(np.array([number]))
    assert Fraction(float(high[0])) + Fraction(float(low[0])) == Fraction(number) ** 2


def test_amounts_stay_small_enough_to_be_added_for_years() -> None:
    """No amount reaches 2^28, whatever the number."""
    numbers = np.array([1.0, -1.0, 1e308, 5e-324, np.nextafter(1, 0), 1 - 2**-30, math.pi, -math.e * 1e-9])
    assert np.abs(exact.limbs(numbers)[1]).max() < 2**28
