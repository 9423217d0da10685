"""Dead letters on their way to the topics they came from: one that can't go holds up no other."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple

from kafka import KafkaProducer
from kafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from config.streams import Kafka
from daemon.dlq.letters import PassedOver
from daemon.dlq.replay import Replayed
from daemon.kafka_client import fatal, opened
from daemon.sinks.base import SinkError
from daemon.sources.base import SourceError

IN_FLIGHT = 1_000
ANSWER_S = 60.0
REQUIRED = {"acks": "all", "enable_idempotence": False, "max_in_flight_requests_per_connection": 1}
"""kafka-python's idempotent producer refuses everything after one message that the brokers refused. What a retry sends
twice counts once all the same, and one request at a time keeps the order."""
_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)


def send(kafka: Kafka, records: Iterable[Replayed], refused: PassedOver) -> int:
    """Send records to the topics they came from; returns how many were acknowledged.

    Of those that the producer or the brokers don't take is noted why. Raises `SinkError`, and `SourceError` where there
    are no more records to be had; both say how many were sent.
    """
    sending, cut_short = _Sending(kafka, refused), None
    try:
        try:
            for record in records:
                sending.take(record)
        except SourceError as error:
            cut_short = error
        sending.settle()
    except KafkaError as error:
        said = fatal(error) or str(error) or type(error).__name__
        raise SinkError(_so_far(sending.acknowledged, said)) from error
    finally:
        sending.close()
    if cut_short is not None:
        raise type(cut_short)(_so_far(sending.acknowledged, str(cut_short))) from cut_short
    return sending.acknowledged


class _Sent(NamedTuple):
    """A record on its way, and what comes of it."""

    record: Replayed
    future: Any


class _Sending:
    """Sends in order; knows what is not acknowledged yet. May raise `KafkaError` wherever it needs brokers."""

    def __init__(self, kafka: Kafka, refused: PassedOver) -> None:
        options = {"compression_type": "lz4", "linger_ms": 20, **kafka.client_options(), **kafka.producer}
        self._options = options | REQUIRED
        self._refused = refused
        self._producer: Any = None
        self._waiting: deque[_Sent] = deque()
        self.acknowledged = 0

    def take(self, record: Replayed) -> None:
        """Send one more; waits for those before it where they are many."""
        if len(self._waiting) >= IN_FLIGHT:
            self.settle()
        self._send(record)

    def settle(self) -> None:
        """Wait until everything is acknowledged, or refused for its size and noted."""
        while self._waiting:
            record, future = self._waiting[0]
            try:
                future.get(timeout=ANSWER_S)
                self.acknowledged += 1
            except _TOO_LARGE:
                said = f"{_size(record):,} bytes are more than the brokers take: raise max.message.bytes of topic "
                self._note(record, said + record.topic)
            self._waiting.popleft()

    def close(self) -> None:
        """Let go of the producer."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close(timeout=5)

    def _send(self, record: Replayed) -> None:
        """Hand a record to the producer under the timestamp that it had, so that it moves no clock.

        Where its partition is gone, the key decides. A header without a value leaves with an empty one: kafka-python
        has no other. What the producer doesn't take is noted.
        """
        if self._producer is None:
            self._producer = opened(KafkaProducer, **self._options)
        try:
            known = self._producer.partitions_for(record.topic) or ()
            future = self._producer.send(
                record.topic,
                value=record.value,
                key=record.key,
                headers=[(name, held or b"") for name, held in record.headers],
                partition=record.partition if record.partition in known else None,
                timestamp_ms=record.timestamp if record.timestamp >= 0 else None,
            )
        except (TypeError, ValueError, MessageSizeTooLargeError) as error:
            self._note(record, error)
        else:
            self._waiting.append(_Sent(record, future))

    def _note(self, record: Replayed, problem: object) -> None:
        self._refused.note(record.ref, problem, record.data)


def _size(record: Replayed) -> int:
    held = [record.key, record.value, *(value for _, value in record.headers)]
    return sum(map(len, filter(None, held))) + sum(len(name) for name, _ in record.headers)


def _so_far(count: int, said: str) -> str:
    return f"{count:,} were sent, then: {said}. Run the same command again: none will count twice"
