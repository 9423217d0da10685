"""What each version served lately: its last outcomes, how much their errors scatter, and when it predicted last.

Outcomes are told apart by how long their labels took (`LAGS_US`): what is labelled soon may err more or less often than
what is labelled late, and of a version that has just begun only what is labelled soon is known.
"""

from __future__ import annotations

import numpy as np

from processors.base import State
from processors.detectors import columns, dispersion, seasons
from processors.durations import DAY_US, HOUR_US, MINUTE_US
from processors.rows import Floats, Ints, Longs

LAGS_US = np.array([0, 10 * MINUTE_US, 90 * MINUTE_US, 15 * HOUR_US, 4 * DAY_US], np.int64)
"""From which lag on an outcome is of each bin."""
BINS = len(LAGS_US)

_BLOCKS, _BLOCK, _BLOCK_US = 4, 500, 3 * DAY_US
"""So many blocks of so many outcomes, or of so long, are what a version did lately; beside the one being filled."""
_BUSY_US = 6 * HOUR_US
"""Predictions count half after this time, for telling which version serves most."""

_TOLD = {name: at for name, at in dispersion.LAYOUT.items() if name not in ("pending", "kept")}
LAYOUT: columns.Layout = {
    "born": (np.int64, (), -1),  # start of the pane of its first prediction
    "last_at": (np.int64, (), -1),  # end of that of its last
    "busy": (np.float64, (), 0),
    "filling": (np.float64, (BINS, 2), 0),  # errors and outcomes by lag
    "filled": (np.float32, (_BLOCKS, BINS, 2), 0),
    "begun": (np.int64, (), -1),  # when the block that is being filled was begun
    **_TOLD,
    **seasons.LAYOUT,
    "cell": (np.float64, (2,), 0),  # errors and outcomes in the cell of the day that a version is in
}


def lag_bin(lag: Longs) -> Longs:
    """The bin of each lag (microseconds)."""
    return np.asarray(np.searchsorted(LAGS_US, np.maximum(lag, 0), side="right") - 1)


def predicted(state: State, keys: Ints, n: Longs, start: int, end: int) -> None:
    """Versions `keys` made `n` predictions (above 0) in the pane."""
    columns.grow(state, LAYOUT, keys)
    state["born"][keys] = np.where(state["born"][keys] < 0, start, state["born"][keys])
    state["busy"][keys] = busy_at(state, keys, end) + n
    state["last_at"][keys] = end


def busy_at(state: State, keys: Ints, time: int) -> Floats:
    """How much each of `keys` has served lately, as of a time."""
    since = np.where(state["last_at"][keys] < 0, time, state["last_at"][keys])
    return np.asarray(state["busy"][keys] * 0.5 ** ((time - since) / _BUSY_US))


def answered(state: State, keys: Ints, counts: Floats, start: int, end: int) -> None:
    """Take in a pane's errors and outcomes by lag of versions `keys`, shape (keys, bins, 2); each has some."""
    columns.grow(state, LAYOUT, keys)
    hits, trials = counts.sum(axis=1).T
    leaving = keys[seasons.leaving(state, keys, start)]
    errors, outcomes = state["cell"][leaving].T
    seasons.fold(state, leaving, errors, outcomes, np.zeros(len(leaving), np.bool_))
    state["cell"][leaving] = 0
    seasons.enter(state, leaving, start)
    state["cell"][keys] += np.stack([hits, trials], axis=1)
    dispersion.add_pane(state, keys, hits, trials, start)
    state["filling"][keys] += counts
    state["begun"][keys] = begun = np.where(state["begun"][keys] < 0, start, state["begun"][keys])
    full = keys[(state["filling"][keys, :, 1].sum(axis=1) >= _BLOCK) | (end - begun >= _BLOCK_US)]
    if len(full):
        state["filled"][full] = np.roll(state["filled"][full], 1, axis=1)
        state["filled"][full, 0] = state["filling"][full]
        state["filling"][full], state["begun"][full] = 0, -1


def lately(state: State, keys: Ints) -> Floats:
    """Errors and outcomes by lag of each of `keys`, shape (keys, bins, 2): its last 2,000 or more."""
    return np.asarray(state["filled"][keys].sum(axis=1, dtype=np.float64) + state["filling"][keys])


def spread(state: State, keys: Ints) -> Floats:
    """How much more than independent draws the error rate of each of `keys` varies; see `dispersion`.

    A jump, as of a drift, is no scatter.
    """
    return dispersion.dispersion({"kept": state["live"]}, keys, by_steps=True)


def rises(state: State, key: int, time: int) -> Floats:
    """By what factor the error rate may be higher than it was lately, for the hours of the day alone, by cell.

    Shape (24,); NaN where that is not known. 1 where the day makes no difference.
    """
    least, most = seasons.usual_near(state, key)
    base = np.nanmin([least[seasons.cell_at(time)], np.nanmean(most)]) if np.isfinite(most).any() else np.nan
    return np.asarray(np.maximum(most / max(base, 1e-9), 1.0))
