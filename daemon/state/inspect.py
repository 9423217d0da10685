"""What is in a state file, and whether all of it is as it was written: `vigild state inspect` and `verify`.

Both only look: they take no lock and may run beside a daemon.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import orjson

from daemon.records import Partition, Position
from daemon.state.digests import intact
from daemon.state.errors import Damaged, NotThere
from daemon.state.file import FILE_NAME, check, connect_to_look, translated
from daemon.state.schema import VERSION, recognise
from processors.packing import unpack

_SUMS = {
    "items": "SELECT name, 1, length(content) FROM items ORDER BY name",
    "chunks": "SELECT name, count(*), sum(length(content)) FROM chunks GROUP BY name ORDER BY name",
    "outbox": "SELECT queue, sum(messages), sum(length(content)) FROM outbox GROUP BY queue ORDER BY queue",
}
_CHECKED = {
    "positions": "SELECT topic || '/' || number, digest, topic, number, next_offset, topic_id FROM positions",
    "items": "SELECT name, digest, name, content FROM items",
    "chunks": "SELECT name || '/' || seq, digest, name, seq, content, meta FROM chunks",
    "controls": "SELECT seq, digest, content FROM controls",
    "outbox": "SELECT seq, digest, queue, content FROM outbox",
}


def inspect(directory: Path) -> dict[str, Any]:
    """What a state holds, as plain values for a table or JSON. Raises `StateError`.

    `items`, `chunks` and `outbox` map names to {count, bytes}; `positions` are sorted lists of topic, number, next
    offset and topic id.
    """
    path = _existing(directory)
    with translated(path), closing(connect_to_look(path)) as db:
        recognise(db, path)
        sums = {
            table: {name: {"count": n, "bytes": size} for name, n, size in db.execute(_SUMS[table])} for table in _SUMS
        }
        return {
            "path": str(path),
            "version": VERSION,
            "bytes": sum(each.stat().st_size for each in directory.glob(FILE_NAME + "*")),
            "positions": [
                list(row)
                for row in db.execute("SELECT topic, number, next_offset, topic_id FROM positions ORDER BY 1, 2")
            ],
            **sums,
            "controls": db.execute("SELECT count(*) FROM controls").fetchone()[0],
        }


def consumed_so_far(directory: Path) -> tuple[dict[Partition, Position], list[dict[str, Any]], int]:
    """Committed positions, the control records that are kept, and the end of the last pane that was closed."""
    path = _existing(directory)
    with translated(path), closing(connect_to_look(path)) as db:
        recognise(db, path)
        rows = db.execute("SELECT topic, number, next_offset, topic_id FROM positions ORDER BY 1, 2").fetchall()
        controls = [orjson.loads(row[0]) for row in db.execute("SELECT content FROM controls ORDER BY seq")]
        pipeline = db.execute("SELECT content FROM items WHERE name = 'pipeline'").fetchone()
    positions = {Partition(topic, number): Position(offset, topic_id) for topic, number, offset, topic_id in rows}
    return positions, controls, 0 if pipeline is None else int(unpack(pipeline[0])["closed_until"])


def verify(directory: Path) -> list[str]:
    """Everything that is wrong with a state, one line each; empty if nothing is. Raises `StateError` if unreadable.

    Compares SQLite's own structures (tables with indexes) and every row with its checksum.
    """
    path = _existing(directory)
    problems: list[str] = []
    with translated(path), closing(connect_to_look(path)) as db:
        recognise(db, path)
        try:
            check(db, path, thorough=True)
        except Damaged as damaged:
            problems.append(str(damaged))
        for table, query in _CHECKED.items():
            for name, digest, *parts in db.execute(query):
                try:
                    intact(digest, *parts, where=f"{table} {name}")
                except Damaged as damaged:
                    problems.append(str(damaged))
    return problems


def _existing(directory: Path) -> Path:
    path = directory / FILE_NAME
    if not path.exists():
        raise NotThere(f"{path}: there is no state; check state.path")
    return path
