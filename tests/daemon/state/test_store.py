"""A commit is all or nothing, and nothing but what was committed is ever believed."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.records import Partition, Position
from daemon.sinks import Message
from daemon.state import Damaged, Locked, NotThere, StateError, Store, TooNew, schema
from daemon.state import commit as commits
from daemon.state.file import PAGE

ROOT = Path(__file__).parents[3]
ZERO = Partition("events", 0)

COMMITS = """
import sys
from pathlib import Path
from daemon.records import Partition, Position
from daemon.sinks import Message
from daemon.state import Store

with Store.open(Path(sys.argv[1])) as store:
    for turn in range(1, 4):
        with store.commit() as commit:
            commit.position(Partition("events", 0), Position(turn))
            commit.put("state", b"%d" % turn)
            commit.append_chunk("ledger", turn, bytes(300_000))
            commit.drop_chunks("ledger", [turn - 1])
            commit.control({"turn": turn})
            commit.outbox("alerts", [Message(b"k", b"%d" % turn)])
"""


def run(program: str, directory: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program of its own on a state directory."""
    return subprocess.run(
        [sys.executable, "-c", program, str(directory)],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def committed(directory: Path, turn: int) -> None:
    """Commit one turn in this process."""
    with Store.open(directory) as opened, opened.commit() as commit:
        commit.position(ZERO, Position(turn, "id"))
        commit.put("state", b"%d" % turn)


def half_a_commit(opened: Store) -> None:
    """Begin to commit, and fail in the middle."""
    with opened.commit() as commit:
        commit.position(ZERO, Position(2, "id"))
        commit.delete("state")
        raise ZeroDivisionError


def read_everything(opened: Store) -> None:
    """Read every row of every table."""
    list(opened.load().chunks)
    list(opened.controls())
    for row in opened.queued():
        opened.messages(row.seq)


def test_what_was_committed_is_loaded(tmp_path: Path) -> None:
    """Positions, items, chunks with their meta, control records and queued messages come back as they were."""
    messages = [Message(b"k", None), Message(None, b"v", (("h", b"\xff"),))]
    with Store.open(tmp_path) as opened, opened.commit() as commit:
        commit.position(ZERO, Position(7, "id"))
        commit.put("judge/a", b"\x00blob")
        commit.append_chunk("ledger", 2, b"two", b"meta")
        commit.append_chunk("ledger", 1, b"one")
        commit.append_chunk("deaths", 9, b"nine")
        commit.control({"control": "closed", "pane": 3})
        row = commit.outbox("alerts", messages)
    with Store.open(tmp_path, create=False) as opened:
        loaded = opened.load()
        assert loaded
        assert loaded.positions == opened.positions() == {ZERO: Position(7, "id")}
        assert loaded.items == {"judge/a": b"\x00blob"}
        assert [tuple(chunk) for chunk in loaded.chunks.of("ledger")] == [
            ("ledger", 1, b"one", b""),
            ("ledger", 2, b"two", b"meta"),
        ]
        assert [chunk.table for chunk in loaded.chunks] == ["deaths", "ledger", "ledger"]
        assert list(opened.controls()) == [{"control": "closed", "pane": 3}]
        assert list(opened.queued()) == [row]
        assert opened.messages(row.seq) == messages


def test_an_exception_undoes_the_whole_commit(tmp_path: Path) -> None:
    """Whatever is raised in the block leaves the state as it was, and goes on its way."""
    committed(tmp_path, 1)
    with Store.open(tmp_path) as opened:
        with pytest.raises(ZeroDivisionError):
            half_a_commit(opened)
        assert opened.load().positions == {ZERO: Position(1, "id")}
        assert opened.load().items == {"state": b"1"}


@pytest.mark.parametrize(
    ("step", "turn"), [("1:2", 1), ("2:2", 1), ("written:3", 2), ("3:2", 2), ("committed:3", 3), ("BEGUN", 0)]
)
def test_a_kill_leaves_the_old_state_or_the_new_one(tmp_path: Path, step: str, turn: int) -> None:
    """Killed before the commit's third step nothing of it is there; killed at it, all of it is."""
    done = run(COMMITS, tmp_path, VIGIL_STOP_AT=step)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with Store.open(tmp_path, create=False) as opened:
        loaded = opened.load()
        assert loaded.positions == ({ZERO: Position(turn)} if turn else {})
        assert loaded.items == ({"state": b"%d" % turn} if turn else {})
        assert [chunk.seq for chunk in loaded.chunks] == ([turn] if turn else [])
        assert [each["turn"] for each in opened.controls()] == list(range(1, turn + 1))
        assert [opened.messages(row.seq)[0].value for row in opened.queued()] == [
            b"%d" % each for each in range(1, turn + 1)
        ]


def test_a_torn_log_loses_whole_commits_only(tmp_path: Path) -> None:
    """A write-ahead log that was cut off leads back to an earlier commit, never to a part of one, and not in silence.

    The lock knows of more commits; only once it is deleted the state goes on from what is there.
    """
    done = run(COMMITS, tmp_path, VIGIL_STOP_AT="3:3")
    assert done.returncode == -signal.SIGKILL
    wal = tmp_path / "state.sqlite-wal"
    whole = wal.read_bytes()
    seen = set()
    for length in range(0, len(whole) + 1, max(1, len(whole) // 40)):
        wal.write_bytes(whole[:length])
        (tmp_path / "state.sqlite-shm").unlink(missing_ok=True)
        base = (tmp_path / "state.sqlite").read_bytes()
        (tmp_path / "lock").write_text("7\n2\n")  # killed before it could note the third
        if length < len(whole) // 3:
            with pytest.raises(Damaged, match=r"of 2 commits only [01] are there"):
                Store.open(tmp_path)
        (tmp_path / "lock").unlink()
        wal.write_bytes(whole[:length])
        (tmp_path / "state.sqlite-shm").unlink(missing_ok=True)
        (tmp_path / "state.sqlite").write_bytes(base)
        with Store.open(tmp_path) as opened:
            loaded = opened.load()
            turn = loaded.positions.get(ZERO, Position(0)).next_offset
            assert loaded.items == ({"state": b"%d" % turn} if turn else {})
            assert [chunk.seq for chunk in loaded.chunks] == ([turn] if turn else [])
            seen.add(turn)
        (tmp_path / "state.sqlite").write_bytes(base)
    assert len(seen) > 1


def test_a_second_daemon_is_refused(tmp_path: Path) -> None:
    """The directory is one process's; the second is told whose, and may have it when that one is gone."""
    with Store.open(tmp_path), pytest.raises(Locked, match=f"process {os.getpid()}") as refused:
        Store.open(tmp_path)
    assert refused.value.exit_code == 78
    Store.open(tmp_path).close()


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    """A crash needs no cleaning up by hand."""
    assert run(COMMITS, tmp_path, VIGIL_STOP_AT="2").returncode == -signal.SIGKILL
    Store.open(tmp_path).close()


def test_no_state_is_made_where_one_is_expected(tmp_path: Path) -> None:
    """Without `create` a missing state is said, not replaced by an empty one."""
    with pytest.raises(NotThere) as refused:
        Store.open(tmp_path / "nowhere", create=False)
    assert refused.value.exit_code == 78
    assert not (tmp_path / "nowhere").exists()


def test_a_newer_state_is_refused(tmp_path: Path) -> None:
    """A state of a newer version is left as it is."""
    committed(tmp_path, 1)
    with sqlite3.connect(tmp_path / "state.sqlite") as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(TooNew, match="newer") as refused:
        Store.open(tmp_path)
    assert refused.value.exit_code == 78


def test_an_older_state_is_migrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next version's tables are added to what is there, once, and its version is noted."""
    committed(tmp_path, 5)
    more = (*schema.MIGRATIONS, "CREATE TABLE later (name TEXT);")
    monkeypatch.setattr(schema, "MIGRATIONS", more)
    monkeypatch.setattr(schema, "VERSION", len(more))
    for _ in range(2):
        with Store.open(tmp_path) as opened:
            assert opened.load().items == {"state": b"5"}
            assert list(opened.rows("SELECT * FROM later")) == []
            assert list(opened.rows("PRAGMA user_version")) == [(len(more),)]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda _: b"not a database, but long enough to be one" * 200, id="something else"),
        pytest.param(lambda whole: whole[: len(whole) // 2], id="cut off"),
        pytest.param(lambda whole: whole[:PAGE] + bytes(PAGE) + whole[2 * PAGE :], id="a page of zeros"),
        pytest.param(lambda whole: whole[:16] + b"\xff" * 84 + whole[100:], id="a header of noise"),
    ],
)
def test_a_damaged_file_is_refused_and_kept(tmp_path: Path, damage: object) -> None:
    """What can't be read is never replaced by an empty state; one line says so, exit code 74."""
    assert callable(damage)
    committed(tmp_path, 1)
    path = tmp_path / "state.sqlite"
    spoilt = damage(path.read_bytes())
    path.write_bytes(spoilt)
    with pytest.raises(Damaged) as refused, Store.open(tmp_path) as opened:
        opened.load()
    assert refused.value.exit_code == 74
    assert "\n" not in str(refused.value)
    assert path.read_bytes() == spoilt


def test_a_log_without_its_file_is_refused(tmp_path: Path) -> None:
    """A state file that was removed from beside its log is missing, not new."""
    assert run(COMMITS, tmp_path, VIGIL_STOP_AT="3").returncode == -signal.SIGKILL
    (tmp_path / "state.sqlite").unlink()
    with pytest.raises(Damaged, match="missing"):
        Store.open(tmp_path)


def test_a_file_that_was_removed_is_missed(tmp_path: Path) -> None:
    """The lock knows that there were commits: one line says what is missing, and nothing is made in its place."""
    committed(tmp_path, 1)
    (tmp_path / "state.sqlite").unlink()
    for _ in range(2):
        with pytest.raises(Damaged, match=r"state\.sqlite: missing, though there was one \(commits: 1\)") as refused:
            Store.open(tmp_path)
        assert refused.value.exit_code == 74
        assert [each.name for each in tmp_path.iterdir()] == ["lock"]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE positions SET next_offset = next_offset + 1",
        "UPDATE items SET sizes = x'00'",
        "UPDATE pages SET content = x'00'",
        "UPDATE pages SET page = 7",
        "DELETE FROM pages",
        "UPDATE items SET name = 'another'",
        "UPDATE chunks SET content = x'00'",
        "UPDATE chunks SET meta = x'00'",
        "UPDATE chunks SET seq = 4",
        "UPDATE controls SET content = '{}'",
        "UPDATE outbox SET content = x'00'",
        "UPDATE outbox SET queue = 'readings'",
    ],
)
def test_a_changed_row_is_noticed(tmp_path: Path, change: str) -> None:
    """Every row is checked when it is read, so that a flipped bit is refused rather than believed."""
    assert run(COMMITS, tmp_path).returncode == 0
    with sqlite3.connect(tmp_path / "state.sqlite") as db:
        db.execute(change)
    with Store.open(tmp_path) as opened, pytest.raises(Damaged):
        read_everything(opened)


