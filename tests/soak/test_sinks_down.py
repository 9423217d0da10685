"""A sink that is down for long: its queue stays bounded, input waits, the other queues go on, and nothing is lost.

The hour is had by volume: bounds are small, and the stream goes on until they are full.
"""

from __future__ import annotations

import re
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
    """What was delivered, without heartbeats, which come by the wall clock, and the configuration, which has a path."""
    content = re.sub(rb'"config_hash":"[0-9a-f]+"', b"", path.read_bytes())
    return [line for line in content.splitlines() if b"vigil.heartbeat" not in line]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the outputs of a run whose sinks are never down."""
    telemetry.configure("error", "json")
    folder = tmp_path_factory.mktemp("undisturbed")
    with closing(soak(folder)) as run:
        run.run(EVENTS, lambda _: None)
    return folder


@pytest.mark.parametrize("down", sorted(MOST))
def test_a_sink_that_is_down_holds_up_the_input_and_nothing_else(
    undisturbed: Path, down: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue fills to its bound, the source is paused; the other queues are delivered; afterwards all is there."""
    monkeypatch.setattr(outbox, "Backoff", lambda: Backoff(0.01, 0.05))
    in_the_way = tmp_path / f"{down}.ndjson"
    in_the_way.mkdir()
    with closing(soak(tmp_path, {name: Bound(most, 2**30) for name, most in MOST.items()})) as run:
        pipeline = run.pipeline
        # On a busy machine the input may be paused for another queue first, for a moment.
        while not run.source.pauses or pipeline.parts.checkpoint.queued()[down] < MOST[down]:
            pipeline.step()
        read = run.source.events
        assert 0 < read < EVENTS
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
        assert said(tmp_path / f"{name}.ndjson") == said(undisturbed / f"{name}.ndjson"), name
    assert len(said(in_the_way)) > MOST[down]
