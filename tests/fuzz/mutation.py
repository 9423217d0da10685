"""Inputs from seeds by chance alone: for the tests, and where no coverage-guided fuzzer is installed."""

from __future__ import annotations

import random
from collections.abc import Iterator


def inputs(seeds: tuple[bytes, ...], count: int, first: int = 0) -> Iterator[bytes]:
    """So many inputs, each by its own number: every third random bytes, the others seeds that were changed."""
    for number in range(first, first + count):
        rng = random.Random(number)
        yield rng.randbytes(rng.randrange(200)) if number % 3 == 0 else _mutated(rng.choice(seeds), rng, seeds)


def _mutated(data: bytes, rng: random.Random, others: tuple[bytes, ...]) -> bytes:
    """The data with a few bytes changed, left out, repeated, or taken from another input."""
    found = bytearray(data)
    for _ in range(rng.randrange(1, 12)):
        at, size = rng.randrange(len(found) + 1), rng.randrange(1, 9)
        change = rng.randrange(4)
        if change == 0:
            found[at : at + size] = rng.randbytes(size)
        elif change == 1:
            del found[at : at + size]
        elif change == 2:
            found[at:at] = found[at : at + size]
        else:
            other = rng.choice(others)
            start = rng.randrange(len(other))
            found[at:at] = other[start : start + rng.randrange(1, 40)]
    return bytes(found)
