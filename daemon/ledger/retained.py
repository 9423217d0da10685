"""Predictions that wait for their labels, as narrow as they can be: there may be ten million of them.

What rows have in common is a number (`shared`), ragged cells are in runs (`blocks`), and a label takes room once it
came. Texts of predictions, labels and segments are not kept: whatever was admitted of them is known to the profile.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from daemon.ledger import index
from daemon.ledger.blocks import Blocks, positions
from daemon.ledger.due import Diary, Expiry, Waits
from daemon.ledger.index import UNLABELLED
from daemon.ledger.keyed import KeyedRows, Slots
from daemon.ledger.offers import Changes, Offer
from daemon.ledger.shared import Layouts, Shared
from processors.distinct import distinct
from processors.durations import HOUR_US
from processors.profile.tokens import mix
from processors.rows import (
    CORRECTION,
    FIRST,
    TEXT,
    Bytes,
    Cells,
    Hashes,
    Index,
    Ints,
    Longs,
    Names,
    Predictions,
    Refs,
    Scalars,
    Strings,
)

LABEL = {"kind": "u1", "bits": "u8", "label_ts": "i8", "partition": "i4", "offset": "i8", "index": "i4"}
RANK = ("label_ts", "partition", "offset", "index")
PREDICTION = {
    "version": "i4",
    "content": "u4",
    "time": "i8",
    "ts": "i8",
    "arrival": "i8",
    "prediction_kind": "u1",
    "prediction_bits": "u8",
    "score": "f8",
    "how": "u1",
    "label": "i4",
    "start": "u4",
    "proba": "u2",
    "segments": "u2",
}
"""`version` numbers (model, version); `proba` and `segments` number the names of their cells, which begin at `start`
one after the other; `label` is the place of the row's label unless `how` is UNLABELLED."""
_UPPER = np.uint64(32)


