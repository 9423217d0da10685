"""What is in the topics, read by a consumer of the harness's own: nothing of Vigil's source, commits or recovery."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kafka import KafkaConsumer, TopicPartition


class Reader:
    """Reads all partitions of topics from the beginning on, committed records only, each once."""

    def __init__(self, bootstrap: str, topics: Mapping[str, int]) -> None:
        """`topics` are names with their number of partitions."""
        self._consumer = KafkaConsumer(
            bootstrap_servers=bootstrap,
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            reconnect_backoff_max_ms=500,
            fetch_max_wait_ms=100,
        )
        self._partitions = [TopicPartition(name, number) for name, count in topics.items() for number in range(count)]
        self._consumer.assign(self._partitions)
        self._consumer.seek_to_beginning(*self._partitions)

    def new(self) -> Iterator[Any]:
        """The records since the last call, up to where the topics end now."""
        ends = self.ends()
        while any(self._consumer.position(each) < end for each, end in ends.items()):
            for records in self._consumer.poll(timeout_ms=500).values():
                yield from records

    def ends(self) -> dict[TopicPartition, int]:
        """Where the topics end."""
        return dict(self._consumer.end_offsets(self._partitions))

    def close(self) -> None:
        """Let go of the connection."""
        self._consumer.close(autocommit=False)


class Told:
    """The offsets that a consumer group has committed. Asks without becoming a member."""

    def __init__(self, bootstrap: str, group: str, topic: str, partitions: int) -> None:
        self._consumer = KafkaConsumer(
            bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False, reconnect_backoff_max_ms=500
        )
        self._partitions = [TopicPartition(topic, number) for number in range(partitions)]

    def offsets(self) -> dict[int, int]:
        """By partition; without those of which nothing was committed."""
        found = {each.partition: self._consumer.committed(each) for each in self._partitions}
        return {number: offset for number, offset in found.items() if offset is not None}

    def close(self) -> None:
        """Let go of the connection."""
        self._consumer.close(autocommit=False)
