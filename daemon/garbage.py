"""Python's cyclic garbage collector, under control.

It runs whenever so many objects more were made than freed, and then looks at every object that is alive: with a fetch
of ten thousand records in memory that is a quarter of all CPU time, for nothing, because what the loop makes dies by
reference counting. So while the loop runs it is off, and called from time to time for the few cycles that libraries
leave behind (exceptions with their tracebacks, futures).
"""

from __future__ import annotations

import ctypes
import gc
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psutil

FIRST_S = 10.0
"""Wall time until the first, which looks through all that a start has made, a tenth of a second: not before Vigil is
ready, nor at all in a run that is over by then, such as the one that warms the kernels."""
EVERY_S = 20.0
"""Wall time between collections: one costs some 50 ms with a thousand models."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGE, _IDLE = 2**20, 2**27
_MUCH, _LOOK_S = 512 * 2**20, 1.0
"""Resident memory from which on holes between arrays are worth page faults, and how often to look whether it is so."""


def none_while_starting() -> None:
    """Collect nothing until the loop does: what a start makes stays, and looking through it took a tenth of a start."""
    gc.disable()


def started_clean() -> None:
    """Leave all that a start has made out of collections, the first included: it compiled nothing, so it left nothing.

    Some hundred objects, to be exact; the first collection took a tenth of a second to find them.
    """
    gc.freeze()


@contextmanager
def seldom_collected(clock: Callable[[], float] = time.monotonic) -> Iterator[Callable[[], bool]]:
    """Off inside the `with` block but for the calls of what it yields, which collects if it is time (True).

    Once much is resident, large arrays have mappings of their own from then on (`keep_large_apart`).
    What the first one finds in use, all that a start has made, is left out of the others (`gc.freeze`).
    """
    before = gc.isenabled()
    gc.disable()
    first, due, look = True, clock() + FIRST_S, clock()

    def collect_if_due() -> bool:
        nonlocal first, due, look
        now = clock()
        if now >= look:
            look = now + _LOOK_S
            if resident() > _MUCH:
                keep_large_apart()
                look = math.inf
        if now < due:
            return False
        gc.collect()
        if first:
            gc.freeze()
        give_back()
        first, due = False, clock() + EVERY_S
        return True

    try:
        yield collect_if_due
    finally:
        if before:
            gc.enable()
        gc.unfreeze()


def keep_large_apart() -> None:
    """Let glibc's allocator map each array of a MiB or more by itself, so that its memory is gone when the array is.

    By default the bound rises with what is freed, to 32 MiB: a thousand models' arrays of one pane then leave holes
    between those that stay, which made a third of the memory. It costs a few hundred page faults a large array, which
    a small fleet would pay for each fetch and get nothing for: a fifth of its CPU time.
    """
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, _LARGE)
        library.mallopt(_M_TRIM_THRESHOLD, _IDLE)


def resident() -> int:
    """Bytes of this process in memory."""
    return int(psutil.Process().memory_info().rss)


def give_back() -> None:
    """Give the system back what the allocator keeps of the arrays of past panes, where it is glibc's: a third, or so.

    Elsewhere (musl, macOS) the allocator does it by itself, or not.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
