"""A live pipeline over scripted partitions, with a control topic and a wall clock that a test turns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from config import Config
from daemon import dumping
from daemon.pipeline import Pipeline
from daemon.records import Partition
from daemon.state.store import Store
from tests.daemon.messages import SECOND, START
from tests.daemon.scripted import Scripted, living, logs_of, spoken
from tests.integration.fleet import encoded, events
from tests.integration.running import configured, replayed, said

EVENTS, CONTROL = Partition("events", 0), Partition("orders", 0)
SETTINGS = """
kafka: {{brokers: "b:9092", topics: events, control: orders}}
sinks: {{alerts: {{file: {0}/alerts.out}}, readings: {{file: {0}/readings.out}}, dead_letters: {{file: {0}/dead.out}}}}
state: {{path: {0}/state}}
window: {{events: 100}}
time: {{idle_after: 30s}}
alerts: {{catch_up: 2m, min_hold: 0s}}
"""
FLEET = [
    (ms - 1_790_000_000_000 + START // 1000, event)
    for ms, event in events(models=1, count=6_000, seed=3, drift_at=2_400)
]
"""Ten minutes of one model, ten predictions a second; it is worse from the fifth minute on."""


class Living:
    """One run, restarts included. `wall` is in seconds since START."""

    def __init__(self, folder: Path) -> None:
        self.now, self.wall = 1_000.0, 0.0
        self.folder = folder
        self.logs = logs_of(EVENTS, CONTROL)
        self.config: Config = configured(SETTINGS.format(folder))
        self._store = Store.open(self.config.state.path)
        self.pipeline = self._built()

    def _built(self) -> Pipeline:
        clocks = {"now": lambda: self.now, "wall": lambda: START / 1e6 + self.wall}
        return living(self.config, self._store, self.logs, self.folder, **clocks)

    def events(self, since: float, until: float) -> None:
        """Put the events of these seconds on their topic."""
        for ms, event in FLEET:
            if since <= ms / 1000 - START / SECOND < until:
                self.logs.records[EVENTS].append((ms, encoded(event)))

    def order(self, at: float, order: Any) -> None:
        """Put an order on the control topic."""
        value = order if isinstance(order, bytes) else orjson.dumps(order)
        self.logs.records[CONTROL].append((START // 1000 + int(at * 1000), value))

    def go(self, since: float, until: float, step: float = 10.0) -> None:
        """Let events come as time goes on."""
        while since < until:
            self.events(since, min(since + step, until))
            since += step
            self.wall = max(self.wall, since)
            self.now += step
            self.pipeline.step()

    def steps(self, count: int = 8, seconds: float = 0.0) -> None:
        """Passes of the loop, so much time apart."""
        for _ in range(count):
            self.now += seconds
            self.wall += seconds
            self.pipeline.step()

    def restart(self) -> None:
        """A new process on the same state; what was not committed is dropped."""
        self._store.written(None)
        self.pipeline = self._built()

    def close(self) -> None:
        """Let go of the state."""
        self._store.close()

    def outputs(self) -> dict[str, list[bytes]]:
        """What was said, without signs of life, all of it committed."""
        self.pipeline.run(lambda: True)
        return spoken(self.folder)

    def alerts(self, monitor: str = "concept_drift") -> list[dict[str, Any]]:
        """What was said of the whole model's error rate."""
        found = said(b"\n".join(self.outputs()["alerts"]))
        return [alert for alert in found if alert["monitor"] == monitor and not alert["segment"]]

    def replayed(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[bytes]]:
        """What a replay of the dump says."""
        monkeypatch.setattr(dumping, "_reader", lambda _: Scripted(self.logs))
        dumping.dump(self.config, self.folder / "dump.ndjson")
        again = replayed(self.config, [self.folder / "dump.ndjson"], self.folder / "again")
        return {name: lines.splitlines() for name, lines in again.items()}
