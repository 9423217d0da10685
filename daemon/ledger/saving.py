"""How a ledger is written at a commit, and how it comes back.

What is new since the last commit becomes a chunk in an append-only table; a chunk is dropped when time has made all of
it void. Nothing in a chunk is ever changed: labels that came later stand in chunks of their own and are laid over the
rows on reading, and rows that were forgotten are recognised by their time and the keep-rates since.

    open        rows of panes that are still open
    retained    predictions that wait for their labels
    relabelled  labels that came to rows of earlier chunks
    waiting     labels that wait for their predictions
    met         serial numbers of such labels that wait no longer
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Protocol

import numpy as np

from daemon.decode import Decoded
from daemon.ledger.keyed import KeyedRows
from daemon.ledger.ledger import Ledger, kept_at
from daemon.ledger.open_panes import no_labels, no_predictions, no_refs, no_signals
from daemon.ledger.retained import HOUR_US, LABEL, lasting_texts, remember
from processors.packing import pack, unpack
from processors.rows import Labels, Longs, Names, Predictions, Refs, Scalars, Signals

TABLES = ("open", "retained", "relabelled", "waiting", "met")


class Writer(Protocol):
    """What of a commit this needs."""

    def append_chunk(self, table: str, seq: int, blob: bytes, meta: bytes = b"") -> None: ...

    def drop_chunks(self, table: str, seqs: list[int]) -> None: ...

    def put(self, name: str, blob: bytes) -> None: ...


class LedgerSaving:
    """Keeps account of what a ledger's file holds."""

    def __init__(self, ledger: Ledger, longest_wait_us: int) -> None:
        self._ledger, self._longest_wait_us = ledger, longest_wait_us
        self._arrived: list[Decoded] = []
        self._saved = {"retained": 0, "waiting": 0}
        self._chunks: dict[str, dict[int, int]] = {table: {} for table in TABLES}
        """Until when each chunk is needed, by table and sequence number."""
        self._next = 0

    def arrived(self, decoded: Decoded) -> None:
        """Note rows that went into open panes."""
        self._arrived.append(decoded)

    def stage(self, commit: Writer, closed_until: int) -> None:
        """Write what is new since the last commit. Panes before `closed_until` are closed."""
        self._append_open(commit, closed_until)
        self._append_retained(commit, closed_until)
        self._append_waiting(commit, closed_until)
        ledger = self._ledger
        lasting = self._longest_wait_us + 2 * HOUR_US
        ledger.relieved = [entry for entry in ledger.relieved if entry[3] + lasting > closed_until]
        relieved = [list(entry) for entry in ledger.relieved]
        serials = [ledger.retained.rows.next_serial, ledger.waiting.rows.next_serial]
        commit.put("ledger", pack({"keep_rate": ledger.keep_rate, "relieved": relieved, "serials": serials}))
        for table, chunks in self._chunks.items():
            void = [seq for seq, until in chunks.items() if until <= closed_until]
            if void:
                commit.drop_chunks(table, void)
                self._chunks[table] = {seq: until for seq, until in chunks.items() if until > closed_until}

    def restore(self, items: dict[str, bytes], chunks: Any, closed_until: int) -> None:
        """Fill the empty ledger from what was committed."""
        if "ledger" not in items:
            return
        head = unpack(items["ledger"])
        ledger = self._ledger
        ledger.keep_rate = head["keep_rate"]
        ledger.relieved = [tuple(entry) for entry in head["relieved"]]
        for table in TABLES:
            for _, seq, blob, meta in chunks.of(table):
                self._chunks[table][seq] = int.from_bytes(meta, "little")
                self._next = max(self._next, seq + 1)
                getattr(self, f"_restore_{table}")(unpack(blob), closed_until)
        ledger.retained.rows.next_serial, ledger.waiting.rows.next_serial = head["serials"]
        ledger.retained.relabelled.clear()
        ledger.waiting.met.clear()
        self._saved = {"retained": head["serials"][0], "waiting": head["serials"][1]}

    def _append(self, commit: Writer, table: str, tree: Any, until: int) -> None:
        commit.append_chunk(table, self._next, pack(tree), until.to_bytes(8, "little"))
        self._chunks[table][self._next] = until
        self._next += 1

    def _append_open(self, commit: Writer, closed_until: int) -> None:
        arrived, self._arrived = self._arrived, []
        kinds: dict[str, list[Any]] = {"predictions": [], "labels": [], "signals": []}
        refused: Counter[int] = Counter()
        until = 0
        for decoded in arrived:
            for kind, parts in kinds.items():
                rows = getattr(decoded, kind)
                rows = rows.take(rows.time >= closed_until)
                if len(rows):
                    parts.append(rows)
                    until = max(until, int(rows.time.max()))
            for refusal in decoded.refused:
                if refusal.clock >= closed_until:
                    refused[refusal.clock] += 1
                    until = max(until, refusal.clock)
        tree = {kind: type(parts[0]).concat(parts).to_state() for kind, parts in kinds.items() if parts}
        if tree or refused:
            self._append(commit, "open", tree | {"refused": dict(refused)}, until + self._ledger.pane_us)

    def _restore_open(self, tree: Any, closed_until: int) -> None:
        predictions = Predictions.from_state(tree["predictions"]) if "predictions" in tree else no_predictions()
        labels = Labels.from_state(tree["labels"]) if "labels" in tree else no_labels()
        signals = Signals.from_state(tree["signals"]) if "signals" in tree else no_signals()
        self._ledger.add(
            Decoded(
                predictions.take(predictions.time >= closed_until),
                labels.take(labels.time >= closed_until),
                signals.take(signals.time >= closed_until),
                refused=[],
                received=0,
            )
        )
        for clock, count in tree["refused"].items():
            if int(clock) >= closed_until:
                self._ledger.refuse(int(clock), count)

    def _append_retained(self, commit: Writer, closed_until: int) -> None:
        retained, since = self._ledger.retained, self._saved["retained"]
        rows = retained.rows
        until = closed_until + self._longest_wait_us + 2 * HOUR_US
        new = _newer(rows, since)
        if len(new):
            labels = {name: rows[name][new] for name in LABEL}
            tree = {"rows": retained.table(new).to_state(), "labels": labels, "serial": rows.serial[new]}
            self._append(commit, "retained", tree, until)
        self._saved["retained"] = rows.next_serial
        changed = [slots[rows.live(slots, serials) & (serials < since)] for slots, serials in retained.relabelled]
        retained.relabelled.clear()
        old = np.unique(np.concatenate([np.zeros(0, np.int64), *changed]))
        old = old[np.argsort(rows.serial[old])]
        if len(old):
            labels = {name: rows[name][old] for name in LABEL}
            words = Names()
            remember(words, retained.names, lasting_texts(_labels_only(rows, old)), [])
            texts = {str(name): text for name, text in sorted(words.texts.items())}
            self._append(commit, "relabelled", {"labels": labels, "serial": rows.serial[old], "texts": texts}, until)

    def _restore_retained(self, tree: Any, closed_until: int) -> None:
        retained, serials = self._ledger.retained, tree["serial"]
        table = Predictions.from_state(tree["rows"])
        alive = self._survivors(table.key, serials, 0)
        alive &= retained.expiry(table) > closed_until // HOUR_US
        table, serials = table.take(alive), serials[alive]
        slots = retained.rows.take_slots(len(table))
        retained.keep(table, slots, serials)
        retained.note(table, slots, closed_until)
        remember(retained.names, table.names, [np.array(list(table.names.texts), np.uint64)], [])
        for name, column in tree["labels"].items():
            retained.rows[name][slots] = column[alive]

    def _restore_relabelled(self, tree: Any, closed_until: int) -> None:
        retained = self._ledger.retained
        slots, at = _slots_of(retained.rows, tree["serial"])
        for name, column in tree["labels"].items():
            retained.rows[name][slots] = column[at]
        retained.names.texts.update({int(name): text for name, text in tree["texts"].items()})

    def _append_waiting(self, commit: Writer, closed_until: int) -> None:
        waiting, since = self._ledger.waiting, self._saved["waiting"]
        rows = waiting.rows
        until = closed_until + self._longest_wait_us + 2 * HOUR_US
        new = _newer(rows, since)
        if len(new):
            table = _waiting_table(rows, new, waiting.labels_of(new).id)
            remember(table.names, self._ledger.retained.names, lasting_texts(table), [])
            self._append(commit, "waiting", {"rows": table.to_state(), "serial": rows.serial[new]}, until)
        self._saved["waiting"] = rows.next_serial
        met = np.concatenate([np.zeros(0, np.int64), *waiting.met])
        waiting.met.clear()
        if len(met := met[met < since]):
            self._append(commit, "met", {"serial": met}, until)

    def _restore_waiting(self, tree: Any, closed_until: int) -> None:
        waiting, table, serials = self._ledger.waiting, Labels.from_state(tree["rows"]), tree["serial"]
        alive = self._survivors(table.key, serials, 1)
        waiting.keep(table.take(alive), serials[alive])
        remember(self._ledger.retained.names, table.names, lasting_texts(table), [])

    def _restore_met(self, tree: Any, closed_until: int) -> None:
        waiting = self._ledger.waiting
        waiting.drop(_slots_of(waiting.rows, tree["serial"])[0])

    def _survivors(self, keys: Any, serials: Longs, which: int) -> Any:
        """Rows that were not let go under pressure since they were written."""
        alive = np.ones(len(keys), np.bool_)
        for entry in self._ledger.relieved:
            alive &= kept_at(entry[2], keys) | (serials >= entry[which])
        return alive


