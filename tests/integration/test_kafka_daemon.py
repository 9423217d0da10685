"""Kafka's edges as the running daemon meets them: what it says, what it exits with, what it counts."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest

from daemon import exits
from tests.broker import Broker, Cluster
from tests.conftest import NewTopic
from tests.integration.daemons import PATIENCE_S, Daemon, running
from tests.integration.running import produce
from tests.integration.watched import (
    KEEP,
    configure,
    counted,
    duplicates,
    gap_alerts,
    messages,
    outgoing,
    quick,
    read_to,
)


def assert_gap(folder: Path, daemon: Daemon, topic: str, **expected: Any) -> None:
    """One gap was said, as an alert that is over again and as a reading."""
    daemon.until(lambda: gap_alerts(folder))
    (alert,) = [alert for alert in gap_alerts(folder) if alert["state"] == "firing"]
    assert {name: alert["evidence"][name] for name in ("expected", "found", "reason")} == expected
    assert alert["severity"] == "critical"
    assert alert["segment"] == {"partition": f"{topic}/0"}
    (reading,) = daemon.until(lambda: [each for each in outgoing(folder, "readings") if each["series"] == "gap"])
    lost = expected["found"] - expected["expected"] if expected["reason"] == "retention" else None
    assert (reading["value"], alert["value"]) == (lost, lost)


def test_retention_that_ate_the_offset_while_it_was_stopped(
    broker: Cluster, new_topic: NewTopic, tmp_path: Path, transport: str
) -> None:
    """A reading and an alert say how many offsets are gone; reading goes on with the oldest that is left."""
    topic = new_topic("gone", **KEEP)
    configure(tmp_path, broker.bootstrap, topic, transport)
    produce(broker.bootstrap, messages(topic, 300))
    with running(tmp_path) as daemon:
        read_to(daemon, 300)
        daemon.stop()
    produce(broker.bootstrap, messages(topic, 300, first=300))
    broker.delete_records(topic, 520)
    with running(tmp_path) as daemon:
        read_to(daemon, 600)
        assert_gap(tmp_path, daemon, topic, expected=300, found=520, reason="retention")
        counted(daemon, 380)


def test_retention_that_overtakes_it_while_it_runs(
    broker: Cluster, new_topic: NewTopic, tmp_path: Path, transport: str
) -> None:
    """The same for a process that stood still, with more behind it than a fetch holds: nothing of it is silent."""
    topic = new_topic("eaten", **KEEP)
    limit = quick(transport, max_partition_fetch_bytes=4_000, session=30_000)
    configure(tmp_path, broker.bootstrap, topic, transport, limit)
    produce(broker.bootstrap, messages(topic, 300))
    with running(tmp_path) as daemon:
        read_to(daemon, 300)
        daemon.process.send_signal(signal.SIGSTOP)
        produce(broker.bootstrap, messages(topic, 2_700, first=300))
        broker.delete_records(topic, 2_900)
        daemon.process.send_signal(signal.SIGCONT)
        read_to(daemon, 3_000)
        (alert,) = daemon.until(lambda: [each for each in gap_alerts(tmp_path) if each["state"] == "firing"])
        evidence = alert["evidence"]
        assert (evidence["reason"], evidence["found"]) == ("retention", 2_900)
        assert daemon.metric("vigil_events_received_total") + alert["value"] == 3_000


@pytest.mark.parametrize("stopped", [True, False], ids=["stopped", "running"])
def test_a_topic_made_again_is_said_and_read_from_its_beginning(
    broker: Cluster, new_topic: NewTopic, tmp_path: Path, transport: str, stopped: bool
) -> None:
    """Another topic under the same name: nothing of it was read, how much of the old one is missing nobody knows."""
    topic = new_topic("again", **KEEP)
    configure(tmp_path, broker.bootstrap, topic, transport, quick(transport, metadata=500))
    produce(broker.bootstrap, messages(topic, 300))
    with running(tmp_path) as daemon:
        read_to(daemon, 300)
        if stopped:
            daemon.stop()
        broker.recreate_topic(topic, **KEEP)
        produce(broker.bootstrap, messages(topic, 400, first=300))
        if not stopped:
            read_to(daemon, 400)
            assert_gap(tmp_path, daemon, topic, expected=300, found=0, reason="recreated")
            counted(daemon, 700)
    if stopped:
        with running(tmp_path) as daemon:
            read_to(daemon, 400)
            assert_gap(tmp_path, daemon, topic, expected=300, found=0, reason="recreated")
            counted(daemon, 700)


def test_partitions_added_while_it_runs_are_read_from_their_beginning(
    broker: Cluster, new_topic: NewTopic, tmp_path: Path, transport: str
) -> None:
    """Nothing of the new ones is missed and nothing of the old one counted again."""
    topic = new_topic("more", **KEEP)
    configure(tmp_path, broker.bootstrap, topic, transport, quick(transport, metadata=500))
    produce(broker.bootstrap, messages(topic, 300))
    with running(tmp_path) as daemon:
        read_to(daemon, 300)
        with broker.admin() as admin:
            admin.create_partitions({topic: 3})
        produce(broker.bootstrap, messages(topic, 600, first=300, partitions=3))
        read_to(daemon, 900)
        counted(daemon, 900)
        assert gap_alerts(tmp_path) == []


def test_an_empty_topic_is_waited_at_and_read_once_something_is_in_it(
    broker: Cluster, new_topic: NewTopic, tmp_path: Path, transport: str
) -> None:
    """Ready, with no lag and no gap; its partitions hold up nobody, and the first record in them is read."""
    topic, empty = new_topic("full", **KEEP), new_topic("empty", 3, **KEEP)
    configure(tmp_path, broker.bootstrap, f"{topic}, {empty}", transport)
    produce(broker.bootstrap, messages(topic, 300))
    with running(tmp_path) as daemon:
        read_to(daemon, 300)
        counted(daemon, 300)
        assert daemon.ask("/readyz")[0] == 200
        produce(broker.bootstrap, messages(empty, 100, first=300))
        read_to(daemon, 400)
        counted(daemon, 400)
        daemon.stop()
    with running(tmp_path) as daemon:
        produce(broker.bootstrap, messages(empty, 100, first=400, partitions=3))
        read_to(daemon, 500)
        counted(daemon, 500)
        assert gap_alerts(tmp_path) == []


def test_a_compacted_topic_is_read_to_its_end_over_what_is_not_there_any_more(
    broker: Cluster, new_topic: NewTopic, tmp_path: Path, transport: str
) -> None:
    """Offsets that compaction left out are no gap, at the beginning, in the middle and at the end; each record that is
    left counts once, whatever was read before it was compacted.
    """
    compact: dict[str, Any] = {
        "cleanup.policy": "compact",
        "min.cleanable.dirty.ratio": "0.001",
        "max.compaction.lag.ms": "1",
        "segment.ms": "5000",
    }
    topic = new_topic("compacted", **compact)
    rows = messages(topic, 500)

    def send(first: int, last: int, key: str) -> None:
        with broker.producer() as producer:
            for number, (_, _, ms, value) in enumerate(rows[first:last], first):
                producer.send(topic, value, key=key.format(number).encode(), timestamp_ms=ms)

    def compacted(first: int, below: int) -> list[int]:
        """The offsets that are left, once `first` is not, and they are so few: cleaning comes in rounds."""
        give_up = time.monotonic() + PATIENCE_S
        while first in (left := offsets_left(broker, topic)) or len(left) >= below:
            assert time.monotonic() < give_up, "it is never compacted"
            time.sleep(0.2)
        return left

    send(0, 20, "replaced later")
    send(20, 120, "key {}")
    send(120, 250, "replaced later")
    configure(tmp_path, broker.bootstrap, topic, transport, quick(transport, max_partition_fetch_bytes=10_000))
    before = compacted(0, below=200)
    with running(tmp_path) as daemon:
        read_to(daemon, 250)
        known = daemon.metric("vigil_events_received_total")
        assert len(offsets_left(broker, topic)) <= known <= len(before)
        daemon.stop()
    send(250, 500, "replaced later")
    before = [offset for offset in compacted(250, below=300) if offset >= 250]
    with running(tmp_path) as daemon:
        read_to(daemon, 500)
        after = [offset for offset in offsets_left(broker, topic) if offset >= 250]
        assert len(after) <= daemon.metric("vigil_events_received_total") - known <= len(before)
        assert gap_alerts(tmp_path) == []


def test_what_a_transaction_took_back_is_in_no_account(
    broker: Cluster, new_topic: NewTopic, tmp_path: Path, transport: str
) -> None:
    """Only what was committed counts, also of a transaction that was open meanwhile; markers are no gap and no lag."""
    topic = new_topic("transactions", **KEEP)
    configure(tmp_path, broker.bootstrap, topic, transport)
    rows = messages(topic, 600)
    with broker.producer(transactional_id=f"tx-{topic}") as producer:
        producer.init_transactions()

        def begin(part: list[tuple[str, int, int, bytes]]) -> None:
            producer.begin_transaction()
            for _, _, ms, value in part:
                producer.send(topic, value, timestamp_ms=ms)
            producer.flush()

        begin(rows[:300])
        producer.commit_transaction()
        begin(rows[300:400])
        producer.abort_transaction()
        with running(tmp_path) as daemon:
            read_to(daemon, 300 + 1 + 100 + 1)
            counted(daemon, 300)
            begin(rows[400:])
            producer.commit_transaction()
            read_to(daemon, 402 + 200 + 1)
            counted(daemon, 500)
            assert daemon.metric("vigil_lag_records") == 0
            assert gap_alerts(tmp_path) == []
            daemon.stop()


def offsets_left(broker: Cluster, topic: str) -> list[int]:
    """The offsets of what can be read of a topic."""
    return [record.offset for record in broker.records(topic)]


def test_a_topic_that_is_missing_ends_it_with_its_name(broker: Cluster, tmp_path: Path, transport: str) -> None:
    """Exit 78 and one line, for starting again does not help."""
    configure(tmp_path, broker.bootstrap, "no-such-topic", transport)
    with running(tmp_path) as daemon:
        assert daemon.ended() == (
            exits.CONFIG,
            "kafka.topics: not on the brokers: no-such-topic: create them, or correct the names",
        )


def test_a_topic_to_write_to_that_is_missing_ends_it_with_its_name(
    broker: Cluster, new_topic: NewTopic, tmp_path: Path, transport: str
) -> None:
    """Exit 78 and one line with the setting; only of topics that are written to."""
    written = "readings: no-such-readings, dead_letters: no-such-letters"
    configure(tmp_path, broker.bootstrap, new_topic("read", **KEEP), transport, written)
    text = (tmp_path / "vigil.yaml").read_text()
    for sink, other in (
        ("{file: {path: alerts.ndjson}}", "{kafka: {topic: no-such-alerts}}"),
        ("[{file: {path: readings.ndjson}}]", "auto"),
    ):
        assert sink in text
        text = text.replace(sink, other)
    (tmp_path / "vigil.yaml").write_text(text)
    with running(tmp_path) as daemon:
        code, reason = daemon.ended()
    assert code == exits.CONFIG
    assert reason == (
        "sinks.alerts: not on the brokers: no-such-alerts; kafka.readings: not on the brokers: no-such-readings: "
        "create it, or name one that is there"
    )
    with broker.admin() as admin:
        assert not [name for name in admin.list_topics() if name.startswith("no-such")]


def test_a_broker_that_is_absent_at_start_is_waited_for(own_broker: Broker, tmp_path: Path, transport: str) -> None:
    """Not ready, a line at each try, longer and longer apart; once it is there, everything is read."""
    topic = own_broker.new_topic("early", **KEEP)
    produce(own_broker.bootstrap, messages(topic, 300))
    own_broker.stop()
    configure(tmp_path, own_broker.bootstrap, topic, transport)
    with running(tmp_path) as daemon:
        tries = "no kafka broker answers"
        daemon.until(lambda: sum(line["event"] == tries for line in daemon.logged()) >= 3)
        assert daemon.ask("/readyz")[0] == 503
        assert daemon.ask("/healthz")[0] == 200
        waits = [line["retry_s"] for line in daemon.logged() if line["event"] == tries]
        assert waits == sorted(waits)
        assert daemon.said(tries)["brokers"] == [own_broker.bootstrap]
        own_broker.start()
        read_to(daemon, 300)
        assert daemon.ask("/readyz")[0] == 200
        daemon.stop()


def test_a_broker_that_goes_away_for_longer_than_a_session_loses_nothing(
    own_broker: Broker, tmp_path: Path, transport: str
) -> None:
    """Killed and back on the same disk: the same process goes on, counts everything once, and sends what waited."""
    topic, alerts = own_broker.new_topic("away", 2, **KEEP), own_broker.new_topic("alerts")
    times = quick(transport, session=3_000, heartbeat_interval_ms=500)
    configure(tmp_path, own_broker.bootstrap, topic, transport, f"alerts: {alerts}, {times}")
    text = (tmp_path / "vigil.yaml").read_text()
    alert_file = "alerts: [{file: {path: alerts.ndjson}}]"
    assert alert_file in text
    (tmp_path / "vigil.yaml").write_text(
        text.replace(alert_file, f"alerts: [{{kafka: {{topic: {alerts}}}}}]") + "alerts: {heartbeat: 1s}\n"
    )
    produce(own_broker.bootstrap, messages(topic, 400, partitions=2))
    with running(tmp_path) as daemon:
        read_to(daemon, 400)
        own_broker.kill()
        daemon.said("kafka is in trouble")
        daemon.until(lambda: daemon.metric("vigil_source_reachable") == 0)
        assert daemon.ask("/readyz")[0] == 200
        daemon.until(lambda: daemon.metric("vigil_outbox_messages", queue="alerts") >= 8)
        assert not [line for line in daemon.logged() if line["event"] == "kafka answers again"]
        untold = [line["error"] for line in daemon.logged() if line["event"] == "offsets not told to kafka"]
        assert sorted(untold) == sorted(set(untold)), "each reason once, though there is a commit a second"
        own_broker.start()
        daemon.said("kafka answers again")
        daemon.until(lambda: daemon.metric("vigil_source_reachable") == 1)
        produce(own_broker.bootstrap, messages(topic, 400, first=400, partitions=2))
        read_to(daemon, 800)
        counted(daemon, 800)
        assert daemon.metric("vigil_events_total", account="duplicate") == duplicates(800)
        # A heartbeat a second: the queue is never empty for long, but what had waited is gone.
        daemon.until(lambda: daemon.metric("vigil_outbox_messages", queue="alerts") <= 3)
        assert gap_alerts(tmp_path) == []
        daemon.stop()
    assert (tmp_path / "log").stat().st_size < 100_000  # an outage is said now and then, not all the time


def test_a_message_that_is_too_large_is_a_dead_letter_and_what_follows_is_read(
    broker: Cluster, new_topic: NewTopic, tmp_path: Path, transport: str
) -> None:
    """Larger than `limits.message_bytes`, and than a fetch: it blocks nobody. A tombstone holds no event."""
    topic = new_topic("large", **KEEP)
    limit = quick(transport, max_partition_fetch_bytes=10_000)
    configure(tmp_path, broker.bootstrap, topic, transport, limit)
    with (tmp_path / "vigil.yaml").open("a") as config:
        config.write("limits: {message_bytes: 50KiB}\n")
    rows = messages(topic, 20)
    rows.insert(5, (topic, 0, rows[5][2], b"[" + b" " * 300_000 + b"]"))
    produce(broker.bootstrap, rows)
    with broker.producer() as producer:
        producer.send(topic, None, key=b"a tombstone", timestamp_ms=rows[-1][2])
    with running(tmp_path) as daemon:
        read_to(daemon, 22)
        daemon.until((tmp_path / "dead.ndjson").exists)
        counted(daemon, 21)
        assert daemon.metric("vigil_refused_total", reason="too_large") == 1
