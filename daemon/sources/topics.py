"""What the brokers say about topics: whether they are there, under which id, and which offsets they hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from kafka import KafkaAdminClient
from kafka.errors import UnknownTopicOrPartitionError

from daemon.kafka_client import opened
from daemon.records import Partition, Position
from daemon.sources.group import ours, theirs
from daemon.sources.resumption import Extent

ANSWER_MS = 5_000
"""How long to wait for what everything else waits for."""
NO_ID = str(UUID(int=0))


def described(topics: Sequence[str], client_options: Mapping[str, Any]) -> dict[str, str | None]:
    """The id of each topic by name, "" where the brokers have no ids; None for a topic that isn't there.

    Asks with a connection of its own: the consumer's metadata may be minutes old. Raises `KafkaError`.
    """
    admin = opened(KafkaAdminClient, **client_options, request_timeout_ms=ANSWER_MS)
    try:
        return {each["name"]: _topic_id(each) for each in admin.describe_topics(list(topics))}
    finally:
        admin.close()


def extents(consumer: Any, partitions: Iterable[Partition], ids: Mapping[str, str | None]) -> dict[Partition, Extent]:
    """What the brokers have of each partition; without those that are gone. Raises `KafkaError`."""
    asked = [theirs(each) for each in partitions if ids.get(each.topic) is not None]
    begins = consumer.beginning_offsets(asked, timeout_ms=ANSWER_MS)
    ends = consumer.end_offsets(asked, timeout_ms=ANSWER_MS)
    return {
        ours(each): Extent(begins[each], ends[each], ids[each.topic] or "")
        for each in asked
        if each in begins and each in ends
    }


def recreated(consumer: Any, positions: Mapping[Partition, Position]) -> set[Partition]:
    """Partitions whose topic has another id in the consumer's latest metadata than when they were settled."""
    topics = {each.topic for each in positions}
    found = {topic: consumer._cluster.topic_id(topic) for topic in topics}  # noqa: SLF001 - there is no public way
    ids = {topic: str(each) for topic, each in found.items() if each is not None and each.int}
    return {each for each, at in positions.items() if at.topic_id and ids.get(each.topic, at.topic_id) != at.topic_id}


def _topic_id(described: Mapping[str, Any]) -> str | None:
    if described["error_code"] == UnknownTopicOrPartitionError.errno:
        return None
    found = str(described.get("topic_id") or NO_ID)
    return "" if found == NO_ID else found
