"""`vigild dump`: what was consumed up to the last commit, with the decisions of the wall clock, as a file to replay.

Records are read again from the source, by a consumer of its own, up to the committed positions; partitions are merged
by timestamp so that a replay need hold back little. Control records come from the state: each `floor` stands just
before the record from which it counts.
"""

from __future__ import annotations

import gzip
import heapq
import os
import sys
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

import structlog

from config import Config
from daemon.envelopes import Consumed, control_line, dump_line
from daemon.records import Partition, Position, Run
from daemon.sources import sources
from daemon.sources.base import Opening, Source, SourceError
from daemon.state.inspect import consumed_so_far

log = structlog.get_logger()

_MOST_BUFFERED = 20_000
"""Records of one partition that wait for those of others."""


def dump(config: Config, path: Path | None) -> int:
    """Write the dump of a state's run to a file (gzipped if it ends in .gz) or standard output.

    The daemon may go on meanwhile. A file is complete when it has its name. Raises `StateError` and `SourceError`.
    """
    if path is None:
        write(config, sys.stdout.buffer)
        return 0
    half = path.with_name(path.name + ".part")
    with gzip.open(half, "wb") if path.suffix == ".gz" else half.open("wb") as output:
        count = write(config, cast("IO[bytes]", output))
    half.rename(path)
    log.info("dumped", records=count, path=str(path))
    return 0


def write(config: Config, output: IO[bytes]) -> int:
    """Write the dump; returns the number of records."""
    positions, controls, closed_until = consumed_so_far(config.state.path)
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
    count = 0
    source = _reader(config)
    try:
        for record in _merged(source, positions):
            waiting = floors[Partition(record.topic, record.partition)]
            while waiting and (waiting[0]["offset"] or 0) <= record.offset:
                _write(output, _control(waiting.popleft()))
            _write(output, dump_line(record))
            count += 1
    finally:
        source.close()
    return count


def _reader(config: Config) -> Source:
    """The configured source from its beginning, in a consumer group of its own that leaves no trace."""
    if config.kafka is None:
        return sources()["files"](config.files, Opening())
    group = f"{config.kafka.group}-dump-{os.getpid()}"
    settings = config.kafka.model_copy(update={"group": group, "start": "earliest"})
    return sources()["kafka"](settings, Opening(start_empty=True))


def _merged(source: Source, until: Mapping[Partition, Position]) -> Iterator[Consumed]:
    """All records below the positions, by timestamp as far as partitions are read evenly.

    Raises `SourceError` if a finite source ends without one of the partitions.
    """
    buffers: dict[Partition, deque[Consumed]] = {p: deque() for p, at in until.items() if at.next_offset}
    done: set[Partition] = set()
    while len(done) < len(buffers):
        full = {p for p, buffer in buffers.items() if len(buffer) >= _MOST_BUFFERED}
        source.pause((full | done) - source.paused)
        source.resume(source.paused - full - done)
        polled = source.poll(0.5, 2_048)
        for run in polled.runs:
            if run.partition in buffers:
                buffers[run.partition].extend(r for r in _records(run) if r.offset < until[run.partition].next_offset)
        reached = source.positions()
        if reached.keys() <= polled.finished and (gone := sorted(map(str, buffers.keys() - reached.keys()))):
            raise SourceError(f"{', '.join(gone)}: was read once and is not there any more: a dump needs all of it")
        done = {
            p
            for p in buffers
            if (p in reached and reached[p].next_offset >= until[p].next_offset) or p in polled.finished
        }
        while all(buffers[p] for p in buffers.keys() - done) and any(buffers.values()):
            waiting = buffers.keys() - done
            yield from _some(buffers, waiting)
    yield from _some(buffers, frozenset())


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
