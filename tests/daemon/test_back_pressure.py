"""A queue that does not empty: reading waits for it, and both that and what is left of it are said."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from daemon.intake import RESUMED_AFTER_S
from daemon.records import Partition
from daemon.state.outbox import BOUNDS, Bound
from tests.daemon.scripted import logs_of
from tests.daemon.test_idleness import World, put

A = Partition("events", 0)


@pytest.fixture
def blocked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Something to read, whose readings can't be written, and of which few may wait."""
    monkeypatch.setitem(BOUNDS, "readings", Bound(5, 10**6))
    (tmp_path / "readings.out").mkdir()
    world = World(tmp_path, logs_of(A))
    put(world.logs, A, 0, 600)
    yield world
    world.close()


def test_a_full_queue_pauses_input_and_both_ends_of_the_pause_are_said_once(blocked: World, tmp_path: Path) -> None:
    """With the queue and how many messages wait in it; over is a pause after a while in which no queue was full."""
    with capture_logs() as logs:
        blocked.steps(60, seconds=1)
    (said,) = [line for line in logs if line["event"] == "input paused"]
    assert said["to_send"].keys() == {"readings"}
    assert said["to_send"]["readings"] >= 5
    assert blocked.pipeline.status()["paused"] is True
    (tmp_path / "readings.out").rmdir()
    with capture_logs() as logs:
        give_up = time.monotonic() + 60
        while blocked.pipeline.status()["paused"]:
            assert time.monotonic() < give_up
            blocked.steps(1)
            time.sleep(0.05)
        blocked.logs.records[A].clear()
        blocked.steps(2)
        assert [line for line in logs if line["event"].startswith("input")] == []
        while not any(line["event"] == "input resumes" for line in logs):
            assert time.monotonic() < give_up  # what was read before is still written, in another thread
            blocked.steps(1, seconds=RESUMED_AFTER_S)
            time.sleep(0.05)
        blocked.steps(10, seconds=RESUMED_AFTER_S)
    assert [line["event"] for line in logs if line["event"].startswith("input")] == ["input resumes"]


def test_a_stop_says_what_was_not_sent(blocked: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """By queue; the next start sends it."""
    blocked.steps(60, seconds=1)
    deliver = blocked.pipeline.parts.checkpoint.deliver
    monkeypatch.setattr(blocked.pipeline.parts.checkpoint, "deliver", lambda max_wait_s: deliver(min(max_wait_s, 0.1)))
    with capture_logs() as logs:
        blocked.pipeline.run(lambda: True)
    (said,) = [line for line in logs if line["event"] == "not sent, kept in the state"]
    assert said["readings"] >= 5
    assert "alerts" not in said
