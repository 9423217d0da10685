"""Where compiled kernels are kept between starts.

Numba keeps them beside the source, else in the user's cache, else where NUMBA_CACHE_DIR says; with none of them
writable, as in a read-only image without a home, it refuses to be imported. Then a new folder serves this one process:
each start compiles anew, in less than twenty seconds. The image points NUMBA_CACHE_DIR at the volume of the state.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, MutableMapping
from pathlib import Path
from typing import Any

VARIABLE = "NUMBA_CACHE_DIR"
_BESIDE = Path(__file__).resolve().parents[1] / "processors" / "kernels" / "__pycache__"


def ensure(environment: MutableMapping[str, str] = os.environ, usual: Iterable[Path] | None = None) -> None:
    """Set NUMBA_CACHE_DIR if nothing else would do. To be called before numba is imported.

    `usual` are the places that numba tries by itself.
    """
    places = (_BESIDE, _users(environment)) if usual is None else usual
    if not environment.get(VARIABLE) and not any(map(writable, places)):
        environment[VARIABLE] = tempfile.mkdtemp(prefix="vigil-kernels-")


def keeps(loop: Any) -> bool:
    """Whether a function with `cache=True` was compiled since its source was written."""
    written = Path(loop.py_func.__code__.co_filename).stat().st_mtime
    kept = Path(loop.stats.cache_path).glob(f"*.{loop.py_func.__name__}-*.nbi")
    return any(each.stat().st_mtime > written for each in kept)


def writable(folder: Path) -> bool:
    """Could files be made there, the folder itself included?"""
    there = next((each for each in (folder, *folder.parents) if each.exists()), None)
    return there is not None and there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _users(environment: MutableMapping[str, str]) -> Path:
    cache = environment.get("XDG_CACHE_HOME")
    return Path(cache) if cache else Path(environment.get("HOME") or "/nonexistent/home") / ".cache"
