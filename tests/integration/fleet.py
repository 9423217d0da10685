"""Events of several models for the tests on a real broker, with known truth and garbage of twenty kinds."""

from __future__ import annotations

import random
from typing import Any

import orjson

START_S = 1_790_000_000

GARBAGE: tuple[tuple[str, bytes], ...] = (
    ("not_json", b"{oops"),
    ("not_json", b'{"type":"prediction","id":"x"'),
    ("not_utf8", b'{"type":"label","id":"\xff\xfe"}'),
    ("empty", b"  "),
    ("not_an_event", b"17"),
    ("not_an_event", b'"a text"'),
    ("not_an_event", b"null"),
    ("missing_type", b'{"id":"x","model":"m0"}'),
    ("unknown_type", b'{"type":"guess","id":"x","model":"m0"}'),
    ("missing_id", b'{"type":"label","model":"m0","label":1}'),
    ("bad_id", b'{"type":"label","id":["x"],"model":"m0","label":1}'),
    ("missing_model", b'{"type":"label","id":"x","label":1}'),
    ("missing_label", b'{"type":"label","id":"x","model":"m0"}'),
    ("bad_label", b'{"type":"label","id":"x","model":"m0","label":{"a":1}}'),
    ("missing_prediction", b'{"type":"prediction","id":"x","model":"m0"}'),
    ("bad_prediction", b'{"type":"prediction","id":"x","model":"m0","prediction":[1]}'),
    ("bad_features", b'{"type":"prediction","id":"x","model":"m0","prediction":1,"features":[1,2]}'),
    ("bad_proba", b'{"type":"prediction","id":"x","model":"m0","prediction":1,"proba":{"0":7}}'),
    ("bad_score", b'{"type":"prediction","id":"x","model":"m0","prediction":1,"score":"high"}'),
    ("bad_ts", b'{"type":"prediction","id":"x","model":"m0","prediction":1,"ts":"yesterday"}'),
    ("bad_value", b'{"type":"signal","model":"m0","name":"loss","value":"x"}'),
    ("too_deep", b'{"type":"label","id":"x","model":"m0","label":1,"more":' + b"[" * 2000 + b"]" * 2000 + b"}"),
)
"""(reason, message) of what must become a dead letter."""


def events(models: int, count: int, seed: int = 0, *, drift_at: int | None = None) -> list[tuple[int, dict[str, Any]]]:
    """(time in milliseconds, event), by time: predictions a tenth of a second apart, each with its label later.

    The models are right in nine of ten; from event `drift_at` on in six of ten. Labels of a twentieth come twice, the
    second correcting the first; of a fiftieth they come before their prediction; a fiftieth stands twice.
    """
    rng = random.Random(seed)
    found: list[tuple[int, dict[str, Any]]] = []
    for number in range(count):
        ms = START_S * 1000 + number * 100
        model = f"m{number % models}"
        prediction = rng.random() < 0.4
        right = rng.random() < (0.9 if drift_at is None or number < drift_at else 0.6)
        label = int(prediction == right)
        score = rng.betavariate(6, 2) if prediction else rng.betavariate(2, 6)
        event = {
            "type": "prediction",
            "id": f"r{number}",
            "model": model,
            "version": "1",
            "ts": ms,
            "features": {"amount": rng.gauss(50, 10), "country": rng.choice(["CN", "DE", "US"])},
            "prediction": int(prediction),
            "score": score,
            "segment": {"region": rng.choice(["eu", "us"])},
        }
        found.append((ms, event))
        if number % 50 == 7:
            found.append((ms + 200, event))
        after = -5_000 if number % 50 == 11 else rng.randrange(100, 30_000)
        wrong_first = number % 20 == 3
        found.append((ms + after, _label(number, model, 1 - label if wrong_first else label, ms + after)))
        if wrong_first:
            found.append((ms + after + 20_000, _label(number, model, label, ms + after + 20_000)))
    return sorted(found, key=lambda item: item[0])


def encoded(event: dict[str, Any]) -> bytes:
    """The event as a message."""
    return orjson.dumps(event)


def _label(number: int, model: str, label: int, ms: int) -> dict[str, Any]:
    return {"type": "label", "id": f"r{number}", "model": model, "label": label, "ts": ms}
