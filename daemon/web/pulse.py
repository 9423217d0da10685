"""Whether the loop still turns."""

from __future__ import annotations

from collections.abc import Callable

STALLED_AFTER_S = 60.0
"""The slowest honest turn is one that commits to a busy disk; that takes seconds, not a minute."""
STARTED_WITHIN_S = 600.0
"""Until the first turn: a first start compiles kernels, which takes minutes where two cores have much else to do."""


class Pulse:
    """The time of the loop's last turn, by a monotonic clock. Written by one thread, read by others."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last = clock()
        self._patience_s = STARTED_WITHIN_S

    def with_each(self, question: Callable[[], bool]) -> Callable[[], bool]:
        """The question that the loop asks at each turn, so that its asking is seen."""

        def asked() -> bool:
            self._last, self._patience_s = self._clock(), STALLED_AFTER_S
            return question()

        return asked

    @property
    def age_s(self) -> float:
        """Seconds since the loop last turned, or since the start."""
        return self._clock() - self._last

    @property
    def stalled(self) -> bool:
        """Whether that is too long ago."""
        return self.age_s > self._patience_s
