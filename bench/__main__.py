"""`make bench`: what watching costs beside reading, on this machine, in one run.

    EVENTS=50000 MODELS=10 FEATURES=20 make bench

The yardstick is `orjson.loads` of the same lines. Figures are CPU seconds of this process, best of several runs; only
the ratios mean anything on a shared machine.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import orjson

import config
from daemon import app
from daemon.pipeline import Pipeline

EVENTS, MODELS, FEATURES = (
    int(os.environ.get(n, d)) for n, d in (("EVENTS", 50_000), ("MODELS", 10), ("FEATURES", 20))
)
RUNS = 3
EVERY_MS = 2
STAGES = {
    "read": ("source", "poll"),
    "decode": ("decoder", "decode"),
    "ledger": ("ledger", "close"),
    "watch": ("watch", "close"),
    "alerts": ("life", "close"),
}


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "events.ndjson")
        lines = write(path)
        loads = min(spent(lambda: [orjson.loads(line) for line in lines]) for _ in range(RUNS))
        replay(path, Path(folder))  # compiles kernels
        runs = [replay(path, Path(folder)) for _ in range(RUNS)]
    whole = min(runs, key=lambda run: run["whole"])
    print(f"{len(lines):,} events of {MODELS} models, {FEATURES} features, a label for each prediction; best of {RUNS}")
    print(f"{'stage':12} {'us/event':>10} {'x orjson.loads':>15}")
    for name, seconds in {"orjson.loads": loads, **whole}.items():
        print(f"{name:12} {seconds / len(lines) * 1e6:10.2f} {seconds / loads:15.1f}")


def write(path: Path) -> list[bytes]:
    """Predictions and their labels, in order of time."""
    rng = np.random.default_rng(0)
    lines = []
    for number in range(EVENTS // 2):
        ms = 1_790_000_000_000 + number * EVERY_MS
        values = rng.normal(size=FEATURES)
        score = float(1 / (1 + np.exp(-values[0])))
        event = {
            "type": "prediction",
            "id": f"request-{number:012}",
            "model": f"model-{number % MODELS}",
            "version": "1",
            "ts": ms,
            "features": {f"feature_{place:02}": float(value) for place, value in enumerate(values)},
            "prediction": int(score > 0.5),
            "score": score,
        }
        label = int(rng.random() < score)
        lines.append(orjson.dumps(event))
        lines.append(
            orjson.dumps({"type": "label", "id": event["id"], "model": event["model"], "label": label, "ts": ms})
        )
    path.write_bytes(b"\n".join(lines) + b"\n")
    return lines


def replay(path: Path, folder: Path) -> dict[str, float]:
    """CPU seconds by stage of one replay with the default suite; `other` is the loop and what leaves."""
    settings = config.parse("", {}, app.registry(), source_required=False)
    alerts, readings = folder / "alerts.ndjson", folder / "readings.ndjson"
    with closing(app.replaying(settings, [path], alerts=alerts, readings=readings)) as pipeline:
        seconds = {name: timed(pipeline, *place) for name, place in STAGES.items()}
        whole = spent(lambda: pipeline.run(lambda: False))
        found = {name: sum(parts) for name, parts in seconds.items()}
    return {**found, "other": whole - sum(found.values()), "whole": whole}


def timed(pipeline: Pipeline, part: str, method: str) -> list[float]:
    """Have a method of a part note the CPU seconds of each of its calls."""
    owner = getattr(pipeline.parts, part)
    call: Callable[..., Any] = getattr(owner, method)
    noted: list[float] = []

    def noting(*arguments: Any, **named: Any) -> Any:
        began = time.process_time()
        try:
            return call(*arguments, **named)
        finally:
            noted.append(time.process_time() - began)

    setattr(owner, method, noting)
    return noted


def spent(work: Callable[[], Any]) -> float:
    """CPU seconds that something takes."""
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    main()
