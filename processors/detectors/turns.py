"""Does a series take turns: one value for long, then another for long, as a clock, a calendar or a sorted batch does?

Tests take a pane's rows for independent draws. The rows of a feature such as the hour of the day are one draw repeated:
at five o'clock all of its values are new at once, and nothing has happened. So panes are counted in which a series
turns: has several values, or another one than before. Where they are few beside the panes that are not at its first
value, what its rows are tells nothing. Nor does the first other value of one that was constant for less than a week.
"""

from __future__ import annotations

import numpy as np

from processors.base import State
from processors.detectors import columns
from processors.durations import DAY_US
from processors.rows import Bools, Ints, Longs

LAYOUT: columns.Layout = {
    "home": (np.int8, (), -1),  # the bin of most of the first rows
    "last": (np.int8, (), -1),  # that of most of the latest
    "since": (np.int64, (), -1),  # when the first rows came
    "turns": (np.int32, (), 0),
    "away": (np.int32, (), 0),  # panes with rows that were not at home
}
_FEW = 0.4
"""Turns for each pane away. Independent rows have one or more; minutes of an hour, in panes of ten seconds, a sixth."""
_AT_ONCE = 2
"""One change may be seen in two panes: rows are late."""
_LONG_US = 7 * DAY_US


def initial() -> State:
    """Nothing seen."""
    return columns.empty(LAYOUT)


def of(state: State) -> State:
    """What a monitor's state remembers of turns; states of older releases begin to."""
    found: State = state.setdefault("turns", initial())
    return found


def taken(state: State, keys: Ints, counts: Longs, start: int) -> Bools:
    """Which of `keys` (ascending) take turns, with this pane's `counts`, shape (keys, bins)? Changes `state`."""
    columns.grow(state, LAYOUT, keys)
    rows = counts.sum(axis=1)
    seen = rows > 0
    taking = np.zeros(len(keys), np.bool_)
    keys, rows, counts = keys[seen], rows[seen], counts[seen]
    at, most, last = np.arange(len(keys)), counts.argmax(axis=1), state["last"][keys]
    first = last < 0
    state["since"][keys[first]], state["home"][keys[first]] = start, most[first]
    lasting = (state["away"][keys] == 0) & (start - state["since"][keys] >= _LONG_US)
    state["turns"][keys] += (counts[at, most] < rows) | (~first & (last != most))
    state["away"][keys] += counts[at, state["home"][keys]] < rows
    state["last"][keys] = most
    taking[seen] = (state["turns"][keys] <= _AT_ONCE + _FEW * state["away"][keys]) & ~lasting
    return taking


def forget(state: State, keys: frozenset[int]) -> None:
    """Let these be as if never seen."""
    columns.clear(state, LAYOUT, columns.numbers(keys))
