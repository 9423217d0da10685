"""Samples by which a monitor chooses its own coordinates, such as the error that only one in ten exceeds.

Each pane brings the bottom-16 values by hash of each base group that still waits; panes' samples merge like counts do.
They are collected in the monitor's state until there are enough to choose from.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from processors.base import Summary, add_summaries
from processors.rows import Floats, Hashes, Ints
from processors.sampling import bottom_k, priorities

SIZE = 16
ENOUGH = 256
_SEED = 7
_NONE = np.uint64(2**64 - 1)


def columns(keys: Ints, group: Ints, key: Hashes, values: Floats) -> dict[str, Any]:
    """Sample columns of shape (keys, 16) of the rows with a `group` (-1: not wanted) among `keys` (ascending)."""
    order = np.full((len(keys), SIZE), _NONE, np.uint64)
    sample = np.full((len(keys), SIZE), np.nan)
    if not (group >= 0).any():
        return {"sample_order": order, "sample": sample}
    # Equal hashes (one id, several versions or times) are told apart by the value, here as in `merge`.
    by_value = np.argsort(values, kind="stable")
    chosen = by_value[bottom_k(key[by_value], group[by_value], SIZE, _SEED)]
    at = np.searchsorted(keys, group[chosen])
    place = np.arange(len(chosen)) - np.searchsorted(at, at, side="left")
    order[at, place] = priorities(key[chosen], _SEED)
    sample[at, place] = values[chosen]
    return {"sample_order": order, "sample": sample}


def merge(a: Summary, b: Summary) -> Summary:
    """Both together: samples by their smallest hashes, everything else added up."""
    if not len(a) or not len(b):
        return a if len(a) else b
    added = add_summaries(_without(a), _without(b))
    order = np.full((len(added), 2 * SIZE), _NONE, np.uint64)
    sample = np.full((len(added), 2 * SIZE), np.nan)
    for place, part in ((slice(0, SIZE), a), (slice(SIZE, None), b)):
        at = np.searchsorted(added.keys, part.keys)
        order[at, place], sample[at, place] = part["sample_order"], part["sample"]
    first = np.lexsort((sample, order), axis=-1)[:, :SIZE]
    kept = {"sample_order": np.take_along_axis(order, first, 1), "sample": np.take_along_axis(sample, first, 1)}
    return Summary(added.keys, {**added.columns, **kept})


def collect(state: dict[int, Floats], summary: Summary) -> dict[int, Floats]:
    """Keep a pane's samples by group; returns the values of groups that have enough, and keeps those no more."""
    full = {}
    for at in np.flatnonzero((summary["sample_order"] != _NONE).any(axis=1)).tolist():
        key, values = int(summary.keys[at]), summary["sample"][at]
        held = np.concatenate([state.get(key, np.zeros(0)), values[~np.isnan(values)]])
        if len(held) >= ENOUGH:
            state.pop(key, None)
            full[key] = np.sort(held)
        else:
            state[key] = held
    return full


def whole(state: dict[int, Floats], group: Ints, values: Floats, known: Floats) -> dict[int, Floats]:
    """All finite values at once, sorted, of the groups that have enough of them and no coordinates in `known` yet.

    They need to wait no more. `known` has a row of coordinates a group, NaN where there are none.
    """
    full = {}
    for number in np.unique(group[(group >= 0) & np.isfinite(values)]).tolist():
        mine = values[(group == number) & np.isfinite(values)]
        if len(mine) >= ENOUGH and (number >= len(known) or np.isnan(known[number]).any()):
            state.pop(number, None)
            full[number] = np.sort(mine)
    return full


def _without(summary: Summary) -> Summary:
    kept = {name: column for name, column in summary.columns.items() if not name.startswith("sample")}
    return Summary(summary.keys, kept)
