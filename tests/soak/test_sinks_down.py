"""A sink that is down for long: its queue stays bounded, input waits, the other queues go on, and nothing is lost.

The hour is had by volume: bounds are small, and the stream goes on until they are full.
"""

from __future__ import annotations

import shutil
import time
from contextlib import closing
from pathlib import Path

import pytest

from bench.soak import Soak
from daemon import telemetry
from daemon.backoff import Backoff
from daemon.state import outbox
from daemon.state.outbox import Bound

EVENTS = 16_000
SETTINGS = (
    "labels: {wait: 10m}\nwindow: {events: 100, min_events: 5}\n"
    "defaults: {thresholds: [{series: accuracy, above: 0.0, min_n: 5}]}\n"
)
MOST = {"alerts": 8, "readings": 400, "dead_letters": 40}
"""Messages that a queue may hold before input waits."""
ONE_PASS = {"alerts": 100, "readings": 20_000, "dead_letters": 100}
"""What one pass of the loop may add beyond that: the alerts and readings of the panes that it closes."""


def soak(folder: Path, bounds: dict[str, Bound] | None = None) -> Soak:
    """A run whose outputs are files in a folder."""
    return Soak(folder, EVENTS, 20.0, SETTINGS, commit_s=(0.0, 0.0), bounds=bounds)


def said(path: Path) -> list[bytes]:
    """What was delivered, without heartbeats, which come by the wall clock."""
    return [line for line in path.read_bytes().splitlines() if b"vigil.heartbeat" not in line]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where every run takes place, one after the other: its path is in the configuration, whose hash is in each id."""
    return tmp_path_factory.mktemp("sinks") / "run"


@pytest.fixture(scope="module")
def undisturbed(folder: Path) -> dict[str, list[bytes]]:
    """Return what a run says whose sinks are never down, by queue."""
    telemetry.configure("error", "json")
    folder.mkdir()
    with closing(soak(folder)) as run:
        run.run(EVENTS, lambda _: None)
    return {name: said(folder / f"{name}.ndjson") for name in MOST}


@pytest.mark.parametrize("down", sorted(MOST))
def test_a_sink_that_is_down_holds_up_the_input_and_nothing_else(
    undisturbed: dict[str, list[bytes]], down: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue fills to its bound, the source is paused; the other queues are delivered; afterwards all is there."""
    monkeypatch.setattr(outbox, "Backoff", lambda: Backoff(0.01, 0.05))
    shutil.rmtree(folder, ignore_errors=True)  # of a run before
    in_the_way = folder / f"{down}.ndjson"
    in_the_way.mkdir(parents=True)
    with closing(soak(folder, {name: Bound(most, 2**30) for name, most in MOST.items()})) as run:
        pipeline = run.pipeline
        # On a busy machine the input may be paused for another queue first, for a moment.
        while not run.source.pauses or pipeline.parts.checkpoint.queued()[down] < MOST[down]:
            pipeline.step()
            assert run.source.events < EVENTS
        read = run.source.events
        assert read > 0
        waiting = pipeline.parts.checkpoint.queued()
        for _ in range(10_000):
            if [name for name, count in waiting.items() if count] == [down]:
                break
            pipeline.step()
            waiting = pipeline.parts.checkpoint.queued()
            assert waiting[down] <= MOST[down] + ONE_PASS[down]
            time.sleep(0.001)  # commits are written on a thread of their own
        assert MOST[down] <= waiting.pop(down) <= MOST[down] + ONE_PASS[down]
        assert not any(waiting.values())
        assert run.source.events == read
        assert run.source.paused == set(run.source.positions())
        in_the_way.rmdir()
        run.run(EVENTS, lambda _: None)
    for name in MOST:
        assert said(folder / f"{name}.ndjson") == undisturbed[name], name
    assert len(said(in_the_way)) > MOST[down]
