"""How a ledger is written at a commit, and how it comes back.

What is new since the last commit becomes a chunk in an append-only table; a chunk is dropped when time has made all of
it void. Labels that came later stand in chunks of their own and are laid over the rows on reading, and rows that were
forgotten are recognised by their time and the keep-rates since.

    open        rows of panes that are still open
    retained    predictions that wait for their labels
    relabelled  labels that came to rows of earlier chunks
    waiting     labels that wait for their predictions
    met         serial numbers of such labels that wait no longer
    refs        replayed dead letters that were taken in

Once most of what stands in `retained` and `relabelled` (or `waiting` and `met`) is void, the rows that live are
written anew, some chunks with each commit, in the place of those that held them (`rewriting`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from daemon.decode import Decoded
from daemon.decode.again import Again, none
from daemon.ledger.keyed import KeyedRows
from daemon.ledger.ledger import Ledger
from daemon.ledger.open_panes import kept_at, no_labels, no_predictions, no_signals
from daemon.ledger.rewriting import Held, Rewriting
from processors.durations import HOUR_US
from processors.packing import pack, unpack
from processors.rows import Labels, Longs, Predictions, Signals

_FEW = 64
"""Batches of rows that are not worth looking through."""

TABLES = ("open", "retained", "relabelled", "waiting", "met", "refs")


class Writer(Protocol):
    """What of a commit this needs."""

    def append_chunk(self, table: str, seq: int, blob: bytes, meta: bytes = b"") -> None: ...

    def drop_chunks(self, table: str, seqs: list[int]) -> None: ...

    def put(self, name: str, blob: bytes) -> None: ...


class LedgerSaving:
    """Keeps account of what a ledger's file holds."""

    def __init__(self, ledger: Ledger, longest_wait_us: int, *, notes: bool = True) -> None:
        """`notes`: whether the ledger is to note what has changed since the last save, for there will be a next."""
        self._ledger, self._longest_wait_us = ledger, longest_wait_us
        if notes:
            ledger.retained.relabelled, ledger.waiting.met = [], []
        self._arrived: list[tuple[int, Decoded]] = []
        """Rows that came since the last save, with the time of the last of them."""
        self._looked_at = 0
        """How many of these there were when those of closed panes were left out last."""
        self._saved = {"retained": 0, "waiting": 0}
        self._chunks: dict[str, dict[int, Held]] = {table: {} for table in TABLES}
        """What each chunk holds, by table and sequence number."""
        self._rewriting = {
            "retained": Rewriting(self._chunks["retained"], self._chunks["relabelled"], ledger.retained.rows),
            "waiting": Rewriting(self._chunks["waiting"], self._chunks["met"], ledger.waiting.rows),
        }
        self._next = 0
        self._met: list[Longs] = []
        """Slots of labels that wait no longer, while the ledger is restored."""

    def arrived(self, decoded: Decoded) -> None:
        """Note rows that went into open panes; until they are saved, or their panes are closed, they take memory."""
        self._arrived.append((_last(decoded), decoded))
        if len(self._arrived) >= 2 * self._looked_at + _FEW:
            self._arrived = [each for each in self._arrived if each[0] >= self._ledger.closed_until]
            self._looked_at = len(self._arrived)

    @property
    def unsaved(self) -> int:
        """Predictions and labels that are kept since the last save, and will be written by the next."""
        rows = [self._ledger.retained.rows, self._ledger.waiting.rows]
        return sum(each.next_serial for each in rows) - sum(self._saved.values())

    def stage(self, commit: Writer, closed_until: int) -> None:
        """Write what is new since the last commit. Panes before `closed_until` are closed."""
        self._append_open(commit, closed_until)
        self._append_retained(commit, closed_until)
        self._append_waiting(commit, closed_until)
        self._append_refs(commit)
        ledger = self._ledger
        lasting = self._longest_wait_us + 2 * HOUR_US
        ledger.relieved = [entry for entry in ledger.relieved if entry[3] + lasting > closed_until]
        relieved = [list(entry) for entry in ledger.relieved]
        serials = [ledger.retained.rows.next_serial, ledger.waiting.rows.next_serial]
        head = {"keep_rate": ledger.keep_rate, "relieved": relieved, "serials": serials}
        commit.put("ledger", pack(head | {"layouts_refused": ledger.retained.layouts.refused}))
        for table in TABLES:
            self._drop(commit, table, [s for s, held in self._chunks[table].items() if held.until <= closed_until])
        self._rewrite(commit, "retained", self._retained_tree, "relabelled")
        self._rewrite(commit, "waiting", self._waiting_tree, "met")

    def restore(self, items: dict[str, bytes], chunks: Any, closed_until: int) -> None:
        """Fill the empty ledger from what was committed."""
        if "ledger" not in items:
            return
        head = unpack(items["ledger"])
        ledger = self._ledger
        ledger.keep_rate = head["keep_rate"]
        ledger.retained.layouts.refused = head.get("layouts_refused", 0)
        ledger.relieved = [tuple(entry) for entry in head["relieved"]]
        for table in TABLES:
            for _, seq, blob, meta in chunks.of(table):
                tree = unpack(blob)
                until, written = (int.from_bytes(part, "little") for part in (meta[:8], meta[8:]))
                serials = tree.get("serial", ())
                first = int(serials[0]) if len(serials) else 0
                self._chunks[table][seq] = Held(until, written, len(serials), first)
                self._next = max(self._next, seq + 1, written + 1)
                getattr(self, f"_restore_{table}")(tree, closed_until, seq)
        retained, waiting = ledger.retained, ledger.waiting
        waiting.drop(np.concatenate([np.zeros(0, np.int64), *self._met]))
        self._met.clear()
        retained.rows.next_serial, waiting.rows.next_serial = head["serials"]
        retained.relabelled, waiting.met = [], []
        self._saved = {"retained": head["serials"][0], "waiting": head["serials"][1]}

    def _append(self, commit: Writer, table: str, tree: Any, until: int, seq: int | None = None) -> None:
        """Write a chunk, as a new one or in the place of one that was dropped."""
        seq = self._next if seq is None else seq
        commit.append_chunk(
            table, seq, pack(tree, brief=True), until.to_bytes(8, "little") + self._next.to_bytes(8, "little")
        )
        serials = tree.get("serial", ())
        self._chunks[table][seq] = Held(until, self._next, len(serials), int(serials[0]) if len(serials) else 0)
        self._next += 1

    def _drop(self, commit: Writer, table: str, seqs: list[int]) -> None:
        if seqs:
            commit.drop_chunks(table, seqs)
            for seq in seqs:
                del self._chunks[table][seq]

    def _rewrite(self, commit: Writer, table: str, tree_of: Callable[[Longs], Any], over: str) -> None:
        """Write some chunks anew if it is time, and drop those of the table `over` that this makes void."""
        rewriting = self._rewriting[table]
        if (step := rewriting.step(self._next)) is not None:
            seqs, until, slots = step
            self._drop(commit, table, seqs)
            if len(slots):
                self._append(commit, table, tree_of(slots), until, seqs[0])
        self._drop(commit, over, rewriting.void())

    def _append_open(self, commit: Writer, closed_until: int) -> None:
        arrived = [decoded for last, decoded in self._arrived if last >= closed_until]
        self._arrived, self._looked_at = [], 0
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
            again = Again.concat([none(), *(decoded.again for decoded in arrived if len(decoded.again))])
            tree |= {"refused": dict(refused)} | ({"again": again.to_state()} if len(again) else {})
            self._append(commit, "open", tree, until + self._ledger.pane_us)

    def _restore_open(self, tree: Any, closed_until: int, seq: int) -> None:
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
                again=Again.from_state(tree["again"]) if "again" in tree else none(),
            )
        )
        for clock, count in tree["refused"].items():
            if int(clock) >= closed_until:
                self._ledger.refuse(int(clock), count)

    def _append_retained(self, commit: Writer, closed_until: int) -> None:
        retained, since = self._ledger.retained, self._saved["retained"]
        rows = retained.rows
        until = closed_until + self._longest_wait_us + 2 * HOUR_US
        new = rows.of_serials(since)
        if len(new):
            self._append(commit, "retained", self._retained_tree(new), until)
        self._saved["retained"] = rows.next_serial
        changes, retained.relabelled = retained.relabelled or [], []
        changed = [slots[rows.live(slots, serials) & (serials < since)] for slots, serials in changes]
        old = np.unique(np.concatenate([np.zeros(0, np.int64), *changed]))
        old = old[np.argsort(rows.serial[old])]
        if len(old):
            tree = {"labels": retained.label_columns(old), "serial": rows.serial[old]}
            self._append(commit, "relabelled", tree, until)

    def _retained_tree(self, slots: Longs) -> Any:
        retained = self._ledger.retained
        labels = retained.label_columns(slots)
        return {"rows": retained.table(slots).to_state(), "labels": labels, "serial": retained.rows.serial[slots]}

    def _restore_retained(self, tree: Any, closed_until: int, seq: int) -> None:
        """Rows come back by rising serial number, for that is the order of the chunks."""
        retained, serials = self._ledger.retained, tree["serial"]
        table = Predictions.from_state(tree["rows"])
        alive = self._survivors(table.key, serials, 0)
        alive &= retained.expiry(table) > closed_until // HOUR_US
        table, serials = table.take(alive), serials[alive]
        slots = retained.restore(table, serials)
        retained.note(table, slots, closed_until)
        retained.relabel(slots, {name: column[alive] for name, column in tree["labels"].items()})

    def _restore_relabelled(self, tree: Any, closed_until: int, seq: int) -> None:
        """Labels of rows that were not written anew since, and then with their label."""
        retained = self._ledger.retained
        slots, at = _slots_of(retained.rows, tree["serial"])
        older = self._written(retained.rows.serial[slots]) < seq
        labels = {name: column[at[older]] for name, column in tree["labels"].items()}
        retained.relabel(slots[older], labels)

    def _written(self, serials: Longs) -> Longs:
        """When the chunks of `retained` that hold these rows were written."""
        held = list(self._chunks["retained"].values())
        first, written = (np.array([getattr(each, name) for each in held], np.int64) for name in ("first", "written"))
        return np.asarray(written[np.searchsorted(first, serials, side="right") - 1]) if held else serials

    def _append_waiting(self, commit: Writer, closed_until: int) -> None:
        waiting, since = self._ledger.waiting, self._saved["waiting"]
        rows = waiting.rows
        until = closed_until + self._longest_wait_us + 2 * HOUR_US
        new = rows.of_serials(since)
        if len(new):
            self._append(commit, "waiting", self._waiting_tree(new), until)
        self._saved["waiting"] = rows.next_serial
        met, waiting.met = np.concatenate([np.zeros(0, np.int64), *(waiting.met or [])]), []
        if len(met := met[met < since]):
            self._append(commit, "met", {"serial": met}, until)

    def _waiting_tree(self, slots: Longs) -> Any:
        waiting = self._ledger.waiting
        return {"rows": waiting.table(slots).to_state(), "serial": waiting.rows.serial[slots]}

    def _restore_waiting(self, tree: Any, closed_until: int, seq: int) -> None:
        waiting, table, serials = self._ledger.waiting, Labels.from_state(tree["rows"]), tree["serial"]
        alive = self._survivors(table.key, serials, 1)
        waiting.keep(table.take(alive), serials[alive])

    def _restore_met(self, tree: Any, closed_until: int, seq: int) -> None:
        self._met.append(_slots_of(self._ledger.waiting.rows, tree["serial"])[0])

    def _append_refs(self, commit: Writer) -> None:
        refs, until = self._ledger.remembered.take_new()
        if len(refs):
            self._append(commit, "refs", {"refs": refs, "until": until}, int(until.max()))

    def _restore_refs(self, tree: Any, closed_until: int, seq: int) -> None:
        self._ledger.remembered.restore(tree["refs"], tree["until"], closed_until)

    def _survivors(self, keys: Any, serials: Longs, which: int) -> Any:
        """Rows that were not let go under pressure since they were written."""
        alive = np.ones(len(keys), np.bool_)
        for entry in self._ledger.relieved:
            alive &= kept_at(entry[2], keys) | (serials >= entry[which])
        return alive


def _last(decoded: Decoded) -> int:
    """The time of the last of these rows."""
    tables = (decoded.predictions, decoded.labels, decoded.signals)
    times = [int(rows.time.max()) for rows in tables if len(rows)]
    return max([*times, *(refusal.clock for refusal in decoded.refused)], default=0)


def _slots_of(rows: KeyedRows, serials: Longs) -> tuple[Longs, Longs]:
    """Slots of rows that were just restored, by their serial numbers, and the places of these among the numbers.

    None was removed yet, so that serial numbers rise with the slots.
    """
    known = rows.serial[: rows.top]
    if not len(known):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    slots = np.minimum(np.searchsorted(known, serials), len(known) - 1)
    found = known[slots] == serials
    return slots[found], np.flatnonzero(found)
