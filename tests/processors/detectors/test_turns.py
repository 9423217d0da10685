"""Which series take turns: clocks and constants do, whatever the number of rows in a pane; draws do not."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

from processors.base import State
from processors.detectors import turns
from processors.durations import DAY_US
from processors.rows import Ints

PANE_US = 10_000_000
KEYS = np.array([3], np.int32)
Draw = Callable[[np.random.Generator, int, int], Ints]
"""The values of so many rows of a pane that begins at so many seconds."""


def hour(_: np.random.Generator, second: int, rows: int) -> Ints:
    """Of the day."""
    return np.full(rows, 4 + second // 3600 % 24, np.int32)


def minute(_: np.random.Generator, second: int, rows: int) -> Ints:
    """Of the hour, by threes."""
    return np.full(rows, 4 + second // 60 % 60 // 3, np.int32)


def late_hour(rng: np.random.Generator, second: int, rows: int) -> Ints:
    """The hour, of which one row in ten comes ten seconds late."""
    return np.where(rng.random(rows) < 0.1, hour(rng, second - 10, rows), hour(rng, second, rows))


def constant(_: np.random.Generator, second: int, rows: int) -> Ints:
    """What it always was."""
    return np.full(rows, 7, np.int32)


def category(rng: np.random.Generator, _: int, rows: int) -> Ints:
    """One of eight."""
    return rng.integers(4, 12, rows).astype(np.int32)


def flag(rng: np.random.Generator, _: int, rows: int) -> Ints:
    """Seldom set."""
    return np.where(rng.random(rows) < 0.02, 5, 4).astype(np.int32)


def taken(state: State, draw: Draw, rows: float, panes: range) -> list[bool]:
    """Whether the series takes turns, by pane that has rows."""
    rng = np.random.default_rng(1)
    found = []
    for pane in panes:
        values = draw(rng, pane * 10, rng.poisson(rows))
        counts = np.bincount(values, minlength=32)[None].astype(np.int64)
        (one,) = turns.taken(state, KEYS, counts, pane * PANE_US)
        if len(values):
            found.append(bool(one))
    return found


@pytest.mark.parametrize(
    ("draw", "rows"),
    [
        *product([hour, late_hour, constant], [0.3, 1, 5, 100]),
        *product([minute], [1, 5, 100]),  # with fewer rows a value lasts for five panes that have any: as good as drawn
    ],
)
def test_clocks_take_turns(draw: Draw, rows: float) -> None:
    """At no pane in a day is one judged, though all of its values are new each time."""
    assert all(taken(turns.initial(), draw, rows, range(8_640)))


@pytest.mark.parametrize("rows", [0.3, 1, 5, 100])
@pytest.mark.parametrize("draw", [category, flag])
def test_draws_do_not(draw: Draw, rows: float) -> None:
    """Once a few rows have shown it, for good."""
    found = taken(turns.initial(), draw, rows, range(8_640))
    assert not any(found[len(found) // 4 :])


def test_a_constant_is_judged_after_a_week() -> None:
    """Not before: Sunday may be the first day on which it is another."""
    state = turns.initial()
    day = DAY_US // PANE_US
    assert all(taken(state, constant, 2, range(3)))
    assert all(taken(state, constant, 2, range(6 * day, 6 * day + 3)))
    assert not any(taken(state, constant, 2, range(7 * day, 7 * day + 3)))


def test_what_becomes_a_draw_is_judged_within_minutes() -> None:
    """A constant that is broken so that it varies is no clock."""
    state = turns.initial()
    taken(state, constant, 5, range(2_000))
    assert not any(taken(state, category, 5, range(2_000, 2_100))[6:])


def test_what_was_a_draw_and_is_stuck_is_judged_on() -> None:
    """One long turn after so many."""
    state = turns.initial()
    taken(state, category, 5, range(2_000))
    assert not any(taken(state, constant, 5, range(2_000, 4_000)))


def test_series_are_apart_and_can_be_forgotten() -> None:
    """Each has its own memory."""
    state = turns.initial()
    taken(state, category, 5, range(100))
    other = turns.taken(state, np.array([1], np.int32), np.bincount([4], minlength=32)[None], 0)
    assert other.all()
    turns.forget(state, frozenset({3}))
    assert all(taken(state, constant, 5, range(100, 110)))


def test_a_state_of_an_older_release_begins_to_remember() -> None:
    """It has no place for turns."""
    state: State = {}
    assert turns.of(state) is turns.of(state)
    assert all(taken(turns.of(state), constant, 5, range(3)))
