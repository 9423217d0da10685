"""What the yardstick and the naive loop have in common: a bare kafka-python consumer from the topics' beginnings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from bench.cost.marks import Marks
from daemon.sources.transports.kafka_python import DEFAULTS

MAX_RECORDS = 8_192
"""What a poll hands over at most: the same as in Vigil's loop."""


def batches(bootstrap: str, topics: Sequence[str], marks: Marks) -> Iterator[list[Any]]:
    """The records of the topics with Vigil's own fetch settings, until `marks` has them all."""
    options = {**DEFAULTS, "enable_auto_commit": False, "isolation_level": "read_committed"}
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, **options)
    try:
        partitions = [
            TopicPartition(topic, number)
            for topic in topics
            for number in sorted(consumer.partitions_for_topic(topic) or ())
        ]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        poll = marks.stages.timed("poll", consumer.poll)
        while not marks.complete:
            found = [records for records in poll(timeout_ms=500, max_records=MAX_RECORDS).values() if records]
            marks.count(sum(map(len, found)))
            yield from found
    finally:
        consumer.close(autocommit=False)
