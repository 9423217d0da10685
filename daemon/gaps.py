"""Records that were never read: said as an alert, each fired at the next closing and over at the one after.

It has happened; it does not go on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog

from daemon.records import Gap, Partition
from processors.base import Finding
from processors.profile import GroupKey

log = structlog.get_logger()


class Gaps:
    """Gaps that have yet to be said, and those that were said at the last closing."""

    def __init__(self) -> None:
        self._new: list[Gap] = []
        self._said: list[Gap] = []

    def __bool__(self) -> bool:
        """Is there one that was not said?"""
        return bool(self._new)

    def add(self, gap: Gap) -> None:
        """Log it and keep it for the next closing."""
        log.error("gap", partition=str(gap.partition), expected=gap.expected, found=gap.found, reason=gap.reason)
        self._new.append(gap)

    def findings(self, end: int) -> list[Finding]:
        """What to say at the closing of a pane that ends then."""
        over = [replace(_finding(gap, end), kind="recovered") for gap in self._said]
        self._said, self._new = self._new, []
        return [_finding(gap, end) for gap in self._said] + over

    def restore(self, tree: Mapping[str, Any]) -> None:
        """Go on from `to_state`."""
        self._new, self._said = ([_unpacked(each) for each in tree[name]] for name in ("gaps", "past_gaps"))

    def to_state(self) -> dict[str, Any]:
        """A tree that `packing.pack` takes."""
        return {"gaps": [_packed(gap) for gap in self._new], "past_gaps": [_packed(gap) for gap in self._said]}


def _finding(gap: Gap, end: int) -> Finding:
    lost = "an unknown number of" if gap.lost is None else f"{gap.lost:,}"
    summary = f"{lost} records of {gap.partition} were never read ({gap.reason}): reading goes on at {gap.found}."
    evidence = {"expected": gap.expected, "found": gap.found, "reason": gap.reason}
    value = None if gap.lost is None else float(gap.lost)
    group = GroupKey("", "", "partition", str(gap.partition))
    return Finding("fired", "source", "gap", group, end, value, gap.lost or 0, summary, evidence=evidence)


def _packed(gap: Gap) -> list[Any]:
    return [gap.partition.topic, gap.partition.number, gap.expected, gap.found, gap.reason]


def _unpacked(packed: list[Any]) -> Gap:
    topic, number, expected, found, reason = packed
    return Gap(Partition(topic, number), expected, found, reason)
