"""One daemon per state directory, by a lock that the kernel takes back when its process dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from daemon.state.errors import Locked

LOCK_NAME = "lock"


class Lock:
    """An exclusive lock on a directory, held until released or until the process ends, however it ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    @classmethod
    def take(cls, directory: Path) -> Lock:
        """Take it, or raise `Locked` with the id of the process that has it."""
        descriptor = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise Locked(f"{directory}: in use by process {holder}; give each daemon its own state.path") from None
        except BaseException:
            os.close(descriptor)
            raise
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return cls(descriptor)

    def release(self) -> None:
        """Let others have it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
