"""The tables of the state file and how one version becomes the next.

`PRAGMA user_version` is the version. A change of the tables is one more entry in `MIGRATIONS`, never an edit of one: an
entry is SQL, or a function where SQL can't say it. What is *in* the blobs has numbers of its own: `formats`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from daemon.state.digests import digest_of, intact
from daemon.state.errors import Damaged, TooNew
from daemon.state.items import page_digest, pages, sizes_of

APPLICATION_ID = 0x56494749  # "VIGI": `file state.sqlite` shows it

Migration = str | Callable[[sqlite3.Connection], None]


def _pages_of_items(db: sqlite3.Connection) -> None:
    """Version 2: items lie in pages, so that only those that changed are written; layouts have numbers."""
    statements = (
        "ALTER TABLE items RENAME TO whole_items",
        """CREATE TABLE items (
            name TEXT PRIMARY KEY, format INTEGER NOT NULL, digest BLOB NOT NULL, sizes BLOB NOT NULL)""",
        """CREATE TABLE pages (
            name TEXT NOT NULL, segment INTEGER NOT NULL, page INTEGER NOT NULL, digest BLOB NOT NULL,
            content BLOB NOT NULL, PRIMARY KEY (name, segment, page))""",
        "ALTER TABLE chunks ADD COLUMN format INTEGER NOT NULL DEFAULT 1",
    )
    for statement in statements:
        db.execute(statement)
    for name, digest, content in db.execute("SELECT name, digest, content FROM whole_items"):
        intact(digest, name, content, where=f"item {name}")
        sizes = sizes_of([content])
        db.execute("INSERT INTO items VALUES (?, 1, ?, ?)", (name, digest_of(name, 1, sizes), sizes))
        for place, page in pages([content]):
            row = (name, *place, page_digest(name, place, page), bytes(page))
            db.execute("INSERT INTO pages VALUES (?, ?, ?, ?, ?)", row)
    db.execute("DROP TABLE whole_items")


MIGRATIONS: tuple[Migration, ...] = (
    """
    CREATE TABLE about (name TEXT PRIMARY KEY, content TEXT NOT NULL);
    INSERT INTO about VALUES ('instance', 'vigil-' || lower(hex(randomblob(8))));
    CREATE TABLE positions (
        topic TEXT NOT NULL, number INTEGER NOT NULL, next_offset INTEGER NOT NULL, topic_id TEXT NOT NULL,
        digest BLOB NOT NULL, PRIMARY KEY (topic, number)) WITHOUT ROWID;
    CREATE TABLE items (name TEXT PRIMARY KEY, digest BLOB NOT NULL, content BLOB NOT NULL);
    CREATE TABLE chunks (
        name TEXT NOT NULL, seq INTEGER NOT NULL, digest BLOB NOT NULL, meta BLOB NOT NULL, content BLOB NOT NULL,
        PRIMARY KEY (name, seq));
    CREATE TABLE controls (seq INTEGER PRIMARY KEY AUTOINCREMENT, digest BLOB NOT NULL, content BLOB NOT NULL);
    CREATE TABLE outbox (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, messages INTEGER NOT NULL,
        digest BLOB NOT NULL, content BLOB NOT NULL);
    CREATE INDEX outbox_by_queue ON outbox (queue, seq);
    """,
    _pages_of_items,
)

VERSION = len(MIGRATIONS)


def recognise(db: sqlite3.Connection, path: Path) -> int:
    """The version of a state file. Raises `TooNew`, or `Damaged` if it isn't one; changes nothing."""
    found = int(db.execute("PRAGMA user_version").fetchone()[0])
    if found > VERSION:
        raise TooNew(f"{path}: written by a newer Vigil (state version {found}, this one knows {VERSION}): upgrade")
    if found < 1 or db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise Damaged(f"{path}: not a state of Vigil's: restore it from a copy, or name another state.path")
    return found


def migrate(db: sqlite3.Connection, since: int) -> None:
    """Bring a file from a version to this one, in one transaction: a crash leaves the old file, or the new one."""
    if since < VERSION:
        _apply(db, since)


def make(db: sqlite3.Connection) -> None:
    """Make the tables in a new file."""
    _apply(db, 0)


def _apply(db: sqlite3.Connection, since: int) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        for migration in MIGRATIONS[since:]:
            if callable(migration):
                migration(db)
            else:
                for statement in filter(str.strip, migration.split(";")):
                    db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise
