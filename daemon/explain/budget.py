"""How much CPU the worker may use: a token bucket filled by the wall clock and drained by CPU seconds."""

from __future__ import annotations


class CpuBudget:
    """`share` of one core in the long run; what was not used is kept for up to `span_s` of wall time.

    A request's cost is known only afterwards, so the level may fall below zero; nothing starts before it is paid back.
    Times are seconds of any steady clock, passed in.
    """

    def __init__(self, share: float, now: float, span_s: float = 60.0) -> None:
        self._share = share
        self._most = share * span_s
        self._level = self._most
        self._now = now

    def wait_s(self, now: float) -> float:
        """Seconds until the next request may start; 0 if it may now."""
        self._fill(now)
        return max(0.0, -self._level / self._share)

    def charge(self, cpu_s: float) -> None:
        """Take off what a request has cost."""
        self._level -= cpu_s

    def _fill(self, now: float) -> None:
        self._level = min(self._most, self._level + self._share * max(0.0, now - self._now))
        self._now = max(self._now, now)
