"""Every compiled kernel, loaded or compiled before the first record: a handful of events through a throwaway pipeline.

Numba loads a kernel when it is first called: most of a second in all from its cache and half a minute without one,
which would otherwise hold up the stream in the middle of its first panes. Without a cache a second process compiles
the loop that reads JSON, the largest by far, and what is called late, while this one compiles all else:
`python -m daemon.warming`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import orjson

from daemon import kernel_cache, unloaded
from daemon.codecs.native import Native
from daemon.decode.batch import Bounds
from daemon.decode.scanning.events import scan
from daemon.decode.scanning.scanner import Scanner
from daemon.records import Partition, Polled, Position, Run
from daemon.sources.base import Source
from processors.kernels.binning import WIDTH, side_counts
from processors.kernels.together import together
from processors.rows import Names

_PARTITION = Partition("warming", 0)
_PANES, _IN_EACH = 6, 180
_APART_MS = 13 * 3_600_000
"""So many that the ledger's index grows; panes so far apart that what they hold is enough for a version's coordinates
to be sealed, and its forest planted."""


class Parsed(Native):
    """Native JSON that is not read by the compiled loop."""

    plain = False


def reading_is_compiled() -> bool:
    """Whether the loop that reads JSON need not be compiled."""
    return kernel_cache.keeps(scan)


@contextmanager
def reading_compiled_aside(stop: Callable[[], bool]) -> Iterator[None]:
    """Have a second process compile the loop that reads JSON, and wait for that at the end, unless told to stop."""
    command = [sys.executable, "-P", "-m", __name__]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as aside:  # noqa: S603 - ourselves
        try:
            yield
            while aside.poll() is None and not stop():
                with suppress(subprocess.TimeoutExpired):
                    aside.wait(0.1)
        finally:
            aside.kill()


def _compile_aside() -> None:
    unloaded.load_numba_without_blas()
    kernel_cache.survive_failures()
    Scanner(Bounds()).scan(list(map(orjson.dumps, _events(0))), Names())
    load_late()


class Handful(Source):
    """A finite source of predictions and labels of every kind that takes a path of its own through the kernels."""

    name = "warming"

    def __init__(self, settings: Any = None, opening: Any = None) -> None:
        self._left = [_events(pane) for pane in range(_PANES)]
        self._next = 0

    def poll(self, max_wait_s: float, max_records: int) -> Polled:
        if not self._left:
            return Polled(finished=frozenset({_PARTITION}))
        first, events = self._next == 0, self._left.pop(0)
        offsets = list(range(self._next, self._next + len(events)))
        self._next += len(events)
        blank: list[Any] = [None] * len(events)
        times = [event["ts"] for event in events]
        run = Run(_PARTITION, offsets, times, blank, list(map(orjson.dumps, events)), [() for _ in events])
        return Polled(runs=[run], assigned=(_PARTITION,) if first else ())

    def seek(self, positions: Mapping[Partition, Position]) -> None:
        """Nothing to go back to."""

    def positions(self) -> dict[Partition, Position]:
        return {_PARTITION: Position(self._next)}

    def pause(self, partitions: Collection[Partition]) -> None:
        """It is over before anybody could want that."""

    def resume(self, partitions: Collection[Partition]) -> None:
        """As above."""

    @property
    def paused(self) -> frozenset[Partition]:
        return frozenset()

    def close(self) -> None:
        """Nothing to let go of."""


def load_late() -> None:
    """The kernels that a version calls first with its thousandth prediction: a handful has fewer."""
    side = np.zeros((1, WIDTH), np.int8)
    side_counts(np.zeros((1, 1), np.uint8), side)
    cell, version, place = np.zeros(1, np.int32), np.zeros(1, np.int64), np.zeros(1, np.int16)
    partner, weight = np.zeros((1, 1, 1), np.uint8), np.zeros((1, 1, 1, WIDTH), np.float32)
    together(cell, cell, cell, version, place, side, partner, weight, np.zeros((1, 1), np.float32))


def _events(pane: int) -> list[dict[str, Any]]:
    """A pane's predictions, one of them twice, with labels for those of the pane before, one of them corrected."""
    found: list[dict[str, Any]] = []
    for n in range(_IN_EACH):
        ts, score = (pane + 1) * _APART_MS + n, (n % 10) / 10
        named = {"model": "warming", "ts": ts}
        found.append(
            {
                "type": "prediction", "id": f"{pane}-{n}", "version": "1", "prediction": int(score > 0.5),
                "score": score, "features": {"number": n / 7, "text": "ab"[n % 2]}, "segment": {"key": "xy"[n % 2]},
                **named,
            }
        )  # fmt: skip
        found.append({"type": "label", "id": f"{pane - 1}-{n}", "label": n % 2, **named})
    return [*found, found[0], found[1] | {"label": 1, "ts": found[-1]["ts"]}]


if __name__ == "__main__":
    _compile_aside()
