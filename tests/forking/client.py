"""What a test holds of a forked process, and how it asks for one."""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
FIXED = ("PYTHON", "NUMBA", "LD_", "OMP_")
"""Variables that an interpreter or a library has read by the time of the fork."""


class Forked:
    """A process that the nursery forked: as much of `subprocess.Popen` as tests use. Killed if its owner is gone."""

    def __init__(self, command: Sequence[str], answers: socket.socket) -> None:
        self._command = list(command)
        self._answers = answers
        """First the process id, then, when it has ended, the exit code; each on a line."""
        self._read = b""
        self.returncode: int | None = None
        """Exit code, or a signal's number, negative; None while it is not known to have ended."""
        self.pid = int(self._line(None) or -1)
        if self.pid < 0:
            raise ChildProcessError("the nursery has ended")

    def poll(self) -> int | None:
        """The exit code if it has ended."""
        return self._ended(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, when it has ended. Raises `subprocess.TimeoutExpired` after so many seconds."""
        if (code := self._ended(timeout)) is None:
            raise subprocess.TimeoutExpired(self._command, timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it is known to have ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _ended(self, seconds: float | None) -> int | None:
        if self.returncode is None and (line := self._line(seconds)) is not None:
            self.returncode = int(line) if line else -signal.SIGKILL
            self._answers.close()
        return self.returncode

    def _line(self, seconds: float | None) -> bytes | None:
        """The next line, empty if there will be none; None if there is none after so many seconds (None: wait)."""
        give_up = None if seconds is None else time.monotonic() + seconds
        while b"\n" not in self._read:
            left = None if give_up is None else max(0.0, give_up - time.monotonic())
            if not select.select([self._answers], [], [], left)[0]:
                return None
            if not (more := self._answers.recv(64)):
                return b""
            self._read += more
        line, _, self._read = self._read.partition(b"\n")
        return line


Process = Forked | subprocess.Popen[bytes]


class Nursery:
    """The process that forks."""

    def __init__(self) -> None:
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-m", "tests.forking", str(theirs.fileno())]
            self._process = subprocess.Popen(command, cwd=ROOT, pass_fds=[theirs.fileno()])
        atexit.register(self.close)

    def fork(self, command: Sequence[str], cwd: Path, environment: Mapping[str, str], out: int, errors: int) -> Forked:
        """See `fork`."""
        request = json.dumps({"command": list(command), "cwd": str(cwd), "environment": dict(environment)})
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._requests, [request.encode()], [out, errors, theirs.fileno()])
        return Forked(command, ours)

    def close(self) -> None:
        """End it, and what it has forked."""
        self._requests.close()
        self._process.wait()


def fork(command: Sequence[str], cwd: Path, environment: Mapping[str, str], out: int, errors: int) -> Process:
    """Run `python -m <command>`: forked, or as a fresh interpreter where only that would mind the environment.

    Its output goes to two descriptors, which stay the caller's to close.
    """
    if _fixed(environment) == _fixed(os.environ):
        return _nursery().fork(command, cwd, environment, out, errors)
    whole = [sys.executable, "-m", *command]
    return subprocess.Popen(whole, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=errors)


def _fixed(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in environment.items() if name.startswith(FIXED)}


@cache
def _nursery() -> Nursery:
    return Nursery()
