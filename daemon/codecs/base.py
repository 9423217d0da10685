"""The contract of a codec, and the list of them.

A codec turns the bytes of one message into native events (dicts as in docs/events.md). It is stateless and knows
nothing of partitions, clocks or models. To add one, write one file in this folder with a class that has a `name`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
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

    @abstractmethod
    def events(self, value: bytes, headers: Any) -> list[tuple[Event | Refused, bytes]]:
        """The events of a message in order, each with its own bytes for a dead letter.

        An event that can't be read is returned as `Refused`, and condemns no other. Raises `Refused` for the message
        as a whole.
        """
