"""Runs of records to columnar rows; what is bad becomes a refusal with its reason.

    record ─scanning/─► columns of ordinary events ──────────────────────────────┐
       │ anything else                                                           ▼
       └─codec─► events (batch.py) ─by kind─► part.py: columns, checked ─► rows, with their times
                    │ refused                     │ refused
                    └─────────► results.Refusal ◄─┘

Ordinary events of the native codec are read by compiled loops. All others become Python objects, of which every field
is handled as a column, and only a column in which something is wrong is looked at value by value. Which way an event
went can't be seen from its row. Nothing after this folder loops over events in Python.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from xxhash import xxh3_64_intdigest

from daemon import stamps
from daemon.clocks import Clocks
from daemon.codecs.base import Codec
from daemon.decode.again import again_in, first_times
from daemon.decode.batch import Batch, Bounds, Moments
from daemon.decode.entries import Entries
from daemon.decode.part import Part, numeric, partition_number, plain_texts, probabilities, refs_of
from daemon.decode.results import Decoded
from daemon.decode.scanning.events import LABEL, PREDICTION
from daemon.decode.scanning.lifting import lifted
from daemon.decode.scanning.scanner import Scanned, Scanner
from daemon.pieces import sizes_of
from daemon.records import Run
from daemon.scalars import Words
from processors.profile.tokens import mix, tokens_of
from processors.rows import AHEAD, Cells, Hashes, Labels, Names, Predictions, Scalars, Signals, text_hash

Rows = TypeVar("Rows", Predictions, Labels)

_PARSED_BYTES, _SCANNED_BYTES = 256 * 2**10, 4 * 2**20
"""Messages that are read together: as Python objects they take about ten times that, which is to fit the cache."""


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
        self._lifted_hashes = {text_hash(model): features for model, features in self._lifted.items()}
        self._words = Words()
        self._scanner = Scanner(bounds)
        self._nothing: tuple[Predictions, Labels, Signals] | None = None
        """Tables without rows."""
        self._plain = plain_texts(bounds.id_chars)

    def decode(self, run: Run, wall_us: int | None = None) -> Decoded:
        """Rows and refusals of a run of one partition. Advances that partition's clock."""
        names = Names()
        codec = self._codecs.get(run.partition.topic, self._default)
        most = _SCANNED_BYTES if codec.plain else _PARSED_BYTES
        return Decoded.concat([self._decode(chunk, codec, names, wall_us) for chunk in _chunks(run, most)])

    def _decode(self, run: Run, codec: Codec, names: Names, wall_us: int | None) -> Decoded:
        scanned = self._scanner.scan(run.values, names) if codec.plain else Scanned.nothing(len(run))
        entries = Entries(run, scanned, codec, self._bounds)
        moments = self._time(run, entries, wall_us)
        if len(scanned.events) and moments.timeless.any():
            scanned = scanned.without(np.unique(entries.record[moments.timeless]))
            entries = Entries(run, scanned, codec, self._bounds)  # of the same events in the same order
        entries.give(moments)
        predictions, labels, signals = self._parsed(entries.batch, names)
        rows = (
            _in_order([*self._scanned_predictions(run, entries, names), predictions]),
            _in_order([*self._scanned_labels(run, entries, names), labels]),
            signals,
        )
        refused = entries.batch.refusals()
        again = again_in(run, partition_number(run.partition.topic, run.partition.number))
        return Decoded(*rows, refused, sum(map(len, rows)) + len(refused), again)

    def _time(self, run: Run, entries: Entries, wall_us: int | None) -> Moments:
        """The times of all entries; the clock is that after each, refused ones included."""
        ts = entries.ts
        if any(run.headers):
            first = first_times(run)[entries.record]
            ts = np.where((ts == stamps.ABSENT) & (first >= 0), first, ts)
        record = stamps.of_records(run.timestamps)[entries.record]
        own = np.where(ts >= 0, ts, -1)
        stamp = own if self._event_clock else np.where(record >= 0, record, own)
        clock, flags = self._clocks.advance(run.partition, stamp, wall_us)
        time, late = self._clocks.effective(ts, clock)
        unbelieved = (flags & AHEAD != 0) & (clock == 0)
        absent = (ts == stamps.ABSENT) & (record < 0)
        timeless = np.zeros(len(ts), bool) if self._timeless else absent | unbelieved
        return Moments(ts, clock, time, flags | late, timeless)

    def _scanned_predictions(self, run: Run, entries: Entries, names: Names) -> list[Predictions]:
        """The predictions among the scanned events, as one table if there are any."""
        events, moments = entries.of_kind(PREDICTION)
        if not len(events):
            return []
        segments = events.segments
        if self._lifted:
            segments = lifted(events.model, events.features, segments, self._lifted_hashes, names, self._words)
        return [
            Predictions(
                refs_of(run, events.record, events.index),
                moments.time,
                moments.ts_or(moments.time),
                moments.clock,
                moments.flags,
                events.model,
                events.version,
                events.key,
                events.id,
                events.answer,
                events.score,
                events.latency_ms,
                events.features,
                events.proba,
                segments,
                events.attributions,
                _content(events.answer, events.score, moments.ts, events.features),
                names,
            )
        ]

    def _scanned_labels(self, run: Run, entries: Entries, names: Names) -> list[Labels]:
        """The labels among the scanned events, as one table if there are any."""
        events, moments = entries.of_kind(LABEL)
        if not len(events):
            return []
        return [
            Labels(
                refs_of(run, events.record, events.index),
                moments.clock,
                moments.ts_or(moments.clock),
                moments.flags,
                events.model,
                events.key,
                events.id,
                events.answer,
                names,
            )
        ]

    def _parsed(self, batch: Batch, names: Names) -> tuple[Predictions, Labels, Signals]:
        """What was not scanned. Usually that is nothing, which is made but once."""
        if not len(batch) and self._nothing is not None:
            predictions, labels, signals = self._nothing
            return replace(predictions, names=names), replace(labels, names=names), replace(signals, names=names)
        kinds = [Part(batch, at, self._bounds) for at in batch.of_kinds()]
        rows = self._predictions(kinds[0], names), self._labels(kinds[1], names), self._signals(kinds[2], names)
        if not len(batch):
            self._nothing = rows
        return rows

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
        features, moments = part.cells("features", self._words, names), part.moments()
        return Predictions(
            part.refs(),
            moments.time,
            moments.ts_or(moments.time),
            moments.clock,
            moments.flags,
            model,
            version,
            _keys(map(str.encode, ids), model),
            id_column,
            prediction,
            score,
            part.kept(latency),
            features,
            part.cells("proba", self._words, names),
            self._segments(part, models, names),
            part.cells("attributions", self._words, names),
            _content(prediction, score, moments.ts, features),
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
        moments = part.moments()
        return Labels(
            part.refs(),
            moments.clock,
            moments.ts_or(moments.clock),
            moments.flags,
            model,
            _keys(map(str.encode, ids), model),
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
        moments = part.moments()
        return Signals(
            part.refs(),
            moments.time,
            moments.ts_or(moments.time),
            moments.flags,
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


def _chunks(run: Run, most: int) -> list[Run]:
    """The run in parts of about so many bytes."""
    number = np.cumsum(sizes_of(run.values)) // most
    cuts = (np.flatnonzero(number[1:] != number[:-1]) + 1).tolist()
    return [run.part(start, stop) for start, stop in pairwise([0, *cuts, len(run)])] if cuts else [run]


def _in_order(tables: list[Rows]) -> Rows:
    """The rows of all tables in the order of the run; those of one table are in order."""
    if filled := [table for table in tables if len(table)]:
        whole = type(filled[0]).concat(filled)
        return whole if len(filled) == 1 else whole.take(np.lexsort((whole.ref.index, whole.ref.offset)))
    return tables[0]


def _keys(ids: Iterable[bytes], model: Hashes) -> Hashes:
    return np.fromiter(map(xxh3_64_intdigest, ids, model.tolist()), np.uint64, len(model))


def _content(prediction: Scalars, score: Any, ts: Any, features: Cells) -> Hashes:
    """Hash of what an event says, to tell a repetition from a contradiction."""
    whole = mix(tokens_of(prediction), mix(score.view(np.uint64), ts.astype(np.uint64)))
    place = np.arange(len(features.values)) - np.repeat(features.start, features.size)
    cells = mix(tokens_of(features.values), place.astype(np.uint64))
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(cells)])
    whole = mix(whole, sums[features.start + features.size] - sums[features.start])
    return mix(whole, features.layout)