def _newer(rows: KeyedRows, since: int) -> Longs:
    """Slots of the rows with serial numbers from `since` on, in their order."""
    slots = np.flatnonzero(rows.serial >= since)
    return slots[np.argsort(rows.serial[slots])]


def _slots_of(rows: Any, serials: Longs) -> tuple[Longs, Longs]:
    """Slots of the rows with these serial numbers that still live, and their places among the numbers."""
    slots = rows.slots()
    at = np.searchsorted(rows.serial[slots], serials)
    at = np.minimum(at, max(0, len(slots) - 1))
    found = rows.serial[slots][at] == serials if len(slots) else np.zeros(len(serials), np.bool_)
    return slots[at[found]] if len(slots) else slots, np.flatnonzero(found)


def _waiting_table(rows: Any, slots: Longs, ids: Any) -> Labels:
    refs = Refs(rows["partition"][slots], rows["offset"][slots], rows["index"][slots])
    label = Scalars(rows["kind"][slots], rows["bits"][slots])
    flags = np.zeros(len(slots), np.uint8)
    times = (rows["time"][slots], rows["label_ts"][slots])
    return Labels(refs, *times, flags, rows["model"][slots], rows.key[slots], ids, label, Names())


def _labels_only(rows: Any, slots: Longs) -> Labels:
    """The labels of retained rows as a table, to see which words they need."""
    count = len(slots)
    refs = no_refs()
    label = Scalars(rows["kind"][slots], rows["bits"][slots])
    nothing = np.zeros(count, np.int64)
    flags, ids = np.zeros(count, np.uint8), np.full(count, "", object)
    return Labels(refs, nothing, nothing, flags, rows["model"][slots], rows.key[slots], ids, label, Names())
