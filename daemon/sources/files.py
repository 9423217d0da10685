"""Files as a source, an embedded log: NDJSON, plain or gzipped, read to the end or followed; and dumps.

A file of events is one partition, and a line's number is its offset. The lines of a dump say themselves what they are
records of; all files that are dumps are read as one, in the order of their names.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from config.streams import Files
from daemon.envelopes import looks_like_dump
from daemon.records import Gap, Partition, Polled, Position, Run
from daemon.sources.base import Opening, Source, SourceError
from daemon.sources.dumps import Dump
from daemon.sources.lines import Lines

LOOK_EVERY_S = 1.0
"""How often a source that follows looks for new files and for files that were replaced."""
NAP_S = 0.1
DUMP_LINE = 8
"""How many times longer than its value a line of a dump may be, for bytes that are no text are spelt out."""
_ENDINGS = (".gz", ".ndjson", ".jsonl", ".json")


class FileSource(Source):
    """Reads the files of the section `files`."""

    name = "files"
    Settings = Files

    def __init__(self, settings: Files, opening: Opening) -> None:
        self._settings = settings
        self._opening = opening
        self._paused: set[Partition] = set()
        self._logs: dict[Partition, _Log] = {}
        self._dump = Dump(DUMP_LINE * opening.message_bytes, self._paused)
        self._assigned: set[Partition] = set()
        self._known: set[Path] = set()
        self._stems: Counter[str] = Counter()
        self._look_at = 0.0

    @property
    def progress(self) -> tuple[int, int]:
        """Bytes read and bytes there are, as the files are on disk."""
        read = self._dump.bytes_read + sum(each.lines.bytes_read for each in self._logs.values())
        return read, sum(path.stat().st_size for path in self._known)

    def poll(self, max_wait_s: float, max_records: int) -> Polled:
        """See `Source`. All files get their turn; of a dump nothing beyond its next control line is handed out."""
        polled = Polled()
        if time.monotonic() >= self._look_at:
            self._look(polled)
        active = {each: log for each, log in self._logs.items() if not log.finished and each not in self._paused}
        for partition, log in active.items():
            run = log.read(partition, max(1, max_records // len(active)))
            polled.runs += [run] if len(run) else []
        polled.controls, runs = self._dump.read(max(1, max_records - len(polled)))
        polled.runs += runs
        self._say_where_we_are(polled)
        if not polled.runs and not polled.controls and polled.finished != self._assigned:
            time.sleep(min(max_wait_s, NAP_S))
        return polled

    def seek(self, positions: Mapping[Partition, Position]) -> None:
        for partition in self._logs.keys() & positions.keys():
            self._logs[partition].lines.skip_to(positions[partition].next_offset)
        if positions.keys() & self._dump.positions.keys():
            self._dump.begin_at({**self._dump.positions, **positions})

    def positions(self) -> dict[Partition, Position]:
        return {each: Position(log.lines.number) for each, log in self._logs.items()} | self._dump.positions

    def pause(self, partitions: Collection[Partition]) -> None:
        self._paused |= self._assigned & set(partitions)

    def resume(self, partitions: Collection[Partition]) -> None:
        self._paused -= set(partitions)

    @property
    def paused(self) -> frozenset[Partition]:
        return frozenset(self._paused)

    def close(self) -> None:
        for log in self._logs.values():
            log.lines.close()
        self._dump.close()

    def _say_where_we_are(self, polled: Polled) -> None:
        new = (self._logs.keys() | self._dump.positions.keys()) - self._assigned
        polled.assigned = tuple(sorted(new))
        self._assigned |= new
        at_end = {each for each, log in self._logs.items() if log.lines.at_end and each not in self._paused}
        polled.finished = self._dump.finished | {each for each, log in self._logs.items() if log.finished}
        polled.caught_up = polled.finished | at_end

    def _look(self, polled: Polled) -> None:
        """Open what there is, in the order of names; a source that follows looks again and again.

        Raises `SourceError` if there is nothing, and nothing will come.
        """
        follow = self._settings.follow
        self._look_at = time.monotonic() + LOOK_EVERY_S if follow else float("inf")
        polled.gaps += [log.begin_again(each) for each, log in self._logs.items() if log.replaced]
        stored = dict(self._opening.positions())
        if not self._known:
            self._dump.begin_at(stored)
        for path in self._paths():
            if path not in self._known and (not follow or path.stat().st_size):
                self._known.add(path)
                self._open(path, stored, polled)
        if not self._known and not follow:
            raise SourceError("files.paths: there is nothing to read there: check the paths")

    def _paths(self) -> Iterator[Path]:
        for path in self._settings.paths:
            found = sorted(path.iterdir()) if path.is_dir() else [path]
            yield from (each for each in found if each.is_file() and not each.name.startswith("."))

    def _open(self, path: Path, stored: Mapping[Partition, Position], polled: Polled) -> None:
        with_first = Lines(path, DUMP_LINE * self._opening.message_bytes)
        first = with_first.read(1)
        with_first.close()
        if first and looks_like_dump(first[0]):
            self._dump.add(path)
            return
        stem = _stem(path)
        partition = Partition(stem, self._stems[stem])
        self._stems[stem] += 1
        follow = self._settings.follow and path.suffix != ".gz"
        log = _Log(path, self._opening.message_bytes, follow=follow)
        self._logs[partition] = log
        if partition in stored:
            polled.gaps += log.go_on_at(partition, stored[partition].next_offset)


class _Log:
    """A file of events as a partition."""

    def __init__(self, path: Path, most: int, *, follow: bool) -> None:
        self.lines = Lines(path, most, follow=follow)
        self._path = path
        self._most = most
        self._follow = follow

    @property
    def finished(self) -> bool:
        """Whether it is read to its end, for ever."""
        return self.lines.at_end and not self._follow

    @property
    def replaced(self) -> bool:
        """Whether a followed file is read to its end and another one has its name now."""
        return self._follow and self.lines.at_end and self.lines.replaced()

    def read(self, partition: Partition, count: int) -> Run:
        """The next lines, at most `count`, as records without key, timestamp and headers. Blank ones are left out."""
        first = self.lines.number
        lines = self.lines.read(count)
        offsets = [offset for offset, line in enumerate(lines, first) if line and not line.isspace()]
        values: list[bytes | None] = [lines[offset - first] for offset in offsets]
        size = len(offsets)
        return Run(partition, offsets, [-1] * size, [None] * size, values, [()] * size)

    def go_on_at(self, partition: Partition, number: int) -> list[Gap]:
        """Skip to a line; a gap if the file is shorter than that."""
        self.lines.skip_to(number)
        found = self.lines.number
        return [Gap(partition, number, found, "truncated")] if found < number else []

    def begin_again(self, partition: Partition) -> Gap:
        """Read what has the file's name now, from its first line."""
        gap = Gap(partition, self.lines.number, 0, "recreated")
        self.lines.close()
        self.lines = Lines(self._path, self._most, follow=True)
        return gap


def _stem(path: Path) -> str:
    """A file's name without the endings that say how it is written."""
    name = path.name
    while name.endswith(_ENDINGS) and Path(name).stem:
        name = Path(name).stem
    return name
