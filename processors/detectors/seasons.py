"""What is usual at this time of the day: twelve cells of two hours, those of weekends apart (days are UTC's); until
weekends are known they are like other days, and the other way round.

A series gathers its panes by cell while its reference grows; a cell counts once seen on two days. What came while it
fired is kept apart, and joins the cells if the alarm was over within three days and the cell was seen so twice: a
daily peak, or a weekend, that looked like an incident at first. One incident does not become usual.

What is gathered is an amount and a weight, whose ratio is the cell's mean: hits and trials of a rate, or a distance
times its events of a histogram; and how these ratios scatter from day to day.
"""

from __future__ import annotations

import numpy as np

from processors.base import State
from processors.detectors.bounds import chi2_quantile, normal_quantile
from processors.detectors.columns import Layout
from processors.durations import DAY_US, HOUR_US
from processors.rows import Bools, Floats, Ints

CELLS = 24

_SLOTS = 12
_SLOT_US = DAY_US // _SLOTS
_EPOCH_WEEKDAY = 3  # 1970 began on a Thursday
_SEEN = 2
PASSING_US = 72 * HOUR_US
"""What was over within this time went away by itself."""
_SURE = normal_quantile(0.999)
_DOUBT = normal_quantile(0.05)

_EACH_CELL = np.concatenate([np.arange(_SLOTS), 2 * _SLOTS + np.arange(_SLOTS)])
"""Of a Thursday and a Saturday."""

LAYOUT: Layout = {
    "visit": (np.int32, (), -1),  # days since 1970 and slot, as one number, of the block that is being filled
    "cells": (np.float32, (3, CELLS), 0),  # amount, weight, and amount^2 / weight of each day added up
    "days": (np.int16, (CELLS,), 0),
    "odd_cells": (np.float32, (3, CELLS), 0),  # of the times when the series fired
    "odd_days": (np.int16, (CELLS,), 0),
}


