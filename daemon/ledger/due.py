"""When something is due for rows: a label that silence stands for, or their end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from heapq import heappush
from typing import Any

import numpy as np
from numba import njit

from daemon.ledger.earliest import earliest
from daemon.ledger.keyed import KeyedRows
from processors.durations import HOUR_US
from processors.profile.tokens import runs_by
from processors.rows import Index, Ints, Longs, Scalars

_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Waits:
    """How long labels are waited for, in microseconds, by model; `*` stands for all others."""

    default_us: int = 7 * 24 * HOUR_US
    by_model: Mapping[str, int] = field(default_factory=dict)
    implicit: Mapping[str, tuple[int, Scalars]] = field(default_factory=dict)
    """After how long silence counts as which label (one scalar)."""
    texts: Mapping[int, str] = field(default_factory=dict)
    """Words of implicit labels that are texts, by hash."""

    def wait(self, model: str) -> int:
        """How long a prediction of the model waits."""
        return self.by_model.get(model, self.by_model.get("*", self.default_us))

    def rule(self, model: str) -> tuple[int, Scalars] | None:
        """The model's implicit label, if it has one."""
        return self.implicit.get(model, self.implicit.get("*"))


class Diary:
    """Slots noted under the time at which something is due for them; slots given away meanwhile are left out."""

    def __init__(self, rows: KeyedRows) -> None:
        self._rows = rows
        self._due: dict[int, list[tuple[Ints, Longs]]] = {}
        self._times: list[int] = []
        """The times at which something is due, as a heap; some may be past."""

    def note(self, when: Longs, slots: Longs) -> None:
        """Something is due for each slot at each time."""
        for due, at in runs_by(when):
            if due not in self._due:
                self._due[due] = []
                heappush(self._times, due)
            self._due[due].append((slots[at].astype(np.int32), self._rows.serial[slots[at]]))

    def due(self, until: int) -> Longs:
        """The slots noted for `until` or earlier, which are struck out; those that live, by serial number."""
        found: list[Index] = [np.zeros(0, np.int64)]
        while (when := self.next()) is not None and when <= until:
            found += [slots[self._rows.live(slots, serials)] for slots, serials in self._due.pop(when)]
        if len(found) == 1:
            return np.zeros(0, np.int64)
        slots = np.concatenate(found).astype(np.int64)
        return slots[np.argsort(self._rows.serial[slots], kind="stable")]

    def prune(self) -> None:
        """Strike out what is noted for slots that were given away."""
        for when in list(self._due):
            lives = [self._rows.live(slots, serials) for slots, serials in self._due[when]]
            kept = [(s[live], n[live]) for (s, n), live in zip(self._due[when], lives, strict=True) if live.any()]
            if kept:
                self._due[when] = kept
            else:
                del self._due[when]

    def holds(self, when: int) -> bool:
        """Is anything noted for just this time?"""
        return when in self._due

    def next(self) -> int | None:
        """The earliest time for which anything is noted."""
        return earliest(self._times, self._due)


class Expiry:
    """Rows whose wait is over, found by looking through all of them once an hour: so they need no note of it.

    Rows have the columns `time` and `version`, and `wait_us` of the latter says how long they wait. They go at full
    hours, so that this is rare.
    """

    def __init__(self, rows: KeyedRows, wait_us: Any) -> None:
        """`wait_us()` is an array by number of version."""
        self._rows, self._wait_us = rows, wait_us
        self._next = _NEVER

    def note(self, times: Longs, waits: Longs) -> None:
        """Rows of these times came."""
        if len(times):
            self._next = min(self._next, int((times + waits).min()) // HOUR_US + 1)

    def due(self, hour: int) -> Longs:
        """The rows whose wait is over at the beginning of this hour (its number since 1970), by serial number."""
        if hour < self._next:
            return np.zeros(0, np.int64)
        rows = self._rows
        columns = (rows.serial[: rows.top], rows["time"], rows["version"], self._wait_us())
        found, self._next = _over(*columns, np.int64(hour))
        return np.asarray(found[np.argsort(rows.serial[found], kind="stable")])


@njit(cache=True)
def _over(serial: Any, time: Any, version: Any, wait_us: Any, hour: Any) -> Any:
    """Slots of the rows that end by this hour, and the hour at which the first of the others does."""
    found = np.empty(1024, np.int64)
    count, following = 0, np.int64(_NEVER)
    for slot in range(len(serial)):
        if serial[slot] < 0:
            continue
        ends = (time[slot] + wait_us[version[slot]]) // HOUR_US + 1
        if ends > hour:
            following = min(following, ends)
            continue
        if count == len(found):
            wider = np.empty(2 * count, np.int64)
            wider[:count] = found
            found = wider
        found[count] = slot
        count += 1
    return found[:count].copy(), following
