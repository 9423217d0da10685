"""`python -m bench.memory`: how much memory pending predictions and watched models take.

    python -m bench.memory pending 10_000_000     predictions that wait for their labels
    python -m bench.memory models 1_000           models of 20 features under the full default suite
    python -m bench.memory flood 12_000           models that come once each; VIGIL_LIMITS__MODELS are watched

Each is measured in a process of its own with everything imported: resident memory before, at its highest, and after.
"""

from __future__ import annotations

import gc
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import orjson

import config
from daemon import app
from daemon.decode import Decoded
from daemon.garbage import give_back, resident
from daemon.ledger.open_panes import no_labels, no_signals
from daemon.pipeline import Pipeline
from processors.rows import Cells, Names, Predictions, Refs, Scalars, text_hash

BEGIN_US = 1_790_000_000_000_000 // 3_600_000_000 * 3_600_000_000
PANE_US = 10_000_000
ROWS = 20_000
"""Predictions in each pane."""
EVENTS_PER_MODEL = 1_500
FEATURES = 20


def main(arguments: list[str]) -> int:
    """Measure what is asked for."""
    what, count = arguments if len(arguments) == 2 else ("pending", "1_000_000")
    if int(count) > 1:
        # Kernels that are not cached yet are compiled in a process of its own: that takes 350 MB, which stay.
        for compiling in (["-c", "from daemon import app; app.warm_up()"], ["-m", __spec__.name, what, "1"]):
            subprocess.run([sys.executable, *compiling], check=True, stdout=subprocess.DEVNULL)
    measures = {"pending": pending, "models": models, "flood": flood}
    if what not in measures:
        print(f"unknown: {what}; one of {', '.join(measures)}", file=sys.stderr)
        return 64
    print(orjson.dumps(measures[what](int(count))).decode())
    return 0


def pending(count: int) -> dict[str, float]:
    """So many predictions go through the ledger and wait; each has two probabilities and a segment."""
    with closing(idle_pipeline(f"labels: {{max_pending: {count + ROWS}}}")) as pipeline:
        ledger = pipeline.parts.ledger
        for _ in pane_after_pane(pipeline, 1):
            before, began = resident(), time.process_time()
        for _ in pane_after_pane(pipeline, count // ROWS, first=1):
            pass
        gc.collect()
        held = len(ledger.retained)
        return {
            "pending": held,
            "keep_rate": ledger.keep_rate,
            "us_per_prediction": (time.process_time() - began) / count * 1e6,
            **figures(before, held),
        }


def figures(before: int, count: int) -> dict[str, float]:
    """Resident bytes now and at the highest, whole and by piece."""
    now, highest = resident(), peak()
    return {
        "rss_before": before,
        "rss_now": now,
        "rss_peak": highest,
        "bytes_each_now": (now - before) / count,
        "bytes_each_peak": (highest - before) / count,
    }


def pane_after_pane(pipeline: Pipeline, panes: int, first: int = 0) -> Iterator[int]:
    """Panes full of predictions, closed one after the other."""
    ledger, profile = pipeline.parts.ledger, pipeline.parts.watch.profile
    for pane in range(first, first + panes):
        start = BEGIN_US + pane * PANE_US
        table = predictions(pane, start)
        ledger.add(Decoded(table, no_labels(), no_signals(), [], len(table)))
        profile.admit(*ledger.rows_of(start))
        ledger.close(start)
        yield pane


def predictions(pane: int, start: int) -> Predictions:
    """A pane's predictions of ten models."""
    rng = np.random.default_rng(pane)
    number = np.arange(pane * ROWS, (pane + 1) * ROWS, dtype=np.uint64)
    model = np.array([text_hash(f"model-{n}") for n in range(10)], np.uint64)
    words = [f"model-{n}" for n in range(10)] + ["1", "eu", "us"]
    proba, segment = text_hash("01"), text_hash("region")
    names = Names({text_hash(word): word for word in words}, {proba: ("0", "1"), segment: ("region",)})
    score = rng.random(ROWS)
    region = np.array([text_hash("eu"), text_hash("us")], np.uint64)[rng.integers(0, 2, ROWS)]
    time_us = np.sort(start + rng.integers(0, PANE_US, ROWS))
    ids = np.empty(ROWS, object)
    ids[:] = ""
    starts = np.arange(ROWS, dtype=np.int64)
    pairs = Scalars.of_numbers(np.column_stack([1 - score, score]).ravel())
    return Predictions(
        Refs(np.zeros(ROWS, np.int32), number.astype(np.int64), np.zeros(ROWS, np.int32)),
        time_us,
        time_us,
        time_us,
        np.zeros(ROWS, np.uint8),
        model[(number % 10).astype(np.int64)],
        np.full(ROWS, text_hash("1"), np.uint64),
        number * np.uint64(0x9E3779B97F4A7C15),
        ids,
        Scalars.of_numbers(score > 0.5),
        score,
        np.full(ROWS, np.nan),
        Cells.empty(ROWS),
        Cells(np.full(ROWS, proba, np.uint64), 2 * starts, np.full(ROWS, 2, np.int32), pairs),
        Cells(
            np.full(ROWS, segment, np.uint64),
            starts,
            np.ones(ROWS, np.int32),
            Scalars(np.full(ROWS, 2, np.uint8), region),
        ),
        Cells.empty(ROWS),
        number,
        names,
    )


def models(count: int) -> dict[str, float]:
    """So many models of 20 features, each with enough events that its series are sealed and its windows filled."""
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder, "events.ndjson")
        write_models(events, count)
        with closing(idle_pipeline("", events)) as pipeline:
            before = resident()
            pipeline.run(lambda: False)
            gc.collect()
            return {"models": len(pipeline.parts.watch.profile.bases()), **figures(before, count)}


