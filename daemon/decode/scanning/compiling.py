"""How the loops of this folder are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Loop = TypeVar("Loop", bound=Callable[..., Any])
_OPTIONS: dict[str, Any] = {"cache": True, "_nrt": False}
"""Without numba's counting of references to arrays, which took longer than reading: nothing is allocated here."""


def compiled(loop: Loop) -> Loop:
    """A function of its own."""
    return cast("Loop", njit(**_OPTIONS)(loop))


def inlined(loop: Loop) -> Loop:
    """A part of the one function that calls it: quicker to compile, and to call with many arrays."""
    return cast("Loop", njit(inline="always")(loop))
