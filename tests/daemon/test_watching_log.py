"""What the log says of versions and of refused events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from daemon.decode import Refusal
from daemon.records import Partition
from daemon.watching_log import AGAIN_S, RefusedLog
from tests.daemon.scripted import logs_of
from tests.daemon.test_idleness import World, put

A = Partition("events", 0)


class Clock:
    """Seconds that a test lets pass."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def refusal(reason: str, offset: int = 7, index: int = 0) -> Refusal:
    """An event that was refused."""
    return Refusal(A, offset, index, reason, f"{reason}: found nothing", None, b"{}", ())


def test_the_first_event_of_each_reason_is_said_with_its_place_and_the_others_are_counted() -> None:
    """Once a minute, and what is left at the end: a flood of bad events is a few lines."""
    clock = Clock()
    told = RefusedLog(clock, lambda found: found.detail)
    with capture_logs() as logs:
        told.note([refusal("missing_id"), refusal("missing_id", 8)])
        told.note([refusal("bad_score", 9, index=2), refusal("missing_id", 10)])
        clock.now += AGAIN_S
        told.note([refusal("missing_id", 11)])
        told.note([refusal("bad_score", 12)])
        told.note([])
        told.tell()
        told.tell()
    assert [(line["event"], line.get("at"), line.get("reasons")) for line in logs] == [
        ("event refused", "events/0:7", None),
        ("event refused", "events/0:9[2]", None),
        ("events refused", None, {"missing_id": 3}),
        ("events refused", None, {"bad_score": 1}),
    ]
    assert logs[0]["detail"] == "missing_id: found nothing"


def test_nothing_is_said_of_good_events() -> None:
    """Not even that there were none."""
    with capture_logs() as logs:
        told = RefusedLog(Clock(), lambda found: found.detail)
        told.note([])
        told.tell()
    assert logs == []


@pytest.fixture
def world(tmp_path: Path) -> Any:
    """A live pipeline over one empty partition."""
    found = World(tmp_path, logs_of(A))
    yield found
    found.close()


def test_a_version_is_said_when_it_appears_and_with_what_was_learnt_once_it_is_known(world: World) -> None:
    """Once in its life, whatever restarts; and what can't be read is said beside it."""
    put(world.logs, A, 0, 3_000)
    with capture_logs() as logs:
        world.steps(60, seconds=1)
    appeared = [(line["model"], line["version"]) for line in logs if line["event"] == "version appears"]
    assert len(appeared) == len(set(appeared)) == len({line["model"] for line in logs if "model" in line})
    learnt = [line for line in logs if line["event"] == "version learnt"]
    assert {(line["model"], line["version"]) for line in learnt} == set(appeared)
    assert {line["task"] for line in learnt} == {"binary"}
    assert all(line["numeric"] + line["categorical"] > 0 for line in learnt)
    assert [line["level"] for line in logs if line["event"] == "event refused"] == []
    world.restart()
    put(world.logs, A, 3_000, 3_100)
    world.logs.records[A].append((world.logs.records[A][-1][0], b"{"))
    with capture_logs() as logs:
        world.steps(10, seconds=1)
    assert [line["event"] for line in logs if line["event"].startswith("version")] == []
    (refused,) = [line for line in logs if line["event"] == "event refused"]
    assert refused["at"] == f"events/0:{len(world.logs.records[A]) - 1}"
