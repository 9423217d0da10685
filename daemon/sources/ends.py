"""Where partitions end: evidence that nothing is left to read, and how far behind we are."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from daemon.records import Partition, Position
from daemon.sources.group import ours, theirs

EVERY_S = 1.0
"""How often the brokers are asked."""
BELIEVED_S = 3.0
"""How long an answer counts."""
ANSWER_MS = 500
"""An answer may wait behind a fetch on the same connection, so at most `fetch_max_wait_ms`."""


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

    def ask(self, consumer: Any, partitions: Iterable[Partition], reached: Callable[[Partition], int]) -> None:
        """Ask where partitions end. Raises `KafkaError`.

        Records of an open transaction lie beyond the end, but below the high watermark: they are still to come.
        """
        self._asked = time.monotonic()
        asked = [theirs(each) for each in partitions]
        for each, end in (consumer.end_offsets(asked, timeout_ms=ANSWER_MS) if asked else {}).items():
            partition = ours(each)
            self._ends[partition] = end
            if reached(partition) >= max(end, consumer.highwater(each) or 0):
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
