"""A source whose partitions hold what a test puts into them, and a live pipeline over it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from config import Config
from daemon import app
from daemon.checkpoint import Durable
from daemon.pipeline import Pipeline
from daemon.records import Partition, Polled, Position, Run
from daemon.sinks import sinks
from daemon.sinks.base import Surroundings
from daemon.sources.base import Source
from daemon.state.outbox import Outbox
from daemon.state.store import Store
from processors.packing import unpack

OUTPUTS = ("alerts", "readings", "dead_letters")

Record = tuple[int, bytes]
"""(timestamp in milliseconds, value)."""


@dataclass
class Logs:
    """Partitions as a broker has them."""

    records: dict[Partition, list[Record]]
    silent: set[Partition] = field(default_factory=set)
    """Partitions whose leader doesn't answer."""
    lost: set[Partition] = field(default_factory=set)
    """Partitions that somebody else has now."""


class Scripted(Source):
    """Reads logs from the beginning or from where it is told; all partitions are assigned at the first poll."""

    name = "scripted"

    def __init__(self, logs: Logs, positions: Mapping[Partition, Position] | None = None) -> None:
        self._logs = logs
        self._next = dict.fromkeys(logs.records, 0)
        self._paused: set[Partition] = set()
        self._assigned = False
        self.seek(positions or {})

    def poll(self, max_wait_s: float, max_records: int) -> Polled:
        polled = Polled(assigned=() if self._assigned else tuple(sorted(self._next)))
        self._assigned = True
        polled.revoked = tuple(sorted(self._logs.lost & self._next.keys()))
        for partition in polled.revoked:
            del self._next[partition]
        ready = () if polled.revoked else sorted(self._next.keys() - self._paused - self._logs.silent)
        for partition in ready:
            first = self._next[partition]
            records = self._logs.records[partition][first : first + max_records // len(self._next)]
            size = len(records)
            self._next[partition] += size
            stamps, values = [ms for ms, _ in records], [value for _, value in records]
            run = Run(partition, list(range(first, first + size)), stamps, [None] * size, [*values], [()] * size)
            polled.runs += [run] if size else []
        polled.caught_up = frozenset(p for p, at in self._next.items() if self._at_end(p, at))
        return polled

    def _at_end(self, partition: Partition, at: int) -> bool:
        return at == len(self._logs.records[partition]) and partition not in self._logs.silent

    def seek(self, positions: Mapping[Partition, Position]) -> None:
        self._next |= {p: at.next_offset for p, at in positions.items() if p in self._next}

    def positions(self) -> dict[Partition, Position]:
        return {partition: Position(at) for partition, at in self._next.items()} if self._assigned else {}

    def pause(self, partitions: Collection[Partition]) -> None:
        self._paused |= set(partitions)

    def resume(self, partitions: Collection[Partition]) -> None:
        self._paused -= set(partitions)

    @property
    def paused(self) -> frozenset[Partition]:
        return frozenset(self._paused)

    def close(self) -> None:
        pass


def logs_of(*partitions: Partition, **silent: Any) -> Logs:
    """Empty partitions."""
    return Logs({partition: [] for partition in partitions}, **silent)


def living(
    config: Config, store: Store, logs: Logs, folder: Path, *, now: Callable[[], float], wall: Callable[[], float]
) -> Pipeline:
    """The pipeline that a process builds which starts on this state; what it says goes to `<queue>.out` in `folder`."""
    loaded = store.load()
    source = Scripted(logs, loaded.positions)
    kind = sinks()["file"]
    outgoing = {
        name: [kind(kind.Settings.model_validate({"path": folder / f"{name}.out"}), Surroundings({}))]
        for name in OUTPUTS
    }
    durable = Durable(store, Outbox(store, outgoing), source, (0.0, 0.0))
    alerts = unpack(loaded.items["alerts"]) if "alerts" in loaded.items else None
    parts, saving = app.assemble(config, source, durable, None, wall=wall, on_notice=lambda _: None, alerts=alerts)
    pipeline = Pipeline(replace(parts, now=now))
    durable.restore(pipeline, saving, loaded)
    return pipeline


def spoken(folder: Path) -> dict[str, list[bytes]]:
    """What a pipeline wrote to `folder`, without signs of life."""
    paths = {name: folder / f"{name}.out" for name in OUTPUTS}
    lines = {name: path.read_bytes().splitlines() if path.exists() else [] for name, path in paths.items()}
    return {name: [line for line in found if b"heartbeat" not in line] for name, found in lines.items()}
