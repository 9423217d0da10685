"""Looking at a state changes nothing, and finds what is wrong."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from daemon.records import Partition, Position
from daemon.sinks import Message
from daemon.state import NotThere, Store, schema
from daemon.state.inspect import inspect
from daemon.state.verify import verify
from processors.packing import pack, parts


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A state with one of everything."""
    with Store.open(tmp_path) as store, store.commit() as commit:
        commit.position(Partition("events", 3), Position(7, "id"))
        commit.put("judge", parts(1234))
        commit.append_chunk("ledger", 1, pack(12))
        commit.append_chunk("ledger", 2, pack(123))
        commit.control({"control": "closed"})
        commit.outbox("alerts", [Message(b"k", b"v")] * 3)
    return tmp_path


def test_inspect_says_what_there_is(directory: Path) -> None:
    """Positions, and count and bytes of everything by name."""
    found = inspect(directory)
    assert found["positions"] == [["events", 3, 7, "id"]]
    assert found["items"] == {"judge": {"count": 1, "bytes": len(pack(1234))}}
    assert found["chunks"] == {"ledger": {"count": 2, "bytes": len(pack(12) + pack(123))}}
    assert found["outbox"]["alerts"]["count"] == 3
    assert found["controls"] == 1
    assert found["version"] == schema.VERSION


def test_it_can_be_inspected_while_a_daemon_has_it(directory: Path) -> None:
    """No lock is taken, and what was committed last is seen."""
    with Store.open(directory) as store:
        with store.commit() as commit:
            commit.put("judge", parts(123456))
        assert inspect(directory)["items"]["judge"]["bytes"] == len(pack(123456))
        assert verify(directory) == []


def test_verify_names_every_row_that_changed(directory: Path) -> None:
    """All that is wrong is said at once, by name."""
    assert verify(directory) == []
    with sqlite3.connect(directory / "state.sqlite") as db:
        db.execute("UPDATE pages SET content = x'00' WHERE name = 'judge'")
        db.execute("UPDATE chunks SET content = x'00' WHERE seq = 2")
    problems = verify(directory)
    assert len(problems) == 2
    assert "chunks ledger/2" in problems[0]
    assert "items judge" in problems[1]


def test_verify_finds_what_only_sqlite_can_see(directory: Path) -> None:
    """A row that its index doesn't know is damage, too, though every row is as it was written."""
    with sqlite3.connect(directory / "state.sqlite") as db:
        (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'outbox_by_queue'").fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
    path = directory / "state.sqlite"
    whole = bytearray(path.read_bytes())
    whole[(root - 1) * size + 3 : (root - 1) * size + 5] = b"\0\0"  # the index says that it has no entries
    path.write_bytes(whole)
    assert verify(directory)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    """Nothing is made where there is nothing to look at."""
    with pytest.raises(NotThere):
        inspect(tmp_path / "none")
    with pytest.raises(NotThere):
        verify(tmp_path / "none")
    assert not (tmp_path / "none").exists()
