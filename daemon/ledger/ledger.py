"""Join, de-duplication and pane buffer in one.

Rows wait here twice: in their open pane until it closes, and then, without their features, for as long as a label may
come or be corrected. Everything is decided at a pane's closing and in canonical order, so that neither the
interleaving of partitions nor the cut of batches can show:

0. Replayed dead letters that came in before are struck out (`replayed`).
1. The pane's predictions, ordered by (time, key, partition, offset, index), are de-duplicated: the first stands.
2. Predictions whose clock falls into the pane meet labels that were waiting for them.
3. The pane's labels, ordered by (ts, partition, offset, index), meet the predictions that are there; the rest wait.
4. Silence becomes an outcome where `labels.implicit` says so, and what has waited long enough is forgotten.

Memory is bounded by `max_pending` (docs/memory.md says how much that is). Under pressure the keep-rate halves, and
predictions and labels are let go by the hash of their key: never by age, which would bias quality towards labels that
come early.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from heapq import heappush
from typing import TypeVar

import numpy as np

from daemon.decode import Decoded
from daemon.ledger import index
from daemon.ledger.due import Waits
from daemon.ledger.earliest import earliest
from daemon.ledger.index import UNLABELLED
from daemon.ledger.keyed import KeyedRows
from daemon.ledger.offers import Changes, Offer
from daemon.ledger.open_panes import OpenPane, by_pane, kept_at, no_predictions
from daemon.ledger.replayed import Remembered
from daemon.ledger.retained import Retained, texts_in, words_for
from daemon.ledger.waiting import WaitingLabels
from processors.distinct import ordered
from processors.durations import HOUR_US
from processors.rows import (
    CORRECTION,
    FIRST,
    IMPLICIT,
    Bools,
    Hashes,
    Ints,
    Labels,
    Outcomes,
    Predictions,
    Scalars,
    Signals,
)

FORGOTTEN = "replayed_refs"
"""Beside the accounts: replayed dead letters that were forgotten for want of room."""
CELLS = 8
"""Probabilities and segments of a waiting prediction for which there is room, on the average."""

RowsT = TypeVar("RowsT", Predictions, Signals)


@dataclass(frozen=True, slots=True)
class Closed:
    """What a pane amounted to.

    `accounts` says how many events ended where: measured, duplicate, conflict, refused, shed; and `pending`, the
    change in the number of labels that wait. These add up to `received`. Beside them it explains what was shed
    (orphan, pressure, unmonitored, flood).
    """

    start: int
    end: int
    predictions: Predictions
    duplicates: Predictions
    outcomes: Outcomes
    signals: Signals
    accounts: Counter[str]


class Ledger:
    """See the module's docstring. Times are microseconds; panes begin at multiples of `pane_us`."""

    def __init__(
        self,
        pane_us: int,
        waits: Waits,
        max_pending: int,
        group_of: Callable[[Hashes, Hashes], Ints],
        remembered: Remembered | None = None,
        *,
        pane_rows: int = 1_000_000,
    ) -> None:
        """`group_of` gives each (model, version) its group number, -1 where it is not monitored.

        `pane_rows` are held in one pane, and `max_pending` predictions and labels until they have met.
        """
        self.pane_us = pane_us
        self.keep_rate = 1.0
        self.closed_until = 0
        """End of the last pane that was closed here."""
        self.open: dict[int, OpenPane] = {}
        self._starts: list[int] = []
        """Starts of the open panes, as a heap; some may be closed."""
        self.retained, self.waiting = Retained(waits, pane_us), WaitingLabels(waits)
        self.relieved: list[tuple[int, int, float, int]] = []
        """(next serial of predictions, of labels, keep-rate, time) each time that keys were let go."""
        self._max_pending, self._group_of, self._waits = max_pending, group_of, waits
        self._pane_rows = pane_rows
        self._accounts: Counter[str] = Counter()
        self.remembered = Remembered(0, 0) if remembered is None else remembered
        """Replayed dead letters that were taken in."""
        self._words: dict[int, str] = {}
        """What the labels of the pane that is closing say, where they are texts."""

    def add(self, decoded: Decoded) -> None:
        """Put decoded rows into the panes of their times."""
        for start, kind, rows in by_pane(decoded, self.pane_us):
            pane = self._pane(start)
            pane.add(kind, rows)
            if len(decoded.again):
                pane.note(rows.ref, decoded.again.of(rows.ref))
        for refusal in decoded.refused:
            self.refuse(refusal.clock)

    def refuse(self, clock: int, count: int = 1) -> None:
        """Account for refused events in the pane of their clock."""
        self._pane(clock // self.pane_us * self.pane_us).refused += count

    @property
    def cut_off(self) -> Counter[str]:
        """What was not kept for want of room, by kind."""
        refused = self.retained.layouts.refused
        return Counter({"cells of waiting predictions": refused} if refused else {})

    def next_pane(self) -> int | None:
        """Start of the earliest pane in which there is something to do: rows, or silence that becomes an outcome."""
        due = (earliest(self._starts, self.open), self.retained.implied.next(), self.retained.arriving.next())
        return min((when for when in due if when is not None), default=None)

    def holds(self, start: int) -> bool:
        """Is there anything to do in the pane that begins at `start`?"""
        implied = self.retained.implied.next()
        return start in self.open or self.retained.arriving.holds(start) or (implied is not None and implied <= start)

    def open_rows(self) -> int:
        """Rows in open panes."""
        return sum(pane.rows for pane in self.open.values())

    def rows_of(self, start: int) -> tuple[Predictions, Signals]:
        """The pane's rows in canonical order before de-duplication: what is offered to the profile for admission."""
        pane = self.open.get(start) or OpenPane()
        pane.strike_repeated(self.remembered, start + self.pane_us)
        return pane.sorted_predictions(), pane.sorted_signals()

    def close(self, start: int) -> Closed:
        """Close the pane that begins at `start`; its rows have been offered for admission before."""
        end = self.closed_until = start + self.pane_us
        pane = self.open.pop(start, None) or OpenPane()
        pane.strike_repeated(self.remembered, end)
        received = pane.rows + pane.refused + pane.repeated + pane.shed
        self._accounts = Counter(received=received, refused=pane.refused, duplicate=pane.repeated)
        if pane.shed:
            self._shed("flood", pane.shed)
        if forgotten := self.remembered.take_forgotten():
            self._accounts[FORGOTTEN] = forgotten
        self._words = dict(self._waits.texts)
        waited = len(self.waiting)
        self._expire(start)
        predictions, duplicates = self._deduplicate(self._monitored(pane.sorted_predictions()))
        met = self._meet(start, end)
        matched = self._match(pane.sorted_labels(), end)
        outcomes = self._outcomes(Changes.concat([met, matched, self._imply(start, end)]), start)
        self._expire(end)
        self._relieve(end)
        signals = self._monitored(pane.sorted_signals())
        self._accounts["measured"] += len(predictions) + len(signals)
        self._accounts["pending"] += len(self.waiting) - waited
        return Closed(start, end, predictions, duplicates, outcomes, signals, self._accounts)

    def skip(self, end: int) -> Counter[str]:
        """Let time pass up to `end`, in which there was nothing to do. Returns the accounts of what expired."""
        self._accounts = Counter()
        waited = len(self.waiting)
        self._expire(end)
        self._accounts["pending"] += len(self.waiting) - waited
        return self._accounts

    def give_up(self) -> Counter[str]:
        """At the end of a finite input: labels that still wait are orphans. Returns the accounts of that."""
        slots = self.waiting.rows.slots()
        self.waiting.drop(slots)
        return Counter(shed=len(slots), orphan=len(slots), pending=-len(slots))

    # The steps of closing.

    def _monitored(self, rows: RowsT) -> RowsT:
        if not len(rows):
            return rows
        known = self._group_of(rows.model, rows.version) >= 0
        if known.all():
            return rows
        self._shed("unmonitored", int((~known).sum()))
        return rows.take(known)

    def _deduplicate(self, rows: Predictions) -> tuple[Predictions, Predictions]:
        if not len(rows):
            return rows, rows
        status, slots = self.retained.deduplicate(rows)
        stands = status == index.STANDS
        standing, again = rows, no_predictions()
        if not stands.all():
            self._accounts["duplicate"] += int((status == index.DUPLICATE).sum())
            self._accounts["conflict"] += int((status == index.CONFLICT).sum())
            standing, again = rows.take(stands), rows.take(~stands)
        self.retained.keep(standing, slots)
        kept = self.kept(standing.key)
        if kept.all():
            self.retained.note(standing, slots)
        else:
            self.retained.drop(slots[~kept])
            self.retained.note(standing.take(kept), slots[kept])
        return standing, again

    def _meet(self, start: int, end: int) -> Changes:
        """Predictions whose clock falls into this pane meet a label that waits, or that a sibling has."""
        slots = self.retained.arriving.due(start)
        if not len(slots):
            return Changes.none()
        waiting = self.waiting.rows.find(self.retained.rows.key[slots])
        met, alone = waiting >= 0, slots[waiting < 0]
        sibling = self.retained.labelled_sibling(alone)
        if not met.any() and not (sibling >= 0).any():
            return Changes.none()
        self._words |= self.waiting.words_of(waiting[met])
        offers = [(self.waiting.labels_of(waiting[met]), slots[met])]
        offers.append((self.retained.labels_of(sibling[sibling >= 0]), alone[sibling >= 0]))
        changes = [self.retained.join(offer, only, end, FIRST)[1] for offer, only in offers]
        gone = np.unique(waiting[met])
        self.waiting.drop(gone)
        self._accounts["measured"] += len(gone)
        return Changes.concat(changes)

    def _match(self, labels: Labels, end: int) -> Changes:
        """The pane's labels meet the predictions that are there; the rest wait."""
        if not len(labels):
            return Changes.none()
        kept = self.kept(labels.key)
        if not kept.all():
            self._shed("pressure", int((~kept).sum()))
            labels = labels.take(kept)
        self._words |= words_for(labels.names, [texts_in(labels.label)])
        fate, changes = self.retained.join(Offer.of(labels), None, end, FIRST)
        self._accounts["measured"] += int((fate == index.MEASURED).sum())
        self._accounts["duplicate"] += int((fate == index.REPEATED).sum())
        self._accounts["conflict"] += int((fate == index.CONTRADICTED).sum())
        waiting = fate == index.WAITING
        if waiting.any():
            self._wait(labels.take(waiting))
        return changes

    def _wait(self, labels: Labels) -> None:
        """Keep labels without a prediction; of several of one key the greatest stands."""
        slots = self.waiting.rows.find(labels.key)
        _, first, repeats = np.unique(labels.key, return_index=True, return_counts=True)
        alone = np.zeros(len(labels), np.bool_)
        alone[first[repeats == 1]] = True
        alone &= slots < 0
        self.waiting.keep(labels.take(alone))
        for row in np.flatnonzero(~alone).tolist():
            self._contend(labels.take(np.array([row])))

    def _contend(self, label: Labels) -> None:
        rows = self.waiting.rows
        slot = int(rows.find(label.key)[0])
        if slot >= 0:
            same = rows["kind"][slot] == label.label.kind[0] and rows["bits"][slot] == label.label.bits[0]
            self._accounts["duplicate" if same else "conflict"] += 1
            ref = label.ref
            rank = (label.ts[0], ref.partition[0], ref.offset[0], ref.index[0])
            if rank <= self.waiting.rank(slot):
                return
            self.waiting.drop(np.array([slot]))
        self.waiting.keep(label)

    def _imply(self, start: int, end: int) -> Changes:
        """Silence becomes an outcome where the operator said after how long."""
        slots = self.retained.implied.due(start)
        slots = slots[self.retained.rows["how"][slots] == UNLABELLED]
        if not len(slots):
            return Changes.none()
        return self.retained.join(self.retained.implicit_labels(slots, start), slots, end, IMPLICIT)[1]

    def _outcomes(self, changes: Changes, start: int) -> Outcomes:
        """Changes of rows as a table in canonical order: by (ts, key, version), changes of one row as they came."""
        retained, rows, slots = self.retained, self.retained.rows, changes.slot
        order = ordered(rows["ts"][slots], rows.key[slots], retained.version(slots))
        slots, how, before = slots[order], changes.how[order], changes.before.take(order)
        corrected = how == CORRECTION
        before = Scalars(np.where(corrected, before.kind, 0).astype(np.uint8), before.bits * corrected)
        names = retained.names_of(slots)
        names.texts.update(self._words)
        return Outcomes(
            np.full(len(slots), start, np.int64),
            rows["ts"][slots],
            changes.ts[order],
            how,
            retained.model(slots),
            retained.version(slots),
            rows.key[slots],
            changes.id[order],
            retained.predicted(slots),
            rows["score"][slots],
            *retained.ragged(slots),
            changes.label.take(order),
            before,
            names,
        )

    # Bounds.

    def kept(self, keys: Hashes) -> Bools:
        """Is the key among those kept under the keep-rate?"""
        return kept_at(self.keep_rate, keys)

    def _expire(self, end: int) -> None:
        """Forget what has waited long enough."""
        self.retained.drop(self.retained.expiring.due(end // HOUR_US))
        orphans = self.waiting.expiring.due(end // HOUR_US)
        self._shed("orphan", len(orphans))
        self.waiting.drop(orphans)

    def _relieve(self, end: int) -> None:
        """Under pressure let half of the keys go; with room to spare keep twice as many again."""
        while self._load() > self._max_pending:
            self.keep_rate /= 2
            for store in (self.retained, self.waiting):
                slots = store.rows.where(partial(self._let_go, store.rows))
                store.drop(slots)
                if store is self.waiting:
                    self._shed("pressure", len(slots))
            if self.retained.relabelled is not None:
                serials = (self.retained.rows.next_serial, self.waiting.rows.next_serial)
                self.relieved.append((*serials, self.keep_rate, end))
            self.retained.arriving.prune()
            self.retained.implied.prune()
        if self.keep_rate < 1 and self._load() < self._max_pending // 4:
            self.keep_rate *= 2

    def _load(self) -> int:
        """How many predictions and labels wait; those with many probabilities or segments count for more."""
        return max(len(self.retained) + len(self.waiting), self.retained.cells.used // CELLS)

    def _let_go(self, rows: KeyedRows, block: slice) -> Bools:
        return ~self.kept(rows.key[block])

    def _shed(self, reason: str, count: int) -> None:
        self._accounts["shed"] += count
        self._accounts[reason] += count

    def _pane(self, start: int) -> OpenPane:
        if start not in self.open:
            self.open[start] = OpenPane(self._pane_rows)
            heappush(self._starts, start)
        return self.open[start]
