"""What streams while everything is killed: events of several models, of which it is known what must become of them.

The stream is a function of the seed alone, however far it is followed. Its times lie in the past, so that no timestamp
is ever ahead of the wall clock.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from tests.daemon.explain.trained import NAMES
from tests.integration.fleet import GARBAGE

PARTITIONS = 4
START_MS = 1_700_000_000_000
STEP_MS = 100
"""Event time between two predictions."""
EXPLAINED = "scored"
"""The model that has a file. It predicts one minute in three: its worker takes seconds to start."""
DRIFTS_EVERY = 2_500
"""Predictions after which a model turns bad, or good again."""
_HORIZON_MS = 10_000
"""Nothing is due earlier than this before the prediction that it belongs to."""


class Entry(NamedTuple):
    """One record to produce: how many events it holds, and the indices of those that must be refused."""

    partition: int
    ms: int
    key: bytes
    value: bytes
    events: int = 1
    bad: tuple[int, ...] = ()


def entries(seed: int) -> Iterator[Entry]:
    """Records by the time at which they are due, without end."""
    rng = random.Random(f"workload/{seed}")
    numbers = itertools.count()
    due: list[tuple[int, int, Entry]] = []
    for number in itertools.count():
        now = START_MS + number * STEP_MS
        for entry in _around(rng, number, now):
            heapq.heappush(due, (entry.ms, next(numbers), entry))
        while due and due[0][0] <= now - _HORIZON_MS:
            _, place, entry = heapq.heappop(due)
            yield entry._replace(key=b"%d" % place, ms=_shaken(rng, entry.ms))


def ends(last_ms: int) -> list[Entry]:
    """One record for each partition, so much later that everything before it is closed, settled and over."""
    later = last_ms + 6 * 3_600_000
    return [
        Entry(partition, later, b"end-%d" % partition, _signal("end", partition, later))
        for partition in range(PARTITIONS)
    ]


def _around(rng: random.Random, number: int, now: int) -> Iterator[Entry]:
    """A prediction with everything that belongs to it, and now and then something bad."""
    model = _model(rng, number)
    event = _prediction(rng, number, model, now)
    home = number % PARTITIONS
    yield _entry(rng, home, now, event)
    if rng.random() < 0.02:
        yield _entry(rng, home, now + rng.randrange(5_000), event)
    if rng.random() < 0.01:
        yield _entry(rng, home, now + rng.randrange(5_000), {**event, "prediction": 1 - event["prediction"]})
    if rng.random() < 0.97:
        yield from _labels(rng, event, home, now)
    if rng.random() < 0.01:
        yield _entry(rng, home, now, {"type": "label", "id": f"orphan-{number}", "model": model, "label": 1, "ts": now})
    if rng.random() < 0.05:
        yield _entry(rng, home, now, {"type": "signal", "model": model, "name": "loss", "value": rng.random()})
    if rng.random() < 0.03:
        yield _garbage(rng, now)
    if rng.random() < 0.02:
        yield _mixed(rng, number, now)


def _model(rng: random.Random, number: int) -> str:
    others = ["fraud", "churn", "price"]
    return rng.choice([EXPLAINED, *others] if number // 600 % 3 == 0 else others)


def _prediction(rng: random.Random, number: int, model: str, now: int) -> dict[str, Any]:
    bad = number // DRIFTS_EVERY % 2 == 1
    event = {
        "type": "prediction",
        "id": f"r{number}",
        "model": model,
        "version": "2" if model == "fraud" and number > 3 * DRIFTS_EVERY else "1",
        "ts": now - (rng.randrange(60_000) if rng.random() < 0.01 else rng.randrange(6_000)),
        "segment": {"region": rng.choice(["eu", "us"])},
    }
    if model == "price":
        return event | {"prediction": rng.gauss(100, 20), "features": {"area": rng.gauss(80, 15 + 15 * bad)}}
    positive = rng.random() < 0.4
    score = rng.betavariate(6, 2) if positive else rng.betavariate(2, 6)
    features: dict[str, Any] = {"amount": rng.gauss(50 + 20 * bad, 10), "country": rng.choice(["CN", "DE", "US"])}
    if model == EXPLAINED:
        features = {name: rng.gauss(0, 1) for name in NAMES}
    return event | {"prediction": int(positive), "score": score, "features": features}


def _labels(rng: random.Random, event: dict[str, Any], home: int, now: int) -> Iterator[Entry]:
    """The label: mostly seconds later, sometimes before the prediction, very late, corrected, or twice."""
    chance = rng.random()
    after = rng.randrange(-5_000, 0) if chance < 0.03 else rng.randrange(100, 20_000)
    after = rng.randrange(120_000, 500_000) if chance > 0.97 else after
    place = home if rng.random() < 0.9 else rng.randrange(PARTITIONS)
    label = {"type": "label", "id": event["id"], "model": event["model"], "ts": now + after}
    truth, wrong = _truth(rng, event)
    if rng.random() < 0.05:
        yield _entry(rng, place, now + after, label | {"label": wrong})
        label |= {"ts": now + after + 10_000}
        yield _entry(rng, place, now + after + 10_000, label | {"label": truth})
        return
    yield _entry(rng, place, now + after, label | {"label": truth})
    if rng.random() < 0.03:
        yield _entry(rng, place, now + after + rng.randrange(30_000), label | {"label": truth})


def _truth(rng: random.Random, event: dict[str, Any]) -> tuple[Any, Any]:
    """A label that is mostly the prediction, and one that is something else."""
    if event["model"] == "price":
        value = event["prediction"] + rng.gauss(0, 5)
        return value, value + 10
    bad = int(event["id"][1:]) // DRIFTS_EVERY % 2 == 1
    right = rng.random() < (0.6 if bad else 0.92)
    return int(event["prediction"] == right), int(event["prediction"] != right)


def _garbage(rng: random.Random, now: int) -> Entry:
    _, value = rng.choice(GARBAGE)
    return Entry(rng.randrange(PARTITIONS), now, b"", value, 1, (0,))


def _mixed(rng: random.Random, number: int, now: int) -> Entry:
    """Several events in one message, of which some are bad."""
    good = {"type": "signal", "model": "fraud", "name": "queue", "value": float(number), "ts": now}
    kinds = [rng.choice([good, good, {"type": "guess"}, {"type": "label", "model": "fraud", "label": 1}, 17])]
    kinds += [rng.choice([good, {**good, "value": "high"}]) for _ in range(rng.randrange(1, 4))]
    bad = tuple(index for index, event in enumerate(kinds) if event is not good)
    return Entry(rng.randrange(PARTITIONS), now, b"", orjson.dumps(kinds), len(kinds), bad)


def _entry(rng: random.Random, partition: int, ms: int, event: dict[str, Any]) -> Entry:
    return Entry(partition, ms, b"", orjson.dumps(event))


def _signal(name: str, partition: int, ms: int) -> bytes:
    return orjson.dumps({"type": "signal", "model": "fraud", "name": name, "value": partition, "ts": ms})


def _shaken(rng: random.Random, ms: int) -> int:
    """Records' timestamps don't quite rise either."""
    return ms - rng.randrange(3_000) if rng.random() < 0.05 else ms
