"""How the cost of an event grows with models, features, segments and the length of the stream."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from bench.cost.replayed import own_us
from bench.cost.shape import Shape
from bench.cost.sides import child

_STEADY = 0.1
_LAST = 0.74
"""Of one model, of a hundred or of a thousand the same part of the same stream is measured: after the features of the
thousand were sealed. A model begins more cheaply than it goes on, for nothing is judged before."""


def scaling(folder: Path, *, long: bool, tell: Callable[[str], None]) -> dict[str, list[dict[str, Any]]]:
    """By axis, a point for each place on it: {"at", "own_us", "whole_us", "peak_rss_bytes"}, microseconds an event."""
    fleet = Shape(rate=10_000, events=1_500_000)
    found: dict[str, list[dict[str, Any]]] = {}
    for axis, places in _axes(fleet, long=long).items():
        found[axis] = []
        for at, shape in places:
            tell(f"scaling: {axis} {at:,}")
            found[axis].append({"at": at, **point(shape, folder, _LAST if axis == "models" else _STEADY)})
    return found


def point(shape: Shape, folder: Path, share: float = _STEADY) -> dict[str, Any]:
    """What a shape costs, replayed, once this share of it was read."""
    result = folder / "replayed.json"
    result.unlink(missing_ok=True)
    measured = child(
        "bench.cost.replayed", orjson.dumps(asdict(shape)).decode(), str(result), str(share), result=result
    )
    return {
        "own_us": own_us(measured),
        "whole_us": measured["cpu_s"] / measured["records"] * 1e6,
        "peak_rss_bytes": measured["peak_rss_bytes"],
        "stages_us": {name: s / measured["records"] * 1e6 for name, s in measured["stages_s"].items()},
    }


def _axes(fleet: Shape, *, long: bool) -> dict[str, list[tuple[int, Shape]]]:
    events = [100_000, 1_000_000, *([10_000_000] if long else [])]
    return {
        "models": [
            (1, fleet.of(models=1)),
            (100, fleet.of(models=100)),
            (1_000, fleet.of(models=1_000)),
        ],
        "features": [(n, Shape(features=n, models=1, events=40_000)) for n in (5, 20, 50, 200, 500)],
        "segment keys of 20 values": [(n, Shape(segments=n, events=100_000)) for n in (0, 3)],
        "predictions": [(n, Shape(events=n)) for n in events],
    }
