"""Clocks: what an event's time is depends on its partition's prefix, and on nothing else."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from daemon.clocks import Clocks
from daemon.records import Partition
from processors.packing import pack, unpack
from processors.rows import AHEAD, LATE, Longs

LATENESS, MAX_AHEAD, WALL = 10, 100, 1_000
A, B, C = (Partition("events", number) for number in range(3))
STAMPS = st.lists(st.integers(-1, 1_500), max_size=20)


def clocks() -> Clocks:
    """Clocks in small numbers."""
    return Clocks(LATENESS, MAX_AHEAD)


def longs(*values: int) -> Longs:
    """A column of times."""
    return np.array(values, np.int64)


@given(STAMPS, st.lists(st.integers(0, 20), max_size=4), st.booleans())
def test_clocks_do_not_depend_on_how_a_run_is_cut(stamps: list[int], cuts: list[int], live: bool) -> None:
    """Any cut into batches, with records of another partition in between, gives the same clocks and flags."""
    wall = WALL if live else None
    whole, flags = clocks().advance(A, longs(*stamps), wall)
    cut = clocks()
    parts = []
    for part in np.split(longs(*stamps), sorted(min(at, len(stamps)) for at in cuts)):
        parts.append(cut.advance(A, part, wall))
        cut.advance(B, longs(1_400), None)
    assert np.concatenate([clock for clock, _ in parts]).tolist() == whole.tolist()
    assert np.concatenate([flag for _, flag in parts]).tolist() == flags.tolist()


@given(STAMPS)
def test_a_clock_is_the_running_maximum_of_what_can_be_believed(stamps: list[int]) -> None:
    """Timestamps more than max_ahead past the wall clock are flagged, counted and do not move it."""
    subject = clocks()
    clock, flags = subject.advance(A, longs(*stamps), WALL)
    now = 0
    for stamp, found, flag in zip(stamps, clock.tolist(), flags.tolist(), strict=True):
        ahead = stamp > WALL + MAX_AHEAD
        now = now if ahead else max(now, stamp)
        assert (found, flag) == (now, AHEAD if ahead else 0)
    assert subject.ahead == sum(stamp > WALL + MAX_AHEAD for stamp in stamps)
    assert subject.of(A) == now


@given(st.lists(st.tuples(st.integers(-1, 1_500), st.integers(0, 1_500)), min_size=1, max_size=20))
def test_an_event_is_held_between_its_partition_s_clock_less_lateness_and_its_clock(
    rows: list[tuple[int, int]],
) -> None:
    """Older ones are placed at the edge and flagged late; without a time an event is as old as its record."""
    ts, clock = (longs(*column) for column in zip(*rows, strict=True))
    held, flags = clocks().effective(ts, clock)
    for (stamp, now), time, flag in zip(rows, held.tolist(), flags.tolist(), strict=True):
        assert time == (now if stamp < 0 else min(max(stamp, now - LATENESS), now))
        assert flag == (LATE if 0 <= stamp < now - LATENESS else 0)


def test_the_watermark_is_the_slowest_clock_less_lateness() -> None:
    """A partition that rests doesn't hold it back; without one that counts there is none."""
    subject = clocks()
    assert subject.watermark() is None
    for partition, clock in ((A, 500), (B, 300)):
        subject.add(partition, 0)
        subject.advance(partition, longs(clock), None)
    assert subject.watermark() == 290
    subject.rest(B)
    assert subject.watermark() == 490
    subject.rest(A)
    assert subject.watermark() is None
    subject.add(B, 450)
    assert subject.watermark() == 440


def test_a_floor_raises_a_clock_and_never_lowers_it() -> None:
    """A partition that comes back begins where panes are still open; one that is ahead stays where it is."""
    subject = clocks()
    assert [subject.add(A, floor) for floor in (300, 200)] == [300, 300]
    clock, _ = subject.advance(A, longs(250, 310), None)
    assert clock.tolist() == [300, 310]
    held, flags = subject.effective(longs(250, 305), clock)
    assert (held.tolist(), flags.tolist()) == ([290, 305], [LATE, 0])


def test_partitions_far_ahead_of_the_slowest_wait() -> None:
    """Only partitions that count are compared, and the one that is slowest never waits."""
    subject = clocks()
    for partition, clock in ((A, 100), (B, 160), (C, 400)):
        subject.add(partition, clock)
    assert subject.ahead_of_slowest(60) == {C}
    assert subject.ahead_of_slowest(59) == {B, C}
    subject.rest(A)
    assert subject.ahead_of_slowest(240) == set()
    assert subject.ahead_of_slowest(239) == {C}


def test_a_partition_that_has_nothing_to_read_makes_nobody_wait() -> None:
    """An empty partition has no time: others go on, though it holds the watermark until it rests."""
    subject = clocks()
    for partition, clock in ((A, 0), (B, 200), (C, 900)):
        subject.add(partition, clock)
    assert subject.ahead_of_slowest(100) == {B, C}
    assert subject.ahead_of_slowest(100, empty={A}) == {C}
    assert subject.ahead_of_slowest(100, empty={B}) == {B, C}
    assert subject.watermark() == -LATENESS


def test_what_is_dropped_is_forgotten() -> None:
    """A partition that is read no longer neither holds the watermark back nor is known."""
    subject = clocks()
    subject.add(A, 5)
    subject.add(B, 50)
    subject.drop([A])
    assert (subject.watermark(), subject.of(A)) == (40, 0)


def test_clocks_survive_saving() -> None:
    """Clocks are as they were; who counts is decided anew, for a partition may have been lost meanwhile."""
    subject, again = clocks(), clocks()
    subject.advance(A, longs(700, 5_000), WALL)
    subject.add(B, 300)
    again.load(unpack(pack(subject.to_state())))
    assert (again.of(A), again.of(B), again.ahead) == (700, 300, 1)
    assert again.watermark() is None
    again.add(A, 0)
    assert again.watermark() == 690
