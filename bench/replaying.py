"""One stream through the real pipeline: what was said of it, and how long that took."""

from __future__ import annotations

import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bench.events import BEGIN_US, Stream, write
from config import Config
from daemon import app, telemetry
from daemon.alerts.notice import Notice


@dataclass(frozen=True, slots=True)
class Said:
    """An alert's start or end. `event` is the number of the first event after it, by the alert's `time`."""

    event: int
    firing: bool
    notice: Notice

    @property
    def monitor(self) -> str:
        return self.notice.finding.monitor

    @property
    def version(self) -> str:
        return self.notice.finding.group.version

    @property
    def page(self) -> bool:
        """Is it a start that another alert does not explain?"""
        return self.firing and self.notice.inhibited_by is None

    @property
    def words(self) -> str:
        """One line for people."""
        finding, change = self.notice.finding, str(self.notice.change)
        if self.firing and not self.page:
            change += " (explained)"
        return f"event {self.event:>6} {change:<17} {finding.monitor}/{finding.series}: {finding.summary}"


def replay(stream: Stream, per_second: float = 1.0, config: Config | None = None) -> tuple[list[Said], float]:
    """Write the stream, replay it; returns what started and ended, in order, and the seconds that it took."""
    telemetry.configure("error", "json")
    said: list[Said] = []

    def heard(notice: Notice) -> None:
        if notice.change in {"fired", "resolved"} and not notice.held:
            event = round((notice.time - BEGIN_US) * per_second / 1e6)
            said.append(Said(event, notice.change == "fired", notice))

    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder) / "events.ndjson"
        write(stream, events, per_second)
        begun = time.perf_counter()
        with closing(
            app.replaying(config or Config(), [events], alerts=Path(folder) / "alerts.ndjson", on_notice=heard)
        ) as pipeline:
            pipeline.run(lambda: False)
        return said, time.perf_counter() - begun
