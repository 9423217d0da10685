"""What one transaction will write, noted down before any of it is written.

Whatever is noted is copied, so that the loop may go on while a commit is being written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby, islice
from typing import Any, NamedTuple

import orjson

from daemon.records import Partition, Position
from daemon.sinks.base import Message
from daemon.state.digests import digest_of
from daemon.state.formats import CHUNK, format_of
from daemon.state.items import Known, Place, sizes_of
from daemon.state.messages import pack_messages
from processors.packing import Part

CONTROLS_KEPT = 200_000
"""Control records kept for `vigild dump`; the oldest go first."""

Statement = tuple[str, Sequence[Any]]

ROWS_TOGETHER = 64
"""Rows that one statement inserts: up to 2 MiB of pages."""


class Queued(NamedTuple):
    """One row of the outbox: how many messages of which queue, and how many bytes they take."""

    seq: int
    queue: str
    messages: int
    size: int


class Commit:
    """The statements of one transaction, in their order, and what the file will hold of items after it."""

    def __init__(self, known: Known, next_seq: Callable[[], int]) -> None:
        self.statements: list[Statement] = []
        self.pages: dict[str, dict[Place, bytes]] = {}
        """Checksums of the pages of items that are put; none where an item is deleted."""
        self.size = 0
        """Bytes of content that will be written."""
        self._known, self._next_seq = known, next_seq

    def count(self, commits: int) -> None:
        """Say that there were so many commits, with this one."""
        self._add("INSERT OR REPLACE INTO about VALUES ('commits', ?)", (str(commits),))

    def position(self, partition: Partition, position: Position) -> None:
        """The partition goes on here."""
        row = (partition.topic, partition.number, position.next_offset, position.topic_id)
        self._add("INSERT OR REPLACE INTO positions VALUES (?, ?, ?, ?, ?)", (*row, digest_of(*row)))

    def positions(self, positions: Mapping[Partition, Position]) -> None:
        """All of these partitions go on there."""
        for partition, position in positions.items():
            self.position(partition, position)

    def put(self, name: str, item: bytes | Sequence[Part]) -> None:
        """Store an item under a name, in place of what was there: bytes, or what `packing.parts` made of a tree.

        Only pages that changed are written.
        """
        parts = [item] if isinstance(item, bytes) else item
        if not self._known.knows(name):
            self._add("DELETE FROM pages WHERE name = ?", (name,))
        changed, void, self.pages[name] = self._known.changed(name, parts)
        for place in void:
            self._add("DELETE FROM pages WHERE name = ? AND segment = ? AND page = ?", (name, *place))
        for page in changed:
            row = (name, *page.place, page.digest, page.content)
            self._add("INSERT OR REPLACE INTO pages (name, segment, page, digest, content) VALUES (?, ?, ?, ?, ?)", row)
            self.size += len(page.content)
        sizes, format_ = sizes_of(parts), format_of(name)
        digest = digest_of(name, format_, sizes)
        self._add(
            "INSERT OR REPLACE INTO items (name, format, digest, sizes) VALUES (?, ?, ?, ?)",
            (name, format_, digest, sizes),
        )

    def delete(self, name: str) -> None:
        """Forget the item of this name, if there is one."""
        self.pages[name] = {}
        self._add("DELETE FROM items WHERE name = ?", (name,))
        self._add("DELETE FROM pages WHERE name = ?", (name,))

    def append_chunk(self, table: str, seq: int, blob: bytes, meta: bytes = b"") -> None:
        """Add a chunk to an append-only table. The commit fails if `seq` is taken."""
        row = (table, seq, digest_of(table, seq, blob, meta), meta, blob, format_of(CHUNK + table))
        self._add("INSERT INTO chunks (name, seq, digest, meta, content, format) VALUES (?, ?, ?, ?, ?, ?)", row)
        self.size += len(blob)

    def drop_chunks(self, table: str, seqs: Sequence[int]) -> None:
        """Forget chunks of a table."""
        for seq in seqs:
            self._add("DELETE FROM chunks WHERE name = ? AND seq = ?", (table, int(seq)))

    def control(self, record: Mapping[str, Any]) -> None:
        """Keep a control record for the dump."""
        content = orjson.dumps(record)
        self._add("INSERT INTO controls (digest, content) VALUES (?, ?)", (digest_of(content), content))
        self._add("DELETE FROM controls WHERE seq <= (SELECT max(seq) FROM controls) - ?", (CONTROLS_KEPT,))

    def outbox(self, queue: str, messages: Sequence[Message]) -> Queued:
        """Queue messages to be sent, as one row, whose `seq` rises over all queues."""
        content, seq = pack_messages(messages), self._next_seq()
        row = (seq, queue, len(messages), digest_of(queue, content), content)
        self._add("INSERT INTO outbox (seq, queue, messages, digest, content) VALUES (?, ?, ?, ?, ?)", row)
        self.size += len(content)
        return Queued(seq, queue, len(messages), len(content))

    def mark_sent(self, queue: str, up_to: int) -> None:
        """Forget the rows of a queue up to this `seq`: they were acknowledged."""
        self._add("DELETE FROM outbox WHERE queue = ? AND seq <= ?", (queue, up_to))

    def _add(self, statement: str, given: Sequence[Any]) -> None:
        self.statements.append((statement, given))


def together(statements: Iterable[Statement]) -> Iterator[Statement]:
    """The same, with insertions that follow each other as one statement of many rows.

    SQLite lets go of the interpreter's lock at each statement, and a loop that is busy keeps it for milliseconds before
    it gives it back: a commit of thousands of pages would wait for that longer than for the disk.
    """
    for statement, alike in groupby(statements, key=lambda one: one[0]):
        insertion, _, row = statement.partition(" VALUES ")
        if not insertion.startswith("INSERT") or row.strip("(?, )"):
            yield from alike
            continue
        while rows := list(islice(alike, ROWS_TOGETHER)):
            values = ", ".join([row] * len(rows))
            yield f"{insertion} VALUES {values}", list(chain.from_iterable(given for _, given in rows))
