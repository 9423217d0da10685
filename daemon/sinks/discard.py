"""Throws messages away: what a queue without sinks amounts to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from daemon.sinks.base import Message, Sink, Surroundings


class DiscardSettings(BaseModel):
    """Nothing to set."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DiscardSink(Sink):
    """Acknowledges everything and keeps nothing."""

    name = "discard"
    Settings = DiscardSettings

    def __init__(self, settings: Any, surroundings: Surroundings) -> None:
        self._taken = 0

    def send(self, messages: Sequence[Message]) -> None:
        self._taken += len(messages)

    def flush(self, max_wait_s: float) -> int:
        taken, self._taken = self._taken, 0
        return taken
