"""A Kafka to talk to, whoever started it, and the few words that most tests say to it."""

import itertools
import time
import uuid
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition


class Produced(NamedTuple):
    """Where a message ended up."""

    partition: int
    offset: int


class Cluster:
    """Reaches a broker at `bootstrap` ("host:port")."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap

    def create_topic(self, name: str, partitions: int = 1, **configs: str) -> str:
        """Create a topic and wait until every partition has a leader. Returns its name."""
        options = {"num_partitions": partitions, "replication_factor": 1, "configs": configs}
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        try:
            admin.create_topics({name: options}, wait_for_metadata=True)
        finally:
            admin.close()
        return name

    def new_topic(self, stem: str = "topic", partitions: int = 1, **configs: str) -> str:
        """Create a topic that no other test has. Returns its name."""
        return self.create_topic(f"{stem}-{uuid.uuid4().hex[:10]}", partitions, **configs)

    def produce(
        self, topic: str, values: Iterable[bytes], *, partition: int | None = None, **settings: Any
    ) -> list[Produced]:
        """Send messages in order and wait for every acknowledgement; `settings` go to the producer."""
        producer = KafkaProducer(bootstrap_servers=self.bootstrap, **settings)
        try:
            sent = [producer.send(topic, value=value, partition=partition) for value in values]
            acknowledged = [future.get(timeout=30) for future in sent]
        finally:
            producer.close(timeout=30)
        return [Produced(record.partition, record.offset) for record in acknowledged]

    def consume(self, topic: str, count: int, seconds: float = 30) -> list[Any]:
        """Read a topic from its start, all partitions, until `count` records came. Returns the records.

        Raises `TimeoutError` when fewer came in that time.
        """
        consumer = KafkaConsumer(bootstrap_servers=self.bootstrap, enable_auto_commit=False)
        records: list[Any] = []
        give_up = time.monotonic() + seconds
        try:
            partitions: Sequence[TopicPartition] = [
                TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())
            ]
            consumer.assign(partitions)
            consumer.seek_to_beginning(*partitions)
            while len(records) < count:
                if time.monotonic() > give_up:
                    raise TimeoutError(f"{len(records)} of {count} records came from {topic} in {seconds} s")
                records.extend(itertools.chain.from_iterable(consumer.poll(timeout_ms=200).values()))
        finally:
            consumer.close(autocommit=False)
        return records
