"""What can be wrong with the state, each with the exit code that it ends the process with."""

from __future__ import annotations

from typing import ClassVar

IO_ERROR = 74
"""EX_IOERR: the disk is full, the directory can't be written, the file is damaged."""
REFUSED = 78
"""EX_CONFIG: the state is there but not for this process: of a newer version, or locked by another daemon."""


class StateError(Exception):
    """The state can't be read or written. One line that says what to do; always ends the process.

    StateError        74  any failure of disk or file
    ├── Damaged       74  what is stored is not what was written
    ├── NotThere      78  there is no state, and none may be made
    ├── TooNew        78  written by a newer Vigil
    └── Locked        78  another daemon is using it
    """

    exit_code: ClassVar[int] = IO_ERROR


class Damaged(StateError):
    """A checksum, or SQLite itself, says that the file is damaged."""


class NotThere(StateError):
    """There is no state where one was expected."""

    exit_code: ClassVar[int] = REFUSED


class TooNew(StateError):
    """The state was written by a newer version."""

    exit_code: ClassVar[int] = REFUSED


class Locked(StateError):
    """Another process has the state directory."""

    exit_code: ClassVar[int] = REFUSED
