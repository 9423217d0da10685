"""Predictions that wait for their labels, and labels that wait for their predictions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from heapq import heappush

import numpy as np

from daemon.ledger import index
from daemon.ledger.earliest import earliest
from daemon.ledger.keyed import Arena, KeyedRows
from daemon.ledger.offers import Changes, Offer
from processors.distinct import distinct
from processors.profile.tokens import runs_by
from processors.rows import (
    CORRECTION,
    FIRST,
    TEXT,
    Bytes,
    Cells,
    Hashes,
    Labels,
    Longs,
    Names,
    Predictions,
    Refs,
    Scalars,
    Strings,
)

HOUR_US = 3_600_000_000
UNLABELLED = 255

LABEL = {"how": "u1", "kind": "u1", "bits": "u8", "label_ts": "i8", "partition": "i4", "offset": "i8", "index": "i4"}
PREDICTION = {
    "model": "u8",
    "version": "u8",
    "content": "u8",
    "time": "i8",
    "ts": "i8",
    "arrival": "i8",
    "prediction_kind": "u1",
    "prediction_bits": "u8",
    "score": "f8",
}
RANK = ("label_ts", "partition", "offset", "index")


@dataclass(frozen=True, slots=True)
class Waits:
    """How long labels are waited for, in microseconds, by model; `*` stands for all others."""

    default_us: int = 7 * 24 * HOUR_US
    by_model: Mapping[str, int] = field(default_factory=dict)
    implicit: Mapping[str, tuple[int, Scalars]] = field(default_factory=dict)
    """After how long silence counts as which label (one scalar)."""

    def wait(self, model: str) -> int:
        """How long a prediction of the model waits."""
        return self.by_model.get(model, self.by_model.get("*", self.default_us))

    def rule(self, model: str) -> tuple[int, Scalars] | None:
        """The model's implicit label, if it has one."""
        return self.implicit.get(model, self.implicit.get("*"))


class Diary:
    """Slots noted under the time at which something is due for them; slots given away meanwhile are left out."""

    def __init__(self, rows: KeyedRows) -> None:
        self._rows = rows
        self._due: dict[int, list[tuple[Longs, Longs]]] = {}
        self._times: list[int] = []
        """The times at which something is due, as a heap; some may be past."""

    def note(self, when: Longs, slots: Longs) -> None:
        """Something is due for each slot at each time."""
        for due, at in runs_by(when):
            if due not in self._due:
                self._due[due] = []
                heappush(self._times, due)
            self._due[due].append((slots[at], self._rows.serial[slots[at]]))

    def due(self, until: int) -> Longs:
        """The slots noted for `until` or earlier, which are struck out; those that live, by serial number."""
        found = [np.zeros(0, np.int64)]
        while (when := self.next()) is not None and when <= until:
            found += [slots[self._rows.live(slots, serials)] for slots, serials in self._due.pop(when)]
        if len(found) == 1:
            return found[0]
        slots = np.concatenate(found)
        return slots[np.argsort(self._rows.serial[slots], kind="stable")]

    def prune(self) -> None:
        """Strike out what is noted for slots that were given away."""
        for when in list(self._due):
            lives = [self._rows.live(slots, serials) for slots, serials in self._due[when]]
            kept = [(s[live], n[live]) for (s, n), live in zip(self._due[when], lives, strict=True) if live.any()]
            if kept:
                self._due[when] = kept
            else:
                del self._due[when]

    def holds(self, when: int) -> bool:
        """Is anything noted for just this time?"""
        return when in self._due

    def next(self) -> int | None:
        """The earliest time for which anything is noted."""
        return earliest(self._times, self._due)


