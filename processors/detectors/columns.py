"""State of a detector: arrays whose first axis is the series number, growing as numbers appear."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from processors.base import State
from processors.rows import Ints

Layout = Mapping[str, tuple[type, tuple[int, ...], float]]
"""Type, shape for one series, and first value of each array."""


def empty(layout: Layout) -> State:
    """Arrays for no series."""
    return {name: np.full((0, *shape), fill, kind) for name, (kind, shape, fill) in layout.items()}


def grow(state: State, layout: Layout, keys: Ints) -> None:
    """Make room for all of `keys` (ascending). Room grows by an eighth, so that it is seldom needed."""
    have = len(state[next(iter(layout))])
    if not len(keys) or keys[-1] < have:
        return
    size = int(keys[-1]) + 1 + have // 8
    for name, (kind, shape, fill) in layout.items():
        state[name] = np.concatenate([state[name], np.full((size - have, *shape), fill, kind)])


def clear(state: State, layout: Layout, keys: Ints) -> None:
    """Let `keys` be as if never seen."""
    grow_to = len(state[next(iter(layout))])
    gone = keys[keys < grow_to]
    for name, (_, _, fill) in layout.items():
        state[name][gone] = fill


def numbers(keys: frozenset[int]) -> Ints:
    """A set of numbers as an ascending array."""
    return np.array(sorted(keys), np.int32)