def test_a_full_disk_fails_the_commit(tmp_path: Path) -> None:
    """The commit raises with what to do, exit code 74, and the state stays as it was."""
    committed(tmp_path, 1)
    with Store.open(tmp_path) as opened:
        (pages,) = next(opened.rows("PRAGMA page_count"))
        list(opened.rows(f"PRAGMA max_page_count = {pages + 10}"))
        with pytest.raises(StateError, match="full") as failed, opened.commit() as commit:
            commit.put("state", bytes(10**6))
        assert failed.value.exit_code == 74
        assert opened.load().items == {"state": b"1"}


def test_a_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """The system's own words, with the path, and exit code 74."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match=r"file.*[Nn]ot a directory|[Ff]ile exists") as refused:
        Store.open(tmp_path / "file" / "state")
    assert refused.value.exit_code == 74


def test_a_file_in_the_place_of_its_directory_is_said(tmp_path: Path) -> None:
    """Exit code 78: what is configured can't be meant."""
    (tmp_path / "state").write_text("")
    with pytest.raises(NotThere, match="is a file, not a directory: name a directory") as refused:
        Store.open(tmp_path / "state")
    assert refused.value.exit_code == 78


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    """The state holds features and secrets of others: mode 0600 for every file, whatever the umask."""
    before = os.umask(0)
    try:
        with Store.open(tmp_path / "state") as opened:
            with opened.commit() as commit:
                commit.put("a", b"b")
            files = list((tmp_path / "state").iterdir())
            assert len(files) >= 3
            assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {0o600}
            assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    finally:
        os.umask(before)


