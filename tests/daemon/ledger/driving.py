"""Driving a ledger as the pipeline does: batches in, panes closed at the watermark, saved and restored in between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from daemon.clocks import Clocks
from daemon.codecs.native import Native
from daemon.decode import Bounds, Decoded, Decoder
from daemon.ledger.due import Waits
from daemon.ledger.ledger import Closed, Ledger
from daemon.ledger.saving import LedgerSaving
from daemon.records import Partition
from daemon.state.store import Chunk
from processors.rows import Hashes, Ints, text_hash
from tests.daemon.messages import START, run

MINUTE = 60_000_000
PANE, LATENESS = 10 * MINUTE, 10 * MINUTE
BEGIN = START // (60 * MINUTE) * (60 * MINUTE)
"""The beginning of an hour."""

Record = tuple[int, Any]
"""(minute of its own timestamp, message)."""
Log = Sequence[Record]


class Memory:
    """What a commit writes and a restore reads, without a file."""

    def __init__(self) -> None:
        self.items: dict[str, bytes] = {}
        self.tables: dict[str, dict[int, tuple[bytes, bytes]]] = {}

    def append_chunk(self, table: str, seq: int, blob: bytes, meta: bytes = b"") -> None:
        """See `Commit`."""
        chunks = self.tables.setdefault(table, {})
        assert seq not in chunks
        chunks[seq] = (blob, meta)

    def drop_chunks(self, table: str, seqs: list[int]) -> None:
        """See `Commit`."""
        for seq in seqs:
            del self.tables[table][seq]

    def put(self, name: str, blob: bytes) -> None:
        """See `Commit`."""
        self.items[name] = blob

    def of(self, table: str) -> Iterator[Chunk]:
        """See `Chunks`."""
        for seq, (blob, meta) in sorted(self.tables.get(table, {}).items()):
            yield Chunk(table, seq, blob, meta)


def new_ledger(
    waits: Waits, max_pending: int = 10**6, unmonitored: frozenset[str] = frozenset(), pane_rows: int = 10**6
) -> Ledger:
    """A ledger in which all models but these are monitored."""
    outside = np.array(sorted(text_hash(model) for model in unmonitored), np.uint64)

    def group_of(model: Hashes, version: Hashes) -> Ints:
        return np.where(np.isin(model, outside), -1, 0).astype(np.int32)

    return Ledger(PANE, waits, max_pending, group_of, pane_rows=pane_rows)


@dataclass
class Drive:
    """One run over logs, one a partition."""

    logs: Sequence[Log]
    make: Callable[[], Ledger]
    longest_wait: int
    skips: bool = False
    """Whether time is let pass through panes in which there is nothing to do, one by one."""
    memory: Memory = field(default_factory=Memory)
    closed: list[Closed] = field(default_factory=list)
    accounts: Counter[str] = field(default_factory=Counter)
    decoded: list[Decoded] = field(default_factory=list)
    closed_until: int = 0
    ledger: Ledger = field(init=False)
    saving: LedgerSaving = field(init=False)
    clocks: Clocks = field(init=False)

    def __post_init__(self) -> None:
        self.ledger = self.make()
        self.saving = LedgerSaving(self.ledger, self.longest_wait)
        self.clocks = Clocks(LATENESS, 10**15)
        self._decoder = Decoder({}, Native(), self.clocks, Bounds())
        self._at = [0] * len(self.logs)
        for number in range(len(self.logs)):
            self.clocks.add(Partition("events", number), 0)
            self.read(number, 0)

    def read(self, number: int, count: int) -> None:
        """The next records of a partition; close what is due."""
        first = self._at[number]
        records = self.logs[number][first : first + count]
        self._at[number] += len(records)
        partition = Partition("events", number)
        if records:
            ms = [(BEGIN + minute * MINUTE) // 1000 for minute, _ in records]
            batch = run([message for _, message in records], ms=ms, partition=partition, first=first)
            decoded = self._decoder.decode(batch)
            self.decoded.append(decoded)
            self.ledger.add(decoded)
            self.saving.arrived(decoded)
        if self._at[number] == len(self.logs[number]):
            self.clocks.rest(partition)
        watermark = self.clocks.watermark()
        self.close_until(watermark if watermark is not None else self.closed_until)

    def restart(self, *, write_only: bool = False) -> None:
        """Commit; then go on with a ledger restored from it."""
        self.saving.stage(self.memory, self.closed_until)
        if write_only:
            return
        self.ledger = self.make()
        self.saving = LedgerSaving(self.ledger, self.longest_wait)
        self.saving.restore(self.memory.items, self.memory, self.closed_until)

    def finish(self) -> None:
        """Read the rest, close every pane in which there is something to do, give up on what waits."""
        for number, log in enumerate(self.logs):
            self.read(number, len(log))
        while (start := self.ledger.next_pane()) is not None:
            self.close_until(start + PANE)
        self.accounts.update(self.ledger.give_up())

    def close_until(self, end: int) -> None:
        """Close the panes that end by then."""
        while (start := self.ledger.next_pane()) is not None and start + PANE <= end:
            if self.skips and self.closed_until:
                for between in range(self.closed_until, start, PANE):
                    self.accounts.update(self.ledger.skip(between + PANE))
            assert start >= self.closed_until, "a pane is closed once"
            closed = self.ledger.close(start)
            self.closed.append(closed)
            self.accounts.update(closed.accounts)
            self.closed_until = closed.end
            assert balanced(self.accounts), self.accounts


def balanced(accounts: Counter[str]) -> bool:
    """Whether every event that was received ended in one account, or waits."""
    ends = ("measured", "duplicate", "conflict", "refused", "shed", "pending")
    return accounts["received"] == sum(accounts[name] for name in ends)
