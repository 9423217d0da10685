"""The disk's edges, each against the running daemon: it ends with one clear line and the documented exit code, never
starts empty in silence, and once the cause is gone it goes on as if nothing had been.

Where the tests may mount, disks are real ones (tmpfs) of a few hundred kilobytes; elsewhere the limit on the size of
files (RLIMIT_FSIZE) and permissions stand in for them.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from daemon.state.inspect import inspect
from daemon.state.verify import verify
from tests.daemon.commands.vigild import Done, environment, events, parsed, start, vigild, write

LINES = 4_000
KILLED = "begun:2"
"""Where the daemon is killed that leaves a state: one commit is durable, the next one has begun."""
CONFIG = """\
files: {paths: [events.ndjson]}
sinks:
  alerts: [{file: {path: alerts.ndjson}}]
  readings: [{file: {path: readings.ndjson}}]
  dead_letters: [{file: {path: dead.ndjson}}]
state: {path: disk/state, commit_interval: {min: 1ms, max: 100ms}}
http: {port: null}
log: {format: json}
"""


def mounted(folder: Path, options: str) -> bool:
    """Mount a disk of its own there; False where that may not be."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return (
        shutil.which("mount") is not None and subprocess.run(command, capture_output=True, check=False).returncode == 0
    )


class Disk:
    """Where the state is, and how to make room on it."""

    def __init__(self, folder: Path, size: str) -> None:
        self.folder = folder
        self.is_real = mounted(folder, f"size={size}")
        self._most = None if self.is_real else int(size.removesuffix("k")) * 1024

    def run(self, cwd: Path) -> Done:
        """Run a daemon whose state is on the disk, to its end."""
        if self._most is None:
            return vigild("run", cwd=cwd)
        command = [sys.executable, "-m", "daemon", "run"]
        most = (self._most, resource.RLIM_INFINITY)
        return subprocess.run(
            command, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=280, check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, most),
        )  # fmt: skip

    def grow(self) -> None:
        """Make room."""
        if self.is_real:
            subprocess.run(["mount", "-o", "remount,size=64m", str(self.folder)], check=True)
        self._most = None

    def freeze(self) -> bool:
        """Let nothing be written any more; False where that can't be had (root goes past permissions)."""
        if self.is_real:
            subprocess.run(["mount", "-o", "remount,ro", str(self.folder)], check=True)
            return True
        for path in (*self.folder.rglob("*"), self.folder):
            path.chmod(0o500 if path.is_dir() else 0o400)
        return os.geteuid() != 0

    def thaw(self) -> None:
        """Let it be written again."""
        if self.is_real:
            subprocess.run(["mount", "-o", "remount,rw", str(self.folder)], check=True)
            return
        for path in (self.folder, *self.folder.rglob("*")):
            path.chmod(0o700 if path.is_dir() else 0o600)


def prepare(folder: Path) -> None:
    """A configuration and events."""
    (folder / "vigil.yaml").write_text(CONFIG)
    write(folder / "events.ndjson", islice(events(), LINES))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a daemon has all that it needs."""
    prepare(tmp_path)
    return tmp_path


@pytest.fixture
def disk_of(folder: Path) -> Iterator[Callable[[str], Disk]]:
    """Makes the disk of a given size on which the state is."""
    made: list[Disk] = []

    def make(size: str) -> Disk:
        made.append(Disk(folder / "disk", size))
        return made[-1]

    yield make
    for disk in made:
        if disk.is_real:
            subprocess.run(["umount", str(disk.folder)], check=True)
        else:
            disk.thaw()


def ended(done: Done) -> dict[str, Any]:
    """The one line that says why the daemon ended; nothing is a mistake of Vigil's."""
    errors = [line for line in parsed(done.stderr) if line["level"] in {"error", "critical"}]
    assert [line["event"] for line in errors] == ["ended"], done.stderr
    (line,) = errors
    assert line["exit_code"] == done.returncode
    assert "\n" not in line["reason"]
    return line


