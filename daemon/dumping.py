"""`vigild dump`: what was consumed up to the last commit, with the decisions of the wall clock, as a file to replay.

Records are read again from the source, by a consumer of its own, up to the committed positions; partitions are merged
by timestamp so that a replay need hold back little. Control records come from the state: each `floor` stands just
before the record from which it counts. What was consumed and is not in the log any more is said: in a `missing` line,
by a warning, and by the exit code.
"""

from __future__ import annotations

import gzip
import heapq
import os
import sys
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any, cast

import structlog

from config import Config
from daemon import exits, private
from daemon.envelopes import Consumed, control_line, dump_line
from daemon.missing import Extents, Missing
from daemon.reading import chosen
from daemon.records import Partition, Polled, Position, Run
from daemon.sources import sources
from daemon.sources.base import PATIENCE_S, Opening, Source, SourceError
from daemon.state.inspect import consumed_so_far

log = structlog.get_logger()

_MOST_BUFFERED = 20_000
"""Records of one partition that wait for those of others."""


def dump(config: Config, path: Path | None) -> int:
    """Write the dump of a state's run to a file (gzipped if it ends in .gz) or standard output.

    The daemon may go on meanwhile. A file is complete when it has its name; only its owner may read it. Returns the
    exit code: whether all that was consumed could be read again. Raises `StateError` and `SourceError`.
    """
    if path is None:
        return exits.DATA if write(config, sys.stdout.buffer)[1] else exits.OK
    with private.whole(path) as file, gzip.open(file, "wb") if path.suffix == ".gz" else nullcontext(file) as output:
        count, lost = write(config, cast("IO[bytes]", output))
    log.info("dumped", records=count, missing=lost, path=str(path))
    return exits.DATA if lost else exits.OK


def write(config: Config, output: IO[bytes]) -> tuple[int, int]:
    """Write the dump; returns the number of records, and of offsets that were consumed and are gone."""
    positions, controls, closed_until = consumed_so_far(config.state.path)
    consumed, lost = Extents(positions, controls), 0

    def tell(missing: Missing) -> None:
        nonlocal lost
        lost += missing.offsets
        _write(output, control_line("missing", missing.fields()))
        log.warning("the dump is not whole, a replay will not repeat the run", missing=str(missing))

    floors: defaultdict[Partition, deque[dict[str, Any]]] = defaultdict(deque)
    for partition in sorted(positions):
        _write(output, control_line("floor", {"topic": partition.topic, "partition": partition.number, "clock": 0}))
    if config.kafka is not None and config.kafka.control is not None:
        _write(output, control_line("orders", {"topic": config.kafka.control}))
    for control in controls:
        if control["control"] == "floor":
            floors[Partition(control["topic"], control["partition"])].append(control)
        else:
            _write(output, _control(control))
    _write(output, control_line("closed", {"until": closed_until}))
    for missing in consumed.of_earlier_topics:
        tell(missing)
    count = 0
    source = _reader(config)
    try:
        for record in Merge(source, positions, consumed, tell, endless=config.kafka is not None).records():
            waiting = floors[Partition(record.topic, record.partition)]
            while waiting and (waiting[0]["offset"] or 0) <= record.offset:
                _write(output, _control(waiting.popleft()))
            _write(output, dump_line(record))
            count += 1
    finally:
        source.close()
    return count, lost


def _reader(config: Config) -> Source:
    """The configured source from its beginning, in a consumer group of its own that leaves no trace."""
    if config.kafka is None:
        name, settings = chosen(config)
        return sources()[name](settings, Opening())
    group = f"{config.kafka.group}-dump-{os.getpid()}"
    settings = config.kafka.model_copy(update={"group": group, "start": "earliest"})
    return sources()["kafka"](settings, Opening(start_empty=True, patience_s=PATIENCE_S))


