"""The state file: one SQLite database, one transaction per commit.

    with store.commit() as commit:
        commit.position(partition, position)
        commit.put("judge/concept_drift", blob)
        outbox.stage(commit)

Either all of it is durable when the block is left, or none of it. Every row carries a checksum of its content, so
that a flipped bit is refused rather than believed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import orjson

from daemon.records import Partition, Position
from daemon.sinks.base import Message
from daemon.state.digests import digest_of, intact
from daemon.state.errors import Damaged, NotThere
from daemon.state.file import FILE_NAME, connect, translated, translated_from_system
from daemon.state.file import create as create_file
from daemon.state.lock import Lock
from daemon.state.messages import pack_messages, unpack_messages
from daemon.state.steps import Step, reached

CONTROLS_KEPT = 200_000
"""Control records kept for `vigild dump`; the oldest go first."""


class Chunk(NamedTuple):
    """One blob of an append-only table."""

    table: str
    seq: int
    blob: bytes
    meta: bytes


class Queued(NamedTuple):
    """One row of the outbox: how many messages of which queue, and how many bytes they take."""

    seq: int
    queue: str
    messages: int
    size: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the last commit left. `chunks` reads from the file while one iterates, by table and rising `seq`."""

    positions: dict[Partition, Position]
    items: dict[str, bytes]
    chunks: Chunks

    def __bool__(self) -> bool:
        """Whether there was ever a commit."""
        return bool(self.positions or self.items)


class Chunks:
    """All chunks, or one table's, read and checked one after the other. Iterating again reads again."""

    def __init__(self, store: Store, table: str | None = None) -> None:
        self._store = store
        self._table = table

    def of(self, table: str) -> Chunks:
        """The chunks of one table."""
        return Chunks(self._store, table)

    def __iter__(self) -> Iterator[Chunk]:
        where, given = ("WHERE name = ?", (self._table,)) if self._table is not None else ("", ())
        query = f"SELECT name, seq, content, meta, digest FROM chunks {where} ORDER BY name, seq"  # noqa: S608 - ours
        for name, seq, blob, meta, digest in self._store.rows(query, given):
            intact(digest, name, seq, blob, meta, where=f"chunk {name}/{seq}")
            yield Chunk(name, seq, blob, meta)


