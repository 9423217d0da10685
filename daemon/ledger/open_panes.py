"""Panes that are still open: tables of rows by kind, put in canonical order when the pane closes.

A pane may hold only so much, for its rows wait with all their features; and if a producer's clock stands still, all
that it sends falls into one. Of more, a fair sample is kept: rows by a hash of where they stood, half as many each
time that it gets too much. Which ones does not depend on the order in which they came.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

import numpy as np

from daemon.decode import Decoded
from daemon.ledger.replayed import Remembered
from processors.distinct import ordered
from processors.profile.tokens import mix, runs_by
from processors.rows import Bools, Cells, Hashes, Labels, Names, Predictions, Refs, Scalars, Signals, Table

KindT = TypeVar("KindT", Predictions, Labels, Signals)
CELLS = 32


def no_refs() -> Refs:
    """Refs of no rows."""
    return Refs(np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.int32))


@cache
def no_predictions() -> Predictions:
    """A table without rows."""
    longs, hashes, floats = np.zeros(0, np.int64), np.zeros(0, np.uint64), np.zeros(0, np.float64)
    none, cells = Scalars.missing(0), Cells.empty(0)
    return Predictions(
        no_refs(), longs, longs, longs, np.zeros(0, np.uint8), hashes, hashes, hashes, np.zeros(0, object), none,
        floats, floats, cells, cells, cells, cells, hashes, Names(),
    )  # fmt: skip


@cache
def no_labels() -> Labels:
    """A table without rows."""
    longs, hashes = np.zeros(0, np.int64), np.zeros(0, np.uint64)
    ids, none = np.zeros(0, object), Scalars.missing(0)
    return Labels(no_refs(), longs, longs, np.zeros(0, np.uint8), hashes, hashes, ids, none, Names())


@cache
def no_signals() -> Signals:
    """A table without rows."""
    longs, hashes, flags = np.zeros(0, np.int64), np.zeros(0, np.uint64), np.zeros(0, np.uint8)
    return Signals(no_refs(), longs, longs, flags, hashes, hashes, hashes, np.zeros(0), Names())


@dataclass(slots=True)
class OpenPane:
    """What one pane holds so far."""

    most: int = 1_000_000
    """Rows that it may hold, of `CELLS` cells each on the average."""
    predictions: list[Predictions] = field(default_factory=list)
    labels: list[Labels] = field(default_factory=list)
    signals: list[Signals] = field(default_factory=list)
    refused: int = 0
    again: list[tuple[Refs, Hashes]] = field(default_factory=list)
    """Rows that may have come in before, and which event each of them is."""
    repeated: int = 0
    """Rows that have, and are struck out."""
    shed: int = 0
    """Rows that were too many."""
    rows: int = 0
    """Rows of all kinds, without those that were struck out."""
    _keep_rate: float = 1.0
    _weight: int = 0
    _in_order: bool = False
    """Whether predictions have been put in order since the last came."""

    def note(self, rows: Refs, events: Hashes) -> None:
        """Note which of these rows are replays: those whose event is not 0."""
        if len(at := np.flatnonzero(events)):
            self.again.append((rows.take(at), events[at]))

    def strike_repeated(self, remembered: Remembered, end: int) -> None:
        """Take out replayed rows that came in before; of several the first by (partition, offset, index) stands."""
        if not self.again:
            return
        refs = Refs.concat([rows for rows, _ in self.again])
        events = np.concatenate([events for _, events in self.again])
        self.again.clear()
        order = np.lexsort((refs.index, refs.offset, refs.partition))
        void = refs.take(order[~remembered.first(events[order], end)])
        if len(void):
            before = self.rows
            self.predictions = [_without(void, table) for table in self.predictions]
            self.labels = [_without(void, table) for table in self.labels]
            self.signals = [_without(void, table) for table in self.signals]
            self.rows = self._counted()
            self.repeated += before - self.rows  # of those that were shed there is nothing left to strike out

    def add(self, kind: str, rows: Any) -> None:
        """Put in rows of a kind: `predictions`, `labels` or `signals`."""
        tables: list[Any] = getattr(self, kind)
        self._in_order = False
        tables.append(rows if self._keep_rate >= 1 else self._thinned(rows))
        self._weight += _weight(tables[-1])
        self.rows += len(tables[-1])
        while self._weight > CELLS * self.most:
            self._keep_rate /= 2
            for tables in (self.predictions, self.labels, self.signals):
                tables[:] = [self._thinned(table) for table in tables]
            self._weight = sum(map(_weight, [*self.predictions, *self.labels, *self.signals]))
            self.rows = self._counted()

    def _counted(self) -> int:
        return sum(map(len, [*self.predictions, *self.labels, *self.signals]))

    def _thinned(self, rows: Any) -> Any:
        kept = kept_at(self._keep_rate, _places(rows))
        self.shed += int((~kept).sum())
        return rows.take(kept)

    def sorted_predictions(self) -> Predictions:
        """In canonical order: (time, key, partition, offset, index)."""
        if not self.predictions:
            return no_predictions()
        table = Predictions.concat(self.predictions)
        if len(table) == 1 or self._in_order:
            return table
        ref = table.ref
        in_order = table.take(ordered(table.time, table.key, ref.partition, ref.offset, ref.index))
        self.predictions, self._in_order = [in_order], True
        return in_order

    def sorted_labels(self) -> Labels:
        """By (ts, partition, offset, index): the order in which they stand."""
        if not self.labels:
            return no_labels()
        table = Labels.concat(self.labels)
        if len(table) == 1:
            return table
        return table.take(ordered(table.ts, table.ref.partition, table.ref.offset, table.ref.index))

    def sorted_signals(self) -> Signals:
        """In canonical order, with the name in the key's place."""
        if not self.signals:
            return no_signals()
        table = Signals.concat(self.signals)
        ref = table.ref
        return table.take(ordered(table.time, table.model, table.name, ref.partition, ref.offset, ref.index))


