"""What a commit holds the stream up for: `python -m bench.checkpoint [MODELS] [PREDICTIONS]`.

Runs Vigil over a generated stream of MODELS models with 20 features, a label for each prediction, into a real state,
and prints for its last commits how long the loop stood still and how much was written; and what a state that is written
whole, on the loop's thread, would cost.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import orjson

import config
from config.streams import Files
from daemon import app
from daemon.checkpoint import Durable
from daemon.pipeline import Pipeline
from daemon.records import Partition, Polled, Position, Run
from daemon.sources.base import Source
from daemon.state.commit import Commit
from daemon.state.outbox import Outbox
from daemon.state.store import Store
from processors.packing import pack, unpack

FEATURES = 20
SHOWN = 8
ONLY = Partition("events", 0)
START_MS = 1_790_000_000_000


@dataclass(frozen=True, slots=True)
class Cost:
    """One commit: seconds for which the loop stood still, of which it had the CPU, and bytes written beside it."""

    stall_s: float
    cpu_s: float
    written: int


class Generated(Source):
    """A stream that is made as it is read, one prediction and its label a millisecond."""

    name = "generated"
    Settings = Files

    def __init__(self, models: int, predictions: int) -> None:
        self._models, self._left, self._at = models, predictions, 0
        self._rng = np.random.default_rng(0)

    def poll(self, max_wait_s: float, max_records: int) -> Polled:
        if not self._left:
            return Polled(finished=frozenset({ONLY}))
        first, rows = self._at, min(self._left, max_records // 2)
        self._left -= rows
        self._at += 2 * rows
        values = self._rng.normal(size=(rows, FEATURES)).round(4)
        lines = [line for row in range(rows) for line in self._lines(first // 2 + row, values[row])]
        ms = [START_MS + (first + place) // 2 for place in range(2 * rows)]
        nothing: list[Any] = [None] * len(lines)
        run = Run(ONLY, list(range(first, first + len(lines))), ms, nothing, list(lines), [[] for _ in lines])
        return Polled([run], assigned=() if first else (ONLY,))

    def _lines(self, number: int, values: Any) -> tuple[bytes, bytes]:
        score = float(1 / (1 + np.exp(-values[0])))
        named = {"id": f"request-{number:012}", "model": f"model-{number % self._models}"}
        features = {f"feature_{place:02}": float(value) for place, value in enumerate(values)}
        said = {"type": "prediction", **named, "version": "1", "features": features}
        label = {"type": "label", **named, "label": int(self._rng.random() < score)}
        return orjson.dumps(said | {"prediction": int(score > 0.5), "score": score}), orjson.dumps(label)

    def seek(self, positions: Mapping[Partition, Position]) -> None:
        raise NotImplementedError

    def positions(self) -> dict[Partition, Position]:
        return {ONLY: Position(self._at)}

    def pause(self, partitions: Collection[Partition]) -> None:
        pass

    def resume(self, partitions: Collection[Partition]) -> None:
        pass

    @property
    def paused(self) -> frozenset[Partition]:
        return frozenset()

    def close(self) -> None:
        pass


class Noting(Store):
    """A store that notes how much each commit writes."""

    noted = 0

    def write_behind(self, commit: Commit) -> None:
        self.noted = commit.size
        super().write_behind(commit)


class Timed(Durable):
    """A checkpoint that notes what each of its commits cost."""

    def __init__(self, store: Noting, *given: Any) -> None:
        super().__init__(store, *given)
        self._noting, self.costs = store, list[Cost]()

    def commit(self, *given: Any) -> None:
        self._settle(None)  # what the pipeline does at each pass: `due` is false until then
        began, began_cpu = time.perf_counter(), time.thread_time()
        super().commit(*given)
        spent = time.perf_counter() - began
        self.costs.append(Cost(spent, time.thread_time() - began_cpu, self._noting.noted))


def main(arguments: list[str]) -> None:
    """Print the table."""
    models, predictions = [*map(int, arguments), *(100, 300_000)[len(arguments) :]]
    with tempfile.TemporaryDirectory() as folder:
        with closing(cast("Noting", Noting.open(Path(folder)))) as store:
            costs = watched(store, models, predictions)
            items = store.load().items
        state = sum(map(len, items.values()))
        print(f"{models:,} models, {FEATURES} features, {predictions:,} predictions; a state of {state / 1e6:,.0f} MB")
        print(f"{'stall ms':>10} {'CPU of it':>10} {'written MB':>12}")
        for cost in costs[-SHOWN:]:
            print(f"{cost.stall_s * 1e3:10,.0f} {cost.cpu_s * 1e3:10,.0f} {cost.written / 1e6:12,.1f}")
        steady = costs[len(costs) // 2 :]
        stalls, cpu = [cost.stall_s * 1e3 for cost in steady], [cost.cpu_s * 1e3 for cost in steady]
        print(f"second half: median {np.median(stalls):,.0f} ms, worst {max(stalls):,.0f} ms")
        print(f"        CPU: median {np.median(cpu):,.0f} ms, worst {max(cpu):,.0f} ms")
        whole_s, whole_cpu_s = written_whole(items, Path(folder, "whole"))
        print(f"the whole state, on the loop's thread: {whole_s * 1e3:,.0f} ms, CPU {whole_cpu_s * 1e3:,.0f} ms")


def watched(store: Noting, models: int, predictions: int) -> list[Cost]:
    """What the commits of a whole run cost."""
    settings = config.parse("http: {port: null}", {}, app.registry(), source_required=False)
    source = Generated(models, predictions)
    checkpoint = Timed(store, Outbox(store, {}), source, (1.0, 10.0))
    parts, saving = app.assemble(settings, source, checkpoint, None, wall=time.time, on_notice=lambda _: None)
    pipeline = Pipeline(parts)
    checkpoint.restore(pipeline, saving, store.load())
    with closing(pipeline):
        pipeline.run(lambda: False)
    return checkpoint.costs[:-1]


def written_whole(items: Mapping[str, bytes], folder: Path) -> tuple[float, float]:
    """Seconds (and of them CPU) for packing and writing every item in one transaction, as was done once."""
    trees = {name: unpack(blob) for name, blob in items.items()}
    with closing(Store.open(folder)) as store:
        began, began_cpu = time.perf_counter(), time.thread_time()
        with store.commit() as commit:
            for name, tree in trees.items():
                commit.put(name, pack(tree))
        return time.perf_counter() - began, time.thread_time() - began_cpu


if __name__ == "__main__":
    main(sys.argv[1:])
