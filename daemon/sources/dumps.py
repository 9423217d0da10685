"""Dumps: files whose lines are records of any partitions, with the decisions that were taken between them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from daemon.envelopes import Consumed, parse_dump_line
from daemon.records import Partition, Position, Run
from daemon.sources.base import SourceError
from daemon.sources.lines import Lines

MOST_PARKED = 500_000
"""Records held back for paused partitions."""


class Dump:
    """The files of one dump, read one after the other.

    Records of paused partitions wait in memory, for those of others stand behind them in the file.
    """

    def __init__(self, most: int, paused: set[Partition]) -> None:
        self.positions: dict[Partition, Position] = {}
        """Where each partition that was met goes on, after what was handed out."""
        self.paused = paused
        self._most = most
        self._all: list[Path] = []
        self._paths: deque[Path] = deque()
        self._lines: Lines | None = None
        self._control: dict[str, Any] | None = None
        self._next_offset: dict[Partition, int] = {}
        self._parked: dict[Partition, list[Consumed]] = {}
        self._room = MOST_PARKED

    def add(self, path: Path) -> None:
        """Read this file after the others."""
        self._all.append(path)
        self._paths.append(path)

    def begin_at(self, positions: Mapping[Partition, Position]) -> None:
        """Read from the first line on, but hand out nothing below these positions."""
        self.close()
        self.positions = {}
        self._next_offset = {partition: position.next_offset for partition, position in positions.items()}
        self._paths = deque(self._all)
        self._control, self._parked, self._room = None, {}, MOST_PARKED

    @property
    def at_end(self) -> bool:
        """Whether every line was read."""
        return not self._paths and self._lines is None and self._control is None

    @property
    def finished(self) -> frozenset[Partition]:
        """Partitions of which nothing will come: all but those held back, once every line was read."""
        return frozenset(self.positions.keys() - self._parked.keys()) if self.at_end else frozenset()

    @property
    def bytes_read(self) -> int:
        """How far, as the files are on disk."""
        done = self._all[: len(self._all) - len(self._paths) - (self._lines is not None)]
        return sum(path.stat().st_size for path in done) + (self._lines.bytes_read if self._lines else 0)

    def read(self, count: int) -> tuple[list[dict[str, Any]], list[Run]]:
        """Control lines, then the records that stand behind them up to the next control line, at most `count`.

        Raises `SourceError` on a line that is no record, and if too much would have to be held back.
        """
        records = self._released(count)
        controls: list[dict[str, Any]] = []
        if self._control is not None:
            if records:
                return controls, self._handed_out(records)
            controls, self._control = [self._control], None
        everything_waits = bool(self.positions) and self.positions.keys() <= self.paused
        while len(records) < count and not everything_waits:
            entry = self._next()
            if entry is None:
                break
            if isinstance(entry, Consumed):
                self._take(entry, records)
            elif records:
                self._control = entry
                break
            else:
                controls.append(entry)
        return controls, self._handed_out(records)

    def close(self) -> None:
        """Close the file that is open."""
        if self._lines is not None:
            self._lines.close()
            self._lines = None

    def _take(self, entry: Consumed, records: list[Consumed]) -> None:
        partition = Partition(entry.topic, entry.partition)
        expected = self._next_offset.get(partition, 0)
        self.positions.setdefault(partition, Position(expected))
        if entry.offset < expected:
            return
        self._next_offset[partition] = entry.offset + 1
        if partition not in self.paused:
            records.append(entry)
            return
        self._parked.setdefault(partition, []).append(entry)
        self._room -= 1
        if not self._room:
            raise SourceError(
                "the dump's partitions are too far apart in time: sort it by time, or raise time.max_skew"
            )

    def _released(self, count: int) -> list[Consumed]:
        """Records that were held back for partitions that go on."""
        released: list[Consumed] = []
        for partition in sorted(self._parked.keys() - self.paused):
            parked = self._parked[partition]
            room = count - len(released)
            released += parked[:room]
            del parked[:room]
            if not parked:
                del self._parked[partition]
        self._room += len(released)
        return released

    def _handed_out(self, records: list[Consumed]) -> list[Run]:
        runs: dict[Partition, Run] = {}
        for each in records:
            partition = Partition(each.topic, each.partition)
            run = runs.setdefault(partition, Run(partition, [], [], [], [], []))
            run.offsets.append(each.offset)
            run.timestamps.append(each.timestamp)
            run.keys.append(each.key)
            run.values.append(each.value)
            run.headers.append(each.headers)
        for partition, run in runs.items():
            self.positions[partition] = Position(run.offsets[-1] + 1)
        return list(runs.values())

    def _next(self) -> Consumed | dict[str, Any] | None:
        """The next line that isn't blank; None at the end of the last file."""
        while True:
            if self._lines is None:
                if not self._paths:
                    return None
                self._lines = Lines(self._paths.popleft(), self._most)
            found = self._lines.read(1)
            if not found:
                self.close()
            elif found[0].strip():
                try:
                    return parse_dump_line(found[0])
                except ValueError as error:
                    raise SourceError(f"{self._lines.path}:{self._lines.number}: {error}") from error