def said(folder: Path) -> dict[str, Any]:
    """All that left, alerts and readings by id; one sent twice is the same both times."""
    found: dict[str, Any] = {}
    for name in ("alerts.ndjson", "readings.ndjson"):
        for event in parsed((folder / name).read_text()) if (folder / name).exists() else []:
            if event["type"] != "vigil.heartbeat":
                assert found.setdefault(event["id"], event) == event
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What is said of the same events when nothing happens."""
    folder = tmp_path_factory.mktemp("undisturbed")
    prepare(folder)
    done = vigild("run", cwd=folder)
    assert done.returncode == 0, done.stderr
    return said(folder)


def goes_on(folder: Path, undisturbed: dict[str, Any]) -> None:
    """A daemon that is started now comes to the same end as one that was never disturbed."""
    done = vigild("run", cwd=folder)
    assert done.returncode == 0, done.stderr
    found = said(folder)
    assert {key: event for key, event in found.items() if key not in undisturbed} == {}
    assert set(undisturbed) - set(found) == set()
    assert inspect(folder / "disk" / "state")["watched"]["accounts"]["received"] == LINES
    assert verify(folder / "disk" / "state") == []


@pytest.mark.parametrize("size", ["400k", "700k"])
def test_a_full_disk_ends_the_daemon_and_costs_nothing(
    folder: Path, disk_of: Callable[[str], Disk], undisturbed: dict[str, Any], size: str
) -> None:
    """Exit 74 with what to do; as often as it is started without room; with room it goes on without loss."""
    disk = disk_of(size)
    for _ in range(2):
        done = disk.run(folder)
        assert done.returncode == 74
        assert ("disk is full: free some space" in ended(done)["reason"]) or not disk.is_real
    disk.grow()
    goes_on(folder, undisturbed)


def test_a_disk_on_which_no_state_can_be_made(folder: Path, disk_of: Callable[[str], Disk]) -> None:
    """Exit 74, and nothing that could be taken for a state is left behind."""
    disk = disk_of("16k")
    done = disk.run(folder)
    assert done.returncode == 74
    assert "disk/state" in ended(done)["reason"]
    assert not (folder / "disk" / "state" / "state.sqlite").exists()
    disk.grow()
    assert vigild("run", cwd=folder).returncode == 0


def test_a_limit_on_the_size_of_files_is_a_full_disk(folder: Path, undisturbed: dict[str, Any]) -> None:
    """Exit 74; the line says what to look at; without the limit it goes on without loss."""
    (folder / "disk").mkdir()
    disk = Disk.__new__(Disk)
    disk.folder, disk.is_real, disk._most = folder / "disk", False, 300 * 1024
    done = disk.run(folder)
    assert done.returncode == 74
    assert "limit on the size of files" in ended(done)["reason"]
    goes_on(folder, undisturbed)


def test_a_directory_that_can_not_be_written(
    folder: Path, killed: Path, disk_of: Callable[[str], Disk], undisturbed: dict[str, Any]
) -> None:
    """Exit 74 and the remedy, with a state and without one; looking at it still works."""
    disk = disk_of("32m")
    left_behind(killed, folder)
    if not disk.freeze():
        pytest.skip("nothing is read-only to root, and it may not mount here")
    done = vigild("run", cwd=folder)
    assert done.returncode == 74
    reason = ended(done)["reason"]
    assert "disk/state" in reason
    disk.thaw()
    goes_on(folder, undisturbed)
    disk.freeze()
    looked = vigild("state", "verify", cwd=folder)
    assert (looked.returncode, looked.stdout) == (0, "disk/state: ok\n"), looked.stderr
    disk.thaw()
    shutil.rmtree(folder / "disk" / "state")
    disk.freeze()
    assert "disk/state" in ended(vigild("run", cwd=folder))["reason"]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a daemon was killed: one commit is durable, the next one has begun."""
    folder = tmp_path_factory.mktemp("killed")
    prepare(folder)
    (folder / "disk").mkdir()
    done = vigild("run", cwd=folder, env={"VIGIL_STOP_AT": KILLED})
    assert done.returncode == -signal.SIGKILL, done.stderr
    return folder


def left_behind(killed: Path, folder: Path) -> Path:
    """Let it have happened in this folder; returns the directory of the state."""
    shutil.copytree(killed, folder, dirs_exist_ok=True)
    return folder / "disk" / "state"


def folded(directory: Path) -> None:
    """Fold the write-ahead log into the file, as a clean end does."""
    with sqlite3.connect(directory / "state.sqlite") as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def header(whole: bytes) -> bytes:
    """Noise in the file's header."""
    return whole[:16] + b"\xff" * 84 + whole[100:]


def page(whole: bytes) -> bytes:
    """A page in the middle is zeros."""
    middle = len(whole) // 4096 // 2 * 4096
    return whole[:middle] + bytes(4096) + whole[middle + 4096 :]


