"""The progress bar."""

import io
from collections.abc import Iterator
from itertools import count

from daemon.commands.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def turns(progress: Progress, number: int) -> None:
    """Let a loop turn so many times."""
    with progress:
        ask = progress.with_each(lambda: False)
        for _ in range(number):
            assert ask() is False


def test_it_shows_the_share_that_was_read_and_leaves_nothing_behind() -> None:
    """Each drawing overwrites the one before, and the last act is to clear the line."""
    out, clock = Terminal(), count()
    read: Iterator[int] = iter([0, 25, 50])
    turns(Progress(out, lambda: float(next(clock)), lambda: (next(read), 50)), 3)
    assert [share for share in ("  0%", " 50%", "100%") if share in out.getvalue()] == ["  0%", " 50%", "100%"]
    assert out.getvalue().endswith("\r\x1b[K")


def test_it_is_drawn_now_and_then_only() -> None:
    """A loop that turns a thousand times in a moment doesn't draw a thousand times."""
    out = Terminal()
    turns(Progress(out, lambda: 1.0, lambda: (1, 2)), 1_000)
    assert out.getvalue().count("%") == 1


def test_it_is_silent_where_there_is_no_terminal() -> None:
    """Logs are kept; bars are not."""
    out, clock = io.StringIO(), count()
    turns(Progress(out, lambda: float(next(clock)), lambda: (1, 2)), 3)
    assert out.getvalue() == ""
