"""A Kafka to talk to, whoever started it, and the few words that most tests say to it."""

import itertools
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from typing import Any, NamedTuple

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from daemon.kafka_client import opened
from daemon.sources.transports.joining import join_persistently

_GONE_S = 120.0
"""How long a topic may take to go."""


class Produced(NamedTuple):
    """Where a message ended up."""

    partition: int
    offset: int


class Cluster:
    """Reaches a broker at `bootstrap` ("host:port")."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap

    def admin(self) -> AbstractContextManager[Any]:
        """An admin client of kafka-python's, that is gone afterwards, its threads included."""
        return closing(opened(KafkaAdminClient, **self._reached()))

    @contextmanager
    def consumer(self, **settings: Any) -> Iterator[Any]:
        """A consumer that commits nothing, and is gone afterwards."""
        consumer = opened(KafkaConsumer, **self._reached(), enable_auto_commit=False, **settings)
        if "group_id" in settings:
            join_persistently(consumer)
        try:
            yield consumer
        finally:
            consumer.close(autocommit=False)

    @contextmanager
    def producer(self, **settings: Any) -> Iterator[Any]:
        """A producer, closed when everything is acknowledged, or by force if that can't be."""
        producer = opened(KafkaProducer, **self._reached(), **settings)
        try:
            yield producer
            producer.flush(timeout=60)
        finally:
            with suppress(KafkaError):
                producer.close(timeout=10)
            producer._sender.force_close()

    def create_topic(self, name: str, partitions: int = 1, **configs: str) -> str:
        """Create a topic and wait until every partition has a leader. Returns its name."""
        options = {"num_partitions": partitions, "replication_factor": 1, "configs": configs}
        with self.admin() as admin:
            admin.create_topics({name: options}, wait_for_metadata=True)
        return name

    def new_topic(self, stem: str = "topic", partitions: int = 1, **configs: str) -> str:
        """Create a topic that no other test has. Returns its name."""
        return self.create_topic(f"{stem}-{uuid.uuid4().hex[:10]}", partitions, **configs)

    def recreate_topic(self, name: str, **configs: str) -> None:
        """Delete a topic and make it again, of one partition. Raises `TimeoutError` if it is never gone."""
        with self.admin() as admin:
            admin.delete_topics([name])
            give_up = time.monotonic() + _GONE_S
            while name in admin.list_topics():
                if time.monotonic() > give_up:
                    raise TimeoutError(f"{name} is still there {_GONE_S:.0f} s after it was deleted")
                time.sleep(0.1)
        self.create_topic(name, 1, **configs)

    def delete_records(self, topic: str, before: int) -> None:
        """Delete the first partition's records below an offset, as retention would."""
        with self.admin() as admin:
            admin.delete_records({TopicPartition(topic, 0): before})

    def produce(
        self, topic: str, values: Iterable[bytes], *, partition: int | None = None, **settings: Any
    ) -> list[Produced]:
        """Send messages in order and wait for every acknowledgement; `settings` go to the producer."""
        with self.producer(**settings) as producer:
            sent = [producer.send(topic, value=value, partition=partition) for value in values]
            acknowledged = [future.get(timeout=30) for future in sent]
        return [Produced(record.partition, record.offset) for record in acknowledged]

    def consume(self, topic: str, count: int, seconds: float = 120) -> list[Any]:
        """Read a topic from its start, all partitions, until `count` records came. Returns the records.

        Raises `TimeoutError` when fewer came in that time.
        """
        records: list[Any] = []
        give_up = time.monotonic() + seconds
        with self.consumer() as consumer:
            _from_the_start(consumer, topic)
            while len(records) < count:
                if time.monotonic() > give_up:
                    raise TimeoutError(f"{len(records)} of {count} records came from {topic} in {seconds} s")
                records.extend(itertools.chain.from_iterable(consumer.poll(timeout_ms=200).values()))
        return records

    def _reached(self) -> dict[str, Any]:
        return {"bootstrap_servers": self.bootstrap, "bootstrap_timeout_ms": 30_000}

    def records(self, topic: str) -> list[Any]:
        """Everything in a topic up to its present end, partition by partition."""
        with self.consumer() as consumer:
            partitions = _from_the_start(consumer, topic)
            ends = consumer.end_offsets(partitions)
            found: dict[TopicPartition, list[Any]] = {partition: [] for partition in partitions}
            while any(consumer.position(partition) < ends[partition] for partition in partitions):
                for partition, records in consumer.poll(timeout_ms=500).items():
                    found[partition] += records
        return [record for partition in partitions for record in found[partition]]


def _from_the_start(consumer: Any, topic: str) -> list[TopicPartition]:
    """Let a consumer read all partitions of a topic from their beginning."""
    partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    return partitions
