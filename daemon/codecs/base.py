"""The contract of a codec, and the list of them.

A codec turns the bytes of one message into native events (dicts as in docs/events.md). It is stateless and knows
nothing of partitions, clocks or models. To add one, write one file in this folder with a class that has a `name`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

Event = dict[str, Any]


class Refused(ValueError):
    """A message or an event that can't be taken: `reason` is a short code, the text says what is wrong."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Codec(ABC):
    """One wire format."""

    name: ClassVar[str]
    """What the config calls it."""
    plain: ClassVar[bool] = False
    """Whether a message that is one JSON object, or an array of them, holds just these as native events."""

    @abstractmethod
    def events(self, value: bytes, headers: Any) -> Sequence[Event | Refused]:
        """The events of a message in order.

        Their values are what JSON can say: None, bool, int, finite float, str, list and dict with texts as keys, and
        texts without lone surrogates. An event that can't be read stands there as `Refused`, and condemns no other.
        Raises `Refused` for the message as a whole, and nothing else whatever the bytes are.
        """

    def singles(self, values: Sequence[bytes]) -> list[Any] | None:
        """The events of many messages at once, if each of them holds exactly one that can be read; else None.

        A quick way that a codec may offer; `events` must say the same.
        """
        return None

    @abstractmethod
    def pieces(self, value: bytes, headers: Any) -> Sequence[bytes]:
        """The original bytes of each of the `events`, for dead letters; asked for only where one was refused."""
