"""Python's cyclic garbage collector, under control.

It runs whenever so many objects more were made than freed, and then looks at every object that is alive: with a fetch
of ten thousand records in memory that is a quarter of all CPU time, for nothing, because what the loop makes dies by
reference counting. So while the loop runs it is off, and called from time to time for the few cycles that libraries
leave behind (exceptions with their tracebacks, futures).
"""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

EVERY_S = 20.0
"""Wall time between collections: one costs some 50 ms with a thousand models."""


@contextmanager
def seldom_collected(clock: Callable[[], float] = time.monotonic) -> Iterator[Callable[[], bool]]:
    """Off inside the `with` block but for the calls of what it yields, which collects if it is time (True).

    What was made before the block is left out of collections for good (`gc.freeze`).
    """
    before = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    last = clock()

    def collect_if_due() -> bool:
        nonlocal last
        if clock() - last < EVERY_S:
            return False
        gc.collect()
        give_back()
        last = clock()
        return True

    try:
        yield collect_if_due
    finally:
        if before:
            gc.enable()
        gc.unfreeze()


def give_back() -> None:
    """Give the system back what the allocator keeps of the arrays of past panes, where it is glibc's: a third, or so.

    Elsewhere (musl, macOS) the allocator does it by itself, or not.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
