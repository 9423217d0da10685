"""CPU seconds of a side, noted at the first tenth of its records and when it is done with the last one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import psutil

_NEARLY = 0.97


class Stages:
    """Where the CPU time of the calling thread goes: each stage's own, without that of the stages within it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._stack: list[str] = []
        self._since = time.thread_time()

    def timed(self, stage: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, with its time noted under `stage`."""

        def noting(*arguments: Any, **named: Any) -> Any:
            self._turn()
            self._stack.append(stage)
            try:
                return call(*arguments, **named)
            finally:
                self._turn()
                self._stack.pop()

        return noting

    def _turn(self) -> None:
        now = time.thread_time()
        stage = self._stack[-1] if self._stack else "loop"
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._since
        self._since = now

    def so_far(self) -> dict[str, float]:
        """A copy, up to now."""
        self._turn()
        return dict(self.seconds)


class Marks:
    """Counts records; after the share `begin` of `records` the steady state begins, `end` is its end."""

    def __init__(self, records: int, stages: Stages, begin: float = 0.1) -> None:
        self.records, self.stages, self.read = records, stages, 0
        self._begin = begin
        self._first: dict[str, Any] | None = None

    def count(self, records: int) -> None:
        """So many records were handed over; what is done with them comes next."""
        self.read += records
        if self._first is None and self.read >= self.records * self._begin:
            self._first = self._now()

    @property
    def complete(self) -> bool:
        """Whether every record was handed over."""
        return self.read >= self.records

    @property
    def nearly_complete(self) -> bool:
        """Whether all but the last few batches were handed over."""
        return self.read >= self.records * _NEARLY

    def end(self, place: Path, **more: Any) -> None:
        """Write what the steady state cost."""
        assert self._first is not None
        last, first = self._now(), self._first
        stages = {name: seconds - first["stages"].get(name, 0.0) for name, seconds in last["stages"].items()}
        cpu = last["cpu"] - first["cpu"]
        found = {
            "records": last["read"] - first["read"],
            "cpu_s": cpu,
            "wall_s": last["wall"] - first["wall"],
            "stages_s": {**stages, "other threads": cpu - sum(stages.values())},
            "peak_rss_bytes": peak_rss(),
            **more,
        }
        place.write_bytes(orjson.dumps(found))

    def _now(self) -> dict[str, Any]:
        return {"read": self.read, "cpu": tree_cpu_s(), "wall": time.monotonic(), "stages": self.stages.so_far()}


def tree_cpu_s() -> float:
    """CPU seconds of this process, its children and theirs, dead ones included."""
    own = os.times()
    children = psutil.Process().children(recursive=True)
    alive = sum(sum(child.cpu_times()[:4]) for child in children if child.is_running())
    return time.process_time() + own.children_user + own.children_system + float(alive)


def peak_rss() -> int:
    """The most memory that this process has held, in bytes (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return int(psutil.Process().memory_info().rss)
