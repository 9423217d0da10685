"""What libraries load if it happens to be there, and Vigil has no use for: time that each start would take."""

from __future__ import annotations

import importlib
import sys


def load(name: str, *, without: str) -> None:
    """Import a module as if another one were not installed. Nothing happens if either is loaded already."""
    if name in sys.modules or without in sys.modules:
        return
    sys.modules[without] = None  # type: ignore[assignment]  # an import of it then fails
    try:
        importlib.import_module(name)
    finally:
        del sys.modules[without]


def load_numba_without_blas() -> None:
    """Load numba's arrays, but not all of `scipy.linalg`, a fifth of a second, to find out whether there is a BLAS.

    None of our kernels multiplies matrices. A plug-in's may: numba asks again for those, and only `np.convolve` and
    `np.correlate` are compiled as if there were none.
    """
    load("numba.np.arraymath", without="scipy.linalg")


def load_structlog_without_rich() -> None:
    """Load the log's library, but not `rich`, a tenth of a second, which is there where others brought it along.

    It draws tracebacks with local variables, and with them secrets; ours are plain.
    """
    load("structlog", without="rich")
