"""What the Kafka source asks of a client library: a connection, fetched records, and what a group decided.

Where to go on, what is missing and what is evidence of an end is decided above it, in `daemon.sources.kafka`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from config.streams import Kafka
from daemon.records import Partition, Position, Run
from daemon.sources.resumption import Extent


class Trouble(Exception):
    """The brokers can't be asked or don't answer well; it may heal, so it is tried again."""


class OutOfRange(Exception):
    """The brokers don't have the offsets that were asked for in these partitions."""

    def __init__(self, partitions: Iterable[Partition]) -> None:
        super().__init__("offsets out of range")
        self.partitions = frozenset(partitions)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a consumer group decided: all partitions that are ours now, and those lost since the last decision.

    What was taken away and given back without being lost stayed ours meanwhile.
    """

    mine: frozenset[Partition]
    lost: frozenset[Partition]


@dataclass(frozen=True, slots=True)
class End:
    """Where a partition ends: what may be read now, and what is written, open transactions included."""

    readable: int
    written: int


class Transport(ABC):
    """A consumer of some topics in a group. One thread calls all.

    Every method may raise `Trouble` where it needs brokers, and `SourceError` for what waiting can't heal. After a
    decision of the group its partitions stand paused at no offset in particular, until the source has sought and
    resumed them.
    """

    name: ClassVar[str]
    poll_interval: ClassVar[str]
    """Its consumer's option for how long the group waits for the next fetch, in milliseconds."""

    @abstractmethod
    def __init__(self, settings: Kafka, instance: str) -> None:
        """Connects nowhere yet. `instance` is the name under which the group knows this member again, "" for none."""

    @property
    @abstractmethod
    def connected(self) -> bool:
        """Whether `connect` succeeded."""

    @abstractmethod
    def topic_ids(self, also: Collection[str] = ()) -> dict[str, str | None]:
        """The id of each topic, "" where the brokers have no ids; None for one that isn't there. Asks anew.

        Those of other topics, `also`, are "" where nobody may ask for them, either.
        """

    @abstractmethod
    def others(self) -> list[str]:
        """Other live members of the group, each by its instance or client and where it is."""

    @abstractmethod
    def connect(self) -> None:
        """Join the group."""

    @abstractmethod
    def fetch(self, max_wait_s: float, most: int) -> list[Run]:
        """Records of running partitions, in order and none empty; more than `most` if they are fetched already.

        Raises `OutOfRange`.
        """

    @abstractmethod
    def decisions(self) -> Iterator[Decision]:
        """What the group decided since the last call."""

    @abstractmethod
    def start(self, offsets: Mapping[Partition, int], running: Collection[Partition]) -> None:
        """Go on at these offsets; those of `running` at once, the others when they are resumed."""

    @abstractmethod
    def pause(self, partitions: Collection[Partition]) -> None:
        """Fetch nothing more of these. What was fetched already may still come."""

    @abstractmethod
    def resume(self, partitions: Collection[Partition]) -> None:
        """Go on with these where they were paused."""

    @abstractmethod
    def reached(self, partition: Partition) -> int:
        """How far fetches that were handed out went: past what holds no record to read. 0 if that isn't known."""

    @abstractmethod
    def ends(self, partitions: Iterable[Partition]) -> dict[Partition, End]:
        """Where partitions end, as the brokers say now; without those that they don't know."""

    @abstractmethod
    def extents(self, partitions: Iterable[Partition]) -> dict[Partition, Extent]:
        """What the brokers have of each partition, and under which id; without those that are gone."""

    @abstractmethod
    def committed(self, partition: Partition) -> int | None:
        """The group's offset, for lag tools; None if it has none."""

    @abstractmethod
    def tell(self, positions: Mapping[Partition, Position]) -> None:
        """Tell the group these offsets, without waiting. Never raises."""

    @abstractmethod
    def close(self) -> None:
        """Let go of everything; wait a moment for what was told last. Never raises."""
