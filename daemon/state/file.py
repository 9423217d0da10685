"""Opening the SQLite file the way durability needs it, and SQLite's errors in words that help."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon.state.errors import Damaged, NotThere, StateError
from daemon.state.schema import make, migrate, recognise

FILE_NAME = "state.sqlite"

PAGE = 16_384
"""Bytes of a page in a new file: blobs of megabytes lie in chains of pages, and cost half as much CPU as with 4,096."""
_LOG = 4 * 2**20
"""Bytes of write-ahead log that are folded into the file: SQLite's default, which is told in pages."""

_FREE = "free some space and start again"
_ALLOW = "make state.path readable and writable for this user, or name another one"
_REMEDIES = {
    sqlite3.SQLITE_IOERR: "is the disk failing, full, or is there a limit on the size of files (ulimit -f)?",
    sqlite3.SQLITE_READONLY: _ALLOW,
    sqlite3.SQLITE_CANTOPEN: _ALLOW,
}
_SYSTEMS_REMEDIES = {
    errno.ENOSPC: _FREE,
    errno.EDQUOT: _FREE,
    errno.EACCES: _ALLOW,
    errno.EPERM: _ALLOW,
    errno.EROFS: _ALLOW,
}


def check_directory(directory: Path) -> None:
    """Raise `NotThere` for a file where the state's directory is expected."""
    if directory.exists() and not directory.is_dir():
        raise NotThere(f"{directory}: is a file, not a directory: name a directory as state.path")


def create(path: Path, commits: int) -> None:
    """Make a new state file, readable by its owner only, unless there is one.

    It gets its name when it is complete, so that an empty or half file under that name is known for damage. Raises
    `Damaged` where a file's write-ahead log is left, or `commits` were noted: it was removed, not never made.
    """
    if path.exists():
        return
    if path.with_name(path.name + "-wal").exists():
        raise Damaged(f"{path}: missing, but its write-ahead log is there: restore both from a copy")
    if commits:
        raise Damaged(
            f"{path}: missing, though there was one (commits: {commits}): restore it from a copy, or move "
            f"{path.parent} away and start with --start-empty"
        )
    unfinished = path.with_name(path.name + ".new")
    unfinished.unlink(missing_ok=True)
    os.close(os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    db = sqlite3.connect(unfinished, isolation_level=None)
    try:
        db.execute(f"PRAGMA page_size = {PAGE}")
        make(db)
    finally:
        db.close()
    unfinished.rename(path)
    _flush_directory(path.parent)


def connect(path: Path) -> sqlite3.Connection:
    """Open for writing, at this version: write-ahead log, flushed at every commit, transactions begun by hand.

    Changes nothing in a file that is damaged, newer or not Vigil's: raises `Damaged` or `TooNew`.
    """
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=5.0, check_same_thread=False
    )
    try:
        check(db, path)
        found = recognise(db, path)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA journal_size_limit = 67108864")
        db.execute(f"PRAGMA wal_autocheckpoint = {_LOG // db.execute('PRAGMA page_size').fetchone()[0]}")
        migrate(db, found)
    except BaseException:
        db.close()
        raise
    return db


def connect_to_look(path: Path, *, unchanging: bool = False) -> sqlite3.Connection:
    """Open for reading only, even while a daemon is writing; `unchanging` if nobody can be: then no log is needed."""
    mode = "mode=ro&immutable=1" if unchanging else "mode=ro"
    return sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, isolation_level=None, timeout=5.0)


def check(db: sqlite3.Connection, path: Path, *, thorough: bool = False) -> None:
    """Let SQLite look for damage; `thorough` compares indexes with tables, too. Raises `Damaged`."""
    said = [str(row[0]) for row in db.execute("PRAGMA integrity_check" if thorough else "PRAGMA quick_check")]
    if said != ["ok"]:
        raise Damaged(f"{path}: damaged ({said[0].splitlines()[-1]}): restore it from a copy")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """SQLite's errors become a `StateError` of one line."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        primary = code & 0xFF if code is not None else None
        if primary in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            raise Damaged(f"{path}: damaged ({error}): restore it from a copy") from error
        if primary == sqlite3.SQLITE_FULL:
            raise StateError(f"{path}: the disk is full: {_FREE}") from error
        if primary in _REMEDIES:
            raise StateError(f"{path}: {error}: {_REMEDIES[primary]}") from error
        raise StateError(f"{path}: {error}") from error


@contextmanager
def translated_from_system(path: Path) -> Iterator[None]:
    """The system's errors become a `StateError` of one line."""
    try:
        yield
    except OSError as error:
        remedy = f": {_SYSTEMS_REMEDIES[error.errno]}" if error.errno in _SYSTEMS_REMEDIES else ""
        raise StateError(f"{error.filename or path}: {error.strerror}{remedy}") from error


def _flush_directory(directory: Path) -> None:
    """Make a rename durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
