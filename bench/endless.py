"""A stream without an end, made as it is read: what a fleet sends in the long run, and what it should not send.

Ten models of twenty features whose versions are replaced again and again; labels late by up to 600,000 events, some
early, some for nothing; ids that come twice; texts that are always new where few are expected (a category, a
segment); signals; and bad events. All of it is a function of the event's number, so that any run reads the same.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import orjson

from daemon.records import Partition, Polled, Position, Run
from daemon.sources.base import Source

BEGIN_MS = 1_790_000_000_000 // 3_600_000 * 3_600_000 - 600_000
"""Ten minutes before an hour."""
MODELS, FEATURES, PARTITIONS = 10, 20, 4
VERSION_MS = 1_800_000
BATCH = 2_000
LAGS = (601, 60_001, 600_001, -599)
"""Events between a prediction and its label: of every four predictions in turn."""


class Endless(Source):
    """Four partitions, read evenly; event time goes on by the number of events alone."""

    name = "endless"

    def __init__(self, per_second: float, events: int) -> None:
        self._step_ms, self._left = 1_000 / per_second, events
        self._next = dict.fromkeys((Partition("events", number) for number in range(PARTITIONS)), 0)
        self._paused: set[Partition] = set()
        self._begun = False
        self.events = 0
        self.pauses = 0

    @property
    def now_ms(self) -> float:
        """The present, as far as this stream is concerned."""
        return BEGIN_MS + self.events * self._step_ms

    def poll(self, max_wait_s: float, max_records: int) -> Polled:
        polled = Polled(assigned=() if self._begun else tuple(self._next))
        self._begun = True
        if self._paused:
            self.pauses += 1
            time.sleep(min(max_wait_s, 0.001))
            return polled
        if self._left <= 0:
            polled.finished = frozenset(self._next)
            return polled
        records = self._batch(min(max_records, BATCH, self._left))
        for place, partition in enumerate(self._next):
            mine = records[place::PARTITIONS]
            first, size = self._next[partition], len(mine)
            self._next[partition] += size
            stamps, values = [ms for ms, _ in mine], [value for _, value in mine]
            polled.runs.append(
                Run(partition, [*range(first, first + size)], stamps, [None] * size, [*values], [()] * size)
            )
        self._left -= len(records)
        return polled

    def _batch(self, count: int) -> list[tuple[int, bytes]]:
        numbers = np.arange(self.events, self.events + count)
        of = numbers - np.where(numbers % 2, np.array(LAGS)[numbers // 2 % len(LAGS)], 0)
        stamps = (BEGIN_MS + numbers * self._step_ms).astype(np.int64).tolist()
        columns = (numbers, of, _chance(numbers, 0), _chance(of, 1), _chance(of, 2))
        self.events += count
        return [
            (ms, _label(n, about, chance, score, luck) if n % 2 else _event(n, ms, _version(ms), chance, score))
            for ms, n, about, chance, score, luck in zip(stamps, *(each.tolist() for each in columns), strict=True)
        ]

    def seek(self, positions: Mapping[Partition, Position]) -> None:
        """It has no past to go back to."""

    def positions(self) -> dict[Partition, Position]:
        return {partition: Position(at) for partition, at in self._next.items()}

    def pause(self, partitions: Collection[Partition]) -> None:
        self._paused |= set(partitions)

    def resume(self, partitions: Collection[Partition]) -> None:
        self._paused -= set(partitions)

    @property
    def paused(self) -> frozenset[Partition]:
        return frozenset(self._paused)

    def close(self) -> None:
        """Nothing is open."""


def _version(ms: int) -> str:
    return str((ms - BEGIN_MS) // VERSION_MS + 1)


def _event(number: int, ms: int, version: str, chance: float, score: float) -> bytes:
    """Of the even numbers: a prediction, or now and then something else."""
    model = number // 2 % MODELS
    if chance > 0.995:
        return b'{"type": "prediction", "model": '
    if chance > 0.99:
        return b'{"type":"signal","model":"model-%d","name":"queue","value":%.4f,"ts":%d}' % (model, score, ms)
    new = number * 48_271
    return PREDICTION % (
        number - 2 * MODELS if chance > 0.98 else number,
        model,
        version.encode(),
        ms,
        ROWS[number // 2 % len(ROWS)],
        new if new % 5 == 0 else new % 40,
        score > 0.5,
        1 - score,
        score,
        new if new % 7 == 0 else new % 10,
    )


def _label(number: int, of: int, chance: float, score: float, luck: float) -> bytes:
    """Of the odd numbers: the label of a prediction that came so much earlier, or will come; sometimes of nothing."""
    what = (b"nothing-%d" % number if chance > 0.95 else b"%d" % of, of // 2 % MODELS, luck < score)
    return b'{"type":"label","id":"%s","model":"model-%d","label":%d}' % what


def _rows() -> list[bytes]:
    """The insides of features, ready made: many enough that no model sees one twice in a pane."""
    values = np.random.default_rng(0).normal(size=(4_099, FEATURES - 1)).round(4).tolist()
    return [orjson.dumps({f"feature_{place:02}": v for place, v in enumerate(row)})[1:-1] for row in values]


ROWS = _rows()
PREDICTION = (
    b'{"type":"prediction","id":"%d","model":"model-%d","version":"%s","ts":%d,"features":{%s,"city":"city-%d"},'
    b'"prediction":%d,"proba":{"0":%.9f,"1":%.9f},"segment":{"region":"region-%d"}}'
)


def _chance(number: Any, of: int) -> Any:
    """A number from 0 to 1 for each number, by the mixing of SplitMix64 [Steele, Lea & Flood 2014]."""
    mixed = (number.astype(np.uint64) + np.uint64(of << 48)) * np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return (mixed >> np.uint64(11)) / 2.0**53
