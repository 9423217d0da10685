"""Lines that a library's log repeats, once in a while each.

A client library tells each of its tries. kafka-python says five lines at each, several times a second while a broker is
away: nothing that the first of them did not say, and much in which what matters is lost.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from threading import Lock

AGAIN_S = 30.0
"""How often the same line is said."""
MOST = 1_000
"""Different lines that are known at a time."""
_VARYING = re.compile(r"0x[0-9a-f]+|\d+")
"""What makes no difference: ports, durations, numbers of tries and partitions."""


def same_line(said: str) -> str:
    """A line without what makes no difference: of two that say the same it is the same."""
    return _VARYING.sub("#", said)


class RateLimited(logging.Filter):
    """Lets a line through that is new, or was last said a while ago; then with how many there were meanwhile.

    Only lines of the logger `name` and those below it; without a name, all.
    """

    def __init__(self, name: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(name)
        self._clock = clock
        self._lock = Lock()  # the library's threads
        self._said: dict[tuple[str, str], tuple[float, int]] = {}
        """By logger and line: when it was said, and how often it was kept back since."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is said now."""
        if not super().filter(record):
            return True
        said = record.getMessage()
        line = record.name, same_line(said)
        with self._lock:
            now = self._clock()
            at, kept_back = self._said.get(line, (-AGAIN_S, 0))
            if now - at < AGAIN_S:
                self._said[line] = at, kept_back + 1
                return False
            self._forget_old(now)
            self._said.pop(line, None)
            self._said[line] = now, 0
        if kept_back:
            record.msg, record.args = f"{said} (and {kept_back} more like it)", ()
        return True

    def _forget_old(self, now: float) -> None:
        """Lines are in the order in which they were last said."""
        for line, (at, _) in list(self._said.items()):
            if len(self._said) < MOST and now - at < 2 * AGAIN_S:
                return
            del self._said[line]
