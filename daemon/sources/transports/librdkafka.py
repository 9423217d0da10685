"""What librdkafka is told when a client is opened, and what its errors and its log mean."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import confluent_kafka as ck

from config.streams import Kafka
from daemon.kafka_client import secrets_of, without
from daemon.rate_limited import RateLimited
from daemon.sources.base import SourceError
from daemon.sources.transports.base import Trouble

DEFAULTS = {
    "fetch.wait.max.ms": 250,
    "fetch.queue.backoff.ms": 10,  # the queue below is full whenever we lag, and then a second is long
    "queued.max.messages.kbytes": 16_384,
    "topic.metadata.refresh.interval.ms": 30_000,
    "session.timeout.ms": 10_000,
    "check.crcs": True,
    "log.connection.close": False,
}
"""Ours instead of librdkafka's; `kafka.consumer` overrides them. New partitions are noticed with the metadata."""
REQUIRED = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
    "auto.offset.reset": "error",
    "isolation.level": "read_committed",
    "allow.auto.create.topics": False,
    "group.protocol": "classic",
    "partition.assignment.strategy": "range,roundrobin",
}
CONNECT_MS = 3_000
_REFUSED = {ck.KafkaError._AUTHENTICATION, ck.KafkaError.SASL_AUTHENTICATION_FAILED}  # noqa: SLF001 - public, so named
_FORBIDDEN = {
    ck.KafkaError.TOPIC_AUTHORIZATION_FAILED,
    ck.KafkaError.GROUP_AUTHORIZATION_FAILED,
    ck.KafkaError.CLUSTER_AUTHORIZATION_FAILED,
}
_OPTION = {ck.KafkaError._INVALID_ARG, ck.KafkaError._UNKNOWN_PROTOCOL, ck.KafkaError._NOT_IMPLEMENTED}  # noqa: SLF001
_FENCED = {ck.KafkaError.FENCED_INSTANCE_ID, ck.KafkaError._FATAL}  # noqa: SLF001 - public, so named
"""librdkafka has two fatal errors for consumers: this one, and a group protocol that it does not know."""


class _Spoken(RateLimited):
    """librdkafka's log without secrets, and each line once in a while: it says at each of many tries what is wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.secrets: frozenset[str] = frozenset()
        """Values of options that no line may repeat."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is said now; without secrets in any case."""
        record.msg, record.args = without(self.secrets, record.getMessage()), ()
        return super().filter(record)


LOG = logging.getLogger("librdkafka")
_spoken = _Spoken()
LOG.addFilter(_spoken)


def opened(client: Any, options: Mapping[str, Any]) -> Any:
    """A consumer or admin client. Raises `SourceError` on options that it doesn't take, without their values."""
    _spoken.secrets |= secrets_of(options)
    try:
        return client(dict(options))
    except ck.KafkaException as error:
        raise translation(error.args[0]) from None
    except (TypeError, ValueError) as error:
        raise SourceError(_not_accepted(without(_spoken.secrets, str(error)))) from None


def client_options(settings: Kafka, on_error: Callable[[Any], None]) -> dict[str, Any]:
    """What every client of a cluster is opened with. Raises `SourceError` where the password can't be read."""
    security = settings.security
    try:
        password = security.read_password()
    except OSError as error:
        raise SourceError(f"kafka.security: {error.filename}: {error.strerror}") from error
    options = {
        "bootstrap.servers": ",".join(settings.brokers),
        "client.id": settings.client_id,
        "security.protocol": security.protocol,
        "ssl.ca.location": security.ca_file and str(security.ca_file),
        "ssl.certificate.location": security.cert_file and str(security.cert_file),
        "ssl.key.location": security.key_file and str(security.key_file),
        "ssl.key.password": security.key_password and security.key_password.get_secret_value(),
        "ssl.endpoint.identification.algorithm": "https" if security.check_hostname else "none",
        "sasl.mechanism": security.mechanism,
        "sasl.username": security.username,
        "sasl.password": password and password.get_secret_value(),
        "socket.connection.setup.timeout.ms": CONNECT_MS,
        "reconnect.backoff.max.ms": 2_000,
        "error_cb": on_error,
        "logger": LOG,
    }
    return {name: value for name, value in options.items() if value is not None}


def fenced(error: Any) -> bool:
    """Whether the client is of no use any more: another member has its place in the group."""
    return error.code() in _FENCED or bool(error.fatal())


def translation(error: Any) -> Exception:
    """An error of librdkafka's as the source knows it, with what to do if waiting can't heal it."""
    said = without(_spoken.secrets, error.str())
    if error.code() in _REFUSED:
        return SourceError(f"kafka: the brokers refuse the credentials ({said}): check kafka.security")
    if error.code() in _FORBIDDEN:
        return SourceError(f"kafka: not allowed ({said}): give Vigil's user the right to read its topics and group")
    if error.code() in _OPTION:
        return SourceError(_not_accepted(said))
    if fenced(error):
        return SourceError(
            f"kafka: another process took this one's place in the consumer group ({said}): "
            "run one Vigil per state and group"
        )
    return Trouble(said)


def _not_accepted(said: str) -> str:
    return f"kafka: an option is not accepted ({said}): check kafka.security and kafka.consumer"
