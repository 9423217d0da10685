"""A pane that takes longer than the consumer group waits for the next poll, with heartbeats all the while."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.broker import Cluster
from tests.conftest import NewTopic
from tests.integration.daemons import running
from tests.integration.running import produce
from tests.integration.slow import Ponderous
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
            assert members(admin, topic)
            monitor.slow_down()
            produce(broker.bootstrap, messages(topic, 400, first=400, partitions=2))
            daemon.until(monitor.at_it)
            daemon.until(lambda: not members(admin, topic))
        monitor.speed_up()
        late = daemon.said("nothing fetched for longer than the consumer group waits")
        assert late["seconds"] > late["allowed_s"] == 4.0
        assert late["option"] in ("kafka.consumer: max_poll_interval_ms", "kafka.consumer: max.poll.interval.ms")
        daemon.said("partitions lost, going back to the last commit")
        read_to(daemon, 800)
        counted(daemon, 800)
        assert daemon.metric("vigil_events_total", account="duplicate") == duplicates(800)
        assert not [line for line in daemon.logged() if "poll interval" in line.get("error", "")], "no fault of Kafka's"
        daemon.stop()
    expected = undisturbed(tmp_path, monitor.env)
    assert expected["readings"]
    for name, lines in expected.items():
        path = tmp_path / f"{name}.ndjson"
        said = without_heartbeats(path.read_bytes().splitlines()) if path.exists() else []
        assert sorted(said) == sorted(lines), name


def members(admin: Any, group: str) -> list[Any]:
    """Who is in a consumer group."""
    return list(admin.describe_groups([group])[group]["members"])
