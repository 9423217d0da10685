"""The latest figures of each model, from the readings that Vigil writes, as anybody else would read them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import orjson

SHOWN = ("accuracy", "mae")
_MARKS = tuple(f'"series":"{series}"'.encode() for series in SHOWN)


class Gauges:
    """Follows a file of readings."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._rest = b""
        self.latest: dict[str, dict[str, Any]] = {}
        """By model its latest reading of a whole window: the reading's `data`."""

    def look(self) -> None:
        """Take in what was written since the last look."""
        for line in self._lines():
            if b'"scope":"window"' in line and any(mark in line for mark in _MARKS):
                data = orjson.loads(line)["data"]
                if not data["segment"] and data["monitor"] == "performance":
                    self.latest[data["model"]] = data

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()

    def _lines(self) -> Iterator[bytes]:
        if self._file is None and self._path.exists():
            self._file = self._path.open("rb")
        if self._file is None:
            return
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        yield from lines
