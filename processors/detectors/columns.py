"""State of a detector: arrays whose first axis is the series number, growing as numbers appear.

Much of it is for the few series that fire, or have fired. The system backs memory of zeros once it is written, so a
column that nobody has written to yet takes none; it is left so when it grows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from processors.base import State
from processors.rows import Ints

Layout = Mapping[str, tuple[type, tuple[int, ...], float]]
"""Type, shape for one series, and first value of each array."""


def empty(layout: Layout) -> State:
    """Arrays for no series."""
    return {name: np.full((0, *shape), fill, kind) for name, (kind, shape, fill) in layout.items()}


def grow(state: State, layout: Layout, keys: Ints) -> None:
    """Make room for all of `keys` (ascending). Room grows by an eighth, so that it is seldom needed."""
    have = _complete(state, layout)
    if not len(keys) or keys[-1] < have:
        return
    size = int(keys[-1]) + 1 + have // 8
    for name, (_, _, fill) in layout.items():
        state[name] = _longer(state[name], size, fill)


def clear(state: State, layout: Layout, keys: Ints) -> None:
    """Let `keys` be as if never seen."""
    gone = keys[keys < _complete(state, layout)]
    for name, (_, _, fill) in layout.items():
        state[name][gone] = fill


def _complete(state: State, layout: Layout) -> int:
    """Add the columns that an older release did not have; returns how many series have room."""
    have = len(state[next(iter(layout))])
    for name in layout.keys() - state.keys():
        kind, shape, fill = layout[name]
        state[name] = np.full((have, *shape), fill, kind)
    return have


def _longer(column: npt.NDArray[Any], size: int, fill: float) -> npt.NDArray[Any]:
    shape = (size, *column.shape[1:])
    longer = np.zeros(shape, column.dtype) if fill == 0 else np.full(shape, fill, column.dtype)
    if fill != 0 or column.any():
        longer[: len(column)] = column
    return longer


def numbers(keys: frozenset[int]) -> Ints:
    """A set of numbers as an ascending array."""
    return np.array(sorted(keys), np.int32)
