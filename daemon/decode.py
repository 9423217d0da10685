"""Decode: runs of records to columnar rows; what is bad becomes a refusal with its reason.

Nothing after this file loops over events in Python. Within it every field is handled as a column, and only a column
in which something is wrong is looked at value by value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
from xxhash import xxh3_64_intdigest

from daemon import stamps
from daemon.clocks import Clocks
from daemon.codecs.base import Codec, Event, Refused
from daemon.records import Partition, Run
from daemon.scalars import Words, numbers
from processors.profile.tokens import mix, tokens_of
from processors.rows import Cells, Hashes, Labels, Longs, Names, Predictions, Refs, Scalars, Signals, text_hash


@dataclass(frozen=True, slots=True)
class Refusal:
    """A bad event or message: where it stood, why it was refused, and its original bytes."""

    partition: Partition
    offset: int
    index: int
    reason: str
    detail: str
    key: bytes | None
    value: bytes
    headers: Any
    clock: int = 0
    """Clock of its partition when it was read: the time at which it is accounted for."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """One run's rows by kind, and what was refused. `received` = rows + refusals."""

    predictions: Predictions
    labels: Labels
    signals: Signals
    refused: list[Refusal]
    received: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a message may be at most."""

    message_bytes: int = 10 * 2**20
    events: int = 100_000
    """In one message."""
    id_chars: int = 1_024
    depth: int = 32
    """Of nesting."""
    cells: int = 10_000
    """Features (or probabilities, segments, attributions) of one event."""


def partition_number(partition: Partition) -> int:
    """The number that stands for a partition in `Refs`: a hash, so that it needs no agreement."""
    return text_hash(f"{partition.topic}/{partition.number}") & 0x7FFFFFFF


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
    ) -> None:
        """`codecs` are by topic. `lifted` names, by model, features that serve as segments."""
        self._codecs, self._default, self._clocks, self._bounds = codecs, default, clocks, bounds
        self._event_clock, self._lifted = event_clock, dict(lifted or {})
        self._words = Words()

    def decode(self, run: Run, wall_us: int | None = None) -> Decoded:
        """Rows and refusals of a run of one partition. Advances that partition's clock."""
        batch = _Batch(run, self._bounds)
        codec = self._codecs.get(run.partition.topic, self._default)
        for row in range(len(run.offsets)):
            batch.read(row, codec)
        clock = self._time(batch, wall_us)
        names = Names()
        kinds: dict[str, list[int]] = {"prediction": [], "label": [], "signal": []}
        for at, event in enumerate(batch.events):
            kind = event.get("type")
            if type(kind) is str and kind in kinds:
                kinds[kind].append(at)
            else:
                batch.refuse(at, *_type_problem(kind))
        predictions = self._predictions(batch.part(kinds["prediction"]), names)
        labels = self._labels(batch.part(kinds["label"]), names)
        signals = self._signals(batch.part(kinds["signal"]), names)
        rows = len(predictions) + len(labels) + len(signals)
        refused = [replace(refusal, clock=int(clock[entry])) for entry, refusal in sorted(batch.refused.items())]
        return Decoded(predictions, labels, signals, refused, rows + len(refused))

    def _time(self, batch: _Batch, wall_us: int | None) -> Longs:
        """Give every event its times; returns the clock after each entry of the batch, refused ones included."""
        entry = np.array(batch.entry, np.int64)
        batch.ts = stamps.microseconds([event.get("ts") for event in batch.events])
        record = np.array(batch.stamps, np.int64)
        own = np.full(len(record), -1, np.int64)
        own[entry] = np.where(batch.ts >= 0, batch.ts, -1)
        stamp = own if self._event_clock else np.where(record >= 0, record * 1000, own)
        clock, flags = self._clocks.advance(batch.run.partition, stamp, wall_us)
        batch.clock, batch.flags = clock[entry], flags[entry]
        batch.time, late = self._clocks.effective(batch.ts, batch.clock)
        batch.flags |= late
        return clock

    def _predictions(self, part: _Part, names: Names) -> Predictions:
        check_name(part, "id", self._bounds.id_chars)
        check_name(part, "model", self._bounds.id_chars)
        check_name(part, "version", self._bounds.id_chars, optional=True)
        part.check_time()
        part.check("prediction", lambda v: type(v) in _CLASS_TYPES, "bad_prediction", "a number, text or boolean")
        for field in ("features", "proba", "segment", "attributions"):
            part.check(field, self._is_mapping, f"bad_{field}", "an object with at most 10,000 names", optional=True)
        part.check("proba", _probabilities, "bad_proba", "probabilities from 0 to 1 by class", optional=True)
        part.check("attributions", _numeric_values, "bad_attributions", "numbers by feature", optional=True)
        part.check("segment", _plain_values, "bad_segment", "texts or numbers by key", optional=True)
        score, latency = part.numbers("score"), part.numbers("latency_ms")
        part.settle()
        models, versions = part.column("model"), _versions(part.column("version"))
        model, version = self._words.texts(models, names), self._words.texts(versions, names)
        prediction = self._words.classes(part.column("prediction"), names)
        features = self._words.cells(part.mappings("features"), names)
        return Predictions(
            part.refs(),
            part.of("time"),
            np.where(part.of("ts") < 0, part.of("time"), part.of("ts")),
            part.of("clock"),
            part.of("flags"),
            model,
            version,
            _keys(part.column("id"), model),
            part.texts("id"),
            prediction,
            score[part.kept],
            latency[part.kept],
            features,
            self._words.cells(part.mappings("proba"), names),
            self._words.cells(self._segments(part, models), names),
            self._words.cells(part.mappings("attributions"), names),
            _content(prediction, score[part.kept], part.of("ts"), features),
            names,
        )

    def _labels(self, part: _Part, names: Names) -> Labels:
        check_name(part, "id", self._bounds.id_chars)
        check_name(part, "model", self._bounds.id_chars)
        part.check_time()
        part.check("label", lambda v: type(v) in _CLASS_TYPES, "bad_label", "a number, text or boolean")
        part.settle()
        model = self._words.texts(part.column("model"), names)
        return Labels(
            part.refs(),
            part.of("clock"),
            np.where(part.of("ts") < 0, part.of("clock"), part.of("ts")),
            part.of("flags"),
            model,
            _keys(part.column("id"), model),
            part.texts("id"),
            self._words.classes(part.column("label"), names),
            names,
        )

    def _signals(self, part: _Part, names: Names) -> Signals:
        check_name(part, "model", self._bounds.id_chars)
        check_name(part, "version", self._bounds.id_chars, optional=True)
        check_name(part, "name", self._bounds.id_chars)
        part.check_time()
        value = part.numbers("value", optional=False)
        part.settle()
        return Signals(
            part.refs(),
            part.of("time"),
            np.where(part.of("ts") < 0, part.of("time"), part.of("ts")),
            part.of("flags"),
            self._words.texts(part.column("model"), names),
            self._words.texts(_versions(part.column("version")), names),
            self._words.texts(part.column("name"), names),
            value[part.kept],
            names,
        )

    def _is_mapping(self, value: Any) -> bool:
        return type(value) is dict and len(value) <= self._bounds.cells

    def _segments(self, part: _Part, models: list[str]) -> list[dict[str, Any]]:
        segments = part.mappings("segment")
        if not self._lifted:
            return segments
        features = part.mappings("features")
        return [
            {name: row[name] for name in self._lifted.get(model, ()) if name in row} | segment
            for model, row, segment in zip(models, features, segments, strict=True)
        ]


