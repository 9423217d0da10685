"""What Vigil's Kafka source and sink have in common: opening a client, telling errors apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from kafka.errors import (
    AuthorizationError,
    FencedInstanceIdError,
    KafkaConfigurationError,
    KafkaError,
    SaslAuthenticationFailedError,
    UnsupportedCodecError,
)
from kafka.net.compat import KafkaNetClient
from kafka.net.connection import KafkaConnection
from kafka.net.transport import KafkaSSLTransport, KafkaTCPTransport
from kafka.protocol.frame import KafkaBytes

from config.environment import FromEnvironment
from config.section import SECRET_NAME

BOOTSTRAP_MS = 3_000
_PIECE = 2**18
"""Bytes that are read from a connection at a time."""


def _with_last_words(transport: Any) -> None:
    """Make a transport hand on what came together with the end of its connection.

    kafka-python 3.0.12 throws it away. A broker that refuses credentials says so and hangs up at once, so the refusal
    looked like a broker that is not there, and was tried again for ever.
    """
    receive = transport._sock_recv  # noqa: SLF001 - there is no public way

    def received(self: Any) -> tuple[bytes, Exception | None]:
        data, error = receive(self)
        return (data, None) if data else (data, error)  # the end is still there when it is read again

    transport._sock_recv = received  # noqa: SLF001


def _remembering_refusals(connection: Any) -> None:
    """Make a connection leave behind that its credentials were refused; kafka-python 3.0.12 just tries again."""
    authenticate = connection._sasl_authenticate  # noqa: SLF001 - there is no public way

    async def authenticated(self: Any, timeout_at: float | None = None) -> None:
        try:
            await authenticate(self, timeout_at)
        except SaslAuthenticationFailedError as error:
            _refusals[self.net] = error
            raise

    connection._sasl_authenticate = authenticated  # noqa: SLF001


def _reading_much_at_once(transport: Any) -> None:
    """Make a transport take what there is in large pieces; kafka-python 3.0.12 asks for 4 KiB at a time.

    Each piece gives the interpreter's lock away and waits to get it back from a loop that is busy.
    """
    receive = transport._sock_recv  # noqa: SLF001 - there is no public way

    def received(self: Any) -> tuple[bytes, Exception | None]:
        try:
            data = self._sock.recv(_PIECE)
        except Exception:  # noqa: BLE001 - meets the library when it reads
            data = b""
        return (data, None) if data else receive(self)

    transport._sock_recv = received  # noqa: SLF001


def _reading_whole(frame: Any) -> None:
    """Make an answer one copy of what was received; kafka-python 3.0.12 makes two."""

    def read(self: Any, size: int | None = None) -> bytes:
        start = self._idx
        self._idx = len(self) if size is None else min(start + size, len(self))
        with memoryview(self) as whole:
            return bytes(whole[start : self._idx])

    frame.read = read


_refusals: WeakKeyDictionary[Any, KafkaError] = WeakKeyDictionary()
"""By the loop of the client that was refused."""
_remembering_refusals(KafkaConnection)
for _transport in (KafkaTCPTransport, KafkaSSLTransport):
    _with_last_words(_transport)
_reading_much_at_once(KafkaTCPTransport)
_reading_whole(KafkaBytes)


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
            if refusal := _refusals.get(each._manager._net):  # noqa: SLF001 - there is no public way
                raise refusal from error
        if isinstance(error, (ValueError, TypeError, RuntimeError, AssertionError, KafkaConfigurationError)):
            raise KafkaConfigurationError(without(secrets_of(options), str(error))) from None
        raise


def lacks(producer: Any, topic: str, since: float) -> bool:
    """Whether the brokers have answered a producer since then (by the monotonic clock), and have no such topic."""
    known = producer._metadata  # noqa: SLF001 - there is no public way
    return known._last_successful_refresh_ms > since * 1_000 and known.partitions_for_topic(topic) is None  # noqa: SLF001


def secrets_of(options: Mapping[str, Any]) -> frozenset[str]:
    """Values of a client's options that are nobody's business: from the environment, or under the name of a secret."""
    return frozenset(
        value
        for name, value in options.items()
        if isinstance(value, str) and value and (isinstance(value, FromEnvironment) or SECRET_NAME.search(name))
    )


def without(secrets: Iterable[str], message: str) -> str:
    """What a client library says, which repeats values of options, without these."""
    for secret in sorted(secrets, key=len, reverse=True):
        message = message.replace(secret, "***")
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
