"""Gaps: said once, over at the next closing, and again in a replay."""

from __future__ import annotations

from daemon.controls import Controls
from daemon.gaps import Gaps
from daemon.records import Gap, Partition

GAP = Gap(Partition("events", 3), 1_200, 5_000, "retention")


def test_it_is_said_how_many_offsets_are_missing() -> None:
    """In the reading and in the alert, which is over with the next pane."""
    gaps = Gaps(Controls())
    gaps.add(GAP)
    readings, findings = gaps.say(100, 110)
    assert [(r.monitor, r.series, r.value, r.group.value, r.start, r.end) for r in readings] == [
        ("source", "gap", 3_800.0, "events/3", 100, 110)
    ]
    assert [(f.kind, f.value, f.severity) for f in findings] == [("fired", 3_800.0, "critical")]
    assert findings[0].summary == "3,800 offsets of events/3 were never read (retention): reading goes on at 5,000."
    assert [(r, [f.kind for f in fs]) for r, fs in [gaps.say(110, 120), gaps.say(120, 130)]] == [
        ([], ["recovered"]),
        ([], []),
    ]


def test_a_gap_wants_the_next_pane_to_close_though_it_is_empty() -> None:
    """Otherwise a stream that has gone quiet would hide it."""
    gaps = Gaps(Controls())
    assert gaps.pane(500) is None
    gaps.add(GAP)
    assert gaps.pane(500) == 500
    assert gaps.pane(0) is None  # no pane has closed yet: nobody knows what time it is


def test_a_replay_says_it_with_the_same_pane() -> None:
    """When it was noticed is the wall clock's doing, so it is a control record."""
    live, replay = Controls(), Controls()
    gaps = Gaps(live)
    gaps.add(GAP)
    said = gaps.say(100, 110)
    for control in live.take():
        replay.obey(control)
    again = Gaps(replay)
    assert again.pane(90) == 100
    assert again.say(90, 100) == ([], [])
    assert again.say(100, 110) == said
    assert again.pane(110) is None


def test_what_was_not_said_survives_a_restart() -> None:
    """And so does what has yet to be over."""
    gaps, again = Gaps(Controls()), Gaps(Controls())
    gaps.add(GAP)
    gaps.say(100, 110)
    gaps.add(GAP)
    again.restore(gaps.to_state())
    assert again.say(110, 120) == gaps.say(110, 120)
