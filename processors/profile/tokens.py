"""64-bit tokens for scalars, classes and combinations, and the words behind them."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from processors.distinct import alike, ascending
from processors.kernels import hashing
from processors.rows import BOOLEAN, MISSING, NUMBER, TEXT, Hashes, Index, Names, Scalars, text_hash

_MIX = np.uint64(0x9E3779B97F4A7C15)
_MASK = (1 << 64) - 1
_LARGEST_EXACT = 2**53
"""Up to here float64 holds every whole number."""


def mix(a: Hashes, b: Hashes) -> Hashes:
    """One hash for each pair of hashes; the order of the pair counts."""
    mixed = (a ^ (b + _MIX + (a << np.uint64(6)) + (a >> np.uint64(2)))) * _MIX
    return np.asarray(mixed ^ (mixed >> np.uint64(29)))


def mix_one(a: int, b: int) -> int:
    """`mix` of two single hashes."""
    mixed = (a ^ ((b + int(_MIX) + (a << 6) + (a >> 2)) & _MASK)) * int(_MIX) & _MASK
    return mixed ^ (mixed >> 29)


def tokens_of(scalars: Scalars) -> Hashes:
    """One token a scalar: equal scalars, and only those, have equal tokens; a missing one has 0."""
    kind = np.where(scalars.kind == BOOLEAN, NUMBER, scalars.kind)
    return np.where(kind == MISSING, np.uint64(0), scalars.bits + kind.astype(np.uint64))


def canonical(text: str) -> float | str:
    """The class that a text names: the number if it reads as a finite one, so that "1" and 1.0 are the same class.

    A whole number that float64 can't hold exactly stays a text, as `exact` makes it one.
    """
    try:
        number = float(text)
    except ValueError:
        return text
    if not math.isfinite(number) or "_" in text:
        return text
    if abs(number) >= _LARGEST_EXACT and text.lstrip("+-").isdigit():
        return exact(int(text))
    return number + 0.0


def exact(number: int) -> float | str:
    """A whole number as a class: a float if that is the same number, else the text of its digits.

    >>> exact(2**60), exact(2**60 + 1)
    (1.152921504606847e+18, '1152921504606846977')
    """
    return float(number) if abs(number) <= _LARGEST_EXACT or float(number) == number else str(number)


@lru_cache(maxsize=4096)
def class_token(text: str) -> int:
    """`tokens_of` a class given by name."""
    value = canonical(text)
    if isinstance(value, float):
        return (int(np.float64(value).view(np.uint64)) + NUMBER) & _MASK
    return (text_hash(value) + TEXT) & _MASK


def class_name(scalars: Scalars, row: int, names: Names) -> str:
    """The name of a scalar as a class: integers without a point."""
    kind, bits = int(scalars.kind[row]), int(scalars.bits[row])
    if kind in (NUMBER, BOOLEAN):
        return number_name(float(np.uint64(bits).view(np.float64)))
    return names.text(bits) if kind == TEXT else ""


def number_name(number: float) -> str:
    """A number as a class name."""
    return str(int(number)) if number == int(number) and abs(number) < 2**63 else repr(number)


def class_order(name: str) -> tuple[int, float, str]:
    """Sort key of class names: numbers by value, then texts."""
    value = canonical(name)
    return (0, value, "") if isinstance(value, float) else (1, 0.0, value)


def lookup(tokens: Hashes, numbers: dict[int, int], default: int = -1) -> Any:
    """The number of each token, int32; `default` where it has none. One dictionary look-up a distinct token."""
    if alike(tokens):
        return np.full(len(tokens), numbers.get(int(tokens[0]), default) if len(tokens) else default, np.int32)
    unique, place = hashing.numbered(tokens)
    return np.array([numbers.get(token, default) for token in unique.tolist()], np.int32)[place]


def runs_by(values: Any) -> list[tuple[int, Index]]:
    """(value, positions) for each distinct value, ascending; positions ascend too."""
    if alike(values):
        return [(int(values[0]), np.arange(len(values)))] if len(values) else []
    order = ascending(values)
    ordered = values[order]
    cuts = (np.flatnonzero(ordered[1:] != ordered[:-1]) + 1).tolist()
    bounds = zip([0, *cuts], [*cuts, len(order)], strict=True)
    return [(int(ordered[low]), order[low:high]) for low, high in bounds]
