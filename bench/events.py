"""A stream as native events in a file: one prediction and its label after the other, at an even pace."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

Rows = dict[str, npt.NDArray[Any]]
"""Features by name; float64 or object columns of the same length."""

BEGIN_US = 1_767_571_200_000_000
"""Monday 2026-01-05, midnight UTC."""


@dataclass(frozen=True, slots=True)
class Served:
    """What one version served: features, answers (score of the positive class) and what turned out to be true."""

    version: str
    rows: Rows
    score: npt.NDArray[np.float64]
    truth: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def wrong(self) -> npt.NDArray[np.bool_]:
        """Which answers were wrong."""
        return np.asarray((self.score > 0.5) != self.truth)


@dataclass(frozen=True, slots=True)
class Incident:
    """A change that is there to be found: event numbers in the stream, `end` the first healthy one again."""

    what: str
    version: str
    begin: int
    end: int
    early: int = 0
    """By so many events an alert may come sooner, for a change that begins softly."""
    feature: str | None = None
    """The one that broke; None: the concept changed."""
    bound: float | None = None
    """Delay (events) by which a detector with the configured budget should have found it; None: it is not visible."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One model's life, version after version, and what is wrong with it."""

    name: str
    family: str
    parts: list[Served]
    incidents: list[Incident] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(map(len, self.parts))


def write(stream: Stream, path: Path, per_second: float) -> None:
    """Write the events as NDJSON, `per_second` predictions a second, each label with its prediction."""
    number, step = 0, 1e6 / per_second
    with path.open("wb") as out:
        for part in stream.parts:
            names = sorted(part.rows)
            columns = [part.rows[name].tolist() for name in names]
            for values, score, truth in zip(
                zip(*columns, strict=True), part.score.tolist(), part.truth.tolist(), strict=True
            ):
                time = BEGIN_US + round(number * step)
                known = {name: _json(value) for name, value in zip(names, values, strict=True)}
                event = {
                    "type": "prediction",
                    "id": f"e{number}",
                    "model": stream.name,
                    "version": part.version,
                    "ts": time,
                    "features": known,
                    "prediction": int(score > 0.5),
                    "proba": {"0": 1 - score, "1": score},
                }
                label = {"type": "label", "id": f"e{number}", "model": stream.name, "label": truth, "ts": time}
                out.write(orjson.dumps(event) + b"\n" + orjson.dumps(label) + b"\n")
                number += 1


def _json(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
