"""What estimates remember: predictions until their window closes, outcomes to learn from, windows until labels come.

A monitor that estimates holds a `Memory` and tells it what comes, pane after pane: predictions first, outcomes then.
What is counted of either, and what is made of it, is the monitor's own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from pydantic import Field

from processors.base import Judging, MonitorSettings, State, Summary
from processors.estimation import counts, reliability, shift
from processors.estimation.waiting import Checked, Waiting
from processors.performance import entries as cube
from processors.performance.entries import Entries, Shelf
from processors.profile import Profile
from processors.rows import Bools, Floats, Ints, Longs
from processors.windows import Due, Windows

_MOST_WINDOWS = 10_000


class EstimationSettings(MonitorSettings):
    """How much must be known before something is estimated, and when it cannot be relied on."""

    min_labels: int = Field(300, ge=50)
    """Outcomes that a version needs before anything is estimated of it."""
    segment_labels: int = Field(2_000, ge=50)
    """Outcomes from which on a segment is judged by its own outcomes rather than by the whole version's."""
    labels: int = Field(100_000, ge=1_000)
    """Outcomes that are learnt from; beyond it old ones count half, again and again."""
    max_shift: float = Field(0.25, gt=0, le=1)
    """A feature that moved by more (total variation, beyond chance) since the labels makes an estimate unreliable."""
    min_support: float = Field(0.9, gt=0, le=1)
    """An estimate is unreliable if fewer of its predictions lie where enough outcomes are known of."""
    windows: int = Field(64, ge=1)
    """Windows of one group that wait for their labels; beyond it the oldest is checked with those that came."""


