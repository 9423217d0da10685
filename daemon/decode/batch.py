"""The events of some records of a run as Python objects, before they are sorted by kind.

An entry is an event, or what stands in its place where it can't be read; entries are numbered through the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from typing import Any

import numpy as np

from daemon import stamps
from daemon.codecs.base import Codec, Event, Refused
from daemon.decode.depth import may_nest, nests
from daemon.decode.results import Refusal
from daemon.records import Run
from processors.rows import Bools, Bytes, Longs, Table

KINDS = ("prediction", "label", "signal")
_KIND_NUMBERS = {kind: number for number, kind in enumerate(KINDS)}


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a message may be at most."""

    message_bytes: int = 10 * 2**20
    events: int = 100_000
    """In one message."""
    id_chars: int = 1_024
    """Of an id or of any other name: model, version, class, feature, segment and its value."""
    depth: int = 32
    """Of nesting."""
    cells: int = 10_000
    """Features (or probabilities, segments, attributions) of one event."""


@dataclass(frozen=True, slots=True)
class Moments(Table):
    """When events were, in microseconds: what they say themselves, the clock after each, the effective time."""

    ts: Longs
    clock: Longs
    time: Longs
    flags: Bytes
    timeless: Bools
    """Those that have no time."""

    def ts_or(self, otherwise: Longs) -> Longs:
        """What the events say themselves, and `otherwise` of those that say nothing."""
        return np.where(self.ts < 0, otherwise, self.ts)


class Batch:
    """The events of one run, and what was refused of it.

    `events` holds one event an entry, an empty one where it was refused; `record` is the row in the run of each.
    """

    moments: Moments
    """Of the entries; given from outside."""

    def __init__(self, run: Run, codec: Codec, bounds: Bounds) -> None:
        self.run, self._codec, self._bounds = run, codec, bounds
        self.events: list[Any] = []
        self._refused: dict[int, Refused] = {}
        self._whole: set[int] = set()
        """Entries that stand for a message that was refused as a whole."""
        counts = np.array(self._read_all(run.values) or list(map(self._read, run.values, run.headers)), np.int64)
        self.record: Longs = np.repeat(np.arange(len(counts)), counts)
        starts = np.cumsum(counts, dtype=np.int64) - counts
        self.index: Longs = np.arange(len(self.events)) - np.repeat(starts, counts)
        """Each entry's place in its message."""

    def __len__(self) -> int:
        return len(self.events)

    def _read_all(self, values: Sequence[bytes | None]) -> list[int] | None:
        """Take in messages of one event each, which nothing is wrong with; None if they aren't that."""
        if not values or None in values or max(map(len, values)) > self._bounds.message_bytes:  # type: ignore[arg-type]
            return None
        messages: Sequence[bytes] = values  # type: ignore[assignment]
        events = self._codec.singles(messages)
        if events is None or nests([events[n] for n in may_nest(messages, self._bounds.depth)], self._bounds.depth):
            return None
        self.events = events
        return [1] * len(events)

    def _read(self, value: bytes | None, headers: Any) -> int:
        """Take in the events of a message; says how many there are. A tombstone holds none."""
        if value is None:
            return 0
        try:
            events = self._opened(value, headers)
        except Refused as refused:
            self._whole.add(len(self.events))
            self._refused[len(self.events)] = _bare(refused)
            self.events.append({})
            return 1
        self.events += events
        return len(events)

    def _opened(self, value: bytes, headers: Any) -> Sequence[Event | Refused]:
        """The events of a message. Raises `Refused` for the message as a whole."""
        bounds = self._bounds
        if len(value) > bounds.message_bytes:
            raise Refused("too_large", f"{len(value)} bytes, at most {bounds.message_bytes} are taken")
        events = self._codec.events(value, headers)
        if len(events) > bounds.events:
            raise Refused("too_many_events", f"{len(events)} events, at most {bounds.events} are taken")
        if set(map(type, events)) == {dict} and not (may_nest([value], bounds.depth) and nests(events, bounds.depth)):
            return events
        return [self._readable(entry, event) for entry, event in enumerate(events, len(self.events))]

    def _readable(self, entry: int, event: Event | Refused) -> Event:
        """The event; an empty one in the place of what is refused."""
        depth = self._bounds.depth
        if type(event) is dict and nests([event], depth):
            event = Refused("too_deep", f"nested deeper than {depth} levels")
        if isinstance(event, Refused):
            self._refused[entry] = _bare(event)
            return {}
        return event

    def of_kinds(self) -> list[Longs]:
        """The entries of each of the `KINDS`; those of none are refused."""
        kinds = [event.get("type") for event in self.events]
        try:
            numbers = list(map(_KIND_NUMBERS.get, kinds, repeat(-1)))
        except TypeError:  # a list or an object, which no dictionary can look up
            numbers = [_KIND_NUMBERS.get(kind, -1) if type(kind) is str else -1 for kind in kinds]
        found = np.array(numbers, np.int8)
        for entry in np.flatnonzero(found < 0).tolist():
            self.refuse(entry, *_type_problem(kinds[entry]))
        return [np.flatnonzero(found == number) for number in range(len(KINDS))]

    def refuse(self, entry: int, reason: str, detail: str) -> None:
        """Refuse an event; what is known to be wrong with it already stands."""
        self._refused.setdefault(entry, Refused(reason, detail))

    def times(self) -> Longs:
        """What each entry says of its time, as `stamps.microseconds`."""
        return stamps.microseconds([event.get("ts") for event in self.events])

    def refusals(self) -> list[Refusal]:
        """What was refused, in order."""
        clock = self.moments.clock
        pieces_of = lru_cache(maxsize=1)(self._pieces)
        run, found = self.run, []
        for entry, why in sorted(self._refused.items()):
            row, index = int(self.record[entry]), int(self.index[entry])
            value = (run.values[row] or b"") if entry in self._whole else pieces_of(row)[index]
            where = (run.partition, run.offsets[row], index)
            found.append(
                Refusal(
                    *where,
                    why.reason,
                    str(why),
                    run.keys[row],
                    value,
                    run.headers[row],
                    int(clock[entry]),
                    run.timestamps[row],
                )
            )
        return found

    def _pieces(self, row: int) -> Sequence[bytes]:
        """The original bytes of each of a message's entries."""
        return self._codec.pieces(self.run.values[row] or b"", self.run.headers[row])


def _bare(refused: Refused) -> Refused:
    """Without the way it came: its traceback would hold the batch, which holds it, and all records until a collection.

    With ten thousand records a second and a collection each twenty seconds that would be hundreds of megabytes.
    """
    refused.__traceback__ = refused.__cause__ = refused.__context__ = None
    return refused


def _type_problem(kind: Any) -> tuple[str, str]:
    if kind is None:
        return "missing_type", "type: expected prediction, label or signal, found nothing"
    return "unknown_type", f"type: expected prediction, label or signal, found {str(kind)[:80]!r}"
