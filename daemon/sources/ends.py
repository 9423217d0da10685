"""Where partitions end: evidence that nothing is left to read, and how far behind we are."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from daemon.records import Partition, Position
from daemon.sources.transports.base import End

EVERY_S = 1.0
"""How often the brokers are asked."""
BELIEVED_S = 3.0
"""How long an answer counts."""


class Ends:
    """The latest answers. A record, a pause or a move is doubt: only a new answer is evidence again."""

    def __init__(self) -> None:
        self._ends: dict[Partition, int] = {}
        self._evidence: dict[Partition, float] = {}
        self._asked = 0.0

    @property
    def due(self) -> bool:
        """Whether to ask again."""
        return time.monotonic() - self._asked >= EVERY_S

    def asking(self) -> None:
        """An answer counts from when it was asked for; a failed question isn't repeated at once."""
        self._asked = time.monotonic()

    def answered(self, ends: Mapping[Partition, End], reached: Callable[[Partition], int]) -> None:
        """Take what the brokers said.

        Records of an open transaction lie beyond what is readable, but are written: they are still to come.
        """
        for partition, end in ends.items():
            self._ends[partition] = end.readable
            if reached(partition) >= end.written:
                self._evidence[partition] = self._asked

    def doubt(self, partition: Partition) -> None:
        """What was known about being caught up no longer holds."""
        self._evidence.pop(partition, None)

    def forget(self, partition: Partition) -> None:
        """The partition isn't ours any more."""
        self.doubt(partition)
        self._ends.pop(partition, None)

    def caught_up(self) -> frozenset[Partition]:
        """Partitions of which a recent answer said that nothing is left, and nothing came since."""
        believed_since = time.monotonic() - BELIEVED_S
        return frozenset(each for each, at in self._evidence.items() if at >= believed_since)

    def lag(self, positions: Mapping[Partition, Position]) -> dict[Partition, int]:
        """Records left to read, by the latest answers."""
        return {
            each: max(0, end - positions[each].next_offset) for each, end in self._ends.items() if each in positions
        }
