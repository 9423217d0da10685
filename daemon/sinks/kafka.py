"""A Kafka topic: acknowledged by all replicas, in order, retried by the client; what is too large is shortened."""

from __future__ import annotations

import time
from base64 import b64encode
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import orjson
import structlog
from kafka import KafkaProducer
from kafka.errors import (
    KafkaConfigurationError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)

from config.streams import KafkaSink as KafkaSettings
from daemon.envelopes import LARGEST_VALUE, shortened
from daemon.kafka_client import fatal, lacks, opened
from daemon.sinks.base import Message, Sink, SinkError, Surroundings

log = structlog.get_logger(__name__)

DEFAULTS = {
    "compression_type": "lz4",
    "linger_ms": 20,
    "batch_size": 1 << 17,
    "max_block_ms": 2_000,
    "bootstrap_timeout_ms": 1_000,
}
"""Ours instead of kafka-python's; `kafka.producer` overrides them. Each batch wakes the producer's thread, and the
readings of a window come in hundreds: hence large batches. The blocking times are what a broker that is away may hold
the loop up for."""
REQUIRED = {"acks": "all", "enable_idempotence": True}
CUTS = (LARGEST_VALUE, 4 * 2**10, 0)
"""Bytes of its value that a message keeps which was too large once, twice, three times."""
LONGEST_KEY = 1_024
"""Bytes of a key that a shortened message keeps which is no dead letter."""
_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)


class _Sent(NamedTuple):
    """A message on its way, as it was before it was shortened, and how often it was."""

    message: Message
    shortened: int
    future: Any


def missing(options: Mapping[str, Any], topics: Iterable[str]) -> list[str]:
    """Those of the topics that brokers neither have nor make when a producer asks for them. Raises `KafkaError`."""
    producer, found = _producer({**options, "max_block_ms": DEFAULTS["max_block_ms"]}), []
    try:
        for topic in topics:
            asked = time.monotonic()
            try:
                producer.partitions_for(topic)
            except KafkaTimeoutError:
                if not lacks(producer, topic, asked):
                    raise
                found.append(topic)
            except TopicAuthorizationFailedError:
                continue  # whoever may not ask may still be let write, or is told so then
    finally:
        _close(producer)
    return found


def _producer(options: Mapping[str, Any]) -> Any:
    return opened(KafkaProducer, **{**DEFAULTS, **options, **REQUIRED})


def _close(producer: Any) -> None:
    try:
        producer.close(timeout=0)
    except KafkaError:
        producer._sender.force_close()  # noqa: SLF001 - its close gives up halfway where its flush does


class KafkaSink(Sink):
    """Sends to one topic; a producer of its own, so that no queue waits in another's buffer."""

    name = "kafka"
    Settings = KafkaSettings

    def __init__(self, settings: KafkaSettings, surroundings: Surroundings) -> None:
        self._topic: str = settings.topic
        self._options = surroundings.kafka
        self._producer: Any = None
        self._waiting: deque[Message] = deque()
        self._sent: deque[_Sent] = deque()
        self.replaced = 0
        """Messages that were too large and left shortened."""

    def send(self, messages: Sequence[Message]) -> None:
        self._waiting += messages

    def flush(self, max_wait_s: float) -> int:
        asked = time.monotonic()
        give_up = asked + max_wait_s
        try:
            if self._waiting and self._producer is None:
                self._producer = _producer(self._options)
            while self._waiting:
                self._sent.append(self._on_its_way(self._waiting[0]))
                self._waiting.popleft()
            return self._acknowledged(give_up)
        except KafkaError as error:
            said = fatal(error) or str(error) or type(error).__name__
            if isinstance(error, KafkaTimeoutError) and self._producer and lacks(self._producer, self._topic, asked):
                said = "it is not on the brokers: create it"
            self._forget()
            raise SinkError(f"topic {self._topic}: {said}") from error

    def close(self) -> None:
        self._forget()

    def _acknowledged(self, give_up: float) -> int:
        """Messages acknowledged in order; shortens those that turn out too large. Raises `KafkaError`."""
        count = 0
        while self._sent:
            first = self._sent[0]
            if not first.future.is_done:
                _wait(first.future, give_up)
            if not first.future.is_done:
                break
            if isinstance(first.future.exception, _TOO_LARGE):
                self._start_over()
                continue
            if first.future.failed():
                raise first.future.exception
            self._sent.popleft()
            count += 1
        return count

    def _start_over(self) -> None:
        """Send what is unacknowledged with another producer, the first one shortened.

        kafka-python's idempotent producer refuses everything after one message that the brokers refused.
        """
        first, *rest = self._sent
        self._close_producer()
        self._producer = _producer(self._options)
        self._sent = deque([self._on_its_way(first.message, first.shortened + 1)])
        self._sent += [each if each.future.succeeded() else self._on_its_way(*each[:2]) for each in rest]

    def _on_its_way(self, message: Message, times: int = 0) -> _Sent:
        """Hand a message to the producer, shortened so many times; once more if the producer itself refuses it."""
        key, value, headers = self._shorter(message, times) if times else message
        value = b"" if key is None and value is None else value
        try:
            return _Sent(message, times, self._producer.send(self._topic, value, key, list(headers)))
        except _TOO_LARGE:
            return self._on_its_way(message, times + 1)

    def _shorter(self, message: Message, times: int) -> Message:
        """The message without what makes it large: the first 64 KiB of its value, then less, then nothing of it.

        The same for the same message, so that it is equal when it is sent again.
        """
        if times > len(CUTS):
            least = _cut(message, CUTS[-1]).size
            raise KafkaConfigurationError(f"it does not even take {least} bytes: raise max.message.bytes")
        self.replaced += times == 1
        log.warning("message too large for the brokers, shortened", topic=self._topic, bytes=message.size)
        return _cut(message, CUTS[times - 1])

    def _forget(self) -> None:
        self._waiting.clear()
        self._sent.clear()
        self._close_producer()

    def _close_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            _close(producer)


def _cut(message: Message, most: int) -> Message:
    """The message with at most `most` bytes of what it carries; a dead letter stays one."""
    try:
        return shortened(message, most)
    except ValueError:
        return _stub(message, most)


def _stub(message: Message, most: int) -> Message:
    """What a message was: size, hash, and as much of its value as `most` bytes."""
    value = message.value or b""
    body = {
        "reason": "too_large",
        "size": len(value),
        "sha256": sha256(value).hexdigest(),
        "value_b64": b64encode(value[:most]).decode(),
    }
    key = message.key if message.key is not None and len(message.key) <= LONGEST_KEY else None
    return Message(key, orjson.dumps(body))


def _wait(future: Any, give_up: float) -> None:
    try:
        future.get(timeout=max(0.0, give_up - time.monotonic()))
    except KafkaError:
        return
