"""Records that were fetched and not yet handed out.

kafka-python 3.0.12 loses sight of what is left of a fetch when its partition is paused half way (it looks for parked
records only while its slot is None, and the slot keeps an exhausted object). So whole fetches are taken from it, and
the rest waits here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from daemon.records import Partition


class Held:
    """Fetched records by partition, handed out in order and in pieces."""

    def __init__(self) -> None:
        self._records: dict[Partition, list[Any]] = {}

    def put(self, fetched: Mapping[Partition, Sequence[Any]]) -> None:
        """Take what a fetch brought."""
        for partition, records in fetched.items():
            self._records.setdefault(partition, []).extend(records)

    def take(self, most: int, paused: Collection[Partition]) -> dict[Partition, list[Any]]:
        """At most so many records, of partitions that aren't paused."""
        taken: dict[Partition, list[Any]] = {}
        for partition in [each for each in self._records if each not in paused]:
            if most <= 0:
                break
            records = self._records[partition]
            taken[partition] = records[:most]
            rest = records[most:]
            most -= len(taken[partition])
            if rest:
                self._records[partition] = rest
            else:
                del self._records[partition]
        return taken

    def waiting(self, paused: Collection[Partition]) -> bool:
        """Is there anything that may be handed out?"""
        return any(partition not in paused for partition in self._records)

    def __contains__(self, partition: Partition) -> bool:
        return partition in self._records

    def drop(self, partitions: Iterable[Partition]) -> None:
        """Forget what is held of these: it will be fetched again, or is not ours any more."""
        for partition in partitions:
            self._records.pop(partition, None)
