"""Dumps: files whose lines are records of any partitions, with the decisions that were taken between them.

Each partition is read by a reader of its own that passes over the lines of the others, so a partition that has to wait
holds up nobody, whatever the order of the lines, and nothing has to be kept in memory for it. What that costs is one
look at each line a partition. A `floor` is handed out just before the record behind it; the other control lines, which
belong to no partition, before everything else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from daemon.envelopes import Consumed, parse_dump_line
from daemon.records import Partition, Position, Run
from daemon.sources.base import SourceError
from daemon.sources.lines import Lines

FLOOR = "floor"
_AT_ONCE = 1_000


class Dump:
    """The files of one dump, read as one in the order in which they were added."""

    def __init__(self, most: int, paused: set[Partition]) -> None:
        self.positions: dict[Partition, Position] = {}
        """Where each partition goes on, after what was handed out."""
        self._most, self._paused = most, paused
        self._paths: list[Path] = []
        self._readers: dict[Partition, _Reader] = {}
        self._controls: list[dict[str, Any]] = []
        self._begin: dict[Partition, int] = {}

    def add(self, path: Path) -> None:
        """Read this file after the others. Raises `SourceError` on a line that is no line of a dump."""
        self._paths.append(path)
        for entry in _entries(path, self._most):
            if isinstance(entry, Consumed):
                self._meet(Partition(entry.topic, entry.partition))
            elif entry["control"] == FLOOR:
                self._meet(Partition(entry["topic"], entry["partition"]))
            else:
                self._controls.append(entry)

    def begin_at(self, positions: Mapping[Partition, Position]) -> None:
        """Read from the first line on, but hand out nothing below these positions."""
        self.close()
        self._begin = {partition: position.next_offset for partition, position in positions.items()}
        known, self._readers = list(self._readers), {}
        for partition in known:
            self._meet(partition)

    @property
    def finished(self) -> frozenset[Partition]:
        """Partitions of which nothing will come."""
        return frozenset(partition for partition, reader in self._readers.items() if reader.finished)

    @property
    def bytes_read(self) -> int:
        """How far, as the files are on disk: as far as the slowest partition."""
        return min((reader.bytes_read for reader in self._readers.values()), default=0)

    def read(self, count: int) -> tuple[list[dict[str, Any]], list[Run]]:
        """Control lines, then the records that stand behind them, at most `count`; of no paused partition."""
        controls, self._controls = self._controls, []
        runs = []
        active = [each for each, reader in self._readers.items() if each not in self._paused and not reader.finished]
        for partition in active:
            floors, run = self._readers[partition].read(max(1, count // len(active)))
            controls += floors
            if len(run):
                runs.append(run)
                self.positions[partition] = Position(run.offsets[-1] + 1)
        return controls, runs

    def close(self) -> None:
        """Close the files that are open."""
        for reader in self._readers.values():
            reader.close()

    def _meet(self, partition: Partition) -> None:
        if partition not in self._readers:
            begin = self._begin.get(partition, 0)
            self.positions[partition] = Position(begin)
            self._readers[partition] = _Reader(self._paths, partition, begin, self._most)


class _Reader:
    """One partition of a dump."""

    def __init__(self, paths: list[Path], partition: Partition, begin: int, most: int) -> None:
        self._paths, self._partition, self._begin, self._most = paths, partition, begin, most
        self._file = 0
        self._lines: Lines | None = None
        self._mark = _mark(partition)
        self._ahead: list[bytes] = []
        self._floor: dict[str, Any] | None = None
        self.finished = False

    @property
    def bytes_read(self) -> int:
        """How far, over all files."""
        done = sum(path.stat().st_size for path in self._paths[: self._file])
        return done + (self._lines.bytes_read if self._lines is not None else 0)

    def read(self, count: int) -> tuple[list[dict[str, Any]], Run]:
        """Floors, then records up to the next floor."""
        run = Run(self._partition, [], [], [], [], [])
        floors = [] if self._floor is None else [self._floor]
        self._floor = None
        while len(run) < count and (entry := self._next()) is not None:
            if isinstance(entry, Consumed):
                _append(run, entry)
                self._begin = entry.offset + 1
            elif len(run):
                self._floor = entry
                break
            else:
                floors.append(entry)
        return floors, run

    def close(self) -> None:
        """Close the file that is open."""
        if self._lines is not None:
            self._lines.close()
            self._lines = None

    def _next(self) -> Consumed | dict[str, Any] | None:
        """The partition's next record or floor; None at the end of the last file."""
        while (line := self._line()) is not None:
            if not line.strip() or self._of_another(line):
                continue
            entry = self._parsed(line)
            if isinstance(entry, Consumed):
                if (entry.topic, entry.partition) == self._own and entry.offset >= self._begin:
                    return entry
            elif entry["control"] == FLOOR and (entry["topic"], entry["partition"]) == self._own:
                return entry
        self.finished = True
        return None

    @property
    def _own(self) -> tuple[str, int]:
        return self._partition.topic, self._partition.number

    def _of_another(self, line: bytes) -> bool:
        """A quick no; whoever wrote the line with other spaces or order of names is read in full."""
        return line.startswith(b'{"topic":"') and b',"partition":' in line[:300] and not line.startswith(self._mark)

    def _parsed(self, line: bytes) -> Consumed | dict[str, Any]:
        try:
            return parse_dump_line(line)
        except ValueError as error:
            number = 0 if self._lines is None else self._lines.number - len(self._ahead)
            raise SourceError(f"{self._paths[self._file]}:{number}: {error}") from error

    def _line(self) -> bytes | None:
        while not self._ahead:
            if self._lines is None:
                if self._file >= len(self._paths):
                    return None
                self._lines = Lines(self._paths[self._file], self._most)
            self._ahead = self._lines.read(_AT_ONCE)[::-1]
            if not self._ahead:
                self.close()
                self._file += 1
        return self._ahead.pop()


def _mark(partition: Partition) -> bytes:
    """How `envelopes.dump_line` begins the lines of a partition."""
    return b'{"topic":' + orjson.dumps(partition.topic) + b',"partition":%d,' % partition.number


def _append(run: Run, record: Consumed) -> None:
    run.offsets.append(record.offset)
    run.timestamps.append(record.timestamp)
    run.keys.append(record.key)
    run.values.append(record.value)  # type: ignore[attr-defined]  # a list: these runs are made here
    run.headers.append(record.headers)


def _entries(path: Path, most: int) -> Iterator[Consumed | dict[str, Any]]:
    """One record of each partition that the file holds, and all control lines."""
    lines = Lines(path, most)
    met: dict[Partition, bytes] = {}
    begins: tuple[bytes, ...] = ()
    try:
        while batch := lines.read(_AT_ONCE):
            for number, line in enumerate(batch, lines.number - len(batch) + 1):
                if (begins and line.startswith(begins)) or not line.strip():
                    continue
                try:
                    entry = parse_dump_line(line)
                except ValueError as error:
                    raise SourceError(f"{path}:{number}: {error}") from error
                if isinstance(entry, Consumed):
                    partition = Partition(entry.topic, entry.partition)
                    if partition in met:  # written with other spaces or names in another order
                        continue
                    met[partition] = _mark(partition)
                    begins = tuple(met.values())
                yield entry
    finally:
        lines.close()
