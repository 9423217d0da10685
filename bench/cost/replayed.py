"""Vigil's own work on a shape, by stage, without Kafka: a replay of its events from files.

python -m bench.cost.replayed SHAPE(JSON) RESULT [SHARE]

The steady state begins when every model's features are sealed, or after SHARE of the events if that is later; it ends
with the last poll, before a replay closes everything.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import structlog

import config
from bench.cost.marks import Marks, Stages
from bench.cost.shape import Shape
from bench.cost.staging import TRANSPORT, count_polls, stage
from daemon import app, telemetry

_SEALED_AFTER = 1_000
"""Predictions of a version after which its features are sealed and all monitors work."""


def main() -> None:
    """See the module."""
    shape = Shape(**orjson.loads(sys.argv[1]))
    telemetry.configure("error", "json")
    structlog.get_logger()
    with tempfile.TemporaryDirectory() as folder:
        inputs = write(shape, Path(folder))
        run(shape, inputs, Path(folder), Path(sys.argv[2]), float(sys.argv[3]) if len(sys.argv) > 3 else 0.1)


def write(shape: Shape, folder: Path) -> list[Path]:
    """The shape's events as files: one of predictions, one of labels."""
    paths = []
    for name, events in (("predictions", shape.predictions()), ("labels", shape.labels())):
        path = folder / f"{name}.ndjson"
        with path.open("wb") as file:
            for _, message in events:
                file.write(message + b"\n")
        paths.append(path)
    return paths


def run(shape: Shape, inputs: list[Path], folder: Path, result: Path, share: float) -> None:
    """Replay, and write what the steady state cost."""
    app.warm_up()
    settings = config.parse("", {}, app.registry(), source_required=False)
    marks = Marks(2 * shape.events, Stages(), begin=max(share, 1.1 * _SEALED_AFTER * shape.models / shape.events))
    alerts, readings = folder / "alerts.ndjson", folder / "readings.ndjson"
    with closing(app.replaying(settings, inputs, alerts=alerts, readings=readings)) as pipeline:
        stage(pipeline, marks.stages)
        count_polls(pipeline, marks)
        while not marks.nearly_complete:
            pipeline.step()
        marks.end(result)


def own_us(found: Mapping[str, Any]) -> float:
    """Microseconds an event of all that is neither reading nor decoding."""
    own = sum(seconds for name, seconds in found["stages_s"].items() if name not in TRANSPORT)
    return float(own / found["records"] * 1e6)


if __name__ == "__main__":
    main()
