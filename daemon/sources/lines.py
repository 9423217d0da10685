"""Lines of a file, plain or gzipped, some at a time; of one that grows, too."""

from __future__ import annotations

import gzip
import os
import zlib
from pathlib import Path
from typing import IO, cast

from daemon.sources.base import MOST_BYTES, SourceError

_BOM = b"\xef\xbb\xbf"


class Lines:
    """Reads a file's lines without their ends. At most `most` + 1 bytes of a line are kept; the rest is skipped.

    With `follow` a line counts once its end is there; without, the file's end ends its last line.
    """

    def __init__(self, path: Path, most: int, *, follow: bool = False) -> None:
        self.path = path
        self.number = 0
        """Lines read or skipped so far: the next line's number, from 0."""
        self.at_end = False
        """Whether the last `read` found nothing more; for a followed file that may change."""
        self._most = most
        self._follow = follow
        self._raw: IO[bytes] = path.open("rb")
        self._file = cast("IO[bytes]", gzip.GzipFile(fileobj=self._raw)) if path.suffix == ".gz" else self._raw
        self._begun = b""
        self._cut = False

    @property
    def bytes_read(self) -> int:
        """How far into the file, as it is on disk."""
        return self._raw.tell()

    def read(self, count: int) -> list[bytes]:
        """The next lines, at most `count` and about `MOST_BYTES`.

        Raises `SourceError` if the file can't be read or is damaged.
        """
        lines: list[bytes] = []
        room, self.at_end = MOST_BYTES, False
        try:
            while len(lines) < count and room > 0:
                line = self._file.readline(self._most + 2)
                room -= len(line)
                if line.endswith(b"\n") and not self._begun:
                    lines.append(line[:-1])
                elif not self._continue(line, lines):
                    self.at_end = True
                    break
        except (OSError, EOFError, zlib.error) as error:
            after = self.number + len(lines)
            raise SourceError(f"{self.path}: can't be read after line {after}: {_why(error)}") from error
        if self.number == 0 and lines:
            lines[0] = lines[0].removeprefix(_BOM)
        self.number += len(lines)
        return lines

    def skip_to(self, number: int) -> None:
        """Go on at this line, from the start of the file if it was passed; at its end if it is shorter."""
        if number < self.number:
            self._file.seek(0)
            self.number, self._begun, self._cut = 0, b"", False
        while self.number < number and self.read(min(number - self.number, 10_000)):
            pass
        self.at_end = False

    def replaced(self) -> bool:
        """Whether the file was cut off, or another one has its name now: what `tail -F` looks for."""
        try:
            now, mine = self.path.stat(), self._raw.tell()
        except OSError:
            return False
        return now.st_size < mine or now.st_ino != os.fstat(self._raw.fileno()).st_ino

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self._raw.close()

    def _continue(self, piece: bytes, lines: list[bytes]) -> bool:
        """A piece of a line that is too long, or has no end yet. False at the end of the file."""
        if not piece:
            if self._begun and not self._follow:
                self._finish(lines)
            return False
        ended = piece.endswith(b"\n")
        if not self._cut:
            self._begun += piece[:-1] if ended else piece
            self._cut = len(self._begun) > self._most
            self._begun = self._begun[: self._most + 1]
        if ended:
            self._finish(lines)
        return True

    def _finish(self, lines: list[bytes]) -> None:
        lines.append(self._begun)
        self._begun, self._cut = b"", False


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