_CLASS_TYPES = {int, float, str, bool}


class _Batch:
    """The events of one run, row by row, before they are sorted by kind.

    An entry is an event or a refusal; entries are numbered through the run.
    """

    ts: Any
    clock: Any
    time: Any
    flags: Any

    def __init__(self, run: Run, bounds: Bounds) -> None:
        self.run, self._bounds = run, bounds
        self.events: list[Event] = []
        self.record: list[int] = []
        self.index: list[int] = []
        self.bytes: list[bytes] = []
        self.entry: list[int] = []
        """Entry number of each event."""
        self.stamps: list[int] = []
        """Timestamp of each entry's record."""
        self.refused: dict[int, Refusal] = {}
        """Refusals by entry number."""

    def read(self, row: int, codec: Codec) -> None:
        """Decode one record's message into events. A tombstone holds none."""
        value = self.run.values[row]
        if value is None:
            return
        try:
            events = self._opened(value, self.run.headers[row], codec)
        except Refused as refused:
            self._refuse_new(row, 0, refused, value)
            return
        depth = self._bounds.depth
        for index, (event, data) in enumerate(events):
            if isinstance(event, Refused):
                self._refuse_new(row, index, event, data)
                continue
            if _may_nest(data, depth) and _nests(event, depth):
                self._refuse_new(row, index, Refused("too_deep", f"nested deeper than {depth} levels"), data)
                continue
            self.events.append(event)
            self.record.append(row)
            self.index.append(index)
            self.bytes.append(data)
            self.entry.append(len(self.stamps))
            self.stamps.append(self.run.timestamps[row])

    def _opened(self, value: bytes, headers: Any, codec: Codec) -> list[tuple[Event | Refused, bytes]]:
        """The events of a message. Raises `Refused` for the message as a whole."""
        if len(value) > self._bounds.message_bytes:
            raise Refused("too_large", f"{len(value)} bytes, at most {self._bounds.message_bytes} are taken")
        events = codec.events(value, headers)
        if len(events) > self._bounds.events:
            raise Refused("too_many_events", f"{len(events)} events, at most {self._bounds.events} are taken")
        return events

    def refuse(self, at: int, reason: str, detail: str) -> None:
        """Refuse one event that was read."""
        self._refuse(self.entry[at], self.record[at], self.index[at], Refused(reason, detail), self.bytes[at])

    def part(self, at: list[int]) -> _Part:
        """The events at these places."""
        return _Part(self, at)

    def _refuse_new(self, row: int, index: int, refused: Refused, data: bytes) -> None:
        self._refuse(len(self.stamps), row, index, refused, data)
        self.stamps.append(self.run.timestamps[row])

    def _refuse(self, entry: int, row: int, index: int, why: Refused, data: bytes) -> None:
        run = self.run
        self.refused[entry] = Refusal(
            run.partition, run.offsets[row], index, why.reason, str(why), run.keys[row], data, run.headers[row]
        )


