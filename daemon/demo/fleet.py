"""The fleet at work: predictions that its real models make, and the labels that come for them, as events.

What happens in a span of event time depends on the seed, the story and the span alone, so that the same fleet asked
for the same spans says the same, whether for a file or for Kafka.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from daemon.demo.story import HOUR, SECOND, Story
from daemon.demo.training import Trained
from daemon.demo.worlds import Columns, Generator
from daemon.stamps import rfc3339
from processors.rows import Bools, Floats, Longs

NEVER_LABELLED = 0.01
REGIONS = {"eu": 0.5, "us": 0.3, "apac": 0.2}

MESSY = "credit"
"""The model whose labels are wrong at first now and then, and come twice."""
_WRONG_AT_FIRST, _TWICE = 0.02, 0.01
_CORRECTED_AFTER_HOURS = 1.0


@dataclass(frozen=True, slots=True)
class Events:
    """What one model predicted in a span, in the order of time, and all labels that will come for it: time and line."""

    predictions: list[tuple[int, bytes]]
    labels: list[tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class Served:
    """Columns of what a model served: one entry for each prediction."""

    time: Longs
    features: Columns
    """As the model saw them."""
    output: Floats
    """Score or predicted value."""
    label: Floats
    region: Any
    latency_ms: Floats

    def __len__(self) -> int:
        return len(self.time)


class Fleet:
    """Trained models in their story. The same `seed` means the same traffic."""

    def __init__(self, models: Sequence[Trained], story: Story, seed: int) -> None:
        self.models = tuple(models)
        self.story = story
        self._seed = seed

    def between(self, start: int, end: int) -> dict[str, Events]:
        """The events of each model whose predictions fall into a span (microseconds)."""
        return {model.world.model: self._events(number, model, start, end) for number, model in enumerate(self.models)}

    def _events(self, number: int, model: Trained, start: int, end: int) -> Events:
        rng = np.random.default_rng([self._seed, number, start // SECOND, 1])
        served = self.serve(model, rng, start, end)
        ids = [f"{model.world.model}-{start // SECOND:x}-{row}" for row in range(len(served))]
        times = served.time.tolist()
        predictions = list(zip(times, _prediction_lines(model, served, ids), strict=True))
        return Events(predictions, list(self._labels(model, rng, served, ids)))

    def serve(self, model: Trained, rng: Generator, start: int, end: int) -> Served:
        """What the model serves in a span: the world's rows as they reach it, and its own answers to them."""
        world, story = model.world, self.story
        count = int(rng.poisson(story.per_second * (end - start) / SECOND))
        time = np.sort(rng.integers(start // 1000, end // 1000, count)) * 1000
        true = world.draw(rng, count)
        label = world.labels(rng, true, story.happening(world.model, time, upstream=False))
        seen = _where(story.happening(world.model, time, upstream=True), world.broken(true), true)
        region = rng.choice(np.array(list(REGIONS)), count, p=list(REGIONS.values()))
        latency_ms = np.round(rng.lognormal(1.2, 0.3, count), 2)
        output = model.predict(seen) if count else np.zeros(0)
        return Served(time, seen, np.round(output, 4), label, region, latency_ms)

    def _labels(
        self, model: Trained, rng: Generator, served: Served, ids: Sequence[str]
    ) -> Iterator[tuple[int, bytes]]:
        """Time and line of each label, in the order of the predictions."""
        world, hour = model.world, HOUR * self.story.haste
        least, further = world.hours_to_label
        delay = least + rng.exponential(further, len(served)).clip(0, 5 * further)
        time = served.time + (delay * hour).astype(np.int64) // 1000 * 1000
        luck = rng.random(len(served)).tolist()
        columns = zip(ids, time.tolist(), _stamps(time), served.label.tolist(), luck, strict=True)
        for key, when, stamp, label, chance in columns:
            if chance < NEVER_LABELLED:
                continue
            value: float | int = label if world.task == "regression" else int(label)
            if world.model == MESSY and chance > 1 - _WRONG_AT_FIRST:
                yield when, _label_line(world.model, key, 1 - int(label), stamp)
                corrected = when + int(_CORRECTED_AFTER_HOURS * hour) // 1000 * 1000
                yield corrected, _label_line(world.model, key, value, rfc3339(corrected))
                continue
            yield when, _label_line(world.model, key, value, stamp)
            if world.model == MESSY and chance < NEVER_LABELLED + _TWICE:
                yield when, _label_line(world.model, key, value, stamp)


def _stamps(time: Longs) -> list[str]:
    """RFC 3339 with milliseconds."""
    texts: list[str] = np.datetime_as_string(time.astype("datetime64[us]").astype("datetime64[ms]")).tolist()
    return [text + "Z" for text in texts]


def _where(mask: Bools, one: Columns, other: Columns) -> Columns:
    return {name: np.where(mask, one[name], other[name]) for name in other}


def _prediction_lines(model: Trained, served: Served, ids: Sequence[str]) -> Iterator[bytes]:
    world = model.world
    names = tuple(served.features)
    rows = zip(*(column.tolist() for column in served.features.values()), strict=True)
    columns = zip(
        ids, _stamps(served.time), rows, served.output.tolist(), served.region.tolist(), served.latency_ms.tolist(),
        strict=True,
    )  # fmt: skip
    for key, stamp, values, output, region, latency_ms in columns:
        answer: dict[str, Any] = {"prediction": output}
        if world.task == "binary":
            proba = {"0": round(1 - output, 4), "1": output}
            answer = {"prediction": int(output >= 0.5), "score": output, "proba": proba}
        event = {
            "type": "prediction", "id": key, "model": world.model, "version": world.version, "ts": stamp,
            "features": dict(zip(names, values, strict=True)), **answer,
            "segment": {"region": region}, "latency_ms": latency_ms,
        }  # fmt: skip
        yield orjson.dumps(event)


def _label_line(model: str, key: str, label: float, stamp: str) -> bytes:
    return orjson.dumps({"type": "label", "id": key, "model": model, "label": label, "ts": stamp})
