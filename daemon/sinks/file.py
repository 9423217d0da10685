"""A file: one message a line, appended, on disk before it counts as sent."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from config.streams import FileSink as FileSettings
from daemon.sinks.base import Message, Sink, SinkError, Surroundings
from daemon.sinks.ndjson import line


class FileSink(Sink):
    """Appends to a file, made if missing, readable by its owner only.

    What a crash left half written is ended by a line end, so that no two messages share a line. Opened anew for each
    flush: a file that was moved away (logrotate) is left alone.
    """

    name = "file"
    Settings = FileSettings

    def __init__(self, settings: FileSettings, surroundings: Surroundings) -> None:
        self._path: Path = settings.path
        self._waiting: list[Message] = []

    def send(self, messages: Sequence[Message]) -> None:
        self._waiting += messages

    def flush(self, max_wait_s: float) -> int:
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return 0
        try:
            self._append(b"".join(map(line, waiting)))
        except OSError as error:
            raise SinkError(f"{self._path}: {error.strerror}") from error
        return len(waiting)

    def _append(self, content: bytes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            size = file.seek(0, os.SEEK_END)
            if size and _last_byte(descriptor, size) != b"\n":
                content = b"\n" + content
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # /dev/null can be neither synced nor cut
                file.write(content)
                return
            try:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, size)
                raise


def _last_byte(descriptor: int, size: int) -> bytes:
    return os.pread(descriptor, 1, size - 1)
