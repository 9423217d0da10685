"""A state outlives upgrades: what an older release left is brought up to date and gone on with.

`releases/schema-1.sqlite.gz` was left by the release whose tables were of version 1, in the middle of a stream: 300
predictions and labels of `tests.daemon.commands.vigild.events` and one bad line, whose dead letter had yet to be sent.
Whoever changes the layout of an item or a chunk and breaks these tests adds to `daemon.state.formats.UPGRADES`.
"""

from __future__ import annotations

import gzip
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from daemon.records import Partition, Position
from daemon.state import Store, TooNew, formats, schema
from daemon.state.inspect import inspect
from daemon.state.verify import verify
from processors.packing import pack, unpack
from tests.daemon.commands.vigild import events, parsed, vigild

RELEASE = Path(__file__).parent / "releases" / "schema-1.sqlite.gz"
READ = 601
"""Lines that the older release had read."""


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """A directory with what the older release left."""
    directory = tmp_path / "state"
    directory.mkdir()
    (directory / "state.sqlite").write_bytes(gzip.decompress(RELEASE.read_bytes()))
    return directory


def table(directory: Path, query: str) -> list[tuple[Any, ...]]:
    """Rows as they are in the file."""
    with closing(sqlite3.connect(directory / "state.sqlite")) as db:
        return db.execute(query).fetchall()


def test_a_state_of_the_first_version_is_brought_up_to_date(left: Path) -> None:
    """Items move into pages, those of an older layout in today's; the rest stays as it was, and all is found intact."""
    before = dict(table(left, "SELECT name, content FROM items"))
    chunks = table(left, "SELECT name, seq, content, meta FROM chunks ORDER BY 1, 2")
    assert len(before) > 10
    assert len(chunks) == 2
    with Store.open(left, create=False) as store:
        loaded = store.load()
        assert loaded.items == {name: formats.upgraded(name, 1, content) for name, content in before.items()}
        assert [(chunk.table, chunk.seq, chunk.meta) for chunk in loaded.chunks] == [(*c[:2], c[3]) for c in chunks]
        assert loaded.positions == {Partition("events", 0): Position(READ)}
        assert [row.queue for row in store.queued()] == ["dead_letters"]
        assert len(list(store.controls())) == 1
    assert table(left, "PRAGMA user_version") == [(schema.VERSION,)]
    assert verify(left) == []


def test_looking_at_an_older_state_does_not_change_it(left: Path) -> None:
    """`inspect` and `verify` read a copy that is brought up to date in memory."""
    before = (left / "state.sqlite").read_bytes()
    found = inspect(left)
    assert found["version"] == 1
    assert found["watched"]["models"] == ["fraud"]
    assert verify(left) == []
    assert (left / "state.sqlite").read_bytes() == before


def test_a_migration_that_fails_leaves_the_older_state(left: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All steps are one transaction: the release that wrote the file can still read it."""

    def fail(_: sqlite3.Connection) -> None:
        raise ZeroDivisionError

    before = (left / "state.sqlite").read_bytes()
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, fail))
    monkeypatch.setattr(schema, "VERSION", len(schema.MIGRATIONS))
    with pytest.raises(ZeroDivisionError):
        Store.open(left)
    assert table(left, "PRAGMA user_version") == [(1,)]
    monkeypatch.undo()
    assert inspect(left)["version"] == 1
    assert len(before) == (left / "state.sqlite").stat().st_size


def test_the_daemon_goes_on_with_what_an_older_release_left(left: Path) -> None:
    """Not a line is read twice or lost, and what the older release had yet to send is sent, once."""
    lines = [json.dumps(event) for event in events(500)]
    lines.insert(READ - 1, "{oops")
    folder = left.parent
    (folder / "events.ndjson").write_text("\n".join(lines) + "\n")
    (folder / "vigil.yaml").write_text(
        "files: {paths: [events.ndjson]}\nstate: {path: state}\nhttp: {port: null}\n"
        "sinks: {alerts: [], readings: [], dead_letters: [{file: {path: dead.ndjson}}]}\n"
    )
    done = vigild("run", cwd=folder)
    assert done.returncode == 0, done.stderr
    letters = parsed((folder / "dead.ndjson").read_text())
    assert [(letter["ref"]["offset"], letter["value"]) for letter in letters] == [(READ - 1, "{oops")]
    accounts = inspect(left)["watched"]["accounts"]
    assert accounts["received"] == len(lines)
    assert accounts["refused"] == 1
    assert accounts["measured"] == len(lines) - 1, "every label met its prediction, across the upgrade"
    assert verify(left) == []


def test_an_item_of_an_older_layout_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Step by step, items and chunks alike, and kept in the new layout from the next commit on."""
    with Store.open(tmp_path) as store, store.commit() as old:
        old.put("clocks", pack({"value": 1}))
        old.append_chunk("open", 1, pack({"value": 1}))

    def more(tree: Any) -> Any:
        return {"value": tree["value"] * 10}

    def renamed(tree: Any) -> Any:
        return {"number": tree["value"]}

    monkeypatch.setattr(formats, "UPGRADES", {"clocks": (more, renamed), f"{formats.CHUNK}open": (dict, renamed)})
    with Store.open(tmp_path) as store:
        loaded = store.load()
        assert unpack(loaded.items["clocks"]) == {"number": 10}
        assert [unpack(chunk.blob) for chunk in loaded.chunks] == [{"number": 1}]
        with store.commit() as new:
            new.put("clocks", loaded.items["clocks"])
    assert table(tmp_path, "SELECT name, format FROM items") == [("clocks", 3)]
    with Store.open(tmp_path) as store:
        assert unpack(store.load().items["clocks"]) == {"number": 10}
    assert verify(tmp_path) == []


def test_an_item_of_a_newer_layout_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though the tables are of a version that is known: exit code 78, one line."""
    monkeypatch.setattr(formats, "UPGRADES", {"clocks": (lambda tree: tree,)})
    with Store.open(tmp_path) as store, store.commit() as new:
        new.put("clocks", pack({"value": 1}))
    monkeypatch.undo()
    with Store.open(tmp_path) as store, pytest.raises(TooNew, match="newer Vigil") as refused:
        store.load()
    assert refused.value.exit_code == 78
