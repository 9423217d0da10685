"""Records that were never read: a reading and an alert, said with the next pane, over with the one after.

It has happened; it does not go on. Which pane was next is the wall clock's doing, so a live run records it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog

from daemon.controls import Controls
from daemon.records import Gap, Partition
from processors.base import Finding, Reading
from processors.profile import GroupKey

log = structlog.get_logger()

MONITOR, SERIES = "source", "gap"


class Gaps:
    """Gaps that have yet to be said, and those that were said at the last closing."""

    def __init__(self, controls: Controls) -> None:
        self._controls = controls
        self._new: list[Gap] = []
        self._said: list[Gap] = []

    def __bool__(self) -> bool:
        """Is there one that was not said?"""
        return bool(self._new)

    def add(self, gap: Gap) -> None:
        """Log it and keep it for the next closing."""
        log.error(
            "gap", partition=str(gap.partition), expected=gap.expected, found=gap.found, reason=gap.reason,
            offsets=gap.lost,
        )  # fmt: skip
        self._new.append(gap)

    def pane(self, until: int) -> int | None:
        """Start of the pane that has to close although nothing may be in it: the next one, if there is a gap to say."""
        panes = [*self._controls.gaps, *([until] if self._new and until else [])]
        return min(panes, default=None)

    def say(self, start: int, end: int) -> tuple[list[Reading], list[Finding]]:
        """What to say at the closing of this pane."""
        for gap in self._new:
            self._controls.add(SERIES, gap.partition, pane=start, **_fields(gap))
        over = [replace(_finding(gap, end), kind="recovered") for gap in self._said]
        self._said, self._new = [*self._new, *map(_recorded, self._controls.gaps.pop(start, []))], []
        readings = [_reading(gap, start, end) for gap in self._said]
        return readings, [_finding(gap, end) for gap in self._said] + over

    def restore(self, tree: Mapping[str, Any]) -> None:
        """Go on from `to_state`."""
        self._new, self._said = ([_unpacked(each) for each in tree[name]] for name in ("gaps", "past_gaps"))

    def to_state(self) -> dict[str, Any]:
        """A tree that `packing.pack` takes."""
        return {"gaps": [_packed(gap) for gap in self._new], "past_gaps": [_packed(gap) for gap in self._said]}


def _finding(gap: Gap, end: int) -> Finding:
    lost = "An unknown number of" if gap.lost is None else f"{gap.lost:,}"
    summary = f"{lost} offsets of {gap.partition} were never read ({gap.reason}): reading goes on at {gap.found:,}."
    value = None if gap.lost is None else float(gap.lost)
    return Finding(
        "fired", MONITOR, SERIES, _group(gap), end, value, gap.lost or 0, summary, severity="critical",
        evidence=_fields(gap),
        reason="What was in them is in no figure: let the topic keep its records for longer than Vigil may be away.",
    )  # fmt: skip


def _reading(gap: Gap, start: int, end: int) -> Reading:
    value = None if gap.lost is None else float(gap.lost)
    return Reading(MONITOR, SERIES, _group(gap), value, gap.lost or 0, start, end, details=_fields(gap))


def _group(gap: Gap) -> GroupKey:
    return GroupKey("", "", "partition", str(gap.partition))


def _fields(gap: Gap) -> dict[str, Any]:
    return {"expected": gap.expected, "found": gap.found, "reason": gap.reason}


def _recorded(control: Mapping[str, Any]) -> Gap:
    partition = Partition(control["topic"], control["partition"])
    return Gap(partition, control["expected"], control["found"], control["reason"])


def _packed(gap: Gap) -> list[Any]:
    return [gap.partition.topic, gap.partition.number, gap.expected, gap.found, gap.reason]


def _unpacked(packed: list[Any]) -> Gap:
    topic, number, expected, found, reason = packed
    return Gap(Partition(topic, number), expected, found, reason)
