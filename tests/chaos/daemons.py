"""The daemon as an operating system has it: a process that is started, signalled, and found dead."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from daemon.state.errors import StateError
from daemon.state.inspect import opened
from tests.forking import Process, fork

ROOT = Path(__file__).parents[2]
WORKER = "daemon.explain.worker"


Launch = Callable[[Sequence[str], Mapping[str, str], int], Process]
"""Starts `vigild` with these arguments and environment; what it logs goes to a descriptor."""


def fresh(arguments: Sequence[str], environment: Mapping[str, str], log: int) -> Process:
    """As a service manager starts it."""
    command = [sys.executable, "-m", "daemon", *arguments]
    if setpriv := shutil.which("setpriv"):
        command = [setpriv, "--pdeathsig", "KILL", *command]
    nothing = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdin=nothing, stdout=nothing, stderr=log)


def forked(*command: str) -> Launch:
    """In a moment: for tests. `command` is what is run, such as a daemon with a mutation."""

    def launch(arguments: Sequence[str], environment: Mapping[str, str], log: int) -> Process:
        with Path(os.devnull).open("wb") as nowhere:
            return fork([*(command or ("daemon",)), *arguments], ROOT, environment, nowhere.fileno(), log)

    return launch


class Daemon:
    """One `vigild run` after the other on the same configuration. It never outlives this process."""

    def __init__(self, config: Path, state: Path, log: Path, launch: Launch = fresh) -> None:
        self._config, self._state, self._launch = config, state, launch
        self._log = log.open("ab")
        self._process: Process | None = None
        self._reader: threading.Thread | None = None
        self.last_lines: deque[str] = deque(maxlen=8)
        """What it said last."""
        self.starts = 0
        self.stop_at = ""
        """VIGIL_STOP_AT of the one that runs."""

    def start(self, stop_at: str = "") -> None:
        """Start it; `stop_at` is its VIGIL_STOP_AT."""
        self.stop_at = stop_at
        self.last_lines.clear()
        environment = {**os.environ, "VIGIL_STOP_AT": stop_at}
        self._had_read = self._read_so_far()
        lines, log = os.pipe()
        try:
            self._process = self._launch(["run", "-c", str(self._config)], environment, log)
        finally:
            os.close(log)
        self._reader = threading.Thread(target=self._read, args=(lines,), daemon=True)
        self._reader.start()
        self.starts += 1

    @property
    def pid(self) -> int | None:
        """Its process id while it is alive."""
        alive = self._process is not None and self._process.poll() is None
        return self._process.pid if self._process is not None and alive else None

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal; says whether it was still alive."""
        if self._process is None or self._process.poll() is not None:
            return False
        self._process.send_signal(number)
        return True

    def wait(self, seconds: float) -> int | None:
        """Its exit code (a signal's number, negative, if that ended it), or None if it is still alive after so long."""
        if self._process is None:
            return None
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        if self._reader is not None:
            self._reader.join(5.0)
        return code

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        self.wait(30.0)

    def wait_until_it_speaks(self, seconds: float) -> None:
        """Wait for the first line of its log: from then on it minds signals."""
        give_up = time.monotonic() + seconds
        while self.pid is not None and not self.last_lines and time.monotonic() < give_up:
            time.sleep(0.03)

    def wait_until_it_commits(self, seconds: float) -> bool:
        """Wait until it has read something and committed that since it started, or ended; says whether it did."""
        give_up = time.monotonic() + seconds
        while self.pid is not None and time.monotonic() < give_up:
            if self._read_so_far() != self._had_read:
                return True
            time.sleep(0.03)
        return False

    def worker(self, seconds: float) -> psutil.Process | None:
        """The explainer's process, as soon as there is one."""
        give_up = time.monotonic() + seconds
        while (pid := self.pid) is not None and time.monotonic() < give_up:
            try:
                for child in psutil.Process(pid).children():
                    if WORKER in child.cmdline():
                        return child
            except psutil.Error:
                continue
            time.sleep(0.1)
        return None

    def limit_files(self, most_bytes: int | None) -> None:
        """No file of its may grow beyond this (None: no limit): what a full disk is to it."""
        if (pid := self.pid) is not None:
            limit = resource.RLIM_INFINITY if most_bytes is None else most_bytes
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    def close(self) -> None:
        """End it for good."""
        self.kill()
        self._log.close()

    def _read_so_far(self) -> int:
        """Records below all committed positions."""
        try:
            with opened(self._state) as (db, _, _):
                return int(db.execute("SELECT coalesce(sum(next_offset), 0) FROM positions").fetchone()[0])
        except StateError:
            return 0

    def _read(self, descriptor: int) -> None:
        with open(descriptor, "rb") as lines:
            for line in lines:
                self._log.write(line)
                self._log.flush()
                self.last_lines.append(line.decode(errors="replace").rstrip())
