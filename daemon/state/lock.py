"""One daemon per state directory, by a lock that the kernel takes back when its process dies.

The locked file also says how many commits there were. It is never flushed, so it may know of fewer than there were, but
never of more: a state that has fewer commits lost some of them, with its write-ahead log.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from daemon.state.errors import Damaged, Locked

LOCK_NAME = "lock"


class Lock:
    """An exclusive lock on a directory, held until released or until the process ends, however it ends."""

    def __init__(self, descriptor: int, commits: int) -> None:
        self._descriptor: int | None = descriptor
        self.commits = commits
        """Commits that were noted."""

    @classmethod
    def take(cls, directory: Path) -> Lock:
        """Take it, or raise `Locked` with the id of the process that has it."""
        descriptor = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _lines(descriptor)[0] or "unknown"
            os.close(descriptor)
            raise Locked(f"{directory}: in use by process {holder}; give each daemon its own state.path") from None
        except BaseException:
            os.close(descriptor)
            raise
        lock = cls(descriptor, _count(_lines(descriptor)[1]))
        lock.note(lock.commits)
        return lock

    def note(self, commits: int) -> None:
        """Note that there were so many commits."""
        if self._descriptor is not None:
            os.pwrite(self._descriptor, b"%-10d\n%-20d\n" % (os.getpid(), commits), 0)
            self.commits = commits

    def release(self) -> None:
        """Let others have it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def noted_commits(directory: Path) -> int:
    """Commits that were noted there, as anybody may read it beside the holder; 0 where nothing was noted."""
    try:
        descriptor = os.open(directory / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        return _count(_lines(descriptor)[1])
    finally:
        os.close(descriptor)


def check_complete(path: Path, commits: int, noted: int) -> None:
    """Raise `Damaged` if a state file has fewer commits than were noted beside it."""
    if commits < noted:
        raise Damaged(
            f"{path}: of {noted} commits only {commits} are there: its write-ahead log was lost, or it is an older "
            f"copy: restore the newest, or delete {path.with_name(LOCK_NAME)} to go on from here"
        )


def _count(said: str) -> int:
    return int(said) if said.isdigit() else 0


def _lines(descriptor: int) -> tuple[str, str]:
    """The holder's id and the number of commits, as far as they are there."""
    said = os.pread(descriptor, 64, 0).decode("ascii", "replace").split("\n")
    holder, commits, *_ = [*(line.strip() for line in said), "", ""]
    return holder, commits
