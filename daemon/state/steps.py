"""The numbered steps of a checkpoint, and stopping at one on purpose.

`VIGIL_STOP_AT=<step>[:<time>[:<signal>]]` in the environment ends the process at a step, by its number or name: at
the first time, or at the `<time>`th, with SIGKILL or with the `<signal>` named (`STOP` holds it). It exists for
tests: `VIGIL_STOP_AT=3:5` is "killed right after the fifth commit became durable".
"""

from __future__ import annotations

import os
import signal
from enum import IntEnum


class Step(IntEnum):
    """What has just been done when a step is reached."""

    BEGUN = 1
    """A transaction is open; nothing is written."""
    WRITTEN = 2
    """Everything is written into the transaction, which is not committed."""
    COMMITTED = 3
    """The transaction is durable; nothing has been sent."""
    SENT = 4
    """A sink acknowledged messages; they are not yet marked as sent."""
    MARKED = 5
    """They are marked as sent."""
    TOLD = 6
    """The source was told the positions, for lag tools."""


_times: dict[Step, int] = {}


def reached(step: Step) -> None:
    """Say that a step is reached; ends the process here if the environment asks for it."""
    asked = os.environ.get("VIGIL_STOP_AT")
    if asked is None:
        return
    name, time, how = [*asked.split(":"), "", ""][:3]
    if name.upper() not in {step.name, str(step.value)}:
        return
    _times[step] = _times.get(step, 0) + 1
    if _times[step] == int(time or 1):
        os.kill(os.getpid(), signal.Signals[f"SIG{how.upper() or 'KILL'}"])