class _Part:
    """The events of one kind: checked column by column, then read as columns of what is left."""

    def __init__(self, batch: _Batch, at: list[int]) -> None:
        self._batch, self._at = batch, at
        self._events = [batch.events[place] for place in at]
        self._bad: dict[int, tuple[str, str]] = {}
        self.kept: Any = None

    def raw(self, field: str) -> list[Any]:
        """The field's values in all rows, null where it is absent."""
        return [event.get(field) for event in self._events]

    def check(
        self, field: str, fits: Callable[[Any], bool], reason: str, expected: str, *, optional: bool = False
    ) -> None:
        """Condemn the rows whose value doesn't fit."""
        for row, value in enumerate(self.raw(field)):
            if value is None and optional:
                continue
            if not fits(value):
                self._condemn(row, field, value, reason, expected)

    def check_time(self) -> None:
        """Condemn the rows whose `ts` is no time."""
        for row in np.flatnonzero(self._whole("ts") == stamps.INVALID).tolist():
            value = self._events[row].get("ts")
            self._condemn(row, "ts", value, "bad_ts", "RFC 3339 or epoch s, ms, us or ns from 1970 to 2262")

    def numbers(self, field: str, *, optional: bool = True) -> Any:
        """The field as float64 in all rows; condemns what is no finite number."""
        values = self.raw(field)
        array, bad = numbers(values)
        if not optional:
            bad = bad | np.array([value is None for value in values], bool)
        for row in np.flatnonzero(bad).tolist():
            self._condemn(row, field, values[row], f"bad_{field}", "a finite number")
        return array

    def settle(self) -> None:
        """Refuse the condemned rows; from now on columns hold the others."""
        for row, (reason, detail) in sorted(self._bad.items()):
            self._batch.refuse(self._at[row], reason, detail)
        self.kept = np.array([row for row in range(len(self._at)) if row not in self._bad], np.int64)
        if self._bad:
            self._events = [self._events[row] for row in self.kept.tolist()]

    def column(self, field: str) -> list[Any]:
        """The field's values in the rows that are left. Whole numbers that stand for names become texts."""
        values = self.raw(field)
        if field in ("id", "model", "version", "name") and set(map(type, values)) != {str}:
            return [value if value is None or type(value) is str else str(value) for value in values]
        return values

    def texts(self, field: str) -> Any:
        """The field as an object array of texts."""
        values = self.column(field)
        array = np.empty(len(values), object)
        array[:] = values
        return array

    def mappings(self, field: str) -> list[dict[str, Any]]:
        """The field's mappings, empty where it is absent."""
        return [event.get(field) or {} for event in self._events]

    def refs(self) -> Refs:
        """Where the rows that are left came from."""
        at = [self._at[row] for row in self.kept.tolist()]
        batch, number = self._batch, partition_number(self._batch.run.partition)
        return Refs(
            np.full(len(at), number, np.int32),
            np.array([batch.run.offsets[batch.record[place]] for place in at], np.int64),
            np.array([batch.index[place] for place in at], np.int32),
        )

    def of(self, column: str) -> Any:
        """A time column of the rows that are left."""
        return self._whole(column)[self.kept]

    def _whole(self, column: str) -> Any:
        return getattr(self._batch, column)[np.array(self._at, np.int64)]

    def _condemn(self, row: int, field: str, value: Any, reason: str, expected: str) -> None:
        if row not in self._bad:
            missing = value is None and field not in self._events[row]
            found = "nothing" if missing else repr(value)[:80]
            code = f"missing_{field}" if missing else reason
            self._bad[row] = (code, f"{field}: expected {expected}, found {found}")


