"""A topic that a daemon watches: its configuration, its records, and what was said of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from tests.daemon.commands.vigild import vigild
from tests.integration.daemons import Daemon
from tests.integration.fleet import encoded, events
from tests.integration.running import said

KEEP: dict[str, Any] = {"retention.ms": "-1"}
"""The events are of another day."""


def configure(folder: Path, brokers: str, topic: str, transport: str = "kafka-python", more: str = "") -> None:
    """A daemon's configuration; what leaves goes to files beside it. `more` are further settings of `kafka`."""
    group = topic.partition(",")[0]
    kafka = f"brokers: ['{brokers}'], topics: [{topic}], group: {group}, transport: {transport}"
    (folder / "vigil.yaml").write_text(
        f"""
kafka: {{{kafka}, {more}}}
sinks:
  alerts: [{{file: {{path: alerts.ndjson}}}}]
  readings: [{{file: {{path: readings.ndjson}}}}]
  dead_letters: [{{file: {{path: dead.ndjson}}}}]
state: {{path: state, commit_interval: {{min: 200ms, max: 1s}}}}
time: {{idle_after: 1s, max_skew: 1h, pane: 1s, lateness: 1s}}
http: {{port: 0}}
log: {{format: json}}
"""
    )


def quick(transport: str, **ms: int) -> str:
    """Times of a consumer, by its library's names, for `configure`."""
    renamed = {"metadata": "metadata_max_age_ms", "session": "session_timeout_ms", "poll": "max_poll_interval_ms"}
    names = {"confluent": {"metadata": "topic.metadata.refresh.interval.ms"}}.get(transport, {})
    dotted = "_" if transport == "kafka-python" else "."
    options = {names.get(name, renamed.get(name, name).replace("_", dotted)): value for name, value in ms.items()}
    return f"consumer: {orjson.dumps(options).decode()}"


def messages(topic: str, count: int, first: int = 0, partitions: int = 1) -> list[tuple[str, int, int, bytes]]:
    """Some of the fleet's records, for `produce`."""
    rows = events(models=2, count=first + count)[first : first + count]
    return [(topic, place % partitions, ms, encoded(event)) for place, (ms, event) in enumerate(rows)]


def outgoing(folder: Path, name: str) -> list[dict[str, Any]]:
    """What was written so far, in whole lines."""
    path = folder / f"{name}.ndjson"
    return said(path.read_bytes().rpartition(b"\n")[0]) if path.exists() else []


def gap_alerts(folder: Path) -> list[dict[str, Any]]:
    """Alerts about what was never read, in order."""
    return [alert for alert in outgoing(folder, "alerts") if alert.get("series") == "gap"]


def read_to(daemon: Daemon, offsets: int) -> None:
    """Wait until the positions of all partitions sum up to this and nothing of it waits in a pane."""

    def there() -> bool:
        position = daemon.metric("vigil_position")
        assert position <= offsets
        return position == offsets and daemon.metric("vigil_open_rows") == 0

    daemon.until(there)


def counted(daemon: Daemon, events: int) -> None:
    """So many events are in the accounts, once their panes have closed."""
    daemon.until(lambda: daemon.metric("vigil_events_received_total") >= events)
    assert daemon.metric("vigil_events_received_total") == events


def undisturbed(folder: Path, env: Mapping[str, str] | None = None) -> dict[str, list[bytes]]:
    """The alerts and readings, accounts among them, of one undisturbed pass over what a stopped daemon consumed."""
    outputs = {name: folder / f"{name}-again.ndjson" for name in ("alerts", "readings")}
    to = [argument for name, path in outputs.items() for argument in (f"--{name}", path)]
    for command in (["dump", "-o", "dump.ndjson"], ["replay", "-c", "vigil.yaml", "-i", "dump.ndjson", *to]):
        told = vigild(*command, cwd=folder, env=env)
        assert told.returncode == 0, told.stderr
    return {name: path.read_bytes().splitlines() if path.exists() else [] for name, path in outputs.items()}


def without_heartbeats(said: Iterable[bytes]) -> list[bytes]:
    """What was said, but for what goes by the wall clock."""
    return [line for line in said if b'"vigil.heartbeat"' not in line]


def duplicates(count: int) -> int:
    """Events of the fleet that stand twice among the first so many."""
    seen = [orjson.dumps(event) for _, event in events(models=2, count=count)[:count]]
    return len(seen) - len(set(seen))
