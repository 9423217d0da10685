"""Runs of records to columnar rows; what is bad becomes a refusal with its reason.

    record ─codec─► events (batch.py) ─by kind─► part.py: columns, checked ─► rows, with their times
                          │ refused                        │ refused
                          └────────────► results.Refusal ◄─┘

Nothing after this folder loops over events in Python. Within it every field is handled as a column, and only a column
in which something is wrong is looked at value by value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from xxhash import xxh3_64_intdigest

from daemon import stamps
from daemon.clocks import Clocks
from daemon.codecs.base import Codec
from daemon.decode.again import again_in, first_times
from daemon.decode.batch import Batch, Bounds
from daemon.decode.part import Part, numeric, partition_number, plain_texts, probabilities
from daemon.decode.results import Decoded
from daemon.records import Run
from daemon.scalars import Words
from processors.profile.tokens import mix, tokens_of
from processors.rows import AHEAD, Cells, Hashes, Labels, Longs, Names, Predictions, Scalars, Signals

_CHUNK_BYTES = 256 * 2**10
"""Messages that are parsed together: what they hold as Python objects is about ten times that, and fits the cache."""


class Decoder:
    """Turns runs into rows, with times by the clocks of their partitions."""

    def __init__(
        self,
        codecs: Mapping[str, Codec],
        default: Codec,
        clocks: Clocks,
        bounds: Bounds,
        *,
        event_clock: bool = False,
        lifted: Mapping[str, Sequence[str]] | None = None,
        timeless: bool = False,
    ) -> None:
        """`codecs` are by topic. `lifted` names, by model, features that serve as segments.

        `timeless` takes events that have no time at all, as those of a reference file.
        """
        self._codecs, self._default, self._clocks, self._bounds = codecs, default, clocks, bounds
        self._event_clock, self._lifted, self._timeless = event_clock, dict(lifted or {}), timeless
        self._words = Words()
        self._plain = plain_texts(bounds.id_chars)

    def decode(self, run: Run, wall_us: int | None = None) -> Decoded:
        """Rows and refusals of a run of one partition. Advances that partition's clock."""
        names = Names()
        return Decoded.concat([self._decode(chunk, names, wall_us) for chunk in _chunks(run)])

    def _decode(self, run: Run, names: Names, wall_us: int | None) -> Decoded:
        batch = Batch(run, self._codecs.get(run.partition.topic, self._default), self._bounds)
        clock = self._time(batch, wall_us)
        predictions, labels, signals = (Part(batch, at, self._bounds) for at in batch.of_kinds())
        rows = (self._predictions(predictions, names), self._labels(labels, names), self._signals(signals, names))
        refused = batch.refusals(clock)
        again = again_in(run, partition_number(run.partition.topic, run.partition.number))
        return Decoded(*rows, refused, sum(map(len, rows)) + len(refused), again)

    def _time(self, batch: Batch, wall_us: int | None) -> Longs:
        """Give every entry its times; returns the clock after each, refused ones included."""
        batch.ts = stamps.microseconds([event.get("ts") for event in batch.events])
        if any(batch.run.headers):
            first = first_times(batch.run)[batch.record]
            batch.ts = np.where((batch.ts == stamps.ABSENT) & (first >= 0), first, batch.ts)
        record = stamps.of_records(batch.run.timestamps)[batch.record]
        own = np.where(batch.ts >= 0, batch.ts, -1)
        stamp = own if self._event_clock else np.where(record >= 0, record, own)
        batch.clock, batch.flags = self._clocks.advance(batch.run.partition, stamp, wall_us)
        batch.time, late = self._clocks.effective(batch.ts, batch.clock)
        unbelieved = (batch.flags & AHEAD != 0) & (batch.clock == 0)
        absent = (batch.ts == stamps.ABSENT) & (record < 0)
        batch.timeless = np.zeros(len(batch), bool) if self._timeless else absent | unbelieved
        batch.flags |= late
        return batch.clock

    def _predictions(self, part: Part, names: Names) -> Predictions:
        part.check_names("id")
        part.check_names("model")
        part.check_names("version", optional=True)
        part.check_time()
        part.check_classes("prediction")
        part.check_mappings("features")
        part.check_mappings("proba", probabilities, "probabilities from 0 to 1 by class")
        part.check_mappings("segment", self._plain, "numbers or texts of bounded length by key")
        part.check_mappings("attributions", numeric, "numbers by feature")
        score, latency = part.numbers("score"), part.numbers("latency_ms")
        part.settle()
        models = part.names("model")
        model, version = self._words.texts(models, names), self._words.texts(part.names("version"), names)
        ids, id_column = part.ids()
        prediction, score = self._words.classes(part.column("prediction"), names), part.kept(score)
        features, time, ts = part.cells("features", self._words, names), part.of("time"), part.of("ts")
        return Predictions(
            part.refs(),
            time,
            np.where(ts < 0, time, ts),
            part.of("clock"),
            part.of("flags"),
            model,
            version,
            _keys(ids, model),
            id_column,
            prediction,
            score,
            part.kept(latency),
            features,
            part.cells("proba", self._words, names),
            self._segments(part, models, names),
            part.cells("attributions", self._words, names),
            _content(prediction, score, ts, features),
            names,
        )

    def _labels(self, part: Part, names: Names) -> Labels:
        part.check_names("id")
        part.check_names("model")
        part.check_time()
        part.check_classes("label")
        part.settle()
        model = self._words.texts(part.names("model"), names)
        ids, id_column = part.ids()
        clock, ts = part.of("clock"), part.of("ts")
        return Labels(
            part.refs(),
            clock,
            np.where(ts < 0, clock, ts),
            part.of("flags"),
            model,
            _keys(ids, model),
            id_column,
            self._words.classes(part.column("label"), names),
            names,
        )

    def _signals(self, part: Part, names: Names) -> Signals:
        part.check_names("model")
        part.check_names("version", optional=True)
        part.check_names("name")
        part.check_time()
        value = part.numbers("value", optional=False)
        part.settle()
        time, ts = part.of("time"), part.of("ts")
        return Signals(
            part.refs(),
            time,
            np.where(ts < 0, time, ts),
            part.of("flags"),
            self._words.texts(part.names("model"), names),
            self._words.texts(part.names("version"), names),
            self._words.texts(part.names("name"), names),
            part.kept(value),
            names,
        )

    def _segments(self, part: Part, models: list[str], names: Names) -> Cells:
        """What the events give as segments, and before that the features that the configuration lifts."""
        if not self._lifted:
            return part.cells("segment", self._words, names)
        columns = models, part.mappings("features"), part.mappings("segment")
        mappings = [
            self._liftable(row, self._lifted.get(model, ())) | segment
            for model, row, segment in zip(*columns, strict=True)
        ]
        return self._words.cells(mappings, names)

    def _liftable(self, row: Mapping[str, Any], lifted: Sequence[str]) -> dict[str, Any]:
        """The lifted features of a row. A text that is too long for a name is cut."""
        found = {name: row[name] for name in lifted if name in row}
        longest = self._bounds.id_chars
        return {name: value[:longest] if type(value) is str else value for name, value in found.items()}


def _chunks(run: Run) -> list[Run]:
    """The run in parts of about `_CHUNK_BYTES`."""
    sizes = np.fromiter((len(value or b"") for value in run.values), np.int64, len(run))
    number = np.cumsum(sizes) // _CHUNK_BYTES
    cuts = (np.flatnonzero(number[1:] != number[:-1]) + 1).tolist()
    return [run.part(start, stop) for start, stop in pairwise([0, *cuts, len(run)])] if cuts else [run]


def _keys(ids: list[str], model: Hashes) -> Hashes:
    return np.fromiter(map(xxh3_64_intdigest, map(str.encode, ids), model.tolist()), np.uint64, len(ids))


def _content(prediction: Scalars, score: Any, ts: Any, features: Cells) -> Hashes:
    """Hash of what an event says, to tell a repetition from a contradiction."""
    whole = mix(tokens_of(prediction), mix(score.view(np.uint64), ts.astype(np.uint64)))
    place = np.arange(len(features.values)) - np.repeat(features.start, features.size)
    cells = mix(tokens_of(features.values), place.astype(np.uint64))
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(cells)])
    whole = mix(whole, sums[features.start + features.size] - sums[features.start])
    return mix(whole, features.layout)
