"""The Kafka source and what the broker no longer has, or that is not there itself: it is said, and no more is lost."""

from __future__ import annotations

import pytest

from daemon.records import Gap, Partition, Position
from tests.broker import Broker, Cluster
from tests.conftest import NewTopic
from tests.integration.polling import Open, caught_up, count, gaps, offsets, poll_until, runs


def test_deleted_records_are_a_gap(broker: Cluster, new_topic: NewTopic, open_source: Open) -> None:
    """Retention ate the position: reading goes on at the oldest record left, and how many are missing is said."""
    topic = new_topic()
    broker.produce(topic, [b"v"] * 10)
    broker.delete_records(topic, 6)
    polls = poll_until(open_source(topic, {Partition(topic, 0): Position(2)}), count(4))
    assert gaps(polls) == [Gap(Partition(topic, 0), 2, 6, "retention")]
    assert offsets(polls) == [6, 7, 8, 9]


def test_records_deleted_under_a_paused_reader_are_a_gap(
    broker: Cluster, new_topic: NewTopic, open_source: Open
) -> None:
    """The same while running."""
    topic = new_topic()
    broker.produce(topic, [b"v"] * 3)
    source = open_source(topic)
    poll_until(source, count(3))
    source.pause({Partition(topic, 0)})
    broker.produce(topic, [b"v"] * 7)
    for _ in range(3):
        source.poll(0.3, 100)
    source.seek(source.positions())
    broker.delete_records(topic, 8)
    source.resume({Partition(topic, 0)})
    polls = poll_until(source, count(2))
    assert gaps(polls) == [Gap(Partition(topic, 0), 3, 8, "retention")]
    assert offsets(polls) == [8, 9]


@pytest.mark.parametrize("records", [2, 8])
def test_a_topic_made_again_between_two_runs_is_a_gap(
    broker: Cluster, new_topic: NewTopic, open_source: Open, records: int
) -> None:
    """It is read from its beginning, also when it reaches further than the one before did."""
    topic = new_topic()
    broker.produce(topic, [b"old"] * 5)
    source = open_source(topic)
    poll_until(source, count(5))
    state = source.positions()
    source.close()
    broker.recreate_topic(topic)
    broker.produce(topic, [b"new"] * records)
    polls = poll_until(open_source(topic, state), count(records))
    assert gaps(polls) == [Gap(Partition(topic, 0), 5, 0, "recreated")]
    assert [value for run in runs(polls) for value in run.values] == [b"new"] * records


def test_a_topic_made_again_while_running_is_read_from_its_beginning(
    broker: Cluster, new_topic: NewTopic, open_source: Open
) -> None:
    """Nothing of the new topic is missed, and that it is another one is said."""
    topic = new_topic()
    broker.produce(topic, [b"old"] * 5)
    source = open_source(topic, consumer={"metadata_max_age_ms": 500})
    polls = poll_until(source, count(5))
    before = source.positions()[Partition(topic, 0)].topic_id
    broker.recreate_topic(topic)
    broker.produce(topic, [b"new"] * 7)
    polls = poll_until(source, count(7))
    found = [value for run in runs(polls) for value in run.values]
    assert found[-7:] == [b"new"] * 7
    assert source.positions()[Partition(topic, 0)].topic_id != before
    assert any(polled.revoked for polled in polls) or gaps(polls)[-1].reason == "recreated"


def test_it_waits_for_a_broker_that_is_absent_at_start(own_broker: Broker, open_source: Open) -> None:
    """Polls return, nothing is raised, and reading begins when the broker is there."""
    topic = own_broker.new_topic()
    own_broker.produce(topic, [b"v"] * 3)
    own_broker.kill()
    source = open_source(topic, bootstrap=own_broker.bootstrap)
    for _ in range(3):
        assert len(source.poll(0.3, 10)) == 0
    assert not source.connected
    own_broker.start()
    assert offsets(poll_until(source, count(3))) == [0, 1, 2]


def test_a_broker_that_goes_away_and_comes_back_loses_nothing(own_broker: Broker, open_source: Open) -> None:
    """While it is away nothing is caught up; afterwards every record comes once."""
    topic = own_broker.new_topic()
    own_broker.produce(topic, [b"v"] * 3)
    state: dict[Partition, Position] = {}
    source = open_source(topic, state, bootstrap=own_broker.bootstrap)
    polls = poll_until(source, lambda polls: count(3)(polls) and caught_up(polls))
    state |= source.positions()
    own_broker.kill()
    poll_until(source, lambda polls: len(polls) > 3 and not polls[-1].caught_up)
    source.commit(source.positions())
    own_broker.start()
    own_broker.produce(topic, [b"v"] * 3)
    polls += poll_until(source, count(3))
    assert offsets(polls) == list(range(6))
    assert gaps(polls) == []
