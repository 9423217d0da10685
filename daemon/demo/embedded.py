"""The embedded log: the fleet's events as files that grow, slice of event time after slice."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Self

from daemon.demo.fleet import Fleet


class EmbeddedLog:
    """Files under a directory: `predictions-<model>.ndjson` for each model, and `labels.ndjson` for all.

    A label is written when its time has come, for the file is in the order of event time.
    """

    def __init__(self, fleet: Fleet, directory: Path) -> None:
        self._fleet = fleet
        self._directory = directory
        self._until = fleet.story.start
        self._due: list[tuple[int, bytes]] = []
        self._files = ExitStack()
        directory.mkdir(parents=True, exist_ok=True)
        self._open = {path.stem: self._files.enter_context(path.open("wb", buffering=2**20)) for path in self.paths}

    @property
    def paths(self) -> list[Path]:
        """The files."""
        names = [f"predictions-{model.world.model}" for model in self._fleet.models]
        return [self._directory / f"{name}.ndjson" for name in (*names, "labels")]

    def write_until(self, time: int) -> int:
        """Write everything from where it stands until `time` (microseconds). Returns the number of lines."""
        count = 0
        for model, events in self._fleet.between(self._until, time).items():
            count += _write(self._open[f"predictions-{model}"], (line for _, line in events.predictions))
            for label in events.labels:
                heapq.heappush(self._due, label)
        count += _write(self._open["labels"], self._labels_until(time))
        self._until = time
        for file in self._open.values():
            file.flush()
        return count

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._files.close()

    def _labels_until(self, time: int) -> Iterable[bytes]:
        while self._due and self._due[0][0] < time:
            yield heapq.heappop(self._due)[1]


def _write(file: BinaryIO, lines: Iterable[bytes]) -> int:
    count = 0
    for line in lines:
        file.write(line + b"\n")
        count += 1
    return count
