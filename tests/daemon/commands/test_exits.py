"""What an exception ends the process with, and what is shown of it."""

import errno
from pathlib import Path

import pytest

from daemon import exits
from daemon.sources.base import SourceError
from daemon.state import Damaged, Locked


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (exits.Ended(exits.NO_INPUT, "x"), 66),
        (Damaged("x"), 74),
        (Locked("x"), 78),
        (SourceError("x"), 78),
        (PermissionError(errno.EACCES, "Permission denied", "x"), 74),
        (KeyError("x"), None),
    ],
)
def test_each_exception_that_is_foreseen_has_its_code(error: Exception, code: int | None) -> None:
    """What isn't foreseen has none, and is shown with its traceback."""
    assert exits.code_of(error) == code


def test_every_code_has_a_meaning() -> None:
    """The help and docs/operations.md list what each code means."""
    codes = {value for value in vars(exits).values() if isinstance(value, int)}
    assert codes == exits.MEANINGS.keys()
    table = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()
    for code, meaning in exits.MEANINGS.items():
        assert f"| {code} | {meaning} |" in table


def test_an_error_of_the_system_is_one_line_with_its_file() -> None:
    """A full disk says what to do."""
    assert exits.message_of(FileNotFoundError(errno.ENOENT, "No such file or directory", "a.ndjson")) == (
        "a.ndjson: No such file or directory"
    )
    full = OSError(errno.ENOSPC, "No space left on device", "state.sqlite")
    assert exits.message_of(full) == "state.sqlite: No space left on device: free some space and start again"
