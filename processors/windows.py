"""Windows: a key's panes added up until they are worth a reading.

Readings leave when a window closes, not each pane. A key's window opens with the first pane that brings something for
it and closes once it holds `window_events` events and spans `window_min_span`, or spans `window_span` and holds
`window_min_events`, or spans `LONGEST`, or at the end of a finite input. So a sparse key's readings rest on more than
an event or two, and a fast key is not read out each pane. No window bridges a silence longer than it may span: what
comes after that opens the next one.

    windows = Windows(count_column="n")
    state["windows"] = windows.initial()
    for due in windows.add(state["windows"], summary, context):
        ... due.keys, due.summary["n"], due.start, due.end ...
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from processors.base import Judging, State, Summary
from processors.durations import HOUR_US
from processors.rows import Index, Ints, Longs

LONGEST = 24 * HOUR_US
"""A window that holds fewer than `window_min_events` waits for more until it spans this (or `window_span`, if that is
longer)."""

_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Due:
    """Windows that closed: one entry per key in each array, keys ascending.

    `start` is the start of a window's first pane and `end` the end of the last that brought something (microseconds).
    """

    keys: Ints
    summary: Summary
    start: Longs
    end: Longs

    def __len__(self) -> int:
        return len(self.keys)


class Windows:
    """One open window a key. Columns of any shape and number; they add up unless `combine` names another ufunc.

    The state's arrays have an axis of key numbers and grow with the greatest that was seen, so `forget` keys whose
    numbers are given to others. A pane costs the keys that occur in it.
    """

    def __init__(self, count_column: str = "n", combine: Mapping[str, np.ufunc] | None = None) -> None:
        self.count_column = count_column
        self._combine = combine or {}

    def initial(self) -> State:
        """The state before the first pane: no window is open."""
        return {
            "open": np.zeros(0, np.bool_),
            "start": np.zeros(0, np.int64),
            "end": np.zeros(0, np.int64),
            "until": np.zeros(0, np.int64),
            "columns": {},
            "next": _NEVER,
        }

    def add(self, state: State, summary: Summary, context: Judging) -> list[Due]:
        """Take in one pane (which may be empty) and release what is due; changes `state` in place.

        There are two parts only if a key's earlier window had run out before this pane; they come in order of time.
        """
        overdue = self._run_out(state, context.start)
        released = [self._release(state, overdue)] if len(overdue) else []
        if len(summary):
            self._put(state, summary, context)
        full = self._full(state, summary, context)
        return [*released, self._release(state, full)] if len(full) else released

    def overdue(self, state: State, context: Judging) -> Due:
        """Release the windows that had run out before the pane of `context` began."""
        return self._release(state, self._run_out(state, context.start))

    def deadline(self, state: State) -> int | None:
        """When (event time) the next open window runs out, for `Monitor.deadline`; None if none is open."""
        return None if state["next"] == _NEVER else int(state["next"])

    def forget(self, state: State, keys: Iterable[int]) -> None:
        """Drop the windows of these keys, unread."""
        gone = np.array(sorted(key for key in keys if key < len(state["open"])), np.int64)
        state["open"][gone] = False
        self._find_next(state)

    def _put(self, state: State, summary: Summary, context: Judging) -> None:
        self._grow(state, summary)
        keys = summary.keys
        fresh = ~state["open"][keys]
        state["open"][keys] = True
        state["start"][keys[fresh]] = context.start
        state["end"][keys] = context.end
        for name, column in summary.columns.items():
            before = state["columns"][name][keys]
            together = self._combine.get(name, np.add)(before, column)
            together[fresh] = column[fresh]
            state["columns"][name][keys] = together
        enough = state["columns"][self.count_column][keys] >= context.window_min_events
        spans = np.where(enough, context.window_span, max(context.window_span, LONGEST))
        state["until"][keys] = state["start"][keys] + spans
        state["next"] = min(state["next"], int(state["until"][keys].min()))

    def _full(self, state: State, summary: Summary, context: Judging) -> Index:
        """Keys of the windows that are due now that the pane is in them."""
        if context.last:
            return np.flatnonzero(state["open"])
        full = self._run_out(state, context.end)
        if len(summary):
            many = state["columns"][self.count_column][summary.keys] >= context.window_events
            many &= context.end - state["start"][summary.keys] >= context.window_min_span
            if many.any():
                full = np.union1d(full, summary.keys[many])
        return full

    def _run_out(self, state: State, now: int) -> Index:
        if now < state["next"]:
            return np.zeros(0, np.int64)
        return np.flatnonzero(state["open"] & (now >= state["until"]))

    def _release(self, state: State, keys: Index) -> Due:
        columns = {name: column[keys] for name, column in state["columns"].items()}
        numbers = keys.astype(np.int32)
        due = Due(numbers, Summary(numbers, columns), state["start"][keys], state["end"][keys])
        state["open"][keys] = False
        self._find_next(state)
        return due

    def _find_next(self, state: State) -> None:
        state["next"] = int(state["until"][state["open"]].min(initial=_NEVER))

    def _grow(self, state: State, summary: Summary) -> None:
        size, needed = len(state["open"]), int(summary.keys[-1]) + 1
        for name, column in summary.columns.items():
            if name not in state["columns"]:
                state["columns"][name] = np.zeros((size, *column.shape[1:]), column.dtype)
        if needed <= size:
            return
        capacity = max(needed, size + size // 2)
        for name in ("open", "start", "end", "until"):
            state[name] = _padded(state[name], capacity)
        state["columns"] = {name: _padded(column, capacity) for name, column in state["columns"].items()}


def _padded(column: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    longer = np.zeros((size, *column.shape[1:]), column.dtype)
    longer[: len(column)] = column
    return longer
