"""Exit codes: those of BSD's sysexits.h, so that whoever starts Vigil knows whether starting it again can help.

An exception that ends the process carries its own code as `exit_code`; its text is the one line that is shown.
"""

from __future__ import annotations

import errno

OK = 0
UNHEALTHY = 1
USAGE = 64
DATA = 65
NO_INPUT = 66
UNAVAILABLE = 69
SOFTWARE = 70
IO_ERROR = 74
CONFIG = 78

MEANINGS = {
    OK: "done, or stopped as asked",
    UNHEALTHY: "`health`: not healthy, or nobody answers",
    USAGE: "the command line is wrong, or asks for what does not exist yet",
    DATA: "`dlq`: some dead letters can't be read, or not be sent as they are; `dump`: part of what was read is gone",
    NO_INPUT: "an input file is missing or can't be read",
    UNAVAILABLE: "something that is needed can't be reached or is not installed",
    SOFTWARE: "a mistake in Vigil; the traceback says where",
    IO_ERROR: "the disk is full, a file can't be written, or the state is damaged",
    CONFIG: "the configuration can't be used, or the state is not for this process",
}
"""What each code means. A signal that ends the process at once gives 128 and its number."""


class Ended(Exception):
    """A command can't do what it was asked to: what to say, and what to exit with."""

    def __init__(self, exit_code: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def code_of(error: BaseException) -> int | None:
    """The code with which an exception ends the process; None for one that is a mistake of ours."""
    code = getattr(error, "exit_code", None)
    if isinstance(code, int):
        return code
    return IO_ERROR if isinstance(error, OSError) else None


def message_of(error: BaseException) -> str:
    """What to show of an exception: for one of the system's, the file and what is the matter with it."""
    if isinstance(error, OSError) and error.strerror:
        name = f"{error.filename}: " if error.filename else ""
        remedy = ": free some space and start again" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        return f"{name}{error.strerror}{remedy}"
    return str(error)