class Retained:
    """Predictions after their pane closed, without features, for as long as a label may come or be corrected."""

    def __init__(self, waits: Waits, pane_us: int) -> None:
        self._waits, self._pane_us = waits, pane_us
        self.rows = KeyedRows(PREDICTION | LABEL)
        self.proba, self.segments = Arena(), Arena()
        self.names = Names()
        self.arriving, self.expiring, self.implied = Diary(self.rows), Diary(self.rows), Diary(self.rows)
        self.relabelled: list[tuple[Longs, Longs]] = []
        """Slots and serial numbers of rows whose label changed since the last save."""

    def __len__(self) -> int:
        return len(self.rows)

    def deduplicate(self, table: Predictions) -> tuple[Bytes, Longs]:
        """Status of each row, in order (STANDS, DUPLICATE, CONFLICT), and the slots of those that stand."""
        rows = self.rows
        slots = rows.take_slots(len(table))
        status = index.admit(
            rows.table_key, rows.table_head, rows.following, rows["version"], rows["content"],
            table.key, slots, table.version, table.content,
        )  # fmt: skip
        stands = status == index.STANDS
        rows.give_back(slots[~stands])
        return status, slots[stands]

    def keep(self, table: Predictions, slots: Longs, serials: Longs | None = None) -> None:
        """Fill the slots with rows; those of `deduplicate` are in the index already, restored ones (`serials`) not."""
        rows = self.rows
        rows.enter(slots, table.key, serials, indexed=serials is None)
        for name in ("model", "version", "content", "time", "ts", "arrival", "score"):
            rows[name][slots] = getattr(table, name)
        rows["prediction_kind"][slots], rows["prediction_bits"][slots] = table.prediction.kind, table.prediction.bits
        rows["how"][slots], rows["kind"][slots], rows["bits"][slots] = UNLABELLED, 0, 0
        self.proba.put(slots, table.proba, len(rows.key))
        self.segments.put(slots, table.segments, len(rows.key))
        remember(self.names, table.names, lasting_texts(table), [table.proba.layout, table.segments.layout])

    def expiry(self, table: Predictions) -> Longs:
        """Number of the hour at whose beginning each row is forgotten."""
        models, inverse = distinct(table.model)
        waits = [self._waits.wait(table.names.text(model)) for model in models.tolist()]
        return np.asarray((table.time + np.array(waits, np.int64)[inverse]) // HOUR_US + 1)

    def note(self, table: Predictions, slots: Longs, since: int = 0) -> None:
        """Note when these rows arrive, become outcomes by silence, and expire. What was due before `since` is done."""
        models, inverse = distinct(table.model)
        rules = [self._waits.rule(table.names.text(model)) for model in models.tolist()]
        after = np.array([-1 if rule is None else rule[0] for rule in rules], np.int64)[inverse]
        expiry = self.expiry(table)
        self.expiring.note(expiry, slots)
        pane, last = self._pane_us, expiry * HOUR_US
        arrives = table.arrival // pane * pane
        coming = np.flatnonzero((arrives >= since) & (arrives < last))
        self.arriving.note(arrives[coming], slots[coming])
        implied = np.maximum(table.time + after, table.arrival) // pane * pane
        silent = np.flatnonzero((after >= 0) & (implied >= since) & (implied < last))
        self.implied.note(implied[silent], slots[silent])

    def join(self, offer: Offer, only: Longs | None, until: int, how: int) -> tuple[Bytes, Changes]:
        """Match labels in their order with rows that arrived before `until`; `only` names one slot for each label."""
        rows = self.rows
        if only is None:
            only = np.full(len(offer.key), -1, np.int64)
        fate, slot, label, changed, kind, bits = index.join(
            rows.table_key, rows.table_head, rows.following, rows["arrival"], np.int64(until),
            rows["how"], rows["kind"], rows["bits"],
            rows["label_ts"], rows["partition"], rows["offset"], rows["index"],
            offer.key, offer.value.kind, offer.value.bits, offer.ts, offer.partition, offer.offset, offer.index,
            only, np.uint8(how), np.uint8(CORRECTION),
        )  # fmt: skip
        if len(slot):
            self.relabelled.append((slot, rows.serial[slot]))
        before = Scalars(kind, bits)
        return fate, Changes(slot, offer.value.take(label), offer.ts[label], offer.id[label], changed, before)

    def labels_of(self, slots: Longs) -> Offer:
        """The standing labels of rows."""
        return standing(self.rows, slots, np.full(len(slots), "", object))

    def labelled_sibling(self, slots: Longs) -> Longs:
        """For each row another of the same key (another version) that has its label; -1 without one."""
        rows = self.rows
        found = np.full(len(slots), -1, np.int64)
        heads = rows.find(rows.key[slots])
        for place in np.flatnonzero((rows.following[heads] >= 0) & (heads >= 0)).tolist():
            at = int(heads[place])
            while at >= 0 and found[place] < 0:
                if at != slots[place] and rows["how"][at] == FIRST:
                    found[place] = at
                at = int(rows.following[at])
        return found

    def implicit_labels(self, slots: Longs, ts: int) -> Offer:
        """What silence says of rows."""
        models = [self.names.text(model) for model in self.rows["model"][slots].tolist()]
        rules = [self._waits.rule(model) for model in models]
        values = [rule[1] for rule in rules if rule is not None]
        value = Scalars.concat(values) if values else Scalars.missing(0)
        return Offer.implied(self.rows.key[slots], value, np.full(len(slots), ts, np.int64))

    def table(self, slots: Longs) -> Predictions:
        """Rows as a table: without ids, features and attributions, which are gone."""
        rows, count = self.rows, len(slots)
        nothing, none = np.zeros(count, np.int64), Cells.empty(count)
        table = Predictions(
            Refs(nothing.astype(np.int32), nothing, nothing.astype(np.int32)),
            rows["time"][slots],
            rows["ts"][slots],
            rows["arrival"][slots],
            np.zeros(count, np.uint8),
            rows["model"][slots],
            rows["version"][slots],
            rows.key[slots],
            np.full(count, "", object),
            Scalars(rows["prediction_kind"][slots], rows["prediction_bits"][slots]),
            rows["score"][slots],
            np.full(count, np.nan),
            none,
            self.proba.get(slots),
            self.segments.get(slots),
            none,
            rows["content"][slots],
            Names(),
        )
        texts = [*lasting_texts(table), texts_in(Scalars(rows["kind"][slots], rows["bits"][slots]))]
        remember(table.names, self.names, texts, [table.proba.layout, table.segments.layout])
        return table

    def drop(self, slots: Longs) -> None:
        """Forget rows."""
        if not len(slots):
            return
        self.proba.drop(slots)
        self.segments.drop(slots)
        self.rows.remove(slots)


class WaitingLabels:
    """Labels without a prediction: early ones and orphans. At most one a key."""

    def __init__(self, waits: Waits) -> None:
        self._waits = waits
        self.rows = KeyedRows({"time": "i8", "model": "u8"} | LABEL)
        self.ids: dict[int, str] = {}
        """Event id by serial number."""
        self.expiring = Diary(self.rows)
        self.met: list[Longs] = []
        """Serial numbers of labels that stopped waiting since the last save."""

    def __len__(self) -> int:
        return len(self.rows)

    def keep(self, labels: Labels, serials: Longs | None = None) -> None:
        """Let labels wait."""
        rows, ref = self.rows, labels.ref
        slots = rows.take_slots(len(labels))
        rows.enter(slots, labels.key, serials)
        columns = (labels.time, labels.model, labels.label.kind, labels.label.bits, labels.ts)
        for name, column in zip(("time", "model", "kind", "bits", "label_ts"), columns, strict=True):
            rows[name][slots] = column
        rows["partition"][slots], rows["offset"][slots], rows["index"][slots] = ref.partition, ref.offset, ref.index
        self.ids.update(zip(rows.serial[slots].tolist(), labels.id.tolist(), strict=True))
        models, inverse = distinct(labels.model)
        waits = [self._waits.wait(labels.names.text(model)) for model in models.tolist()]
        self.expiring.note((labels.time + np.array(waits, np.int64)[inverse]) // HOUR_US + 1, slots)

    def labels_of(self, slots: Longs) -> Offer:
        """Waiting labels as an offer."""
        ids = [self.ids[serial] for serial in self.rows.serial[slots].tolist()]
        texts = np.empty(len(ids), object)
        texts[:] = ids
        return standing(self.rows, slots, texts)

    def drop(self, slots: Longs) -> None:
        """These labels wait no longer."""
        if not len(slots):
            return
        serials = self.rows.serial[slots]
        self.met.append(serials)
        for serial in serials.tolist():
            del self.ids[serial]
        self.rows.remove(slots)


def standing(rows: KeyedRows, slots: Longs, ids: Strings) -> Offer:
    """The label columns of slots as an offer."""
    value = Scalars(rows["kind"][slots], rows["bits"][slots])
    ts, partition, offset, index_ = (rows[name][slots] for name in RANK)
    return Offer(rows.key[slots], value, ts, partition, offset, index_, ids)


def lasting_texts(table: Predictions | Labels) -> list[Hashes]:
    """Hashes of the texts that a row needs once its features are gone."""
    if isinstance(table, Labels):
        return [table.model, texts_in(table.label)]
    return [table.model, table.version, texts_in(table.prediction), texts_in(table.segments.values)]


def texts_in(scalars: Scalars) -> Hashes:
    """Hashes of the texts among scalars."""
    return np.asarray(scalars.bits[scalars.kind == TEXT])


def remember(names: Names, source: Names, texts: Iterable[Hashes], layouts: Iterable[Hashes]) -> None:
    """Take over from `source` the words that are needed."""
    for column in texts:
        names.texts.update({text: source.text(text) for text in distinct(column)[0].tolist()})
    for column in layouts:
        known = {layout: source.layouts.get(layout, ()) for layout in distinct(column)[0].tolist()}
        names.layouts.update(known)
