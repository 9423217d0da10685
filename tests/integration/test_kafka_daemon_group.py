"""The running daemon in its consumer group: every event counts once, whoever comes and goes."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from daemon import exits
from daemon.sources.company import ESTABLISHED_S
from tests.broker import Cluster
from tests.conftest import NewTopic
from tests.integration.daemons import PATIENCE_S, running
from tests.integration.fleet import START_S
from tests.integration.running import produce
from tests.integration.watched import KEEP, configure, counted, duplicates, messages, quick, read_to


def test_a_process_that_stood_still_for_longer_than_its_session_goes_on_and_counts_once(
    broker: Cluster, new_topic: NewTopic, tmp_path: Path, transport: str
) -> None:
    """The group dropped it, and its poll interval is over, too: back to the last commit, and every record once."""
    topic = new_topic("frozen", 2, **KEEP)
    times = quick(transport, session=2_000, heartbeat_interval_ms=300, poll=3_000)
    configure(tmp_path, broker.bootstrap, topic, transport, times)
    produce(broker.bootstrap, messages(topic, 400, partitions=2))
    with running(tmp_path) as daemon:
        read_to(daemon, 400)
        daemon.process.send_signal(signal.SIGSTOP)
        produce(broker.bootstrap, messages(topic, 400, first=400, partitions=2))
        with broker.consumer(group_id=topic) as other:
            other.subscribe([topic])
            give_up = time.monotonic() + PATIENCE_S
            while len(other.assignment()) < 2:
                assert time.monotonic() < give_up
                other.poll(200)
        daemon.process.send_signal(signal.SIGCONT)
        read_to(daemon, 800)
        daemon.said("partitions lost, going back to the last commit")
        counted(daemon, 800)
        assert daemon.metric("vigil_events_total", account="duplicate") == duplicates(800)


def test_a_rebalance_in_the_middle_of_a_slow_pane_counts_every_event_once(
    broker: Cluster, new_topic: NewTopic, tmp_path: Path, transport: str
) -> None:
    """Partitions go to somebody else while their pane is open, and come back: what was uncommitted is read again."""
    topic = new_topic("slow", 2, **KEEP)
    times = quick(transport, heartbeat_interval_ms=300)
    configure(tmp_path, broker.bootstrap, topic, transport, times)
    rows = [
        (topic, place % 2, START_S * 1000 + place, value) for place, (_, _, _, value) in enumerate(messages("", 600))
    ]
    with running(tmp_path) as daemon:
        daemon.until(lambda: daemon.ask("/readyz")[0] == 200)
        produce(broker.bootstrap, rows[:300])
        daemon.until(lambda: daemon.metric("vigil_position") == 300)
        with broker.consumer(group_id=topic) as other:
            other.subscribe([topic])
            daemon.until(lambda: other.poll(100) is not None and len(other.assignment()) == 1)
            produce(broker.bootstrap, rows[300:])
            daemon.said("partitions lost, going back to the last commit")
            daemon.said("part of the topics is read by others and not watched here")
        read_to(daemon, 600)
        counted(daemon, 600)
        assert daemon.metric("vigil_events_total", account="duplicate") == duplicates(600)


def test_a_second_daemon_in_the_group_is_refused_and_disturbs_nobody(
    broker: Cluster, new_topic: NewTopic, tmp_path: Path, transport: str
) -> None:
    """It has a state of its own: exit 78 and a line that says what to do; the first one loses nothing meanwhile."""
    topic = new_topic("shared", 2, **KEEP)
    folders = tmp_path / "first", tmp_path / "second"
    for folder in folders:
        folder.mkdir()
        configure(folder, broker.bootstrap, topic, transport)
    produce(broker.bootstrap, messages(topic, 300, partitions=2))
    with running(folders[0]) as first:
        read_to(first, 300)
        with running(folders[1]) as second:
            code, reason = second.ended()
        assert code == exits.CONFIG
        assert "a group of its own" in reason
        produce(broker.bootstrap, messages(topic, 300, first=300, partitions=2))
        read_to(first, 600)
        counted(first, 600)
        assert not [line for line in first.logged() if "partitions lost" in line["event"]]


@pytest.mark.timeout(450)
def test_of_two_daemons_that_start_at_once_one_goes_on(
    broker: Cluster, new_topic: NewTopic, tmp_path: Path, transport: str
) -> None:
    """Each with a state of its own: one ends with 78 and says why, the other reads everything, each event once.

    On a machine so busy that the first loses its session meanwhile, both have read, and one goes after two minutes.
    """
    topic = new_topic("rivals", 2, **KEEP)
    folders = tmp_path / "one", tmp_path / "two"
    for folder in folders:
        folder.mkdir()
        configure(
            folder, broker.bootstrap, topic, transport, quick(transport, session=3_000, heartbeat_interval_ms=500)
        )
    produce(broker.bootstrap, messages(topic, 300, partitions=2))
    with running(folders[0]) as one, running(folders[1]) as two:
        rivals = {one, two}
        give_up = time.monotonic() + ESTABLISHED_S + PATIENCE_S
        while not (gone := {each for each in rivals if each.process.poll() is not None}):
            assert time.monotonic() < give_up
            time.sleep(0.1)
        (loser,) = gone
        (winner,) = rivals - gone
        code, reason = loser.ended()
        assert code == exits.CONFIG
        assert "a group of its own" in reason
        produce(broker.bootstrap, messages(topic, 300, first=300, partitions=2))
        read_to(winner, 600)
        counted(winner, 600)
        winner.stop()