def flood(count: int) -> dict[str, float]:
    """So many models, one after the other, each with a few events; what is beyond `limits.models` is not watched."""
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder, "events.ndjson")
        write_flood(events, count)
        with closing(idle_pipeline("labels: {wait: 1m}", events)) as pipeline:
            before = resident()
            pipeline.run(lambda: False)
            watched = len(pipeline.parts.watch.profile.bases())
            left_out = pipeline.status()["cut_off"].get("models", 0)
            received = pipeline.accounts["received"]
            give_back()
            return {"models": watched, "left_out": left_out, "received": received, **figures(before, watched)}


def write_flood(path: Path, count: int) -> None:
    """Four predictions of each model and their labels, 500 a second of event time: each within one pane."""
    with path.open("wb") as out:
        for number in range(4 * count):
            common = {"id": str(number), "model": f"model-{number // 4}", "ts": BEGIN_US + number * 2_000}
            event = {"type": "prediction", "version": "1", "features": {"amount": number % 7}, "prediction": number % 2}
            out.write(orjson.dumps({**event, **common}) + b"\n")
            out.write(orjson.dumps({"type": "label", "label": 1, **common}) + b"\n")


def write_models(path: Path, count: int) -> None:
    """A second of event time holds four predictions of each model, in turn, and their labels."""
    rng = np.random.default_rng(0)
    with path.open("wb") as out:
        for number in range(count * EVENTS_PER_MODEL):
            model, turn = number % count, number // count
            values = rng.normal(size=FEATURES)
            score = float(1 / (1 + np.exp(-values[0])))
            features = {f"feature_{place:02}": value for place, value in enumerate(values.tolist())}
            common = {"id": str(number), "model": f"model-{model}", "ts": BEGIN_US + turn * 250_000}
            event = {"type": "prediction", "version": "1", "features": features, "prediction": int(score > 0.5)}
            label = {"type": "label", "label": int(rng.random() < score)}
            out.write(orjson.dumps({**event, **common, "score": score}) + b"\n" + orjson.dumps({**label, **common}))
            out.write(b"\n")


def idle_pipeline(text: str, events: Path = Path(os.devnull)) -> Pipeline:
    """A pipeline with the whole default suite."""
    settings = config.parse(text, os.environ, app.registry(), source_required=False)
    return app.replaying(
        settings, [events], alerts=Path(tempfile.gettempdir(), f"vigil-{os.getpid()}.ndjson"), readings=None
    )


def peak() -> int:
    """The most that was ever resident of this program: what getrusage says may be of the process that started it."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
