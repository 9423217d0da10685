"""Windows whose performance was estimated, until their labels have come and the estimate can be checked.

Windows of a group are numbered; the outcomes of predictions made since the last one ended belong to the next. A window
is checked once nearly all of its labels are there, or when they have been waited for, or when there are too many.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from processors.base import State
from processors.performance import entries as cube
from processors.rows import Bools, Floats, Ints, Longs

ENOUGH = 0.95
"""Share of a window's predictions whose labels must have come."""

_COLUMNS = ("group", "number", "start", "end", "n", "seen", "until")
_NEVER = np.iinfo(np.int64).min
_OF_GROUP = (("number", 0), ("open_since", _NEVER), ("open_seen", 0))


@dataclass(frozen=True, slots=True)
class Checked:
    """Windows to be checked now, by ascending (group, number), and what was estimated of them."""

    table: dict[str, Longs]
    estimates: dict[str, Floats]
    unit: Longs

    def __len__(self) -> int:
        return len(self.unit)

    def estimate(self, at: int) -> dict[str, Floats]:
        """Value, low and high of one window."""
        return {name: rows[at] for name, rows in self.estimates.items()}


_NOTHING_DUE = Checked({}, {}, np.zeros(0, np.int64))


class Waiting:
    """The windows of all groups. Holds no data itself; the state is a tree."""

    def __init__(self, most_of_group: int, most: int, width: int) -> None:
        """So many windows are kept of a group and in all; `width` numbers are estimated of each."""
        self._most_of_group, self._most, self._width = most_of_group, most, width

    def initial(self) -> State:
        """No window waits."""
        return {
            "table": {name: np.zeros(0, np.int64) for name in _COLUMNS},
            "estimates": {name: np.zeros((0, self._width)) for name in ("value", "low", "high")},
            "number": np.zeros(0, np.int64),
            "open_since": np.zeros(0, np.int64),
            "open_seen": np.zeros(0, np.int64),
        }

    def put(self, state: State, groups: Ints, bounds: dict[str, Any], estimates: dict[str, Floats]) -> None:
        """Let windows of these groups wait; `bounds` has start, end, n and until, one a group."""
        if not len(groups):
            return
        self._grow(state, int(groups.max()) + 1)
        number = state["number"][groups]
        new = {"group": groups, "number": number, **bounds, "seen": state["open_seen"][groups]}
        table = {name: np.concatenate([state["table"][name], new[name]]).astype(np.int64) for name in _COLUMNS}
        order = np.lexsort((table["number"], table["group"]))
        state["table"] = {name: column[order] for name, column in table.items()}
        for name, rows in estimates.items():
            state["estimates"][name] = np.concatenate([state["estimates"][name], rows])[order]
        self.close(state, groups, new["end"])

    def close(self, state: State, groups: Ints, end: Longs) -> None:
        """What is predicted from `end` on belongs to the next window of these groups."""
        self._grow(state, int(groups.max(initial=-1)) + 1)
        state["number"][groups] += 1
        state["open_since"][groups] = end
        state["open_seen"][groups] = 0

    def open_units(self, state: State, groups: Ints) -> Longs:
        """Unit of the outcomes of each group's window that is still open."""
        self._grow(state, int(groups.max(initial=-1)) + 1)
        return np.asarray(cube.group_unit(groups) + state["number"][groups] + 1, np.int64)

    def units_of(self, state: State, group: Longs, time: Longs) -> Longs:
        """Unit of the window that predictions made then are in; -1 where it waits no more. Groups ascend."""
        self._grow(state, int(group.max(initial=-1)) + 1)
        number = np.where(time >= state["open_since"][group], state["number"][group], -1)
        table = state["table"]
        for one in np.unique(group[number < 0]).tolist():
            mine = (group == one) & (number < 0)
            low, high = np.searchsorted(table["group"], [one, one + 1])
            at = low + np.searchsorted(table["end"][low:high], time[mine], "right")
            inside = at < high
            inside[inside] = table["start"][at[inside]] <= time[mine][inside]
            number[mine] = np.where(inside, table["number"][np.minimum(at, max(high - 1, 0))] if high else -1, -1)
        return np.where(number < 0, -1, cube.group_unit(group) + number + 1)

    def note(self, state: State, unit: Longs, outcomes: Longs) -> None:
        """So many more outcomes belong to these units, each of a window that waits or is still open."""
        table = state["table"]
        mine = self.units(table)
        at = np.searchsorted(mine, unit)
        known = at < len(mine)
        known[known] = mine[at[known]] == unit[known]
        np.add.at(table["seen"], at[known], outcomes[known])
        np.add.at(state["open_seen"], cube.group_of(unit[~known]), outcomes[~known])

    def take(self, state: State, now: int, *, last: bool) -> Checked:
        """Take out what is to be checked at `now`; all of it at the `last`."""
        table = state["table"]
        due = (table["seen"] >= ENOUGH * table["n"]) | (now >= table["until"]) | last | self._beyond_bounds(table)
        if not due.any():
            return _NOTHING_DUE
        checked = Checked(
            {name: column[due] for name, column in table.items()},
            {name: rows[due] for name, rows in state["estimates"].items()},
            self.units(table)[due],
        )
        state["table"] = {name: column[~due] for name, column in table.items()}
        state["estimates"] = {name: rows[~due] for name, rows in state["estimates"].items()}
        return checked

    def deadline(self, state: State) -> int | None:
        """When the next window has waited long enough."""
        until = state["table"]["until"]
        return int(until.min()) if len(until) else None

    def forget(self, state: State, groups: frozenset[int]) -> None:
        """Drop the windows of these groups, unchecked."""
        gone = np.isin(state["table"]["group"], sorted(groups))
        state["table"] = {name: column[~gone] for name, column in state["table"].items()}
        state["estimates"] = {name: rows[~gone] for name, rows in state["estimates"].items()}
        known = [group for group in groups if group < len(state["number"])]
        for name, nothing in _OF_GROUP:
            state[name][known] = nothing

    @staticmethod
    def units(table: dict[str, Longs]) -> Longs:
        """Unit of the outcomes of each window."""
        return np.asarray(cube.group_unit(table["group"]) + table["number"] + 1, np.int64)

    def _beyond_bounds(self, table: dict[str, Longs]) -> Bools:
        """The oldest of groups that have too many, and the oldest of all."""
        group, size = table["group"], len(table["group"])
        over = np.searchsorted(group, group, "right") - np.arange(size) > self._most_of_group
        if size > self._most:
            over[np.argsort(table["end"], kind="stable")[: size - self._most]] = True
        return np.asarray(over)

    def _grow(self, state: State, size: int) -> None:
        before = len(state["number"])
        if size <= before:
            return
        for name, nothing in _OF_GROUP:
            longer = np.full(max(size, before * 3 // 2), nothing, np.int64)
            longer[:before] = state[name]
            state[name] = longer