def blob(whole: bytes) -> bytes:
    """One bit of a blob is another, which SQLite can't see."""
    at = whole.index(b'{"d":[["state"') + 4
    return whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]


def cut(whole: bytes) -> bytes:
    """The end is missing."""
    return whole[: len(whole) * 2 // 3]


def nothing(_: bytes) -> bytes:
    """An empty file."""
    return b""


@pytest.mark.parametrize("damage", [header, page, blob, cut, nothing])
def test_a_damaged_state_is_refused_and_kept(
    folder: Path, killed: Path, undisturbed: dict[str, Any], damage: Callable[[bytes], bytes]
) -> None:
    """Exit 74 with one line that names the file; nothing in it is changed, and a copy that is restored goes on."""
    directory = left_behind(killed, folder)
    folded(directory)
    path = directory / "state.sqlite"
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    done = vigild("run", cwd=folder)
    assert done.returncode == 74
    reason = ended(done)["reason"]
    assert "damaged" in reason or (damage is nothing and "not a state" in reason)
    assert "restore" in reason
    assert path.read_bytes() == damage(whole)
    checked = vigild("state", "verify", cwd=folder)
    assert checked.returncode == 74
    assert "restore" in checked.stderr
    path.write_bytes(whole)
    goes_on(folder, undisturbed)


@pytest.mark.parametrize("kept", [0.0, 0.5, None])
def test_a_lost_or_cut_log_is_noticed(
    folder: Path, killed: Path, undisturbed: dict[str, Any], kept: float | None
) -> None:
    """Exit 74: commits are missing that there were. Who accepts it deletes the lock, and nothing is lost in the end."""
    directory = left_behind(killed, folder)
    log = directory / "state.sqlite-wal"
    if kept is None:
        log.unlink()
    else:
        log.write_bytes(log.read_bytes()[: int(log.stat().st_size * kept)])
    checked = vigild("state", "verify", cwd=folder)
    assert (checked.returncode, "of 1 commits only 0" in checked.stderr) == (74, True)
    done = vigild("run", cwd=folder)
    assert done.returncode == 74
    assert "of 1 commits only 0" in ended(done)["reason"]
    (directory / "lock").unlink()
    goes_on(folder, undisturbed)


def test_a_file_that_was_removed_from_beside_its_log_is_missed(folder: Path, killed: Path) -> None:
    """Exit 74: the state was removed, it was not never made."""
    (left_behind(killed, folder) / "state.sqlite").unlink()
    done = vigild("run", cwd=folder)
    assert (done.returncode, "missing" in ended(done)["reason"]) == (74, True)


def test_a_state_of_a_newer_version_is_refused(folder: Path, killed: Path, undisturbed: dict[str, Any]) -> None:
    """Exit 78, and it is left as it is for the release that wrote it."""
    directory = left_behind(killed, folder)
    with sqlite3.connect(directory / "state.sqlite") as db:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        db.execute("PRAGMA user_version = 99")
    done = vigild("run", cwd=folder)
    assert (done.returncode, "newer Vigil" in ended(done)["reason"]) == (78, True)
    assert vigild("state", "inspect", cwd=folder).returncode == 78
    with sqlite3.connect(directory / "state.sqlite") as db:
        db.execute(f"PRAGMA user_version = {version}")
    goes_on(folder, undisturbed)


def test_the_second_of_two_daemons_is_refused(folder: Path) -> None:
    """Exit 78 with the id of the first, which goes on; the directory is free as soon as that one is gone."""
    (folder / "disk").mkdir()
    (folder / "vigil.yaml").write_text(CONFIG.replace("[events.ndjson]", "[events.ndjson], follow: true"))
    first = start("run", cwd=folder, log=folder / "log")
    try:
        while not (folder / "disk" / "state" / "state.sqlite").exists():
            assert first.poll() is None
            time.sleep(0.1)
        done = vigild("run", cwd=folder)
        assert done.returncode == 78
        assert f"in use by process {first.pid}" in ended(done)["reason"]
        assert first.poll() is None
        looked = vigild("state", "inspect", "--json", cwd=folder)
        assert looked.returncode == 0, looked.stderr
        assert json.loads(looked.stdout)["path"] == "disk/state/state.sqlite"
        first.kill()
        first.wait()
        (folder / "vigil.yaml").write_text(CONFIG)
        assert vigild("run", cwd=folder).returncode == 0
    finally:
        first.kill()
        first.wait()
