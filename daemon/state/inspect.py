"""What is in a state file: `vigild state inspect`, and what `vigild dump` needs of it.

It only looks: it takes no lock, may run beside a daemon, and changes nothing in a file of an older version, of which
it reads a copy.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import orjson

from daemon.records import Partition, Position
from daemon.state.errors import NotThere
from daemon.state.file import FILE_NAME, connect_to_look, translated
from daemon.state.formats import upgraded
from daemon.state.items import join
from daemon.state.schema import VERSION, migrate, recognise
from processors.packing import unpack

_SUMS = {
    "items": """
        SELECT items.name, 1, coalesce(sum(length(content)), 0) FROM items LEFT JOIN pages USING (name)
        GROUP BY items.name ORDER BY items.name""",
    "chunks": "SELECT name, count(*), sum(length(content)) FROM chunks GROUP BY name ORDER BY name",
    "outbox": "SELECT queue, sum(messages), sum(length(content)) FROM outbox GROUP BY queue ORDER BY queue",
}


def inspect(place: Path) -> dict[str, Any]:
    """What a state holds, as plain values for a table or JSON. Raises `StateError`.

    `place` is its directory, or a copy of its file. `items`, `chunks` and `outbox` map names to {count, bytes};
    `positions` are sorted lists of topic, number, next offset and topic id; `watched` says how far it has come and what
    it watches, None before the first commit.
    """
    with opened(place) as (db, path, version):
        sums = {
            table: {name: {"count": n, "bytes": size} for name, n, size in db.execute(_SUMS[table])} for table in _SUMS
        }
        return {
            "path": str(path),
            "version": version,
            "bytes": sum(each.stat().st_size for each in path.parent.glob(path.name + "*")),
            "instance": db.execute("SELECT content FROM about WHERE name = 'instance'").fetchone()[0],
            "positions": [
                list(row)
                for row in db.execute("SELECT topic, number, next_offset, topic_id FROM positions ORDER BY 1, 2")
            ],
            **sums,
            "controls": db.execute("SELECT count(*) FROM controls").fetchone()[0],
            "watched": _watched(db),
        }


def consumed_so_far(place: Path) -> tuple[dict[Partition, Position], list[dict[str, Any]], int]:
    """Committed positions, the control records that are kept, and the end of the last pane that was closed."""
    with opened(place) as (db, _, _):
        rows = db.execute("SELECT topic, number, next_offset, topic_id FROM positions ORDER BY 1, 2").fetchall()
        controls = [orjson.loads(row[0]) for row in db.execute("SELECT content FROM controls ORDER BY seq")]
        pipeline = item(db, "pipeline")
    positions = {Partition(topic, number): Position(offset, topic_id) for topic, number, offset, topic_id in rows}
    return positions, controls, 0 if pipeline is None else int(pipeline["closed_until"])


@contextmanager
def opened(place: Path) -> Iterator[tuple[sqlite3.Connection, Path, int]]:
    """A state to look at, its file and that file's version. All that is read in the block is of one moment."""
    path = place if place.is_file() else place / FILE_NAME
    if not path.exists():
        raise NotThere(f"{path}: there is no state; check state.path")
    with translated(path), closing(connect_to_look(path, unchanging=_unchanging(path))) as db:
        version = recognise(db, path)
        db.execute("BEGIN")
        if version == VERSION:
            yield db, path, version
            return
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as copy:
            db.backup(copy)
            migrate(copy, version)
            yield copy, path, version


def item(db: sqlite3.Connection, name: str) -> Any:
    """The tree of an item, None if there is none. Raises `Damaged`."""
    found = db.execute("SELECT format, sizes FROM items WHERE name = ?", (name,)).fetchone()
    if found is None:
        return None
    pages = db.execute("SELECT segment, page, content FROM pages WHERE name = ? ORDER BY 1, 2", (name,))
    blob = join(name, found[1], (((segment, page), content) for segment, page, content in pages))
    return unpack(upgraded(name, found[0], blob))


def _watched(db: sqlite3.Connection) -> dict[str, Any] | None:
    pipeline = item(db, "pipeline")
    if pipeline is None:
        return None
    ledger, watch = item(db, "ledger"), item(db, "watch")
    return {
        "closed_until": pipeline["closed_until"],
        "accounts": pipeline["accounts"],
        "refused": pipeline["reasons"],
        "models": sorted((watch or {}).get("counts", {})),
        "keep_rate": (ledger or {}).get("keep_rate"),
        "monitors": [
            name.split("/")[1:3]
            for (name,) in db.execute("SELECT name FROM items WHERE name LIKE 'monitor/%' ORDER BY name")
        ],
    }


def _unchanging(path: Path) -> bool:
    """Whether nobody can be writing: a file without a log in a place that can't be written, such as a backup's."""
    return not path.with_name(path.name + "-wal").exists() and not os.access(path.parent, os.W_OK)
