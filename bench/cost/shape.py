"""The stream that is read: how large, how wide, how many models, at which pace; and its events as bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import orjson

BEGIN_MS = 1_790_000_000_000
_CHUNK = 5_000
_WORDS = tuple(f"category_{n:02}" for n in range(12))


@dataclass(frozen=True)
class Shape:
    """A stream of predictions with a label for each.

    `event_bytes` is the mean size of a prediction: digits are left out of its numbers, or a field that nobody reads is
    added, until that is its size. `rate` is in predictions a second of event time, `lag` (seconds) the mean time from
    a prediction to its label, uniform between a half and one and a half of it.
    """

    events: int = 300_000
    models: int = 10
    features: int = 20
    categorical: int = 0
    segments: int = 0
    event_bytes: int = 0
    rate: int = 1_000
    lag: float = 30.0

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """The default shape, with what EVENTS, MODELS, FEATURES, EVENT_BYTES, RATE and LABEL_LAG say."""
        said = {
            name: environment[name.upper()]
            for name in ("events", "models", "features", "event_bytes", "rate")
            if environment.get(name.upper())
        }
        lag = float(environment.get("LABEL_LAG") or cls.lag)
        return cls(**{name: int(float(text)) for name, text in said.items()}, lag=lag)

    def of(self, **changes: Any) -> Shape:
        """The same but for the changes."""
        return replace(self, **changes)

    @property
    def size(self) -> int:
        """Mean bytes of a prediction that are wanted: 660 with 20 features."""
        return self.event_bytes or 160 + 25 * self.features

    def predictions(self) -> Iterator[tuple[int, bytes]]:
        """(time in ms, message) of each prediction, in order of time."""
        digits, padding = self._fitting
        for begin in range(0, self.events, _CHUNK):
            for number, event in enumerate(self._chunk(begin, min(begin + _CHUNK, self.events), digits), begin):
                if padding:
                    event["trace"] = "x" * padding
                yield self.time_ms(number), orjson.dumps(event)

    def labels(self) -> Iterator[tuple[int, bytes]]:
        """(time in ms, message) of each label, in order of their own times."""
        rng = np.random.default_rng(7)
        numbers = np.arange(self.events)
        times = BEGIN_MS + numbers * 1000 // self.rate
        times += (self.lag * 1000 * (0.5 + rng.random(self.events))).astype(np.int64)
        truth = rng.random(self.events)
        for at in np.argsort(times, kind="stable").tolist():
            label = int(truth[at] < 0.3)
            event = {"type": "label", "id": _id(at), "model": self._model(at), "label": label, "ts": int(times[at])}
            yield int(times[at]), orjson.dumps(event)

    def time_ms(self, number: int) -> int:
        """When a prediction is made."""
        return BEGIN_MS + number * 1000 // self.rate

    @cached_property
    def _fitting(self) -> tuple[int, int]:
        """(digits after the point, bytes to add) with which a prediction has the size that is wanted."""
        for digits in range(16, 1, -1):
            mean = float(np.mean([len(orjson.dumps(event)) for event in self._chunk(0, 200, digits)]))
            if mean <= self.size:
                break
        missing = round(self.size - mean)
        return digits, max(missing - len(',"trace":""'), 0)

    def _chunk(self, begin: int, end: int, digits: int) -> list[dict[str, Any]]:
        rng = np.random.default_rng(begin)
        values = np.round(rng.normal(size=(end - begin, self.features)), digits)
        scores = np.round(1 / (1 + np.exp(0.85 - values[:, 0] / 4)), min(digits, 6))
        codes = np.minimum(rng.geometric(0.3, size=(end - begin, self.categorical)), len(_WORDS)) - 1
        segments = rng.integers(0, 20, size=(end - begin, self.segments))
        names = [f"f{place:02}" for place in range(self.features)]
        found = []
        columns = zip(values.tolist(), scores.tolist(), codes.tolist(), segments.tolist(), strict=True)
        for number, (row, score, words, places) in enumerate(columns, begin):
            features: dict[str, Any] = dict(zip(names, row, strict=True))
            features.update(zip(names[-len(words) :] if words else (), (_WORDS[code] for code in words), strict=True))
            event = {
                "type": "prediction",
                "id": _id(number),
                "model": self._model(number),
                "version": "1",
                "ts": self.time_ms(number),
                "features": features,
                "prediction": int(score > 0.5),
                "score": score,
            }
            if places:
                event["segment"] = {f"key_{key}": f"value_{place:02}" for key, place in enumerate(places)}
            found.append(event)
        return found

    def _model(self, number: int) -> str:
        return f"model-{number % self.models}"


def _id(number: int) -> str:
    return f"request-{number:012}"
