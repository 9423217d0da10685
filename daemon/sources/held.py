"""Records that were fetched and not yet handed out.

kafka-python 3.0.12 loses sight of what is left of a fetch when its partition is paused half way (it looks for parked
records only while its slot is None, and the slot keeps an exhausted object). So whole fetches are taken from it, and
the rest waits here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np

from daemon.pieces import sizes_of
from daemon.records import Partition, Run
from daemon.sources.base import MOST_BYTES


class Held:
    """Fetched records by partition, handed out in order and in pieces."""

    def __init__(self) -> None:
        self._runs: dict[Partition, Run] = {}
        self._begin: dict[Partition, int] = {}
        """How many records of each run were handed out."""

    def put(self, fetched: Iterable[Run]) -> None:
        """Take what a fetch brought."""
        for run in fetched:
            held = self._runs.get(run.partition)
            if held is None:
                self._runs[run.partition], self._begin[run.partition] = run, 0
            else:
                held.extend(run)

    def take(self, most: int, paused: Collection[Partition]) -> list[Run]:
        """At most so many records, and about `MOST_BYTES`, of partitions that aren't paused."""
        taken: list[Run] = []
        room = MOST_BYTES
        for partition in [each for each in self._runs if each not in paused]:
            if most <= 0 or room <= 0:
                break
            run, begin = self._runs[partition], self._begin[partition]
            end, size = _fitting(run, begin, min(begin + most, len(run)), room)
            taken.append(run.part(begin, end))
            most, room = most - (end - begin), room - size
            self._begin[partition] = end
            if end == len(run):
                self.drop([partition])
        return taken

    def waiting(self, paused: Collection[Partition]) -> bool:
        """Is there anything that may be handed out?"""
        return any(partition not in paused for partition in self._runs)

    def __contains__(self, partition: Partition) -> bool:
        return partition in self._runs

    def drop(self, partitions: Iterable[Partition]) -> None:
        """Forget what is held of these: it will be fetched again, or is not ours any more."""
        for partition in partitions:
            self._runs.pop(partition, None)
            self._begin.pop(partition, None)


def _fitting(run: Run, begin: int, end: int, room: int) -> tuple[int, int]:
    """Where to end so that values take `room` bytes at most, or are a single one, and what they take."""
    taken = np.cumsum(sizes_of(run.values[begin:end]))
    count = max(int(np.searchsorted(taken, room, side="right")), 1)
    return begin + count, int(taken[count - 1])