def check_name(part: _Part, field: str, most: int, *, optional: bool = False) -> None:
    """Condemn rows whose field names nothing: names are non-empty texts or whole numbers."""

    def fits(value: Any) -> bool:
        return (type(value) is str and 0 < len(value) <= most) or type(value) is int

    part.check(field, fits, f"bad_{field}", f"a text of 1 to {most} characters", optional=optional)


def _type_problem(kind: Any) -> tuple[str, str]:
    if kind is None:
        return "missing_type", "type: expected prediction, label or signal, found nothing"
    return "unknown_type", f"type: expected prediction, label or signal, found {str(kind)[:80]!r}"


def _versions(values: list[Any]) -> list[str]:
    return [value if value is not None else "" for value in values]


def _keys(ids: list[str], model: Hashes) -> Hashes:
    return np.fromiter(map(xxh3_64_intdigest, map(str.encode, ids), model.tolist()), np.uint64, len(ids))


def _content(prediction: Scalars, score: Any, ts: Any, features: Cells) -> Hashes:
    """Hash of what an event says, to tell a repetition from a contradiction."""
    whole = mix(tokens_of(prediction), mix(score.view(np.uint64), ts.astype(np.uint64)))
    if len(features.values):
        place = np.arange(len(features.values)) - np.repeat(features.start, features.size)
        cells = mix(tokens_of(features.values), place.astype(np.uint64))
        sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(cells)])
        whole = mix(whole, sums[features.start + features.size] - sums[features.start])
    return mix(whole, features.layout)


def _may_nest(data: bytes, depth: int) -> bool:
    """Are there enough brackets for it? Of ordinary events there are not, which spares them the walk."""
    return data.count(b"{") + data.count(b"[") > depth


def _nests(event: Event, depth: int) -> bool:
    """Is it nested deeper? The event itself is the first level."""
    level: list[Any] = [event]
    for _ in range(depth):
        inner = chain.from_iterable(item.values() if type(item) is dict else item for item in level)
        level = [item for item in inner if type(item) in (dict, list)]
        if not level:
            return False
    return True


def _probabilities(value: Any) -> bool:
    return type(value) is not dict or all(type(p) in (int, float) and 0 <= p <= 1 for p in value.values())


def _numeric_values(value: Any) -> bool:
    return type(value) is not dict or all(type(v) in (int, float) for v in value.values())


def _plain_values(value: Any) -> bool:
    return type(value) is not dict or all(v is None or type(v) in _CLASS_TYPES for v in value.values())
