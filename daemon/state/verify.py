"""Whether a state is as it was written, and fits together: `vigild state verify`.

SQLite compares its tables with their indexes; every row is compared with its checksum; what is packed is unpacked; what
one table says of another is looked up there; and there are as many commits as were noted beside the file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson

from daemon.state.digests import intact
from daemon.state.errors import StateError
from daemon.state.file import check
from daemon.state.formats import upgraded
from daemon.state.inspect import item, opened
from daemon.state.items import page_digest
from daemon.state.lock import check_complete, noted_commits
from daemon.state.messages import unpack_messages
from daemon.state.outbox import QUEUES
from processors.packing import PackingError, unpack

_CHECKED = {
    "positions": "SELECT topic || '/' || number, digest, topic, number, next_offset, topic_id FROM positions",
    "items": "SELECT name, digest, name, format, sizes FROM items",
    "chunks": "SELECT name || '/' || seq, digest, name, seq, content, meta FROM chunks",
    "controls": "SELECT seq, digest, content FROM controls",
    "outbox": "SELECT seq, digest, queue, content FROM outbox",
}


def verify(place: Path) -> list[str]:
    """Everything that is wrong with a state, one line each; empty if nothing is. Raises `StateError` if unreadable.

    `place` is its directory, or a file.
    """
    noted = noted_commits(place) if place.is_dir() else 0  # first: a daemon may write meanwhile
    with opened(place) as (db, path, _):
        found = list(_said(lambda: check(db, path, thorough=True)))
        found += _said(lambda: check_complete(path, _commits(db), noted))
        found += [*_rows(db), *_pages(db), *_references(db)]
        if not found:  # what is damaged need not be understood
            found += [*_items(db), *_chunks(db), *_controls(db), *_outbox(db)]
    return list(dict.fromkeys(found))


def _said(look: Callable[[], Any]) -> Iterator[str]:
    """What a look complains of."""
    try:
        look()
    except (StateError, PackingError) as error:
        yield str(error)


def _commits(db: sqlite3.Connection) -> int:
    found = db.execute("SELECT content FROM about WHERE name = 'commits'").fetchone()
    return int(found[0]) if found else 0


def _rows(db: sqlite3.Connection) -> Iterator[str]:
    for table, query in _CHECKED.items():
        for name, digest, *parts in db.execute(query):
            yield from _said(lambda: intact(digest, *parts, where=f"{table} {name}"))  # noqa: B023 - called at once


def _pages(db: sqlite3.Connection) -> Iterator[str]:
    for name, segment, page, digest, content in db.execute("SELECT name, segment, page, digest, content FROM pages"):
        if page_digest(name, (segment, page), content) != digest:
            yield f"the state is damaged (page {segment}/{page} of items {name}): restore state.path from a copy"


def _items(db: sqlite3.Connection) -> Iterator[str]:
    for (name,) in db.execute("SELECT name FROM items ORDER BY name").fetchall():
        for problem in _said(lambda: item(db, name)):  # noqa: B023 - called at once
            yield problem if name in problem else f"items {name}: {problem}"


def _chunks(db: sqlite3.Connection) -> Iterator[str]:
    for name, seq, format_, content in db.execute("SELECT name, seq, format, content FROM chunks ORDER BY 1, 2"):
        for problem in _said(lambda: unpack(upgraded(f"chunks/{name}", format_, content))):  # noqa: B023 - at once
            yield f"chunks {name}/{seq}: {problem}"


def _controls(db: sqlite3.Connection) -> Iterator[str]:
    for seq, content in db.execute("SELECT seq, content FROM controls ORDER BY seq"):
        try:
            if "control" not in orjson.loads(content):
                yield f"controls {seq}: is no control record"
        except (orjson.JSONDecodeError, TypeError) as error:
            yield f"controls {seq}: {error}"


def _outbox(db: sqlite3.Connection) -> Iterator[str]:
    for seq, queue, messages, content in db.execute("SELECT seq, queue, messages, content FROM outbox ORDER BY seq"):
        if queue not in QUEUES:
            yield f"outbox {seq}: there is no queue {queue!r}"
        try:
            held = len(unpack_messages(content))
        except PackingError as error:
            yield f"outbox {seq}: {error}"
            continue
        if held != messages:
            yield f"outbox {seq}: holds {held} messages and says {messages}"


def _references(db: sqlite3.Connection) -> Iterator[str]:
    """What belongs together is there together."""
    orphans = "SELECT DISTINCT name FROM pages WHERE name NOT IN (SELECT name FROM items)"
    yield from (f"pages of {name}: there is no such item" for (name,) in db.execute(orphans))
    names = {name for (name,) in db.execute("SELECT name FROM items")}
    for needed in ("clocks", "alerts", "profile", "watch"):
        if "pipeline" in names and needed not in names:
            yield f"items {needed}: is missing, though there was a commit"
    tables = [name for (name,) in db.execute("SELECT DISTINCT name FROM chunks ORDER BY name")]
    if tables and "pipeline" in names and "ledger" not in names:
        yield f"items ledger: is missing, though there are chunks of it ({', '.join(tables)})"
