"""Signals as the daemon takes them: the first asks it to stop, the second ends it, SIGHUP asks to reload.

They are taken in by a thread of their own, so that the second one ends the process even where the main thread is deep
in compiled code, and so that a look at the configuration doesn't hold up the stream. The interpreter writes the number
of each signal into a socket at once, whatever its threads are doing.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Self

STOP = (signal.SIGTERM, signal.SIGINT)

ONE_REQUEST_S = 0.5
"""Signals so close together are one request: `timeout` and terminals send one to the process and to its group."""


class Signals:
    """Takes charge of SIGTERM, SIGINT and SIGHUP inside its `with` block. Made and left on the main thread."""

    def __init__(self) -> None:
        self.on_hangup: Callable[[], None] = lambda: None
        """What SIGHUP does, on the thread of signals."""
        self.reason: str | None = None
        """Name of the signal that asked to stop."""
        self._asked_at = 0.0
        self._before: dict[signal.Signals, Any] = {}

    def stopping(self) -> bool:
        """Whether somebody asked to stop."""
        return self.reason is not None

    def __enter__(self) -> Self:
        self._read, self._write = socket.socketpair()
        self._write.setblocking(False)
        self._former = signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, _nothing) for number in (*STOP, signal.SIGHUP)}
        self._thread = threading.Thread(target=self._take, name="signals", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._former)
        self._write.close()
        self._thread.join(timeout=1.0)
        self._read.close()

    def _take(self) -> None:
        while numbers := self._read.recv(64):
            for number in numbers:
                if number == signal.SIGHUP:
                    self._hang_up()
                elif number in STOP:
                    self._stop(signal.Signals(number))

    def _stop(self, number: signal.Signals) -> None:
        if self.reason is None:
            self.reason, self._asked_at = number.name, time.monotonic()
        elif time.monotonic() - self._asked_at > ONE_REQUEST_S:
            print(f"vigild: {number.name} again, ending at once", file=sys.stderr, flush=True)
            os._exit(128 + number)

    def _hang_up(self) -> None:
        threading.Thread(target=self.on_hangup, name="hangup", daemon=True).start()


def _nothing(number: int, frame: object) -> None:
    """A handler of Python's must be there for the signal's number to be written."""
