"""The worker process as the daemon holds it: started when first asked, asked one request at a time, ended by its id."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import daemon
from daemon.explain import wire

_KEPT = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "NUMBA_CACHE_DIR", "PATH", "SYSTEMROOT", "TMPDIR", "VIRTUAL_ENV")
"""What the worker sees of the environment: secrets are passed in variables, and model files are others' code."""

_ONE_THREAD = {
    f"{library}_NUM_THREADS": "1" for library in ("MKL", "NUMBA", "NUMEXPR", "OMP", "OPENBLAS", "VECLIB_MAXIMUM")
}
"""One thread makes the CPU budget mean what it says and sums come out the same everywhere."""


START_S = 120.0
"""How long a worker may take to import what it needs; no part of any request's time."""


class WorkerDied(Exception):
    """The process ended without an answer, or did not start."""


class WorkerProcess:
    """A worker that can be asked, again after it died; the caller decides how soon."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._number = 0
        self._lock = threading.Lock()
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Process id of the worker, None while there is none."""
        return self._process.pid if self._process is not None else None

    def ask(self, request: dict[str, Any], timeout_s: float | None) -> dict[str, Any]:
        """The worker's answer; starts one if there is none.

        Raises `WorkerDied`, or `TimeoutError` if there is none within `timeout_s` (None: waits for ever). After both
        the worker is ended.
        """
        connection = self._connection or self._started()
        self._number += 1
        connection.settimeout(timeout_s)
        try:
            wire.send(connection, {**request, "number": self._number, "timeout_s": timeout_s})
            answer = wire.receive(connection)
        except TimeoutError:
            self.end()
            raise
        except (EOFError, OSError) as error:
            self.end()
            raise WorkerDied from error
        if answer.pop("number") != self._number:
            self.end()
            raise WorkerDied("it answered another question")
        return answer

    def kill(self) -> None:
        """Kill the worker and start none again; whoever waits for its answer will see it. For use by another thread."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.kill()

    def end(self) -> None:
        """Kill the worker and wait until it is gone."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _started(self) -> socket.socket:
        """The connection to a worker that is ready."""
        self._connection = connection = self._start()
        connection.settimeout(START_S)
        try:
            wire.receive(connection)
        except (EOFError, OSError) as error:  # TimeoutError is an OSError
            self.end()
            raise WorkerDied("it did not start") from error
        return connection

    def _start(self) -> socket.socket:
        """A fresh interpreter of the same code. Not a fork: the daemon has threads and open files of its own."""
        mine, its = socket.socketpair()
        with its, self._lock:
            if self._closed:
                mine.close()
                raise WorkerDied("closed")
            command = [sys.executable, "-P", "-m", "daemon.explain.worker", str(its.fileno())]
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                command,
                pass_fds=[its.fileno()],
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # the daemon's own stderr is a log of one structure
            )
        return mine


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    home = str(Path(next(iter(daemon.__path__))).parent)
    return {**kept, **_ONE_THREAD, "PYTHONPATH": home, "PYTHONWARNINGS": "ignore", "PYTHONHASHSEED": "0"}