class Merge:
    """Reads the partitions of a source from their beginning and merges them by timestamp.

    `tell` hears what is gone, before the records behind it. An `endless` source may take its time to find partitions.
    """

    def __init__(
        self,
        source: Source,
        until: Mapping[Partition, Position],
        consumed: Extents,
        tell: Callable[[Missing], None],
        *,
        endless: bool = False,
    ) -> None:
        self._source, self._until, self._consumed, self._tell = source, until, consumed, tell
        self._endless = endless
        self._buffers: dict[Partition, deque[Consumed]] = {p: deque() for p, at in until.items() if at.next_offset}
        self._next = {partition: consumed.begin(partition) for partition in self._buffers}
        self._met: set[Partition] = set()
        self._over: set[Partition] = set()
        """Partitions of which nothing more is to be expected."""

    def records(self) -> Iterator[Consumed]:
        """All records below the positions, by timestamp as far as partitions are read evenly.

        Raises `SourceError` if a finite source ends without one of the partitions.
        """
        while waiting := self._buffers.keys() - self._done():
            self._poll()
            waiting -= self._done()
            while all(self._buffers[p] for p in waiting) and any(self._buffers.values()):
                yield from _some(self._buffers, waiting)
        yield from _some(self._buffers, frozenset())

    def _done(self) -> set[Partition]:
        reached = self._source.positions()
        read = {p for p in self._buffers if p in reached and reached[p].next_offset >= self._until[p].next_offset}
        return read | self._over

    def _poll(self) -> None:
        source, buffers = self._source, self._buffers
        full = {p for p, buffer in buffers.items() if len(buffer) >= _MOST_BUFFERED} | self._done()
        source.pause(full - source.paused)
        source.resume(source.paused - full)
        polled = source.poll(0.5, 2_048)
        self._look_for_missing(polled)
        for run in polled.runs:
            if run.partition in buffers.keys() - self._over:
                low, high = self._next[run.partition], self._until[run.partition].next_offset
                buffers[run.partition].extend(r for r in _records(run) if low <= r.offset < high)
                self._next[run.partition] = max(low, run.offsets[-1] + 1)
        reached = source.positions()
        ended = not self._endless and reached.keys() <= polled.finished
        if ended and (gone := sorted(map(str, buffers.keys() - reached.keys()))):
            raise SourceError(f"{', '.join(gone)}: was read once and is not there any more: a dump needs all of it")
        self._over |= polled.finished & buffers.keys()

    def _look_for_missing(self, polled: Polled) -> None:
        reached, first = self._source.positions(), {run.partition: run.offsets[0] for run in polled.runs}
        for partition in polled.assigned:
            at = reached.get(partition)
            if partition in self._buffers.keys() - self._met and at is not None:
                self._meet(partition, Position(first.get(partition, at.next_offset), at.topic_id))
        for gap in polled.gaps:
            if gap.partition in self._buffers and gap.reason == "retention":
                self._hear(self._consumed.between(gap))
            elif gap.partition in self._buffers:
                self._end(gap.partition, self._next[gap.partition])
        for partition in (polled.caught_up & self._buffers.keys() & reached.keys()) - first.keys() - self._over:
            self._end(partition, reached[partition].next_offset)

    def _meet(self, partition: Partition, found: Position) -> None:
        """A partition is read for the first time: whether all is there, and it is of the topic that it was of."""
        self._met.add(partition)
        self._hear(self._consumed.before(partition, found))
        if self._consumed.of_another_topic(partition, found):
            self._over.add(partition)
            for other in self._buffers.keys() - self._met:  # the new one may have fewer partitions
                if other.topic == partition.topic:
                    self._meet(other, Position(0, found.topic_id))

    def _end(self, partition: Partition, end: int) -> None:
        if missing := self._consumed.behind(partition, end):
            self._hear(missing)
            self._over.add(partition)

    def _hear(self, missing: Missing | None) -> None:
        if missing is not None:
            self._tell(missing)


def _some(buffers: Mapping[Partition, deque[Consumed]], waiting: Any) -> Iterator[Consumed]:
    """Records in the order of timestamps, until one of those that wait for more is empty, or all are."""
    heap = [(buffer[0].timestamp, p) for p, buffer in buffers.items() if buffer]
    heapq.heapify(heap)
    while heap:
        _, partition = heapq.heappop(heap)
        yield buffers[partition].popleft()
        if buffers[partition]:
            heapq.heappush(heap, (buffers[partition][0].timestamp, partition))
        elif partition in waiting:
            return


def _records(run: Run) -> Iterator[Consumed]:
    for row, offset in enumerate(run.offsets):
        yield Consumed(
            run.partition.topic,
            run.partition.number,
            offset,
            run.timestamps[row],
            run.keys[row],
            run.values[row],
            tuple(run.headers[row]),
        )


def _control(control: Mapping[str, Any]) -> bytes:
    return control_line(control["control"], {name: value for name, value in control.items() if name != "control"})


def _write(output: IO[bytes], line: bytes) -> None:
    output.write(line + b"\n")
