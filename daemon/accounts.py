"""What became of every event: each ends in exactly one account, and `received` is always the sum of the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import structlog

from daemon.ledger.ledger import FORGOTTEN
from processors.base import Reading
from processors.profile import GroupKey

ACCOUNTS = ("received", "measured", "duplicate", "conflict", "refused", "shed", "pending")
LIMITS = ("flood", "pressure", "unmonitored")
"""Why events were shed that would have been measured, had there been room."""
NOBODY = GroupKey("", "")
"""The group of readings about Vigil itself."""

log = structlog.get_logger()


class Accounts:
    """Counts since the state began, read out every so often in event time (`span_us`)."""

    def __init__(self, span_us: int) -> None:
        self._span_us = span_us
        self.counts: Counter[str] = Counter()
        """By account; beside them, under other names, why events were shed."""
        self.reasons: Counter[str] = Counter()
        """Refusals by reason."""
        self._read_at = 0
        self._warned: set[str] = set()
        """Limits of which the log has told."""

    def read(self, end: int, keep_rate: float, cut_off: Mapping[str, int], *, last: bool) -> list[Reading]:
        """The accounts so far, if it is time for them."""
        if not last and end - self._read_at < self._span_us:
            return []
        start, self._read_at = self._read_at, end
        received = self.counts["received"]
        shed = {name: count for name, count in sorted(self.counts.items()) if name not in (*ACCOUNTS, FORGOTTEN)}
        cut_off = {**cut_off, **self.forgotten}
        self._warn({name: shed.get(name, 0) for name in LIMITS} | cut_off)
        values = {name: self.counts[name] for name in ACCOUNTS} | {"keep_rate": keep_rate}
        details: dict[str, Any] = {"shed": shed, "conflict": {}, "received": dict(sorted(cut_off.items()))}
        return [
            Reading(
                "accounts", name, NOBODY, float(value), received, start, end, "total",
                details=details.get(name, {}),
            )
            for name, value in values.items()
        ]  # fmt: skip

    def _warn(self, cut_off: Mapping[str, int]) -> None:
        """Log each limit that something was left out at: once in a process."""
        for what in sorted(name for name, count in cut_off.items() if count and name not in self._warned):
            self._warned.add(what)
            log.warning("limit reached", left_out=what, so_far=cut_off[what])

    @property
    def forgotten(self) -> dict[str, int]:
        """Replayed dead letters that were forgotten before their time, if there were any."""
        return {FORGOTTEN: self.counts[FORGOTTEN]} if FORGOTTEN in self.counts else {}

    def restore(self, tree: Mapping[str, Any]) -> None:
        """Go on from `to_state`."""
        self.counts, self.reasons = Counter(tree["accounts"]), Counter(tree["reasons"])
        self._read_at = tree["accounts_read_at"]

    def to_state(self) -> dict[str, Any]:
        """A tree that `packing.pack` takes."""
        return {"accounts": dict(self.counts), "reasons": dict(self.reasons), "accounts_read_at": self._read_at}
