"""What inputs leave behind in memory: nothing, or it goes on growing for as long as a daemon runs.

Resident memory can't tell: it moves by megabytes with what allocators keep. Python's own count of what is allocated
can, once caches and free lists are full. A leak is in every round of inputs, so the round that left least counts.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.fuzz.mutation import inputs

ROUNDS = 10
MOST = 48.0
"""Bytes that an input may leave behind: less than a short text that is kept."""


def growth(target: Callable[[bytes], None], seeds: tuple[bytes, ...], count: int) -> float:
    """Bytes that an input leaves behind: of rounds of so many new ones, the round that left least."""
    for data in seeds:
        target(data)
    left = [0] * ROUNDS
    with _traced():
        before = _allocated()
        for number in range(ROUNDS):
            for data in inputs(seeds, count, first=number * count):
                target(data)
            after = _allocated()
            left[number], before = after - before, after
    return min(left) / count


@contextmanager
def _traced() -> Iterator[None]:
    """Count from now on; what is there already is no business of the collector's, which makes it quick."""
    gc.collect()
    gc.freeze()
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()
        gc.unfreeze()


def _allocated() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]
