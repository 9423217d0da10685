"""Where to go on in a partition, given what the state says and what the broker still has."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.records import Gap, Partition, Position


@dataclass(frozen=True, slots=True)
class Extent:
    """What a broker has of a partition: offsets `beginning` to `end` (exclusive) of the topic with this id."""

    beginning: int
    end: int
    topic_id: str


def resume(partition: Partition, stored: Position, extent: Extent) -> tuple[int, Gap | None]:
    """The offset to go on at, and the gap if that isn't where the state left off.

    - Another topic under the same name: everything it has, for none of it was read.
    - Deleted by retention: the oldest that is left.
    - The partition ends before the position (its leader lost acknowledged records, or a backup was restored): its
      end if the topic's id says that it is the same one, for what comes before was read; else it counts as another.
    """
    expected = stored.next_offset
    same = bool(extent.topic_id) and stored.topic_id == extent.topic_id
    other = bool(extent.topic_id) and bool(stored.topic_id) and not same
    if other or (expected > extent.end and not same):
        return extent.beginning, Gap(partition, expected, extent.beginning, "recreated")
    if expected > extent.end:
        return extent.end, Gap(partition, expected, extent.end, "truncated")
    if expected < extent.beginning:
        return extent.beginning, Gap(partition, expected, extent.beginning, "retention")
    return expected, None