def _without(void: Refs, table: KindT) -> KindT:
    """The table without the rows that stand there."""
    struck = set(zip(void.partition.tolist(), void.offset.tolist(), void.index.tolist(), strict=True))
    ref, kept = table.ref, np.ones(len(table), np.bool_)
    for row in np.flatnonzero(np.isin(ref.offset, void.offset)).tolist():
        kept[row] = (int(ref.partition[row]), int(ref.offset[row]), int(ref.index[row])) not in struck
    return table.take(kept)


def kept_at(rate: float, keys: Hashes) -> Bools:
    """Is the key among those kept at this rate? A lower rate keeps a subset of what a higher one keeps."""
    if rate >= 1:
        return np.ones(len(keys), np.bool_)
    share = (keys * np.uint64(0xD6E8FEB86659FD93)) >> np.uint64(32)
    return share < np.uint64(int(rate * 2**32))


def _places(rows: Any) -> Hashes:
    """A hash of where each row stood: so that of a row that is repeated without end not all are kept, or none."""
    ref = rows.ref
    return mix(mix(ref.offset.view(np.uint64), ref.index.astype(np.uint64)), ref.partition.astype(np.uint64))


def _weight(rows: Any) -> int:
    cells = (rows.features, rows.proba, rows.segments, rows.attributions) if isinstance(rows, Predictions) else ()
    return CELLS * len(rows) + sum(len(column.values) for column in cells)


def by_pane(decoded: Decoded, pane_us: int) -> Iterator[tuple[int, str, Any]]:
    """(start of pane, kind, its rows) for each pane and kind that occurs."""
    kinds: tuple[tuple[str, Table, Any], ...] = (
        ("predictions", decoded.predictions, decoded.predictions.time),
        ("labels", decoded.labels, decoded.labels.time),
        ("signals", decoded.signals, decoded.signals.time),
    )
    for kind, rows, time in kinds:
        for pane, at in runs_by(time // pane_us * pane_us):
            yield pane, kind, rows if len(at) == len(rows) else rows.take(at)
