"""A Kafka topic: acknowledged by all replicas, in order, retried by the client; what is too large is shortened."""

from __future__ import annotations

import time
from base64 import b64encode
from collections import deque
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import orjson
import structlog
from kafka import KafkaProducer
from kafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from config.streams import KafkaSink as KafkaSettings
from daemon.envelopes import LARGEST_VALUE, shortened
from daemon.kafka_client import fatal, opened
from daemon.sinks.base import Message, Sink, SinkError, Surroundings

log = structlog.get_logger(__name__)

DEFAULTS = {"compression_type": "lz4", "linger_ms": 5, "max_block_ms": 2_000, "bootstrap_timeout_ms": 1_000}
"""Ours instead of kafka-python's; `kafka.producer` overrides them. The blocking ones are what a broker that is away
may hold the loop up for."""
REQUIRED = {"acks": "all", "enable_idempotence": True}
_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)


class KafkaSink(Sink):
    """Sends to one topic; a producer of its own, so that no queue waits in another's buffer."""

    name = "kafka"
    Settings = KafkaSettings

    def __init__(self, settings: KafkaSettings, surroundings: Surroundings) -> None:
        self._topic: str = settings.topic
        self._options = {**DEFAULTS, **surroundings.kafka, **REQUIRED}
        self._producer: Any = None
        self._waiting: deque[Message] = deque()
        self._sent: deque[tuple[Message, Any]] = deque()
        self.replaced = 0
        """Messages that were too large and left shortened."""

    def send(self, messages: Sequence[Message]) -> None:
        self._waiting += messages

    def flush(self, max_wait_s: float) -> int:
        give_up = time.monotonic() + max_wait_s
        try:
            if self._waiting and self._producer is None:
                self._producer = opened(KafkaProducer, **self._options)
            while self._waiting:
                self._sent.append(self._on_its_way(self._waiting[0]))
                self._waiting.popleft()
            return self._acknowledged(give_up)
        except KafkaError as error:
            self._forget()
            said = fatal(error) or str(error) or type(error).__name__
            raise SinkError(f"topic {self._topic}: {said}") from error

    def close(self) -> None:
        self._forget()

    def _acknowledged(self, give_up: float) -> int:
        """Messages acknowledged in order; shortens those that turn out too large. Raises `KafkaError`."""
        count = 0
        while self._sent:
            message, future = self._sent[0]
            if not future.is_done:
                _wait(future, give_up)
            if not future.is_done:
                break
            if isinstance(future.exception, _TOO_LARGE):
                self._sent[0] = self._on_its_way(self._shorter(message))
                continue
            if future.failed():
                raise future.exception
            self._sent.popleft()
            count += 1
        return count

    def _on_its_way(self, message: Message) -> tuple[Message, Any]:
        try:
            headers = list(message.headers)
            value = b"" if message.key is None and message.value is None else message.value
            return message, self._producer.send(self._topic, value=value, key=message.key, headers=headers)
        except _TOO_LARGE:
            return self._on_its_way(self._shorter(message))

    def _shorter(self, message: Message) -> Message:
        """The message without what makes it large. The same for the same message, so that sent again it is equal."""
        self.replaced += 1
        log.warning("message too large for the brokers, shortened", topic=self._topic, bytes=message.size)
        try:
            shorter = shortened(message)
        except ValueError:
            shorter = _stub(message, LARGEST_VALUE)
        return shorter if shorter.size < message.size else _stub(message, 0)

    def _forget(self) -> None:
        self._waiting.clear()
        self._sent.clear()
        if self._producer is not None:
            try:
                self._producer.close(timeout=0)
            except KafkaError as error:
                log.debug("producer not closed cleanly", error=str(error))
            self._producer = None


def _stub(message: Message, most: int) -> Message:
    value = message.value or b""
    body = {
        "reason": "too_large",
        "size": len(value),
        "sha256": sha256(value).hexdigest(),
        "value_b64": b64encode(value[:most]).decode(),
    }
    key = message.key if message.key is not None and len(message.key) <= LARGEST_VALUE else None
    return Message(key, orjson.dumps(body))


def _wait(future: Any, give_up: float) -> None:
    try:
        future.get(timeout=max(0.0, give_up - time.monotonic()))
    except KafkaError:
        return
