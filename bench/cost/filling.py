"""Topics on the broker with a shape's predictions and labels in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from kafka import KafkaProducer

from bench.cost.shape import Shape
from tests.broker import Cluster

PARTITIONS = 2


@dataclass(frozen=True, slots=True)
class Filled:
    """A topic of predictions and one of labels. `records` are Kafka's messages, `events` what is in them."""

    topics: tuple[str, str]
    records: int
    events: int
    mean_bytes: float


def fill(cluster: Cluster, shape: Shape, *, per_message: int = 1, compression: str | None = None) -> Filled:
    """Create both topics and send the shape's events, each record with the time of its (first) event."""
    names = []
    records = size = 0
    for kind, events in (("predictions", shape.predictions()), ("labels", shape.labels())):
        topic = cluster.new_topic(kind, PARTITIONS, **{"retention.ms": "-1"})
        sizes = _send(cluster.bootstrap, topic, _messages(events, per_message), compression)
        names.append(topic)
        records += len(sizes)
        size += sum(sizes) if kind == "predictions" else 0
    return Filled((names[0], names[1]), records, 2 * shape.events, size / shape.events)


def _messages(events: Iterable[tuple[int, bytes]], per_message: int) -> Iterator[tuple[int, bytes]]:
    """Events as messages, several to one as a JSON array."""
    if per_message == 1:
        yield from events
        return
    waiting: list[tuple[int, bytes]] = []
    for each in events:
        waiting.append(each)
        if len(waiting) == per_message:
            yield _array(waiting)
            waiting = []
    if waiting:
        yield _array(waiting)


def _array(waiting: list[tuple[int, bytes]]) -> tuple[int, bytes]:
    return waiting[0][0], b"[" + b",".join(message for _, message in waiting) + b"]"


def _send(bootstrap: str, topic: str, messages: Iterable[tuple[int, bytes]], compression: str | None) -> list[int]:
    """Send round robin over the partitions; returns the sizes."""
    options: dict[str, Any] = {"linger_ms": 50, "batch_size": 1 << 18, "compression_type": compression}
    producer = KafkaProducer(bootstrap_servers=bootstrap, **options)
    sizes = []
    try:
        for number, (ms, message) in enumerate(messages):
            producer.send(topic, value=message, partition=number % PARTITIONS, timestamp_ms=ms)
            sizes.append(len(message))
        producer.flush()
    finally:
        producer.close()
    return sizes
