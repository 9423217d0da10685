"""What Vigil's Kafka source and sink have in common: opening a client, telling errors apart."""

from __future__ import annotations

from collections.abc import Mapping
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

from config.environment import FromEnvironment
from config.streams import SECRET_NAME

BOOTSTRAP_MS = 3_000


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
        if isinstance(error, (ValueError, TypeError, RuntimeError, AssertionError, KafkaConfigurationError)):
            raise KafkaConfigurationError(_without_secrets(str(error), options)) from None
        raise


def _without_secrets(message: str, options: Mapping[str, Any]) -> str:
    """The client's complaint about options, which repeats their values."""
    for name, value in options.items():
        if isinstance(value, str) and value and (isinstance(value, FromEnvironment) or SECRET_NAME.search(name)):
            message = message.replace(value, "***")
    return message


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