class Store:
    """The state in a directory. One process has it open at a time; one thread uses it."""

    def __init__(self, path: Path, db: sqlite3.Connection, lock: Lock) -> None:
        self.path = path
        self._db = db
        self._lock = lock

    @classmethod
    def open(cls, directory: Path, *, create: bool = True) -> Store:
        """Open the state in `directory`, made if missing when `create`.

        1. Lock the directory, so that a second daemon is refused.
        2. Make the file if there never was one, complete before it has its name.
        3. Open it and let SQLite check it, after what a crash left in its log was taken in or rolled back.
        4. Bring its tables to this version; refuse a newer one.

        Raises a `StateError` that says what to do; never makes a new state in place of one that can't be read.
        """
        path = directory / FILE_NAME
        with translated_from_system(path), translated(path):
            if not create and not path.exists():
                raise NotThere(f"{path}: there is no state; check state.path")
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = Lock.take(directory)
            try:
                if create:
                    create_file(path)
                return cls(path, connect(path), lock)
            except BaseException:
                lock.release()
                raise

    def load(self) -> Loaded:
        """What the last commit left. Raises `Damaged`."""
        items = {}
        for name, content, digest in self.rows("SELECT name, content, digest FROM items ORDER BY name"):
            intact(digest, name, content, where=f"item {name}")
            items[name] = content
        return Loaded(self.positions(), items, Chunks(self))

    @property
    def instance(self) -> str:
        """A name that this state was given when it was made: its member name in a consumer group, for ever."""
        return str(next(self.rows("SELECT content FROM about WHERE name = 'instance'"))[0])

    def positions(self) -> dict[Partition, Position]:
        """The committed positions. Raises `Damaged`."""
        positions = {}
        for topic, number, next_offset, topic_id, digest in self.rows("SELECT * FROM positions ORDER BY 1, 2"):
            intact(digest, topic, number, next_offset, topic_id, where=f"position of {topic}/{number}")
            positions[Partition(topic, number)] = Position(next_offset, topic_id)
        return positions

    @contextmanager
    def commit(self) -> Iterator[Commit]:
        """One transaction. Raises `StateError` if it fails: the process must then end, as memory is ahead of disk.

        1. Begin.
        2. Write what the block asks for.
        3. Commit: from here on all of it survives a power cut.

        An exception in the block undoes everything and goes on its way.
        """
        with self._transaction() as commit:
            reached(Step.BEGUN)
            yield commit
            reached(Step.WRITTEN)
        reached(Step.COMMITTED)

    def mark_sent(self, up_to: Mapping[str, int]) -> None:
        """Forget the rows of each queue up to this `seq`, in a transaction of its own. Raises `StateError`."""
        with self._transaction() as commit:
            for queue, seq in up_to.items():
                commit.mark_sent(queue, seq)
        reached(Step.MARKED)

    def controls(self) -> Iterator[dict[str, Any]]:
        """The control records that are kept, oldest first."""
        for seq, content, digest in self.rows("SELECT seq, content, digest FROM controls ORDER BY seq"):
            intact(digest, content, where=f"control record {seq}")
            yield orjson.loads(content)

    def queued(self) -> Iterator[Queued]:
        """What the outbox holds, oldest first, without the messages."""
        for row in self.rows("SELECT seq, queue, messages, length(content) FROM outbox ORDER BY seq"):
            yield Queued(*row)

    def messages(self, seq: int) -> list[Message]:
        """The messages of one row of the outbox. Raises `Damaged`."""
        found = next(self.rows("SELECT queue, content, digest FROM outbox WHERE seq = ?", (seq,)), None)
        if found is None:
            raise Damaged(f"{self.path}: damaged: outbox row {seq} is gone: restore it from a copy")
        queue, content, digest = found
        intact(digest, queue, content, where=f"outbox row {seq}")
        return unpack_messages(content)

    def rows(self, query: str, given: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Rows of a query, with SQLite's errors translated."""
        with translated(self.path):
            yield from self._db.execute(query, given)

    @contextmanager
    def _transaction(self) -> Iterator[Commit]:
        with translated(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield Commit(self._db)
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Fold the write-ahead log into the file and let others have the directory."""
        try:
            with translated(self.path):
                self._db.close()
        finally:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class Commit:
    """What one transaction writes. Valid inside the `with store.commit()` block only."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def position(self, partition: Partition, position: Position) -> None:
        """The partition goes on here."""
        row = (partition.topic, partition.number, position.next_offset, position.topic_id)
        self._db.execute("INSERT OR REPLACE INTO positions VALUES (?, ?, ?, ?, ?)", (*row, digest_of(*row)))

    def positions(self, positions: Mapping[Partition, Position]) -> None:
        """All of these partitions go on there."""
        for partition, position in positions.items():
            self.position(partition, position)

    def put(self, name: str, blob: bytes) -> None:
        """Store a blob under a name, in place of what was there."""
        self._db.execute(
            "INSERT OR REPLACE INTO items (name, digest, content) VALUES (?, ?, ?)", (name, digest_of(name, blob), blob)
        )

    def delete(self, name: str) -> None:
        """Forget the blob of this name, if there is one."""
        self._db.execute("DELETE FROM items WHERE name = ?", (name,))

    def append_chunk(self, table: str, seq: int, blob: bytes, meta: bytes = b"") -> None:
        """Add a chunk to an append-only table. Raises `StateError` if `seq` is taken."""
        self._db.execute(
            "INSERT INTO chunks (name, seq, digest, meta, content) VALUES (?, ?, ?, ?, ?)",
            (table, seq, digest_of(table, seq, blob, meta), meta, blob),
        )

    def drop_chunks(self, table: str, seqs: Sequence[int]) -> None:
        """Forget chunks of a table."""
        self._db.executemany("DELETE FROM chunks WHERE name = ? AND seq = ?", [(table, int(seq)) for seq in seqs])

    def control(self, record: Mapping[str, Any]) -> None:
        """Keep a control record for the dump."""
        content = orjson.dumps(record)
        cursor = self._db.execute("INSERT INTO controls (digest, content) VALUES (?, ?)", (digest_of(content), content))
        self._db.execute("DELETE FROM controls WHERE seq <= ?", ((cursor.lastrowid or 0) - CONTROLS_KEPT,))

    def outbox(self, queue: str, messages: Sequence[Message]) -> Queued:
        """Queue messages to be sent, as one row, whose `seq` rises over all queues."""
        content = pack_messages(messages)
        cursor = self._db.execute(
            "INSERT INTO outbox (queue, messages, digest, content) VALUES (?, ?, ?, ?)",
            (queue, len(messages), digest_of(queue, content), content),
        )
        return Queued(cursor.lastrowid or 0, queue, len(messages), len(content))

    def mark_sent(self, queue: str, up_to: int) -> None:
        """Forget the rows of a queue up to this `seq`: they were acknowledged."""
        self._db.execute("DELETE FROM outbox WHERE queue = ? AND seq <= ?", (queue, up_to))
