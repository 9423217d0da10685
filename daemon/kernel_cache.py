"""Where compiled kernels are kept between starts.

Numba keeps them where NUMBA_CACHE_DIR says, else beside the source, else in the user's cache; with none of them
writable, as in a read-only image with a volume that is somebody else's, it refuses to be imported. Then a new folder
serves this one process: each start compiles anew. Nor does a disk that is full end it: what can't be kept is compiled
again by the next start. The image points NUMBA_CACHE_DIR at the volume of the state.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, MutableMapping
from pathlib import Path
from typing import Any

from daemon import exits

VARIABLE = "NUMBA_CACHE_DIR"
_BESIDE = Path(__file__).resolve().parents[1] / "processors" / "kernels" / "__pycache__"


def ensure(environment: MutableMapping[str, str] = os.environ, usual: Iterable[Path] | None = None) -> None:
    """Set NUMBA_CACHE_DIR if nothing else would do. To be called before numba is imported.

    `usual` are the places that numba tries by itself. Raises `Ended` where there isn't even a place for what is
    temporary.
    """
    places = (_BESIDE, _users(environment)) if usual is None else usual
    said = environment.get(VARIABLE)
    if any(map(writable, [*([Path(said)] if said else []), *places])):
        return
    try:
        environment[VARIABLE] = tempfile.mkdtemp(prefix="vigil-kernels-")
    except OSError as error:
        reason = f"nothing can be written, not even where temporary files go ({error.strerror}): give it a /tmp"
        raise exits.Ended(exits.IO_ERROR, reason) from error


def survive_failures() -> None:
    """Have numba go on where it can't keep what it compiled, and say so once. To be called before it compiles."""
    from numba.core.caching import Cache

    if Cache.save_overload is _save:
        return
    _numbas["save"] = Cache.save_overload
    Cache.save_overload = _save  # type: ignore[method-assign]  # there is no public way


def load_at_once() -> None:
    """Have numba load what is kept without first making itself ready to compile, which took a tenth of a second.

    What is kept is machine code that needs numba's runtime and nothing else. What isn't is compiled as ever.
    """
    from numba.core.caching import Cache

    if Cache.load_overload is not _load:
        _numbas["load"] = Cache.load_overload
        Cache.load_overload = _load  # type: ignore[method-assign]  # there is no public way


def keeps(loop: Any) -> bool:
    """Whether a function with `cache=True` was compiled since its source was written."""
    written = Path(loop.py_func.__code__.co_filename).stat().st_mtime
    kept = Path(loop.stats.cache_path).glob(f"*.{loop.py_func.__name__}-*.nbi")
    return any(each.stat().st_mtime > written for each in kept)


def writable(folder: Path) -> bool:
    """Could files be made there, the folder itself included?"""
    try:
        there = next((each for each in (folder, *folder.parents) if each.exists()), None)
        if there is None:
            return False
        tempfile.TemporaryFile(dir=there).close()
    except OSError:
        return False
    return True


_numbas: dict[str, Any] = {}
"""Its own `save_overload` and `load_overload`, once they were replaced."""
_failed: list[OSError] = []
"""The first failure, which is said; the others are its like."""


def _save(cache: Any, signature: Any, compiled: Any) -> None:
    try:
        _numbas["save"](cache, signature, compiled)
    except OSError as error:
        if not _failed:
            import structlog

            structlog.get_logger(__name__).warning("kernels not kept", place=cache.cache_path, error=error.strerror)
        _failed.append(error)


def _load(cache: Any, signature: Any, context: Any) -> Any:
    from numba.core.runtime.nrt import rtsys

    rtsys.initialize(context)
    kept = cache._load_overload(signature, context)  # noqa: SLF001 - numba's own, without what it does before
    return _numbas["load"](cache, signature, context) if kept is None else kept


def _users(environment: MutableMapping[str, str]) -> Path:
    cache = environment.get("XDG_CACHE_HOME")
    return Path(cache) if cache else Path(environment.get("HOME") or "/nonexistent/home") / ".cache"
