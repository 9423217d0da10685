"""Which Vigil this is."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed


@cache
def version() -> str:
    """The installed version; `unknown` where the source runs without having been installed."""
    try:
        return installed("vigild")
    except PackageNotFoundError:
        return "unknown"
