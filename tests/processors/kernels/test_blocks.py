"""Blocks of panes: the compiled bookkeeping and its oracle in numpy, a whole pane at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from processors.kernels import blocks
from processors.rows import Floats, Ints

SCALES, LONGEST_US, LONGEST_PANES = np.array([1, 4, 20]), 300, 6


def test_series_are_filled_as_numpy_does_it_to_the_last_bit() -> None:
    """Panes at uneven distances, for some of the series at a time; blocks end by number and, the longest, by time."""
    rng = np.random.default_rng(5)
    mine = {"open": np.zeros((9, 3, 3)), "open_start": np.zeros(9, np.int64)}
    mine |= {"last": np.zeros((9, 4, 3)), "live": np.zeros((9, 5, 3))}
    oracle = {name: column.copy() for name, column in mine.items()}
    now = 0
    for _ in range(400):
        now += int(rng.integers(1, 40))
        keys = np.flatnonzero(rng.random(9) < 0.7).astype(np.int32)
        trials = rng.integers(1, 50, len(keys)).astype(np.float64)
        hits = rng.random(len(keys)) * trials
        held = mine["open"], mine["open_start"], mine["last"], mine["live"]
        blocks.fill(*held, keys, hits, trials, now, SCALES, LONGEST_US, LONGEST_PANES)
        _fill(oracle, keys, hits, trials, now)
    for name, column in oracle.items():
        np.testing.assert_array_equal(mine[name], column)
    assert 0 < mine["live"][0, 0, 2] < mine["live"][0, 0, 1] < mine["live"][0, 0, 0]


def _fill(state: dict[str, Any], keys: Ints, hits: Floats, trials: Floats, now: int) -> None:
    pane = np.stack([np.ones(len(keys)), hits, trials], axis=1)
    filled = state["open"][keys] + pane[:, :, None]
    state["open_start"][keys] = began = np.where(filled[:, 0, -1] <= 1, now, state["open_start"][keys])
    full = filled[:, 0] >= SCALES
    full[:, -1] |= (now - began >= LONGEST_US) & (filled[:, 0, -1] >= LONGEST_PANES)
    _, block_hits, block_trials = np.moveaxis(filled, 1, 0)
    last = state["last"][keys]
    one, two = np.maximum(last[:, 1], 1e-12), np.maximum(last[:, 3], 1e-12)
    difference = block_hits / block_trials - 2 * last[:, 0] / one + last[:, 2] / two
    known = (last[:, 1] > 0) & (last[:, 3] > 0)
    step = difference**2 / (1 / block_trials + 4 / one + 1 / two) * known
    block = np.stack([np.ones(full.shape), block_hits**2 / block_trials, step, block_hits, block_trials], axis=1)
    state["live"][keys] += block * full[:, None]
    newest = np.stack([block_hits, block_trials, last[:, 0], last[:, 1]], axis=1)
    state["last"][keys] = np.where(full[:, None], newest, last)
    state["open"][keys] = np.where(full[:, None], 0, filled)
