"""Decimal numbers to the nearest float64, exactly as Python and orjson round them.

Short numbers by one exact operation [1], others by Eisel and Lemire's algorithm [2], which says itself where it can't
be sure (a few in a million million): those numbers are not taken.

[1] Clinger (1990), "How to read floating point numbers accurately".
[2] Lemire (2021), "Number parsing at a gigabyte per second"; as in Go's strconv/eisel_lemire.go.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from daemon.decode.scanning.compiling import compiled, inlined
from processors.rows import Hashes

LEAST, GREATEST = -348, 347
"""Powers of ten that are known."""
MOST_DIGITS = 19
"""What fits into 64 bits."""
_EXACT = 2**53
_SMALL = np.array([10.0**n for n in range(23)])
"""The powers of ten that are exact."""


def _powers() -> Hashes:
    """The first 128 bits of each power of ten, cut off: shape (powers, 2), the high half first."""
    found = np.zeros((GREATEST - LEAST + 1, 2), np.uint64)
    for row, power in enumerate(range(LEAST, GREATEST + 1)):
        bits = 10**power if power >= 0 else (1 << 128 + 4 * -power) // 10**-power
        shift = bits.bit_length() - 128
        bits = bits >> shift if shift > 0 else bits << -shift
        found[row] = bits >> 64, bits & (1 << 64) - 1
    return found


_POWERS = _powers()


@compiled
def nearest(mantissa: Any, power: int, scratch: Any) -> Any:
    """The float64 nearest to mantissa (uint64) x 10^power; NaN where that is not certain, or out of range.

    `scratch` is one uint64, to turn bits into a float.
    """
    if mantissa <= np.uint64(_EXACT) and -22 <= power <= 22:
        if power < 0:
            return float(mantissa) / _SMALL[-power]
        return float(mantissa) * _SMALL[power]
    if power < LEAST or power > GREATEST or mantissa == np.uint64(0):
        return np.nan
    one, last9 = np.uint64(1), np.uint64(0x1FF)
    zeros = _leading_zeros(mantissa)
    mantissa = mantissa << np.uint64(zeros)
    high, low = _product(mantissa, _POWERS[power - LEAST, 0])
    if high & last9 == last9 and low + mantissa < mantissa:
        more, rest = _product(mantissa, _POWERS[power - LEAST, 1])
        before, low = low, low + more
        if low < before:
            high += one
        if high & last9 == last9 and low + one == np.uint64(0) and rest + mantissa < mantissa:
            return np.nan
    upper = high >> np.uint64(63)
    found = high >> (upper + np.uint64(9))
    exponent = (217706 * power >> 16) + 64 + 1023 - zeros - (1 - np.int64(upper))
    if low == np.uint64(0) and high & last9 == np.uint64(0) and found & np.uint64(3) == one:
        return np.nan
    found = (found + (found & one)) >> one
    if found >> np.uint64(53) > np.uint64(0):
        found, exponent = found >> one, exponent + 1
    if exponent < 1 or exponent >= 0x7FF:
        return np.nan
    scratch[0] = np.uint64(exponent) << np.uint64(52) | found & np.uint64((1 << 52) - 1)
    return scratch.view(np.float64)[0]


@inlined
def _product(a: Any, b: Any) -> Any:
    """(high, low) 64 bits of a product."""
    mask, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    a_low, a_high, b_low, b_high = a & mask, a >> half, b & mask, b >> half
    middle = a_high * b_low + (a_low * b_low >> half)
    other = (middle & mask) + a_low * b_high
    return a_high * b_high + (middle >> half) + (other >> half), a * b


@inlined
def _leading_zeros(number: Any) -> int:
    count = 0
    for step in (32, 16, 8, 4, 2, 1):
        if number >> np.uint64(64 - step) == np.uint64(0):
            number = number << np.uint64(step)
            count += step
    return count
