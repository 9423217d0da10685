"""A progress bar, on a terminal only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self, TextIO

_WIDTH = 30
_EVERY_S = 0.2
_CLEAR = "\r\x1b[K"


class Progress:
    """Shows what share of the bytes was read; silent where `out` is no terminal. `done` answers (read, total)."""

    def __init__(self, out: TextIO, clock: Callable[[], float], done: Callable[[], tuple[int, int]]) -> None:
        self._out, self._clock, self._done = out, clock, done
        self._shown = out.isatty()
        self._next = self._began = clock()

    def with_each(self, question: Callable[[], bool]) -> Callable[[], bool]:
        """The question that the loop asks at each turn, so that its asking moves the bar."""

        def asked() -> bool:
            if self._shown and self._clock() >= self._next:
                self._next = self._clock() + _EVERY_S
                self._draw()
            return question()

        return asked

    def _draw(self) -> None:
        read, total = self._done()
        share = min(read / total, 1.0) if total else 0.0
        full = round(share * _WIDTH)
        rate = read / max(self._clock() - self._began, 1e-3) / 1e6
        self._out.write(f"{_CLEAR}{'━' * full}{'┄' * (_WIDTH - full)} {share:4.0%}  {rate:,.1f} MB/s")
        self._out.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._shown:
            self._out.write(_CLEAR)
            self._out.flush()
