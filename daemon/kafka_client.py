"""What Vigil's Kafka source and sink have in common: opening a client, waiting between tries, telling errors apart."""

from __future__ import annotations

import time
from typing import Any

from kafka.errors import (
    AuthorizationError,
    FencedInstanceIdError,
    KafkaConfigurationError,
    KafkaError,
    SaslAuthenticationFailedError,
    UnsupportedCodecError,
)
from kafka.net.compat import KafkaNetClient

BOOTSTRAP_MS = 3_000


class Backoff:
    """When to try again: 0.5 s after the first failure, twice as long after each further one, at most 30 s."""

    def __init__(self, first_s: float = 0.5, longest_s: float = 30.0) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self.succeeded()

    def succeeded(self) -> None:
        """Forget the failures."""
        self._next_s, self._at = self._first_s, 0.0

    def failed(self) -> None:
        """Wait longer."""
        self._at = time.monotonic() + self._next_s
        self._next_s = min(2 * self._next_s, self._longest_s)

    @property
    def remaining_s(self) -> float:
        """Seconds until the next try, 0 if it is due."""
        return max(0.0, self._at - time.monotonic())

    @property
    def due(self) -> bool:
        """Whether to try now."""
        return self.remaining_s == 0.0


def opened(client: Any, **options: Any) -> Any:
    """A kafka-python consumer, producer or admin client. Raises `KafkaError`, leaving no thread behind.

    Its constructor waits for a broker, on an IO thread that would outlive a failure; hence the factory.
    """
    made: list[Any] = []

    def make(**given: Any) -> Any:
        made.append(KafkaNetClient(**given))
        return made[-1]

    try:
        return client(**{"bootstrap_timeout_ms": BOOTSTRAP_MS, **options, "kafka_client": make})
    except BaseException as error:
        for each in made:
            each.close()
        if isinstance(error, (ValueError, TypeError, RuntimeError, AssertionError)):
            raise KafkaConfigurationError(str(error)) from error
        raise


def fatal(error: KafkaError) -> str | None:
    """What to do about an error that waiting can't heal; None for one that may heal."""
    said = str(error)
    if isinstance(error, SaslAuthenticationFailedError):
        return f"the brokers refuse the credentials ({said}): check kafka.security"
    if isinstance(error, AuthorizationError):
        return f"not allowed ({said}): give Vigil's user the right to read its topics and group"
    if isinstance(error, KafkaConfigurationError):
        return f"an option is not accepted ({said}): check kafka.security, kafka.consumer and kafka.producer"
    if isinstance(error, UnsupportedCodecError):
        return f"a topic is compressed in a way that is not installed ({said})"
    if isinstance(error, FencedInstanceIdError):
        return "another process took this one's place in the consumer group: run one Vigil per state and group"
    return None