def leaving(state: State, keys: Ints, start: int) -> Bools:
    """Which of `keys` are in another cell, or on another day, than at their pane before?"""
    return np.asarray(state["visit"][keys] != start // _SLOT_US)


def enter(state: State, keys: Ints, start: int) -> None:
    """`keys` are in the cell of `start` from now on."""
    state["visit"][keys] = start // _SLOT_US


def fold(state: State, keys: Ints, amount: Floats, weight: Floats, odd: Bools) -> None:
    """Add what was gathered in the cell that `keys` are leaving; `odd` says which of them fire."""
    for part, prefix in ((~odd, ""), (odd, "odd_")):
        some = part & (weight > 0) & (state["visit"][keys] >= 0)
        mine, cell = keys[some], _cell(state["visit"][keys[some]])
        state[f"{prefix}cells"][mine, 0, cell] += amount[some]
        state[f"{prefix}cells"][mine, 1, cell] += weight[some]
        state[f"{prefix}cells"][mine, 2, cell] += amount[some] ** 2 / weight[some]
        state[f"{prefix}days"][mine, cell] += 1


def recovered(state: State, key: int, lasted_us: int) -> None:
    """An alarm of a series is over after `lasted_us`."""
    if lasted_us > PASSING_US:
        state["odd_cells"][key], state["odd_days"][key] = 0, 0
        return
    usual = state["odd_days"][key] >= _SEEN
    state["cells"][key] += state["odd_cells"][key] * usual
    state["days"][key] += state["odd_days"][key] * usual
    state["odd_cells"][key] *= ~usual
    state["odd_days"][key] *= ~usual


def usual_rates(state: State, keys: Ints) -> tuple[Floats, Floats, Floats]:
    """Rates by cell, shrunk towards their mean: (rate, standard error, known), each of shape (keys, 3).

    The three are the cell that `keys` are in and its neighbours. Without more variation between the cells than chance
    would explain (at 99.9%) the rates are all the same and exact; chance is how days differ within cells, and at least
    binomial. Empirical Bayes by moments: C. N. Morris (1983), "Parametric empirical Bayes inference", JASA 78.
    """
    amount, weight, squares = np.moveaxis(state["cells"][keys].astype(np.float64), 1, 0)
    known = (state["days"][keys] >= _SEEN) & (weight > 0)
    n = np.where(known, weight, 0)
    total = np.maximum(n.sum(axis=1, keepdims=True), 1)
    rate = np.where(known, amount / np.maximum(weight, 1), 0)
    mean = (rate * n).sum(axis=1, keepdims=True) / total
    within = (np.where(known, squares - amount * rate, 0)).sum(axis=1, keepdims=True)
    repeats = np.where(known, state["days"][keys] - 1, 0).sum(axis=1, keepdims=True).astype(np.float64)
    scatter = within / np.maximum(chi2_quantile(_DOUBT, np.maximum(repeats, 1)), 0.5)
    variance = np.maximum(np.maximum(mean * (1 - mean), 1e-9), scatter)
    between = (n * (rate - mean) ** 2).sum(axis=1, keepdims=True)
    freedom = np.maximum(known.sum(axis=1, keepdims=True) - 1, 1)
    size = np.maximum(total - (n**2).sum(axis=1, keepdims=True) / total, 1)
    excess = np.where(between > variance * chi2_quantile(_SURE, freedom), (between - freedom * variance) / size, 0.0)
    pull = excess / np.maximum(excess + variance / np.maximum(n, 1), 1e-12)
    near = _near(state["visit"][keys], known)
    rates, errors = mean + pull * (rate - mean), np.sqrt(pull * variance / np.maximum(n, 1))
    return tuple(np.take_along_axis(part, near, axis=1) for part in (rates, errors, known))  # type: ignore[return-value]


def cell_at(time: int) -> int:
    """The cell of a moment (microseconds)."""
    return int(_cell(np.array(time // _SLOT_US)))


def usual_near(state: State, key: int) -> Floats:
    """The least and the greatest usual rate in each cell and its neighbours, shape (2, 24), of a series; NaN: unknown.

    See `usual_rates`.
    """
    every = {name: np.repeat(state[name][[key]], CELLS, axis=0) for name in ("cells", "days")}
    rates, _, known = usual_rates({**every, "visit": _EACH_CELL}, np.arange(CELLS, dtype=np.int32))
    least, most = np.where(known, rates, np.inf).min(axis=1), np.where(known, rates, -np.inf).max(axis=1)
    return np.where(known.any(axis=1), [least, most], np.nan)


def usual_distance(state: State, keys: Ints) -> Floats:
    """The greatest mean distance among the cell that `keys` are in and its neighbours, shape (keys,).

    Zero where no cell is known, or where it is not three standard errors (of a distance between histograms) above it.
    """
    amount, weight, _ = np.moveaxis(state["cells"][keys], 1, 0)
    known = (state["days"][keys] >= _SEEN) & (weight > 0)
    near = _near(state["visit"][keys], known)
    amount, weight, known = (np.take_along_axis(part, near, axis=1) for part in (amount, weight, known))
    mean = np.where(known, amount / np.maximum(weight, 1), 0)
    error = np.sqrt(1 / np.maximum(weight, 1)) / 2
    return np.asarray(np.where(mean > 3 * error, mean, 0.0).max(axis=1), np.float64)


def _cell(visit: Ints) -> Ints:
    weekday = (visit // _SLOTS + _EPOCH_WEEKDAY) % 7
    return np.asarray(visit % _SLOTS + _SLOTS * (weekday >= 5))


def _near(visit: Ints, known: Bools) -> Ints:
    """The cell and its neighbours of its kind of day (of the other kind where that is not known), shape (keys, 3)."""
    cell = _cell(visit)[:, None]
    near = cell // _SLOTS * _SLOTS + (cell % _SLOTS + np.array([-1, 0, 1])) % _SLOTS
    return np.asarray(np.where(np.take_along_axis(known, near, axis=1), near, (near + _SLOTS) % CELLS))