def test_the_oldest_control_records_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control records are bounded."""
    monkeypatch.setattr(commits, "CONTROLS_KEPT", 3)
    with Store.open(tmp_path) as opened:
        with opened.commit() as commit:
            for number in range(10):
                commit.control({"number": number})
        assert [each["number"] for each in opened.controls()] == [7, 8, 9]


def test_a_state_keeps_its_name_and_shares_it_with_no_other(tmp_path: Path) -> None:
    """A restarted daemon is known to its consumer group by the name of its state."""
    names = []
    for folder in ("a", "a", "b"):
        with Store.open(tmp_path / folder) as opened:
            names.append(opened.instance)
    assert names[0] == names[1] != names[2]


def test_a_step_can_hold_the_process(tmp_path: Path) -> None:
    """`VIGIL_STOP_AT=2:1:STOP` leaves it stopped in the middle of a commit; continued, it finishes."""
    command = [sys.executable, "-c", COMMITS, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | {"VIGIL_STOP_AT": "2:1:STOP"}) as process:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        process.send_signal(signal.SIGCONT)
        assert process.wait(30) == 0
    with Store.open(tmp_path) as opened:
        assert opened.load().positions == {ZERO: Position(3)}


def test_insertions_that_follow_each_other_are_one_statement_and_nothing_changes_places() -> None:
    """Other statements, and insertions of other shapes between them, stay where they are; no row is lost."""
    insertion = "INSERT INTO pages (name, content) VALUES (?, ?)"
    statements: list[commits.Statement] = [(insertion, (f"a{n}", b"")) for n in range(commits.ROWS_TOGETHER + 3)]
    others: list[commits.Statement] = [
        ("DELETE FROM pages WHERE name = ?", ("a0",)),
        (insertion, ("b", b"")),
        ("INSERT INTO about VALUES ('commits', ?)", ("7",)),
        ("INSERT INTO about VALUES ('commits', ?)", ("8",)),
    ]
    merged = list(commits.together([*statements, *others]))
    assert [(statement, tuple(given)) for statement, given in merged[2:]] == others
    assert [len(given) for _, given in merged[:2]] == [2 * commits.ROWS_TOGETHER, 6]
    with sqlite3.connect(":memory:") as db:
        db.execute("CREATE TABLE pages (name, content)")
        for statement, given in merged[:2]:
            db.execute(statement, given)
        assert [name for (name,) in db.execute("SELECT name FROM pages")] == [given[0] for _, given in statements]
