"""The daemon as a process over a broker, and what it says of itself."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from tests.daemon.commands.vigild import parsed, start

PATIENCE_S = 150.0


class Daemon:
    """A running `vigild run` in a folder with its `vigil.yaml`."""

    def __init__(self, folder: Path, env: Mapping[str, str] | None = None) -> None:
        """`env` is added to the environment."""
        self._log = folder / "log"
        self._before = self._log.stat().st_size if self._log.exists() else 0
        """Bytes of the log that an earlier daemon wrote."""
        self.process = start("run", cwd=folder, log=self._log, env=env)

    def logged(self) -> list[dict[str, Any]]:
        """The lines of its log so far."""
        return parsed(self._log.read_bytes()[self._before :].rpartition(b"\n")[0].decode())

    def said(self, event: str) -> dict[str, Any]:
        """Wait for a line of the log by what it says; returns the latest."""
        found: list[dict[str, Any]] = self.until(lambda: [line for line in self.logged() if line["event"] == event])
        return found[-1]

    def until(self, found: Callable[[], Any]) -> Any:
        """Wait until this is true; fails if that takes too long, or if the process ends."""
        give_up = time.monotonic() + PATIENCE_S
        while not (answer := found()):
            assert self.process.poll() is None, self._log.read_text()
            assert time.monotonic() < give_up, f"never: {self._log.read_text()[-4_000:]}"
            time.sleep(0.1)
        return answer

    def ask(self, path: str) -> tuple[int, str]:
        """Status and body of an HTTP answer."""
        try:
            with urlopen(self.said("http")["url"] + path, timeout=60) as answer:  # noqa: S310 - the address is ours
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric over all that have these labels."""
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        lines = [line for line in self.ask("/metrics")[1].splitlines() if re.match(rf"{name}[ {{]", line)]
        return sum(float(line.rpartition(" ")[2]) for line in lines if all(each in line for each in wanted))

    def ended(self) -> tuple[int, str]:
        """Wait for its end: exit code, and the reason in its last line."""
        code = self.process.wait(timeout=PATIENCE_S)
        return code, str(self.logged()[-1]["reason"])

    def stop(self) -> None:
        """As an administrator would."""
        self.process.terminate()
        assert self.process.wait(timeout=PATIENCE_S) == 0, self._log.read_text()[-4_000:]


@contextmanager
def running(folder: Path, env: Mapping[str, str] | None = None) -> Iterator[Daemon]:
    """A daemon that is gone afterwards."""
    daemon = Daemon(folder, env)
    try:
        yield daemon
    finally:
        daemon.process.kill()
        daemon.process.wait()
