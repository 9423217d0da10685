"""Standard output: one message a line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from config.streams import StdoutSink as StdoutSettings
from daemon.sinks.base import Message, Sink, SinkError, Surroundings
from daemon.sinks.ndjson import line


class StdoutSink(Sink):
    """Writes to standard output; flushed is acknowledged."""

    name = "stdout"
    Settings = StdoutSettings

    def __init__(self, settings: Any, surroundings: Surroundings) -> None:
        self._waiting: list[Message] = []

    def send(self, messages: Sequence[Message]) -> None:
        self._waiting += messages

    def flush(self, max_wait_s: float) -> int:
        waiting, self._waiting = self._waiting, []
        try:
            sys.stdout.buffer.write(b"".join(map(line, waiting)))
            sys.stdout.buffer.flush()
        except OSError as error:
            raise SinkError(f"standard output: {error.strerror}") from error
        return len(waiting)
