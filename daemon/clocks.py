"""Clocks, effective times and the watermark (docs/time.md has the words).

The clock of a partition is the running maximum of its records' own timestamps. It depends on nothing but the
partition's prefix, and so do effective times; that is why no arrival order can show in a result.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

from daemon.records import Partition
from processors.rows import AHEAD, LATE, Bytes, Longs


class Clocks:
    """One clock a partition, and which of them hold the watermark back. All times in microseconds."""

    def __init__(self, lateness_us: int, max_ahead_us: int) -> None:
        self.lateness_us = lateness_us
        self._max_ahead_us = max_ahead_us
        self._clock: dict[Partition, int] = {}
        self._idle: set[Partition] = set()
        self.ahead = 0
        """Timestamps seen that were too far ahead of the wall clock to be believed."""

    def advance(self, partition: Partition, stamps: Longs, wall_us: int | None) -> tuple[Longs, Bytes]:
        """Clock after each of the partition's next rows, and their flags (AHEAD).

        `stamps` are the rows' own timestamps, negative where there is none. Those more than `max_ahead` past the wall
        clock don't move the clock; without a wall clock (replay) all are believed.
        """
        flags = np.zeros(len(stamps), np.uint8)
        if wall_us is not None:
            ahead = stamps > wall_us + self._max_ahead_us
            if ahead.any():
                flags[ahead] = AHEAD
                stamps = np.where(ahead, -1, stamps)
                self.ahead += int(ahead.sum())
        clock = np.maximum.accumulate(np.maximum(stamps, self._clock.get(partition, 0)))
        if len(clock):
            self._clock[partition] = int(clock[-1])
        return clock, flags

    def effective(self, ts: Longs, clock: Longs) -> tuple[Longs, Bytes]:
        """Each event's time held between clock − lateness and clock, and LATE flags. A negative `ts` is the clock."""
        floor = clock - self.lateness_us
        late = (ts >= 0) & (ts < floor)
        held = np.where(ts < 0, clock, np.clip(ts, floor, clock))
        return held, np.where(late, LATE, 0).astype(np.uint8)

    def of(self, partition: Partition) -> int:
        """The partition's clock; 0 before its first record."""
        return self._clock.get(partition, 0)

    def add(self, partition: Partition, floor: int) -> int:
        """Begin or go on with a partition, whose clock is at least `floor` from now on; returns its clock."""
        self._clock[partition] = max(self._clock.get(partition, 0), floor)
        self._idle.discard(partition)
        return self._clock[partition]

    def drop(self, partitions: Iterable[Partition]) -> None:
        """Forget partitions that are no longer read."""
        for partition in partitions:
            self._clock.pop(partition, None)
            self._idle.discard(partition)

    def rest(self, partition: Partition) -> None:
        """Leave the partition out of the watermark until it is `add`ed again."""
        self._idle.add(partition)

    def resting(self, partition: Partition) -> bool:
        """Is the partition left out of the watermark?"""
        return partition in self._idle

    def watermark(self) -> int | None:
        """Minimum over the partitions that count of clock − lateness; None if none counts."""
        counting = [clock for partition, clock in self._clock.items() if partition not in self._idle]
        return min(counting) - self.lateness_us if counting else None

    def ahead_of_slowest(self, max_skew_us: int, empty: Collection[Partition] = ()) -> set[Partition]:
        """Partitions more than `max_skew` ahead of the slowest one that counts: these wait.

        Of those in `empty` nothing is left to read. One that never had a record has no time that others could be
        ahead of, so they don't wait for it; the watermark does, until it rests.
        """
        nowhere = {p for p in empty if not self._clock.get(p)}
        counting = {p: clock for p, clock in self._clock.items() if p not in self._idle and p not in nowhere}
        if not counting:
            return set()
        edge = min(counting.values()) + max_skew_us
        return {partition for partition, clock in counting.items() if clock > edge}

    def to_state(self) -> dict[str, Any]:
        """A tree that `packing.pack` takes."""
        clocks = [[p.topic, p.number, clock] for p, clock in sorted(self._clock.items())]
        return {"clocks": clocks, "ahead": self.ahead}

    def load(self, state: dict[str, Any]) -> None:
        """Become what `to_state` described; all partitions rest until they are `add`ed, for some may be lost."""
        self._clock = {Partition(topic, number): clock for topic, number, clock in state["clocks"]}
        self._idle = set(self._clock)
        self.ahead = state["ahead"]
