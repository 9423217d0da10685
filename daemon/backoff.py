"""Waiting longer and longer between tries."""

from __future__ import annotations

import time


class Backoff:
    """When to try again: 0.5 s after the first failure, twice as long after each further one, at most 30 s."""

    def __init__(self, first_s: float = 0.5, longest_s: float = 30.0) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self.succeeded()

    def succeeded(self) -> None:
        """Forget the failures."""
        self._next_s, self._at = self._first_s, 0.0

    def failed(self) -> None:
        """Wait longer."""
        self._at = time.monotonic() + self._next_s
        self._next_s = min(2 * self._next_s, self._longest_s)

    @property
    def remaining_s(self) -> float:
        """Seconds until the next try, 0 if it is due."""
        return max(0.0, self._at - time.monotonic())

    @property
    def due(self) -> bool:
        """Whether to try now."""
        return self.remaining_s == 0.0
