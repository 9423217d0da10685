"""Which compiled kernels a stream calls, noted beside them: a start loads these and need not try what calls them.

The first start that finds every kernel in the cache has noted what a handful of events called. As long as no source
changed since, the next ones load just that: a quarter of a second less. What the cache lost meanwhile is compiled.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from daemon.decode.scanning.events import scan

_OURS = ("daemon.", "processors.")
_ROOT = Path(__file__).resolve().parents[1]


def load() -> bool:
    """Load the kernels that were noted; False if there is no note, or one of other sources."""
    try:
        sources, kernels = pickle.loads(_note().read_bytes())  # noqa: S301 - from where numba unpickles its kernels, too
        if sources != _sources():
            return False
        for module, name, signature in kernels:
            getattr(import_module(module), name).compile(signature)
    except Exception:  # noqa: BLE001 - whatever is wrong with it: then they are found out anew
        return False
    return True


def note() -> None:
    """Note which kernels this process loaded, unless it had to compile one, or they can't be kept."""
    called = list(loops())
    if any(loop.stats.cache_misses for loop in called):
        return
    kernels = [
        (loop.py_func.__module__, loop.py_func.__name__, signature)
        for loop in called
        for signature in loop.stats.cache_hits
    ]
    place = _note()
    with suppress(OSError):
        number, name = tempfile.mkstemp(dir=place.parent)
        with os.fdopen(number, "wb") as file:
            pickle.dump((_sources(), kernels), file)
        Path(name).replace(place)


def loops() -> Iterator[Any]:
    """The compiled functions of modules that are imported."""
    from numba.core.registry import CPUDispatcher

    for name, module in sorted(sys.modules.items()):
        if name.startswith(_OURS):
            for each in vars(module).values():
                if isinstance(each, CPUDispatcher) and each.py_func.__module__ == name:
                    yield each


def _note() -> Path:
    return Path(scan.stats.cache_path) / "called.pickle"  # type: ignore[attr-defined]  # numba made it of a function


def _sources() -> str:
    """Changes with any source of ours: one may call a kernel with columns of another type."""
    found = hashlib.blake2b(digest_size=16)
    for part in _OURS:
        for path in sorted((_ROOT / part.strip(".")).rglob("*.py")):
            seen = path.stat()
            found.update(f"{path}:{seen.st_mtime_ns}:{seen.st_size};".encode())
    return found.hexdigest()
