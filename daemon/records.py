"""What a source hands to the loop: records in columns, and what happened to the partitions meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from daemon.pieces import Pieces

Headers = Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """One ordered log: a topic's partition, or a file."""

    topic: str
    number: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.number}"


@dataclass(frozen=True, slots=True)
class Position:
    """Where to go on in a partition: the next offset, and the id of the topic that the offset belongs to.

    `topic_id` is empty where the source has none; a topic that was deleted and made again has another.
    """

    next_offset: int
    topic_id: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """Offsets of a partition that can't be had any more: `expected` was next, reading goes on at `found`.

    `retention`: they were deleted. `recreated`: the topic is another one under the same name. `truncated`: the
    partition ends before them (a leader that lost what it had acknowledged, or a restored cluster).
    """

    partition: Partition
    expected: int
    found: int
    reason: Literal["retention", "recreated", "truncated"]

    @property
    def lost(self) -> int | None:
        """How many offsets will never be read; None where that can't be known."""
        return self.found - self.expected if self.reason == "retention" else None


@dataclass(slots=True)
class Run:
    """Consecutive records of one partition, in columns of equal length, by rising offset (with holes, maybe).

    Timestamps are milliseconds since 1970 UTC, -1 where a record has none. A value of None is a tombstone.
    """

    partition: Partition
    offsets: list[int]
    timestamps: list[int]
    keys: list[bytes | None]
    values: Sequence[bytes | None]
    headers: list[Headers]

    def __len__(self) -> int:
        return len(self.offsets)

    def extend(self, run: Run) -> None:
        """Append the records that come next."""
        self.offsets += run.offsets
        self.timestamps += run.timestamps
        self.keys += run.keys
        self.values = Pieces.of(self.values) + run.values
        self.headers += run.headers

    def take(self, rows: Sequence[int]) -> Run:
        """The records of these rows."""
        columns = (self.offsets, self.timestamps, self.keys, self.values, self.headers)
        return Run(self.partition, *([column[row] for row in rows] for column in columns))  # type: ignore[arg-type]

    def part(self, start: int, stop: int) -> Run:
        """Some of the records, by row."""
        columns = (self.offsets, self.timestamps, self.keys, self.values, self.headers)
        return Run(self.partition, *(column[start:stop] for column in columns))  # type: ignore[arg-type]


@dataclass(slots=True)
class Polled:
    """What one poll brought.

    `revoked` partitions are gone before `assigned` ones came; one may be in both, if meanwhile somebody else may have
    had it. `runs` are of partitions that are held after both. `lag` is in records, for all partitions that are held
    and whose end is known.
    """

    runs: list[Run] = field(default_factory=list)
    caught_up: frozenset[Partition] = frozenset()
    """Of these a successful answer in the last seconds said that nothing is left to read, and nothing came since."""
    finished: frozenset[Partition] = frozenset()
    """Nothing will ever come from these again: files read to their end and not followed."""
    assigned: tuple[Partition, ...] = ()
    revoked: tuple[Partition, ...] = ()
    gaps: list[Gap] = field(default_factory=list)
    controls: list[dict[str, Any]] = field(default_factory=list)
    """Control lines of a dump, in the order of reading; they stood before all `runs` of this poll."""
    lag: Mapping[Partition, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(map(len, self.runs))
