"""What a dump can't hold any more is counted: exactly what the run had consumed, and not its own gaps."""

from __future__ import annotations

from typing import Any

import pytest

from daemon.missing import Extents, Missing
from daemon.records import Gap, Partition, Position

P = Partition("t", 0)


def floor(offset: int) -> dict[str, Any]:
    """Where a run began, or went on."""
    return {"control": "floor", "topic": "t", "partition": 0, "offset": offset, "clock": 0}


def gap(expected: int, found: int, reason: str = "retention") -> dict[str, Any]:
    """What a run never read."""
    return {"control": "gap", "topic": "t", "partition": 0, "expected": expected, "found": found, "reason": reason}


def before(controls: list[dict[str, Any]], found: int, until: int = 100, topic_id: str = "a") -> Missing | None:
    """What is missing of a run that had read a topic `a` to `until`, where the oldest that is left is `found`."""
    return Extents({P: Position(until, "a")}, controls).before(P, Position(found, topic_id))


@pytest.mark.parametrize(
    ("controls", "found", "lost"),
    [
        ([], 0, 0),
        ([], 30, 30),
        ([floor(0)], 30, 30),
        ([floor(20)], 30, 10),
        ([floor(30)], 30, 0),
        ([floor(20), floor(50)], 30, 10),
        ([floor(0), gap(10, 30)], 30, 10),
        ([floor(0), gap(10, 40)], 30, 10),
        ([floor(0), gap(40, 50)], 60, 50),
        ([floor(0), gap(40, 50)], 500, 90),
    ],
)
def test_what_retention_ate_counts_from_where_the_run_began_without_its_own_gaps(
    controls: list[dict[str, Any]], found: int, lost: int
) -> None:
    """And only as far as the run had come."""
    missing = before(controls, found)
    assert (0 if missing is None else missing.offsets) == lost
    assert missing is None or missing.reason == "retention"


def test_of_a_topic_that_was_made_anew_nothing_is_left() -> None:
    """All that was read was of the one before, whatever offsets there are now."""
    missing = before([floor(20)], 0, topic_id="b")
    assert missing is not None
    assert (missing.offsets, missing.reason) == (80, "recreated")


def test_what_was_read_of_an_earlier_topic_is_missing_too() -> None:
    """The run had noticed: it began again, and a dump has what it read since."""
    extents = Extents({P: Position(40, "b")}, [floor(10), gap(100, 0, "recreated")])
    assert extents.of_earlier_topics == [Missing(P, 10, 0, 90, "recreated")]
    assert extents.before(P, Position(0, "b")) is None
    assert extents.begin(P) == 0


def test_what_goes_while_the_dump_is_written_is_missing_as_far_as_it_was_read() -> None:
    """A gap of the dump's own reading, and a log that ends before where the run had come."""
    extents = Extents({P: Position(40)}, [])
    assert extents.between(Gap(P, 10, 30, "retention")) == Missing(P, 10, 30, 20, "retention")
    assert extents.between(Gap(P, 10, 60, "retention")) == Missing(P, 10, 60, 30, "retention")
    assert extents.between(Gap(P, 40, 60, "retention")) is None
    assert extents.behind(P, 25) == Missing(P, 25, 40, 15, "truncated")
    assert extents.behind(P, 40) is None
