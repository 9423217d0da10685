"""Whether the loop still turns."""

from __future__ import annotations

from collections.abc import Callable

STALLED_AFTER_S = 60.0
"""The slowest honest turn is one that compiles kernels or commits to a busy disk; that takes seconds, not a minute."""


class Pulse:
    """The time of the loop's last turn, by a monotonic clock. Written by one thread, read by others."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last = clock()

    def with_each(self, question: Callable[[], bool]) -> Callable[[], bool]:
        """The question that the loop asks at each turn, so that its asking is seen."""

        def asked() -> bool:
            self._last = self._clock()
            return question()

        return asked

    @property
    def age_s(self) -> float:
        """Seconds since the loop last turned."""
        return self._clock() - self._last

    @property
    def stalled(self) -> bool:
        """Whether that is too long ago."""
        return self.age_s > STALLED_AFTER_S
