"""The numbered steps of a checkpoint, and stopping at one on purpose.

`VIGIL_STOP_AT=<step>[:<time>[:<signal>]]` in the environment ends the process at a step, by its number or name: at
the first time, or at the `<time>`th, with SIGKILL or with the `<signal>` named (`STOP` holds it). It exists for
tests: `VIGIL_STOP_AT=3:5` is "killed right after the fifth commit became durable".
"""

from __future__ import annotations

import os
import re
import signal
from enum import IntEnum
from typing import ClassVar, NamedTuple


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


class StopAt(NamedTuple):
    """Where the process is to end, at which time, and by which signal."""

    step: Step
    time: int
    signal: signal.Signals


class NoSuchStop(Exception):
    """What `VIGIL_STOP_AT` says is none of what it may say."""

    exit_code: ClassVar[int] = 64


_times: dict[Step, int] = {}


def asked() -> StopAt | None:
    """What the environment asks for; None if it asks for nothing. Raises `NoSuchStop`."""
    text = os.environ.get("VIGIL_STOP_AT", "")
    if not text:
        return None
    name, time, how, *more = [*text.split(":"), "", ""]
    steps = {known: step for step in Step for known in (step.name, str(step.value))}
    number = signal.Signals.__members__.get(f"SIG{how.upper() or 'KILL'}")
    if any(more) or name.upper() not in steps or not re.fullmatch("([1-9][0-9]*)?", time, re.ASCII) or number is None:
        listed = ", ".join(f"{step.value} {step.name.lower()}" for step in Step)
        raise NoSuchStop(
            f"VIGIL_STOP_AT: {text!r} is not <step>[:<time>[:<signal>]]. Steps: {listed}; times from 1 on; "
            "signals without SIG, such as STOP"
        )
    return StopAt(steps[name.upper()], int(time or 1), number)


def reached(step: Step) -> None:
    """Say that a step is reached; ends the process here if the environment asks for it."""
    stop = asked()
    if stop is None or stop.step is not step:
        return
    _times[step] = _times.get(step, 0) + 1
    if _times[step] == stop.time:
        os.kill(os.getpid(), stop.signal)