class Memory:
    """Holds no data itself: it works on a part of the monitor's state, the names that `initial` gives."""

    def __init__(
        self,
        settings: EstimationSettings,
        shelf: Shelf,
        width: int,
        outcomes_by_unit: Callable[[Entries], tuple[Longs, Longs]],
    ) -> None:
        """`width` numbers are estimated of each window; `outcomes_by_unit` says how many outcomes entries stand for."""
        self._settings, self._shelf = settings, shelf
        self._windows, self._waiting = Windows(), Waiting(settings.windows, _MOST_WINDOWS, width)
        self._outcomes_by_unit = outcomes_by_unit

    def initial(self) -> State:
        """Nothing was seen."""
        return {
            "windows": self._windows.initial(),
            "recent": self._shelf.initial(),
            "learnt": self._shelf.initial(),
            "arrived": self._shelf.initial(),
            "labels": np.zeros(0, np.int64),
            "waiting": self._waiting.initial(),
            "features": shift.initial(),
            "reliability": reliability.initial(),
        }

    def deadline(self, state: State) -> int | None:
        """When the next window closes, or has waited long enough."""
        times = [self._windows.deadline(state["windows"]), self._waiting.deadline(state["waiting"])]
        return min((time for time in times if time is not None), default=None)

    def forget(self, state: State, groups: frozenset[int], series: frozenset[int]) -> None:
        """Free what is held of retired versions."""
        for shelf in ("recent", "learnt", "arrived"):
            self._shelf.remove(state[shelf], cube.units_of_groups(state[shelf], groups))
        self._windows.forget(state["windows"], groups)
        self._waiting.forget(state["waiting"], groups)
        shift.forget(state["features"], groups, series)
        reliability.forget(state["reliability"], groups)
        state["labels"][[group for group in groups if group < len(state["labels"])]] = 0

    # Predictions.

    def overdue(self, state: State, context: Judging) -> Due:
        """Windows that had run out before the pane."""
        return self._windows.overdue(state["windows"], context)

    def add(self, state: State, counted: Entries, pane: Entries, rows: Summary, context: Judging) -> list[Due]:
        """Take in a pane's predictions and answer with the windows that they fill.

        `counted` is what is kept of them, `pane` also has their features; `rows` says how many they are by group.
        """
        self._shelf.add(state["recent"], counted)
        shift.add(state["features"], pane)
        return self._windows.add(state["windows"], rows, context)

    def take(self, state: State, due: Due) -> Entries:
        """Take out the predictions of windows that closed."""
        units = cube.group_unit(due.keys)
        entries = self._shelf.read(state["recent"], units)
        self._shelf.remove(state["recent"], units)
        _grow(state, int(due.keys[-1]) + 1)
        return entries

    def owners(self, state: State, groups: Ints, profile: Profile) -> Ints:
        """Whose outcomes each group is judged by. `take` has made room for it."""
        many = state["labels"][groups] >= self._settings.segment_labels
        return np.where(many, groups, profile.group_base[groups]).astype(np.int32)

    def known_of(self, state: State, owners: Ints) -> Entries:
        """What was learnt of these groups, ascending."""
        return self._shelf.read(state["learnt"], cube.group_unit(owners))

    def doubts(self, state: State, due: Due, thin: Bools, context: Judging) -> list[str]:
        """Why the estimate of each window that closed may be off; empty: it can be relied on.

        `thin` says of which windows too many predictions lie where few labels are known. Versions are noted first, for
        what moved there holds for segments whose windows close with theirs.
        """
        known, profile = state["reliability"], context.profile
        bases = profile.group_base[due.keys].tolist()
        keys, ends = due.keys.tolist(), due.end.tolist()
        for key, base, end, is_thin in zip(keys, bases, ends, thin.tolist(), strict=True):
            reliability.note_support(known, key, is_thin)
            if key == base:
                moved = shift.moved(state["features"], key, profile)
                far = moved is not None and moved[0] > self._settings.max_shift
                reliability.note_moved(known, key, moved[1] if moved is not None and far else None)
                shift.close(state["features"], key, profile, end)
        return [reliability.why(known, key, base) for key, base in zip(keys, bases, strict=True)]

    def wait(self, state: State, due: Due, known: Bools, estimates: dict[str, Floats], context: Judging) -> None:
        """Let the windows that are `known` wait for their labels; the others are not checked.

        `estimates` has value, low and high of those that wait.
        """
        waiting = state["waiting"]
        if not known.all():
            self._shelf.remove(state["arrived"], self._waiting.open_units(waiting, due.keys[~known]))
            self._waiting.close(waiting, due.keys[~known], due.end[~known])
        until = due.end + context.label_waits(due.keys)
        bounds = {"start": due.start, "end": due.end, "n": due.summary["n"], "until": until}
        self._waiting.put(waiting, due.keys[known], {name: rows[known] for name, rows in bounds.items()}, estimates)

    # Outcomes.

    def learn(self, state: State, outcomes: Entries, profile: Profile, *, waiting: bool = True) -> Longs:
        """Learn from outcomes by `counts.time_unit`, and (`waiting`) put each to the window of its prediction.

        Returns the versions that they are of.
        """
        units, n = self._outcomes_by_unit(outcomes)
        groups, time = cube.group_of(units), counts.time_of(units)
        _grow(state, int(groups[-1]) + 1)
        if waiting:
            self._assign(state, outcomes, units, n)
        self._shelf.add(state["learnt"], outcomes.renamed(cube.group_unit(cube.group_of(outcomes.unit))))
        np.add.at(state["labels"], groups, n)
        touched = np.unique(groups)
        for group in touched[state["labels"][touched] > self._settings.labels].tolist():
            faded = self._shelf.halve(state["learnt"], cube.group_unit(group))
            state["labels"][group] = int(self._outcomes_by_unit(faded)[1].sum())
        bases: Longs = touched[profile.group_base[touched] == touched]
        newest = time[np.searchsorted(groups, bases, "right") - 1]
        shift.learn(state["features"], bases.astype(np.int32), newest, profile)
        return bases

    def _assign(self, state: State, outcomes: Entries, units: Longs, n: Longs) -> None:
        """Put outcomes to the windows of their predictions."""
        window = self._waiting.units_of(state["waiting"], cube.group_of(units), counts.time_of(units))
        waits = window >= 0
        self._waiting.note(state["waiting"], window[waits], n[waits])
        of_entry = window[np.searchsorted(units, outcomes.unit)]
        mine = outcomes.take(of_entry >= 0)
        self._shelf.add(state["arrived"], mine.renamed(of_entry[of_entry >= 0]))

    def check(self, state: State, context: Judging) -> tuple[Checked, Entries]:
        """Take out the windows whose labels have come, and those labels' outcomes."""
        checked = self._waiting.take(state["waiting"], context.end, last=context.last)
        if not len(checked):
            return checked, cube.NO_ENTRIES
        arrived = self._shelf.read(state["arrived"], checked.unit)
        self._shelf.remove(state["arrived"], checked.unit)
        return checked, arrived


def _grow(state: State, size: int) -> None:
    before = len(state["labels"])
    if size > before:
        state["labels"] = np.concatenate([state["labels"], np.zeros(size + before // 8 - before, np.int64)])
