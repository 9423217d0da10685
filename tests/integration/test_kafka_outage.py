"""A broker that is away for longer than anybody waits for it, in the middle of reading."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tests.broker import Broker
from tests.integration.daemons import Daemon, running
from tests.integration.running import everything_in, produce
from tests.integration.watched import (
    KEEP,
    configure,
    counted,
    duplicates,
    messages,
    quick,
    read_to,
    undisturbed,
    without_heartbeats,
)

SESSION_MS, ANSWER_MS = 2_000, 3_000
AWAY_S = 12.0
"""Of minutes, with sessions and requests that wait for as much less: several times as long as either."""
BEFORE, AFTER = 4_000, 400


def test_a_broker_that_is_away_for_minutes_costs_nothing(own_broker: Broker, tmp_path: Path, transport: str) -> None:
    """Killed while there is something to read and to commit: the daemon lives and says so once, and once that it is
    over. Afterwards every event counts once, and what was sent to the same broker is what an undisturbed pass says.
    """
    topic = own_broker.new_topic("away", 2, **KEEP)
    sent_to = {name: own_broker.new_topic(name) for name in ("alerts", "readings")}
    configured(tmp_path, own_broker.bootstrap, topic, sent_to, transport)
    produce(own_broker.bootstrap, messages(topic, BEFORE, partitions=2))
    with running(tmp_path) as daemon:
        daemon.until(lambda: daemon.metric("vigil_position") >= BEFORE / 4)
        own_broker.kill()
        before = len(daemon.logged())
        daemon.said("kafka is in trouble")
        daemon.until(lambda: daemon.metric("vigil_source_reachable") == 0)
        gone = time.monotonic()
        daemon.until(lambda: time.monotonic() - gone >= AWAY_S)
        assert daemon.metric("vigil_source_reachable") == 0
        assert daemon.ask("/healthz")[0] == daemon.ask("/readyz")[0] == 200
        assert not told(daemon, before, "kafka answers again")
        own_broker.start()
        over, *_ = daemon.until(lambda: told(daemon, before, "kafka answers again"))
        assert over["seconds"] >= AWAY_S
        for event in ("kafka is in trouble", "offsets not told to kafka"):
            errors = [line["error"] for line in told(daemon, before, event) if line["timestamp"] < over["timestamp"]]
            assert sorted(errors) == sorted(set(errors)), "each once"
        daemon.until(lambda: daemon.metric("vigil_source_reachable") == 1)
        produce(own_broker.bootstrap, messages(topic, AFTER, first=BEFORE, partitions=2))
        read_to(daemon, BEFORE + AFTER)
        counted(daemon, BEFORE + AFTER)
        assert daemon.metric("vigil_events_total", account="duplicate") == duplicates(BEFORE + AFTER)
        daemon.until(lambda: daemon.metric("vigil_outbox_messages", queue="readings") == 0)
        daemon.stop()
    for name, lines in undisturbed(tmp_path).items():
        sent = without_heartbeats(value or b"" for value in everything_in(own_broker.bootstrap, sent_to[name]))
        assert set(sent) == set(lines), name
        assert lines or name != "readings"


def configured(folder: Path, brokers: str, topic: str, sent_to: dict[str, str], transport: str) -> None:
    """A daemon that fetches little at a time, waits for nobody for long, and sends to topics of the same broker."""
    answer = {"kafka-python": "request_timeout_ms", "confluent": "socket_timeout_ms"}[transport]
    times = {"session": SESSION_MS, "heartbeat_interval_ms": 300, answer: ANSWER_MS}
    reads = quick(transport, max_partition_fetch_bytes=20_000, **times)
    sends = (
        f"alerts: {sent_to['alerts']}, readings: {sent_to['readings']}, producer: {{request_timeout_ms: {ANSWER_MS}}}"
    )
    configure(folder, brokers, topic, transport, f"{sends}, {reads}")
    text = (folder / "vigil.yaml").read_text()
    for name, sink in sent_to.items():
        to_a_file = f"{name}: [{{file: {{path: {name}.ndjson}}}}]"
        assert to_a_file in text
        text = text.replace(to_a_file, f"{name}: [{{kafka: {{topic: {sink}}}}}]")
    (folder / "vigil.yaml").write_text(text)


def told(daemon: Daemon, before: int, event: str) -> list[dict[str, Any]]:
    """The lines of its log that say this, but for the first so many lines."""
    return [line for line in daemon.logged()[before:] if line["event"] == event]