class Retained:
    """Predictions after their pane closed, without features, for as long as a label may come or be corrected."""

    def __init__(self, waits: Waits, pane_us: int) -> None:
        self._waits, self._pane_us = waits, pane_us
        self.rows = KeyedRows(PREDICTION)
        self.labels = Slots(LABEL)
        self.cells = Blocks({"kind": np.uint8})
        self.layouts = Layouts()
        self.versions = versions()
        self.arriving, self.implied = Diary(self.rows), Diary(self.rows)
        self.expiring = Expiry(self.rows, lambda: self.versions["wait_us"])
        self.relabelled: list[tuple[Longs, Longs]] | None = None
        """Slots and serial numbers of rows whose label changed since the last save; None: nobody saves."""

    def __len__(self) -> int:
        return len(self.rows)

    def nbytes(self) -> int:
        """Bytes of all columns."""
        return self.rows.nbytes() + self.labels.nbytes() + self.cells.nbytes()

    def deduplicate(self, table: Predictions) -> tuple[Bytes, Longs]:
        """Status of each row, in order (STANDS, DUPLICATE, CONFLICT), and the slots of those that stand."""
        rows = self.rows
        slots = rows.take_slots(len(table))
        version = self._versions_of(table)
        status = index.admit(
            rows.table, rows.key, rows.following, rows["version"], rows["content"],
            table.key, slots, version, (table.content >> _UPPER).astype(np.uint32),
        )  # fmt: skip
        stands = status == index.STANDS
        rows.give_back(slots[~stands])
        self.versions.release(version[~stands])
        return status, slots[stands]

    def keep(self, table: Predictions, slots: Longs) -> None:
        """Fill the slots of `deduplicate` with their rows."""
        rows = self.rows
        rows.enter(slots, table.key, indexed=True)
        self._fill(table, slots)

    def restore(self, table: Predictions, serials: Longs) -> Longs:
        """Take in rows that were kept before; returns their slots."""
        rows = self.rows
        slots = rows.take_slots(len(table))
        rows.enter(slots, table.key, serials)
        rows["version"][slots], rows["content"][slots] = self._versions_of(table), table.content >> _UPPER
        self._fill(table, slots)
        return slots

    def expiry(self, table: Predictions) -> Longs:
        """Number of the hour at whose beginning each row is forgotten."""
        return np.asarray((table.time + self._wait_of(table)) // HOUR_US + 1)

    def note(self, table: Predictions, slots: Longs, since: int = 0) -> None:
        """Note when these rows arrive, become outcomes by silence, and expire. What was due before `since` is done."""
        models, inverse = distinct(table.model)
        rules = [self._waits.rule(table.names.text(model)) for model in models.tolist()]
        after = np.array([-1 if rule is None else rule[0] for rule in rules], np.int64)[inverse]
        waits = self._wait_of(table)
        self.expiring.note(table.time, waits)
        pane, last = self._pane_us, ((table.time + waits) // HOUR_US + 1) * HOUR_US
        arrives = table.arrival // pane * pane
        coming = np.flatnonzero((arrives >= since) & (arrives < last))
        self.arriving.note(arrives[coming], slots[coming])
        implied = np.maximum(table.time + after, table.arrival) // pane * pane
        silent = np.flatnonzero((after >= 0) & (implied >= since) & (implied < last))
        self.implied.note(implied[silent], slots[silent])

    def join(self, offer: Offer, only: Longs | None, until: int, how: int) -> tuple[Bytes, Changes]:
        """Match labels in their order with rows that arrived before `until`; `only` names one slot for each label."""
        rows, labels = self.rows, self.labels
        most = len(offer.key)
        if only is None:
            only = np.full(len(offer.key), -1, np.int64)
            most = index.unlabelled(rows.table, rows.key, rows.following, rows["how"], offer.key)
        fresh = labels.take_slots(most)
        fate, used, slot, label, changed, kind, bits = index.join(
            rows.table, rows.key, rows.following, rows["arrival"], np.int64(until), rows["how"], rows["label"],
            labels["kind"], labels["bits"], labels["label_ts"], labels["partition"], labels["offset"],
            labels["index"], fresh,
            offer.key, offer.value.kind, offer.value.bits, offer.ts, offer.partition, offer.offset, offer.index,
            only, np.uint8(how), np.uint8(CORRECTION),
        )  # fmt: skip
        labels.give_back(fresh[used:])
        if len(slot) and self.relabelled is not None:
            self.relabelled.append((slot, rows.serial[slot]))
        before = Scalars(kind, bits)
        return fate, Changes(slot, offer.value.take(label), offer.ts[label], offer.id[label], changed, before)

    def labels_of(self, slots: Longs) -> Offer:
        """The standing labels of rows that have one."""
        return standing(self.labels, self.rows["label"][slots], self.rows.key[slots], np.full(len(slots), "", object))

    def relabel(self, slots: Longs, columns: dict[str, Bytes | Longs]) -> None:
        """Give rows labels that were kept before: `how`, and the columns of a label."""
        how = np.asarray(columns["how"], np.uint8)
        slots, labelled = slots[how != UNLABELLED], how != UNLABELLED
        new = slots[self.rows["how"][slots] == UNLABELLED]
        self.rows["label"][new] = self.labels.take_slots(len(new))
        self.rows["how"][slots] = how[labelled]
        for name in LABEL:
            self.labels[name][self.rows["label"][slots]] = columns[name][labelled]

    def label_columns(self, slots: Longs) -> dict[str, Bytes | Longs]:
        """What `relabel` takes."""
        how, at = self.rows["how"][slots], self.rows["label"][slots]
        if not (how != UNLABELLED).any():
            return {"how": how} | {name: np.zeros(len(slots), dtype) for name, dtype in LABEL.items()}
        return {"how": how} | {name: np.where(how != UNLABELLED, self.labels[name][at], 0) for name in LABEL}

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
        words = self.versions.words
        rules = [self._waits.rule(words[number][0]) for number in self.rows["version"][slots].tolist()]
        values = [rule[1] for rule in rules if rule is not None]
        value = Scalars.concat(values) if values else Scalars.missing(0)
        return Offer.implied(self.rows.key[slots], value, np.full(len(slots), ts, np.int64))

    def version(self, slots: Longs) -> Hashes:
        """Hash of the version of rows."""
        return np.asarray(self.versions["version"][self.rows["version"][slots]])

    def model(self, slots: Longs) -> Hashes:
        """Hash of the model of rows."""
        return np.asarray(self.versions["model"][self.rows["version"][slots]])

    def ragged(self, slots: Longs) -> tuple[Cells, Cells]:
        """Probabilities and segments of rows."""
        rows, size = self.rows, self.layouts["size"]
        start, proba, segments = rows["start"][slots].astype(np.int64), rows["proba"][slots], rows["segments"][slots]
        return self._cells(start, proba), self._cells(start + size[proba], segments)

    def names_of(self, slots: Longs) -> Names:
        """The names of models, versions and cells of rows."""
        names = Names()
        for number in np.unique(self.rows["version"][slots]).tolist():
            model, version = self.versions.words[number]
            names.texts[int(self.versions["model"][number])] = model
            names.texts[int(self.versions["version"][number])] = version
        for column in ("proba", "segments"):
            names.layouts |= self.layouts.words_of(self.rows[column][slots])
        return names

    def table(self, slots: Longs) -> Predictions:
        """Rows as a table: without ids, features and attributions, which are gone."""
        rows, count = self.rows, len(slots)
        nothing, none = np.zeros(count, np.int64), Cells.empty(count)
        return Predictions(
            Refs(nothing.astype(np.int32), nothing, nothing.astype(np.int32)),
            rows["time"][slots],
            rows["ts"][slots],
            rows["arrival"][slots],
            np.zeros(count, np.uint8),
            self.model(slots),
            self.version(slots),
            rows.key[slots],
            np.full(count, "", object),
            self.predicted(slots),
            rows["score"][slots],
            np.full(count, np.nan),
            none,
            *self.ragged(slots),
            none,
            rows["content"][slots].astype(np.uint64) << _UPPER,
            self.names_of(slots),
        )

    def predicted(self, slots: Longs) -> Scalars:
        """What rows predicted."""
        return Scalars(self.rows["prediction_kind"][slots], self.rows["prediction_bits"][slots])

    def drop(self, slots: Longs) -> None:
        """Forget rows."""
        if not len(slots):
            return
        rows = self.rows
        self.labels.give_back(rows["label"][slots[rows["how"][slots] != UNLABELLED]].astype(np.int64))
        self.cells.give_back(rows["start"][slots].astype(np.int64), self._sizes(slots))
        self.versions.release(rows["version"][slots])
        for column in ("proba", "segments"):
            self.layouts.release(rows[column][slots])
        rows.remove(slots)

    # Parts.

    def _fill(self, table: Predictions, slots: Longs) -> None:
        rows = self.rows
        for name in ("time", "ts", "arrival", "score"):
            rows[name][slots] = getattr(table, name)
        rows["prediction_kind"][slots], rows["prediction_bits"][slots] = table.prediction.kind, table.prediction.bits
        rows["how"][slots] = UNLABELLED
        for name, cells in (("proba", table.proba), ("segments", table.segments)):
            rows[name][slots] = self.layouts.numbers(cells.layout, cells.size, table.names.layouts)
        if self._sizes(slots).any():
            self._fill_cells(table, slots)

    def _fill_cells(self, table: Predictions, slots: Longs) -> None:
        rows, start = self.rows, self.cells.take_for(self.rows, slots, self._sizes)
        for name, cells in (("proba", table.proba), ("segments", table.segments)):
            size = np.where(rows[name][slots] > 0, cells.size, 0).astype(np.int64)
            to, of = positions(start, size), positions(cells.start, size)
            self.cells.columns["kind"][to], self.cells.columns["bits"][to] = (
                cells.values.kind[of],
                cells.values.bits[of],
            )
            start = start + size

    def _cells(self, start: Longs, layout: Index) -> Cells:
        values = Scalars(self.cells.columns["kind"], self.cells.columns["bits"])
        found = Cells(self.layouts["layout"][layout], start, self.layouts["size"][layout], values)
        return found.packed(np.arange(len(start)))

    def _sizes(self, slots: Longs) -> Longs:
        size = self.layouts["size"]
        return np.asarray(size[self.rows["proba"][slots]] + size[self.rows["segments"][slots]], np.int64)

    def _versions_of(self, table: Predictions) -> Ints:
        def describe(row: int) -> tuple[object, ...]:
            model, version = table.names.text(table.model[row]), table.names.text(table.version[row])
            return (model, version), table.model[row], table.version[row], self._waits.wait(model)

        return self.versions.take(mix(table.model, table.version), describe)

    def _wait_of(self, table: Predictions) -> Longs:
        models, inverse = distinct(table.model)
        waits = [self._waits.wait(table.names.text(model)) for model in models.tolist()]
        return np.asarray(np.array(waits, np.int64)[inverse])


def versions() -> Shared:
    """(model, version)s by number; their words are both names."""
    return Shared({"model": np.uint64, "version": np.uint64, "wait_us": np.int64})


def standing(labels: Slots, at: Index, key: Hashes, ids: Strings) -> Offer:
    """The labels in these places as an offer."""
    ts, partition, offset, index_ = (labels[name][at] for name in RANK)
    return Offer(key, Scalars(labels["kind"][at], labels["bits"][at]), ts, partition, offset, index_, ids)


def texts_in(scalars: Scalars) -> Hashes:
    """Hashes of the texts among scalars."""
    return np.asarray(scalars.bits[scalars.kind == TEXT])


def words_for(names: Names, columns: Iterable[Hashes]) -> dict[int, str]:
    """The words behind columns of hashes."""
    return {text: names.text(text) for column in columns for text in distinct(column)[0].tolist()}
