"""A pane that takes longer than the consumer group waits for the next poll, with heartbeats all the while."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.broker import Cluster
from tests.conftest import NewTopic
from tests.integration.daemons import running
from tests.integration.running import produce
from tests.integration.slow import Ponderous
from tests.integration.watched import (
    KEEP,
    assert_said_undisturbed,
    configure,
    counted,
    duplicates,
    messages,
    outgoing,
    quick,
    read_to,
)


@pytest.mark.parametrize("commits", ["{min: 200ms, max: 1s}", "{min: 1h, max: 1h}"], ids=["committed", "uncommitted"])
def test_a_pane_that_outlasts_the_poll_interval_is_said_and_counts_once(
    broker: Cluster, new_topic: NewTopic, tmp_path: Path, transport: str, commits: str
) -> None:
    """The group gives up a member that is alive. It says why, goes on by itself from the last commit, whether that was
    a moment ago or there was none yet, and says what it would have said undisturbed.
    """
    topic = new_topic("ponderous", 2, **KEEP)
    times = quick(transport, session=2_000, heartbeat_interval_ms=300, poll=4_000)
    configure(tmp_path, broker.bootstrap, topic, transport, times)
    text = (tmp_path / "vigil.yaml").read_text()
    usual = "commit_interval: {min: 200ms, max: 1s}"
    assert usual in text
    (tmp_path / "vigil.yaml").write_text(text.replace(usual, f"commit_interval: {commits}"))
    monitor = Ponderous(tmp_path / "theirs")
    produce(broker.bootstrap, messages(topic, 400, partitions=2))
    with running(tmp_path, monitor.env) as daemon:
        read_to(daemon, 400)
        with broker.admin() as admin:
            group = lambda: admin.describe_groups([topic])[topic]["members"]  # noqa: E731 - asked again and again
            assert len(group()) == 1
            monitor.slow_down()
            produce(broker.bootstrap, messages(topic, 400, first=400, partitions=2))
            daemon.until(monitor.at_it)
            daemon.until(lambda: not group())
        monitor.speed_up()
        said = daemon.said("nothing fetched for longer than the consumer group waits")
        assert said["seconds"] > said["allowed_s"] == 4.0
        assert said["option"] in ("kafka.consumer: max_poll_interval_ms", "kafka.consumer: max.poll.interval.ms")
        daemon.said("partitions lost, going back to the last commit")
        read_to(daemon, 800)
        counted(daemon, 800)
        assert daemon.metric("vigil_events_total", account="duplicate") == duplicates(800)
        assert not [line for line in daemon.logged() if "poll interval" in line.get("error", "")], "no fault of Kafka's"
        daemon.stop()
    assert_said_undisturbed(tmp_path, monitor.env)
    assert outgoing(tmp_path, "readings")
