"""A disk that takes long for a commit: what waits for the next one stays bounded, and afterwards nothing is lost."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from threading import Event

import pytest

import bench.soak
from bench.endless import BATCH
from bench.soak import Soak
from daemon import checkpoint, telemetry
from daemon.state import Store
from daemon.state.commit import Commit

EVENTS, MOST = 40_000, 8_000


class Gated(Store):
    """A store whose commits wait until they may begin."""

    gate = Event()

    def _write(self, commit: Commit) -> None:
        self.gate.wait()
        super()._write(commit)


def test_a_commit_that_takes_long_holds_up_the_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading stops once as much waits for the next commit as it may hold, and goes on when the disk does."""
    telemetry.configure("error", "json")
    monkeypatch.setattr(checkpoint, "ENOUGH_UNSAVED", MOST)
    monkeypatch.setattr(bench.soak, "Store", Gated)
    monkeypatch.setattr(Gated, "gate", Event())
    with closing(Soak(tmp_path, EVENTS, 20.0, commit_s=(0.0, 0.0))) as soak:
        try:
            for _ in range(40):
                soak.pipeline.step()
            read, paused = soak.source.events, soak.source.paused
        finally:
            Gated.gate.set()
        assert paused == set(soak.source.positions())
        assert MOST < read < MOST + 4 * BATCH
        soak.run(EVENTS, lambda _: None)
        assert soak.source.events == soak.pipeline.accounts["received"] == EVENTS
