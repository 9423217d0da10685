"""The tables of the state file and how one version becomes the next.

`PRAGMA user_version` is the version. A change of the tables is one more entry in `MIGRATIONS`, never an edit of one.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from daemon.state.errors import Damaged, TooNew

APPLICATION_ID = 0x56494749  # "VIGI": `file state.sqlite` shows it

MIGRATIONS = (
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
    """Bring a file from a version to this one, in one transaction."""
    if since < VERSION:
        _apply(db, since)


def make(db: sqlite3.Connection) -> None:
    """Make the tables in a new file."""
    _apply(db, 0)


def _apply(db: sqlite3.Connection, since: int) -> None:
    steps = [*MIGRATIONS[since:], f"PRAGMA application_id = {APPLICATION_ID};", f"PRAGMA user_version = {VERSION};"]
    db.executescript("BEGIN IMMEDIATE;" + "\n".join(steps) + "COMMIT;")
