"""Cohorts: outcomes by the hour of their prediction, whenever their labels came and however often they changed.

A cohort opens with its first outcome and is read when enough of it is new, at most once a window's span, and one that
holds fewer outcomes than a window must (`window_min_events`) once a day. It is final
once `labels.wait` has passed since its hour ended (or, for a backfill, since it opened), and then freed. The number
of open ones is bounded; beyond it the oldest become final early. What comes for a cohort after that is counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from processors.base import Judging, State
from processors.durations import HOUR_US
from processors.performance import entries as cube
from processors.performance.entries import Entries, Held, Shelf
from processors.rows import Bools, Ints, Longs
from processors.windows import LONGEST

_COLUMNS = ("unit", "n", "fresh", "revision", "read_at", "final_at")
_NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class Ready:
    """Cohorts to be read now: parallel arrays by ascending unit, and what is held of them."""

    unit: Longs
    revision: Longs
    final: Bools
    early: Bools
    """Final before their time, for want of room."""
    held: Held


class Cohorts:
    """The open cohorts of all groups. Holds no data itself; the state is a tree."""

    def __init__(self, shelf: Shelf, most_of_group: int, most: int) -> None:
        self._shelf = shelf
        self._most_of_group = most_of_group
        self._most = most

    def initial(self) -> State:
        """No cohort is open."""
        table = {name: np.zeros(0, np.int64) for name in _COLUMNS}
        return {
            "runs": self._shelf.initial(),
            "table": table,
            "closed": np.zeros(0, np.int64),
            "after_final": np.zeros(0, np.int64),
        }

    def add(self, state: State, pane: Entries, context: Judging) -> Ready:
        """Take in one pane's entries and give what is ready; changes `state` in place."""
        pane = self._admitted(state, pane.renamed(pane.unit & ~1))
        self._shelf.add(state["runs"], pane)
        self._note(state, pane, context)
        return self._read(state, context)

    def deadline(self, state: State, span: int, enough: int) -> int | None:
        """When the next cohort is ready even if nothing comes."""
        table = state["table"]
        if not len(table["unit"]):
            return None
        worth = _worth_reading(table)
        waits = _waits(table["n"][worth], span, enough)
        times = np.concatenate([table["final_at"], table["read_at"][worth] + waits])
        return int(times.min())

    def forget(self, state: State, groups: frozenset[int]) -> None:
        """Drop the cohorts of these groups, unread."""
        gone = np.isin(cube.group_of(state["table"]["unit"]), sorted(groups))
        self._free(state, gone)
        known = [group for group in groups if group < len(state["closed"])]
        state["closed"][known], state["after_final"][known] = _NEVER, 0

    def after_final(self, state: State, groups: Ints) -> list[int]:
        """How many outcomes and corrections came for final cohorts of each group."""
        counts = state["after_final"]
        return [int(counts[group]) if group < len(counts) else 0 for group in groups.tolist()]

    def _admitted(self, state: State, pane: Entries) -> Entries:
        """The entries of cohorts that are open or may still be opened; the outcomes of others are counted."""
        if not len(pane):
            return pane
        units = pane.unit[cube.begins(pane.unit)]
        groups = cube.group_of(units)
        _grow(state, int(groups[-1]) + 1)
        shut = (cube.hour_of(units) <= state["closed"][groups]) & cube.outside(units, state["table"]["unit"])
        if not shut.any():
            return pane
        outside = shut[np.searchsorted(units, pane.unit)]
        rows = outside & (pane.what == cube.COUNT) & (pane.code <= cube.CORRECTIONS)
        np.add.at(state["after_final"], cube.group_of(pane.unit[rows]), pane.value[rows])
        return pane.take(~outside)

    def _note(self, state: State, pane: Entries, context: Judging) -> None:
        """Open cohorts that are new, and note what is fresh in each."""
        units = pane.unit[cube.begins(pane.unit)]
        if not len(units):
            return
        known = state["table"]["unit"]
        new = units[cube.outside(units, known)]
        if len(new):
            ends, wait = cube.hour_of(new) + HOUR_US, context.label_waits(cube.group_of(new))
            final_at = np.where(ends + wait > context.end, ends + wait, context.end + wait)
            opened = np.zeros(len(new), np.int64)
            # The first reading waits for a span, and for the hour to be over.
            read_at = np.maximum(ends - context.window_span, context.start)
            columns = (new, opened, opened, opened, read_at, final_at)
            order = np.argsort(np.concatenate([known, new]), kind="stable")
            for name, column in zip(_COLUMNS, columns, strict=True):
                state["table"][name] = np.concatenate([state["table"][name], column])[order]
        table = state["table"]
        for code, changed in ((cube.ROWS, "n"), (cube.ROWS, "fresh"), (cube.CORRECTIONS, "fresh")):
            rows = np.flatnonzero((pane.what == cube.COUNT) & (pane.code == code))
            np.add.at(table[changed], np.searchsorted(table["unit"], pane.unit[rows]), pane.value[rows])

    def _read(self, state: State, context: Judging) -> Ready:
        table = state["table"]
        over = self._beyond_bounds(table["unit"])
        final = (context.end >= table["final_at"]) | over
        waits = _waits(table["n"], context.window_span, context.window_min_events)
        due = _worth_reading(table) & (context.end - table["read_at"] >= waits)
        if context.last:
            due |= table["fresh"] > 0
        chosen = np.flatnonzero(due | final)
        table["fresh"][chosen] = 0
        table["read_at"][chosen] = context.end
        table["revision"][chosen] += 1
        unit = table["unit"][chosen]
        early = over & (context.end < table["final_at"])
        held = self._shelf.held(state["runs"])
        ready = Ready(unit, table["revision"][chosen], final[chosen], early[chosen], held)
        self._free(state, final)
        return ready

    def _beyond_bounds(self, unit: Longs) -> Bools:
        """The oldest of a group that has too many, and the oldest of all if there are too many in all."""
        over = np.zeros(len(unit), np.bool_)
        if len(unit) > min(self._most_of_group, self._most):
            group = cube.group_of(unit)
            left = np.searchsorted(group, group, "right") - np.arange(len(unit))
            over = left > self._most_of_group
            oldest = np.lexsort((unit, cube.hour_of(unit)))
            over[oldest[: max(len(unit) - self._most, 0)]] = True
        return over

    def _free(self, state: State, gone: Bools) -> None:
        if not gone.any():
            return
        table = state["table"]
        units = table["unit"][gone]
        np.maximum.at(state["closed"], cube.group_of(units), cube.hour_of(units))
        self._shelf.remove(state["runs"], units)
        state["table"] = {name: column[~gone] for name, column in table.items()}


def _waits(n: Longs, span: int, enough: int) -> Longs:
    """How long after its last reading each cohort is read again."""
    return np.where(n >= enough, span, max(span, LONGEST))


def _worth_reading(table: dict[str, Any]) -> Bools:
    """Is at least a tenth of the cohort new since it was read?"""
    worth: Bools = (table["fresh"] > 0) & (10 * table["fresh"] >= table["n"])
    return worth


def _grow(state: State, size: int) -> None:
    before = len(state["closed"])
    if size > before:
        for name, nothing in (("closed", _NEVER), ("after_final", 0)):
            longer = np.full(max(size, before * 3 // 2), nothing, np.int64)
            longer[:before] = state[name]
            state[name] = longer
