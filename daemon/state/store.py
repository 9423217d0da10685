"""The state file: one SQLite database, one transaction per commit.

    with store.commit() as commit:
        commit.position(partition, position)
        commit.put("judge/concept_drift", parts(tree))
        outbox.stage(commit)

Either all of it is durable when the block is left, or none of it. Every row carries a checksum of its content, so
that a flipped bit is refused rather than believed.

`write_behind` writes a commit on a thread of the store's while the loop goes on; whoever reads waits until it is done.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, Self

import orjson

from daemon.records import Partition, Position
from daemon.sinks.base import Message
from daemon.state.commit import Commit, Queued, together
from daemon.state.digests import intact
from daemon.state.errors import Damaged, NotThere
from daemon.state.file import FILE_NAME, check_directory, connect, translated, translated_from_system
from daemon.state.file import create as create_file
from daemon.state.formats import CHUNK, upgraded
from daemon.state.items import Known, Place, join, page_digest
from daemon.state.lock import Lock, check_complete
from daemon.state.messages import unpack_messages
from daemon.state.steps import Step, reached


class Chunk(NamedTuple):
    """One blob of an append-only table."""

    table: str
    seq: int
    blob: bytes
    meta: bytes


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
        query = f"SELECT name, seq, content, meta, digest, format FROM chunks {where} ORDER BY name, seq"  # noqa: S608 - ours
        for name, seq, blob, meta, digest, format_ in self._store.rows(query, given):
            intact(digest, name, seq, blob, meta, where=f"chunk {name}/{seq}")
            yield Chunk(name, seq, upgraded(CHUNK + name, format_, blob), meta)


class Store:
    """The state in a directory. One process has it open at a time; one thread uses it."""

    def __init__(self, path: Path, db: sqlite3.Connection, lock: Lock) -> None:
        self.path = path
        self._db = db
        self._lock = lock
        self._known = Known()
        self._writer = ThreadPoolExecutor(1, "commit")
        self._writing: Future[None] | None = None
        self._commits = int(next(self.rows("SELECT content FROM about WHERE name = 'commits'"), (0,))[0])
        last = next(self.rows("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'"), (0,))[0]
        self._seqs = count(last + 1)

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
            check_directory(directory)
            if not create and not path.exists():
                raise NotThere(f"{path}: there is no state; check state.path")
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = Lock.take(directory)
            try:
                if create:
                    create_file(path, lock.commits)
                store = cls(path, connect(path), lock)
            except BaseException:
                lock.release()
                raise
        store.check_complete()
        return store

    def check_complete(self) -> None:
        """Raise `Damaged`, and close, if commits are missing that there were."""
        try:
            check_complete(self.path, self._commits, self._lock.commits)
        except Damaged:
            self.close()
            raise

    def load(self) -> Loaded:
        """What the last commit left. Raises `Damaged`."""
        items = {}
        for name, format_, sizes, digest in self.rows("SELECT name, format, sizes, digest FROM items ORDER BY name"):
            intact(digest, name, format_, sizes, where=f"item {name}")
            items[name] = upgraded(name, format_, join(name, sizes, self._pages(name)))
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

    def stage(self) -> Commit:
        """An empty commit, to be filled and written. One at a time."""
        return Commit(self._known, lambda: next(self._seqs))

    @contextmanager
    def commit(self) -> Iterator[Commit]:
        """Fill a commit in the block and write it, see `write`. An exception in the block writes nothing."""
        commit = self.stage()
        yield commit
        self.write(commit)

    def write(self, commit: Commit) -> None:
        """One transaction. Raises `StateError` if it fails: the process must then end, as memory is ahead of disk.

        1. Begin.
        2. Write what the commit notes.
        3. Commit: from here on all of it survives a power cut.
        """
        self.wait()
        self._write(commit)

    def write_behind(self, commit: Commit) -> None:
        """The same on a thread of the store's; `written` says when it is done, and raises what `write` would."""
        self.wait()
        self._writing = self._writer.submit(self._write, commit)

    def written(self, max_wait_s: float | None = None) -> bool:
        """Whether nothing is being written, after waiting so long at most. Raises `StateError` if writing failed."""
        if self._writing is not None:
            if not wait([self._writing], max_wait_s).done:
                return False
            self._writing.result()
            self._writing = None
        return True

    def wait(self) -> None:
        """Wait until nothing is being written. Raises `StateError` if writing failed, now and ever after."""
        self.written(None)

    def mark_sent(self, up_to: Mapping[str, int]) -> None:
        """Forget the rows of each queue up to this `seq`, in a transaction of its own. Raises `StateError`."""
        self.wait()
        commit = self.stage()
        for queue, seq in up_to.items():
            commit.mark_sent(queue, seq)
        self._transact(commit)
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
        """Rows of a query, with SQLite's errors translated. What is being written is awaited."""
        self.wait()
        with translated(self.path):
            yield from self._db.execute(query, given)

    def _pages(self, name: str) -> Iterator[tuple[Place, bytes]]:
        """The pages of an item, which are known from then on."""
        digests: dict[Place, bytes] = {}
        query = "SELECT segment, page, digest, content FROM pages WHERE name = ? ORDER BY 1, 2"
        for segment, page, digest, content in self.rows(query, (name,)):
            digests[segment, page] = digest
            if page_digest(name, (segment, page), content) != digest:
                raise Damaged(
                    f"the state is damaged (page {segment}/{page} of item {name}): restore state.path from a copy"
                )
            yield (segment, page), content
        self._known.take(name, digests)

    def _write(self, commit: Commit) -> None:
        self._commits += 1
        commit.count(self._commits)
        self._transact(commit, Step.BEGUN, Step.WRITTEN)
        reached(Step.COMMITTED)
        self._lock.note(self._commits)
        for name, digests in commit.pages.items():
            self._known.take(name, digests)

    def _transact(self, commit: Commit, *steps: Step) -> None:
        """Run a commit's statements in a transaction; `steps` are reached after its begin and before its end."""
        begun, written = steps or (None, None)
        with translated(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                _pass(begun)
                for statement, given in together(commit.statements):
                    self._db.execute(statement, given)
                _pass(written)
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Fold the write-ahead log into the file and let others have the directory. A commit under way is finished."""
        self._writer.shutdown()
        try:
            with translated(self.path):
                self._db.close()
        finally:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _pass(step: Step | None) -> None:
    if step is not None:
        reached(step)
