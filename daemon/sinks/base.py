"""The contract of a sink, and what is sent.

A sink is one file in this folder: a class with a `name`, its `Settings`, and the methods below. Importing the folder
registers it; it is then chosen in the configuration as `{name: settings}`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from pydantic import BaseModel


class Message(NamedTuple):
    """What leaves Vigil. A value of None is a tombstone: what had this key is over."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()

    @property
    def size(self) -> int:
        """Bytes of key, value and headers."""
        headers = sum(len(name) + len(value) for name, value in self.headers)
        return len(self.key or b"") + len(self.value or b"") + headers


class SinkError(Exception):
    """The sink can't take messages now. What it did not acknowledge will be sent again, later."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a sink is opened with beside its settings.

    `kafka` holds the options for a Kafka producer, by kafka-python's names, secrets in the clear; empty where no
    brokers are configured.
    """

    kafka: Mapping[str, Any] = field(default_factory=dict)


class Sink(ABC):
    """Takes messages in order and acknowledges them in that order. Not thread-safe.

    Everything that may be slow or fail happens in `flush`; opening one never waits for a network.
    """

    name: ClassVar[str]
    Settings: ClassVar[type[BaseModel]]

    @abstractmethod
    def __init__(self, settings: Any, surroundings: Surroundings) -> None: ...

    @abstractmethod
    def send(self, messages: Sequence[Message]) -> None:
        """Take messages, to be on their way at the next `flush` at the latest."""

    @abstractmethod
    def flush(self, max_wait_s: float) -> int:
        """Wait for acknowledgements, at most so long. Returns how many messages are safe since the last call.

        They are the oldest ones that were not acknowledged yet. Raises `SinkError` if the sink can't go on: it has
        then forgotten everything unacknowledged, and the caller sends it again.
        """

    def close(self) -> None:
        """Let go of everything. Never raises."""
        return
