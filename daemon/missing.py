"""What was consumed and is not in the log any more: retention, a topic made anew, a log that lost its end.

A dump can't hold it, so it says so. What the run itself had never read (its own gaps) is not missing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from daemon.records import Gap, Partition, Position


@dataclass(frozen=True, slots=True)
class Missing:
    """`offsets` of those from `expected` up to `found` were consumed and can't be read again.

    `reason` as of a gap: `retention`, `recreated` (they were of an earlier topic of that name) or `truncated`.
    """

    partition: Partition
    expected: int
    found: int
    offsets: int
    reason: str

    def __str__(self) -> str:
        return f"{self.offsets:,} offsets of {self.partition} that were consumed are gone ({self.reason})"

    def fields(self) -> dict[str, Any]:
        """As a control line of a dump has it."""
        return {
            "topic": self.partition.topic, "partition": self.partition.number, "expected": self.expected,
            "found": self.found, "offsets": self.offsets, "reason": self.reason,
        }  # fmt: skip


class Extents:
    """Which offsets a run consumed: what its control records say of where it began, and of its gaps."""

    def __init__(self, positions: Mapping[Partition, Position], controls: Sequence[Mapping[str, Any]]) -> None:
        """`controls` from the run's first on: where it began in a partition says the first `floor`."""
        self._until = dict(positions)
        self._begin = dict.fromkeys(positions, 0)
        self._gaps: defaultdict[Partition, list[Gap]] = defaultdict(list)
        self.of_earlier_topics: list[Missing] = []
        """What was read of topics that have been made anew since."""
        begun = set()
        for control in controls:
            kind, partition = control["control"], Partition(control.get("topic", ""), control.get("partition", 0))
            if partition not in self._until:
                continue
            if kind == "floor" and partition not in begun:
                begun.add(partition)
                self._begin[partition] = control["offset"] or 0
            elif kind == "gap":
                self._note(Gap(partition, control["expected"], control["found"], control["reason"]))

    def begin(self, partition: Partition) -> int:
        """The first offset that was consumed of the topic that was read last."""
        return self._begin[partition]

    def of_another_topic(self, partition: Partition, found: Position) -> bool:
        """Whether what is there now is of a topic that was made anew since."""
        ids = self._until[partition].topic_id, found.topic_id
        return all(ids) and ids[0] != ids[1]

    def before(self, partition: Partition, found: Position) -> Missing | None:
        """What is missing before the first record that is left."""
        until = self._until[partition]
        if self.of_another_topic(partition, found):
            return self._missing(partition, until.next_offset, found.next_offset, "recreated")
        return self._missing(partition, min(found.next_offset, until.next_offset), found.next_offset, "retention")

    def behind(self, partition: Partition, end: int) -> Missing | None:
        """What is missing although the partition is at its end."""
        until = self._until[partition].next_offset
        return Missing(partition, end, until, until - end, "truncated") if end < until else None

    def between(self, gap: Gap) -> Missing | None:
        """What is missing since it was deleted while the dump was written."""
        lost = min(gap.found, self._until[gap.partition].next_offset) - gap.expected
        return Missing(gap.partition, gap.expected, gap.found, lost, gap.reason) if lost > 0 else None

    def _missing(self, partition: Partition, to: int, found: int, reason: str) -> Missing | None:
        begin = self._begin[partition]
        lost = to - begin - sum(_overlap(gap, begin, to) for gap in self._gaps[partition])
        return Missing(partition, begin, found, lost, reason) if lost > 0 else None

    def _note(self, gap: Gap) -> None:
        """A gap of the run: what lies in it was never consumed; a topic made anew began from `found`."""
        if gap.reason != "recreated":
            self._gaps[gap.partition].append(gap)
            return
        if earlier := self._missing(gap.partition, gap.expected, gap.found, "recreated"):
            self.of_earlier_topics.append(earlier)
        self._begin[gap.partition] = gap.found
        self._gaps[gap.partition].clear()


def _overlap(gap: Gap, begin: int, to: int) -> int:
    return max(0, min(gap.found, to) - max(gap.expected, begin))
