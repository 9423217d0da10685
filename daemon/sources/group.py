"""What a consumer group decided, noted on kafka-python's IO thread for the thread that polls."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Any

from kafka import ConsumerRebalanceListener, TopicPartition

from daemon.records import Partition


class Decisions(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python has no types
    """Listens to rebalances. kafka-python calls it on its IO thread while the polling thread waits inside `poll`.

    It does the least there: partitions stand paused, at an offset that means nothing, until the polling thread has
    found where to go on. The eager protocol of the default assignors takes all partitions away and deals anew, so
    what is assigned is always everything; what was revoked without being lost stayed ours meanwhile.
    """

    def __init__(self) -> None:
        self.consumer: Any = None
        self._noted: deque[tuple[frozenset[Partition], frozenset[Partition]]] = deque()
        self._lost: frozenset[Partition] = frozenset()

    def on_partitions_revoked(self, revoked: AbstractSet[TopicPartition]) -> None:
        """Nothing: what this means is known when the new assignment is."""

    def on_partitions_lost(self, lost: AbstractSet[TopicPartition]) -> None:
        self._lost |= {ours(each) for each in lost}

    def on_partitions_assigned(self, assigned: AbstractSet[TopicPartition]) -> None:
        self.consumer.pause(*assigned)
        for each in assigned:
            self.consumer.seek(each, 0)
        self._noted.append((frozenset(ours(each) for each in assigned), self._lost))
        self._lost = frozenset()

    def taken(self) -> Iterator[tuple[frozenset[Partition], frozenset[Partition]]]:
        """Each decision since the last call: all partitions that are ours now, and those lost in between."""
        while self._noted:
            yield self._noted.popleft()


def ours(topic_partition: TopicPartition) -> Partition:
    """kafka-python's partition as Vigil's."""
    return Partition(topic_partition.topic, topic_partition.partition)


def theirs(partition: Partition) -> TopicPartition:
    """Vigil's partition as kafka-python's."""
    return TopicPartition(partition.topic, partition.number)
