"""Running the whole of Vigil in tests: live over Kafka, or as a replay."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson

import config
from config import Config
from daemon import app
from tests.broker import Cluster


def configured(text: str) -> Config:
    """A config with everything registered."""
    return config.parse(text, {}, app.registry(), source_required=False)


def replayed(settings: Config, inputs: Sequence[Path], folder: Path) -> dict[str, bytes]:
    """What a replay writes: alerts, readings and dead letters."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"{name}.ndjson" for name in ("alerts", "readings", "dead_letters")}
    alerts, readings, dead_letters = paths.values()
    with closing(
        app.replaying(settings, inputs, alerts=alerts, readings=readings, dead_letters=dead_letters)
    ) as pipeline:
        pipeline.run(lambda: False)
    return {name: path.read_bytes() if path.exists() else b"" for name, path in paths.items()}


def run_until(settings: Config, done: Callable[[dict[str, Any]], bool], seconds: float = 240) -> dict[str, Any]:
    """Run live until the status says that it is done; returns the last status. Fails after `seconds`."""
    give_up = time.monotonic() + seconds
    with closing(app.live(settings)) as live:

        def stop() -> bool:
            assert time.monotonic() < give_up, f"not done after {seconds} s: {live.status()}"
            return done(live.status())

        live.run(stop)
        return live.status()


def produce(bootstrap: str, records: Sequence[tuple[str, int, int, bytes]]) -> None:
    """Send (topic, partition, time in ms, message), in order."""
    with Cluster(bootstrap).producer(linger_ms=20) as producer:
        for topic, partition, ms, value in records:
            producer.send(topic, value=value, partition=partition, timestamp_ms=ms)


def everything_in(bootstrap: str, topic: str) -> list[bytes | None]:
    """All values of a topic, partition by partition, up to its present end."""
    return [record.value for record in Cluster(bootstrap).records(topic)]


def said(lines: bytes | Sequence[bytes | None]) -> list[dict[str, Any]]:
    """The data of CloudEvents, from NDJSON or from messages."""
    values = lines.splitlines() if isinstance(lines, bytes) else [value for value in lines if value is not None]
    return [event.get("value", event)["data"] | {"type": event["type"]} for event in map(orjson.loads, values)]
