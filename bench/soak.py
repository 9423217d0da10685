"""`make soak`: ten million events through the real loop and the real state, and what that takes of memory and disk.

    EVENTS=10000000 make soak       writes docs/memory.svg and docs/memory.json

The source makes its events itself (`endless`); everything behind it is what `vigild run` is made of: decode, ledger,
the full default suite, alerts, commits to a state file, and the outbox with files behind it. Event time goes on at
500 events a second: five and a half hours. Labels are waited for for 25 minutes and to the end of that hour; versions
are replaced every half hour, and each is retired 86 minutes later, when its last cohort is final; rows stay in the
state file for up to 145 minutes. So before half of the events have come, all that can wait is there.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

import config
from bench.endless import Endless
from bench.plot import Line, plotted
from daemon import app, telemetry
from daemon.checkpoint import Durable
from daemon.garbage import resident
from daemon.pipeline import Pipeline
from daemon.sinks import sinks
from daemon.sinks.base import Surroundings
from daemon.state.outbox import Bound, Outbox
from daemon.state.store import Store

EVENTS = int(os.environ.get("EVENTS", "10_000_000"))
PER_SECOND = 500.0
SAMPLES = 100
SETTINGS = "labels: {wait: 25m}\ndefaults: {retire_after: 25m}\nlimits: {segment_values: 20}\n"
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Sample:
    """What is held after so many events. Sizes in bytes."""

    events: int
    cpu_s: float
    rss: int
    ledger: int
    state_file: int
    pending: int
    waiting_labels: int
    open_rows: int
    groups: int
    series: int
    outbox: int
    firing: int


class Soak:
    """A pipeline over an endless source and a state in a folder."""

    def __init__(
        self,
        folder: Path,
        events: int,
        per_second: float = PER_SECOND,
        settings: str = SETTINGS,
        *,
        commit_s: tuple[float, float] = (1.0, 10.0),
        bounds: Mapping[str, Bound] | None = None,
        in_step: bool = False,
    ) -> None:
        """`in_step`: each pass awaits the commit before it, so that nothing depends on how fast the disk is."""
        self._in_step = in_step
        self.source = Endless(per_second, events)
        self._path = folder / "state"
        said = config.parse(settings, {}, app.registry(), source_required=False)
        self._store = Store.open(self._path)
        kind = sinks()["file"]
        outgoing = {
            queue: [kind(kind.Settings.model_validate({"path": folder / f"{queue}.ndjson"}), Surroundings({}))]
            for queue in ("alerts", "readings", "dead_letters")
        }
        durable = Durable(self._store, Outbox(self._store, outgoing, bounds), self.source, commit_s)
        parts, saving = app.assemble(
            said, self.source, durable, None, wall=lambda: self.source.now_ms / 1000, on_notice=lambda _: None
        )
        self.pipeline = Pipeline(parts)
        durable.restore(self.pipeline, saving, self._store.load())

    def run(self, every: int, heard: Callable[[Sample], None]) -> None:
        """Run to the end; tell a sample each so many events."""
        told = 0

        def stop() -> bool:
            nonlocal told
            if self._in_step:
                self._store.wait()
            if self.source.events - told >= every:
                told = self.source.events
                heard(self.sample())
            return False

        self.pipeline.run(stop)

    def sample(self) -> Sample:
        """What is held now."""
        parts = self.pipeline.parts
        ledger, profile = parts.ledger, parts.watch.profile
        return Sample(
            events=self.source.events,
            cpu_s=round(time.process_time(), 2),
            rss=resident(),
            ledger=ledger.retained.nbytes() + ledger.waiting.nbytes(),
            state_file=sum(file.stat().st_size for file in self._path.iterdir()),
            pending=len(ledger.retained),
            waiting_labels=len(ledger.waiting),
            open_rows=ledger.open_rows(),
            groups=len(profile.groups),
            series=len(profile.series_feature),
            outbox=sum(parts.checkpoint.queued().values()),
            firing=parts.life.firing_count,
        )

    def close(self) -> None:
        """Let go of everything."""
        self.pipeline.close()
        self._store.close()


def main() -> int:
    """Run, write the samples and the plot; fails if the last third took more than the second, or a monitor broke.

    Interrupted, it writes what there is by then.
    """
    telemetry.configure("error", "json")
    samples: list[Sample] = []

    def heard(sample: Sample) -> None:
        samples.append(sample)
        print(f"{sample.events:>12,} events  {sample.rss / MIB:6.0f} MiB  {sample.pending:,} pending", file=sys.stderr)

    with tempfile.TemporaryDirectory() as folder, closing(Soak(Path(folder), EVENTS)) as soak:
        began = time.monotonic()
        with suppress(KeyboardInterrupt):
            soak.run(EVENTS // SAMPLES, heard)
        taken, accounts = time.monotonic() - began, dict(soak.pipeline.accounts)
        quarantined = soak.pipeline.status()["quarantined"]
    middle = max(sample.rss for sample in samples[len(samples) // 3 : 2 * len(samples) // 3])
    last = max(sample.rss for sample in samples[2 * len(samples) // 3 :])
    told: dict[str, Any] = {
        "events": samples[-1].events,
        "events_per_second_of_event_time": PER_SECOND,
        "minutes": round(taken / 60, 1),
        "rss_highest_second_third": middle,
        "rss_highest_last_third": last,
        "accounts": {name: count for name, count in sorted(accounts.items()) if count},
        "quarantined": quarantined,
        "samples": [asdict(sample) for sample in samples],
    }
    docs = Path("docs")
    docs.joinpath("memory.json").write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2) + b"\n")
    docs.joinpath("memory.svg").write_text(picture(samples), encoding="utf-8")
    print(
        f"highest in the second third {middle / MIB:.0f} MiB, in the last {last / MIB:.0f} MiB; docs/memory.svg written"
    )
    return int(last > 1.05 * middle or bool(quarantined))


def picture(samples: list[Sample]) -> str:
    """Memory, the ledger's part of it, and the state file, by events."""
    million = [sample.events / 1e6 for sample in samples]
    lines = [
        Line("resident memory", "#1f5fa8", million, [sample.rss / MIB for sample in samples]),
        Line("of it what waits for labels", "#c46a1b", million, [sample.ledger / MIB for sample in samples]),
        Line("state file", "#3d8b4f", million, [sample.state_file / MIB for sample in samples]),
    ]
    return plotted(f"{million[-1]:g} million events", "million events", "MiB", lines)


if __name__ == "__main__":
    sys.exit(main())
