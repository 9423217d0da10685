"""What the compiled loop found, as the columns of tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from daemon.decode.batch import Bounds
from daemon.decode.scanning.events import (
    CLASS,
    CLASS_KIND,
    CLASS_WORD,
    ID_BEGIN,
    ID_END,
    INDEX,
    KIND,
    LATENCY,
    LAYOUT,
    MAPPINGS,
    MESSAGE,
    MODEL,
    SCORE,
    SIZE,
    TIME,
    VERSION,
    WIDTH,
    Columns,
    Limits,
    scan,
)  # fmt: skip
from daemon.decode.scanning.ids import read
from daemon.decode.scanning.words import Words
from daemon.pieces import Pieces
from daemon.scalars import LONGEST_TEXT
from processors.rows import TEXT, Bools, Bytes, Cells, Floats, Hashes, Longs, Names, Scalars, Strings, Table

_LEAST_EVENT, _LEAST_CELL = 40, 4
"""Bytes that an event takes at least, and a named value: by them there is room for all."""
_DEEPEST = 60
_TAKEN_DEPTH = 4
"""Levels around a value that is skipped, and some to spare."""


@dataclass(frozen=True, slots=True)
class Events(Table):
    """Events in the order of their messages. Columns as in `processors.rows`; both kinds have all of them."""

    record: Longs
    """The message of each, and its place in it."""
    index: Longs
    kind: Longs
    ts: Longs
    model: Hashes
    version: Hashes
    key: Hashes
    id: Strings
    """See `ids.read`."""
    answer: Scalars
    """The prediction or label."""
    score: Floats
    latency_ms: Floats
    features: Cells
    proba: Cells
    segments: Cells
    attributions: Cells


@dataclass(frozen=True, slots=True)
class Scanned:
    """What was found in some messages, and which of them were taken."""

    taken: Bools
    events: Events

    def without(self, messages: Longs) -> Scanned:
        """But for what came in these messages."""
        taken = self.taken.copy()
        taken[messages] = False
        return Scanned(taken, self.events.take(taken[self.events.record]))

    @classmethod
    def nothing(cls, messages: int) -> Scanned:
        """None of so many messages."""
        none, hashes, floats, cells = np.zeros(0, np.int64), np.zeros(0, np.uint64), np.zeros(0), Cells.empty(0)
        ids, answers = np.empty(0, object), Scalars.missing(0)
        events = Events(
            none, none, none, none, hashes, hashes, hashes, ids, answers, floats, floats, cells, cells, cells, cells
        )
        return cls(np.zeros(messages, np.bool_), events)


class Scanner:
    """Reads ordinary events, remembering words from batch to batch."""

    def __init__(self, bounds: Bounds) -> None:
        self._most = bounds.message_bytes
        text = min(bounds.id_chars, LONGEST_TEXT)
        self._limits = Limits(text, bounds.cells, bounds.events, min(bounds.depth, _DEEPEST) - _TAKEN_DEPTH)
        self._words = Words()
        self._room = self._columns(0)

    def scan(self, values: Sequence[bytes | None], names: Names) -> Scanned:
        """The ordinary events of these messages; `names` learns their words."""
        data, begin, end = Pieces.of(values).whole()
        if len(end) and (end - begin).max() > self._most:
            end = np.where(end - begin > self._most, begin, end)
        taken = np.zeros(len(values), np.bool_)
        count = self._scan(data, begin, end, taken)
        return self._found(data, count, taken, names) if count > 0 else Scanned.nothing(len(values))

    def _scan(self, data: Bytes, begin: Longs, end: Longs, taken: Bools) -> int:
        """Fill the columns; the words begin anew where there is no room for more of them."""
        if len(data) // _LEAST_CELL + 2 > self._room.kinds.shape[1]:
            self._room = self._columns(2 * len(data))
        for _ in range(2):
            self._room.used[:] = 0
            self._words.begin()
            words = self._words
            count = int(scan(data, begin, end, self._limits, words.book, words.letters, taken, *self._room))
            if count >= 0:
                self._words.learn()
                return count
            self._words.clear()
        taken[:] = False
        return 0

    def _found(self, data: Bytes, count: int, taken: Bools, names: Names) -> Scanned:
        whole, numbers, words = self._room.whole[:count], self._room.numbers[:count], self._words
        used = self._layouts(whole)
        words.tell(names, used.tolist())
        model = words.hashes[whole[:, MODEL]]
        ids, keys = read(data, whole[:, ID_BEGIN], whole[:, ID_END], model)
        events = Events(
            whole[:, MESSAGE].copy(),
            whole[:, INDEX].copy(),
            whole[:, KIND].copy(),
            whole[:, TIME].copy(),
            model,
            words.hashes[whole[:, VERSION]],
            keys,
            ids,
            self._answers(whole, numbers),
            numbers[:, SCORE].copy(),
            numbers[:, LATENCY].copy(),
            *(self._cells(field, whole) for field in range(len(MAPPINGS))),
        )
        found = Scanned(taken, events)
        if words.repeats[used].any():
            again = words.repeats[whole[:, LAYOUT : LAYOUT + len(MAPPINGS)]].any(axis=1)
            return found.without(np.unique(events.record[again]))
        return found

    def _layouts(self, whole: Longs) -> Longs:
        """The layouts that events have, by number."""
        seen = np.zeros(len(self._words.layouts), np.bool_)
        for column in range(LAYOUT, LAYOUT + len(MAPPINGS)):
            seen[whole[:, column]] = True
        return np.flatnonzero(seen)

    def _answers(self, whole: Longs, numbers: Floats) -> Scalars:
        """Predictions and labels in the canonical form of classes."""
        kind = whole[:, CLASS_KIND].astype(np.uint8)
        bits = numbers[:, CLASS].copy().view(np.uint64)
        if (texts := kind == TEXT).any():
            named = whole[texts, CLASS_WORD]
            kind[texts], bits[texts] = self._words.class_kinds[named], self._words.class_bits[named]
        return Scalars(kind, bits)

    def _cells(self, field: int, whole: Longs) -> Cells:
        room, total = self._room, int(self._room.used[field])
        if not total:
            return Cells.empty(len(whole))
        size = whole[:, SIZE + field].astype(np.int32)
        start = np.cumsum(size, dtype=np.int64) - size
        kind, values = room.kinds[field, :total].copy(), room.values[field, :total].copy()
        bits = values.view(np.uint64)
        if (texts := kind == TEXT).any():
            bits[texts] = self._words.hashes[values[texts].astype(np.int64)]
        return Cells(self._words.layouts[whole[:, LAYOUT + field]], start, size, Scalars(kind, bits))

    def _columns(self, size: int) -> Columns:
        """Room for what messages of so many bytes may hold."""
        events, cells = size // _LEAST_EVENT + 2, size // _LEAST_CELL + 2
        return Columns(
            np.zeros((events, WIDTH), np.int64),
            np.zeros((events, 3)),
            np.zeros((len(MAPPINGS), cells), np.uint8),
            np.zeros((len(MAPPINGS), cells)),
            np.zeros(2 * len(MAPPINGS), np.int64),
            np.zeros(self._limits.cells, np.int64),
            np.zeros(1, np.uint64),
        )
