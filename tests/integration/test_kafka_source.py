"""The Kafka source against a real broker, with each transport: it goes on where the state says, and says what it
can't have.
"""

from __future__ import annotations

import pytest
from kafka import TopicPartition
from kafka.structs import OffsetAndMetadata

from daemon.records import Partition, Position
from daemon.sources import SourceError, StateMissing
from tests.broker import Cluster
from tests.conftest import NewTopic
from tests.integration.polling import Open, assigned, caught_up, count, gaps, offsets, poll_until, runs


def test_records_come_as_they_were_sent(broker: Cluster, new_topic: NewTopic, open_source: Open) -> None:
    """Offset, timestamp, key, value (tombstones, too) and headers, in the order of the partition."""
    topic = new_topic()
    with broker.producer() as producer:
        producer.send(topic, b"one", key=b"k", headers=[("h", b"\xff")], timestamp_ms=1_700_000_000_123)
        producer.send(topic, None, key=b"k", timestamp_ms=1_700_000_000_124)
    source = open_source(topic)
    (run,) = runs(poll_until(source, count(2)))
    assert run.partition == Partition(topic, 0)
    assert run.offsets == [0, 1]
    assert run.timestamps == [1_700_000_000_123, 1_700_000_000_124]
    assert run.keys == [b"k", b"k"]
    assert run.values == [b"one", None]
    assert [list(each) for each in run.headers] == [[("h", b"\xff")], []]


def test_a_poll_hands_out_no_more_than_asked(broker: Cluster, new_topic: NewTopic, open_source: Open) -> None:
    """Batches are bounded, and together they are everything."""
    topic = new_topic(partitions=3)
    broker.produce(topic, [b"v"] * 1_000)
    polls = poll_until(open_source(topic), count(1_000), at_once=70)
    assert max(map(len, polls)) <= 70
    assert sum(map(len, polls)) == 1_000


def test_an_assigned_partition_goes_on_where_the_state_says(
    broker: Cluster, new_topic: NewTopic, open_source: Open
) -> None:
    """Whatever offsets the group has; a partition without a position in the state begins at its beginning."""
    topic = new_topic(partitions=2)
    for number in range(2):
        broker.produce(topic, [b"v"] * 10, partition=number)
    source = open_source(topic)
    poll_until(source, count(20))
    topic_id = source.positions()[Partition(topic, 0)].topic_id
    assert topic_id
    source.commit({Partition(topic, 0): Position(10)})
    source.close()
    again = open_source(topic, {Partition(topic, 0): Position(4, topic_id)})
    polls = poll_until(again, count(16))
    assert offsets(polls, 0) == list(range(4, 10))
    assert offsets(polls, 1) == list(range(10))
    assert sorted(each for polled in polls for each in polled.assigned) == [Partition(topic, 0), Partition(topic, 1)]
    assert again.positions() == {Partition(topic, each): Position(10, topic_id) for each in range(2)}
    assert gaps(polls) == []


def test_committed_offsets_are_there_for_lag_tools(broker: Cluster, new_topic: NewTopic, open_source: Open) -> None:
    """What is committed before closing can be seen by others."""
    topic = new_topic()
    broker.produce(topic, [b"v"] * 3)
    source = open_source(topic)
    poll_until(source, count(3))
    source.commit(source.positions())
    source.close()
    with broker.consumer(group_id=f"group-{topic}") as consumer:
        assert consumer.committed(TopicPartition(topic, 0)) == 3


def test_a_group_with_offsets_but_no_state_is_refused(broker: Cluster, new_topic: NewTopic, open_source: Open) -> None:
    """A lost state is never mistaken for a new one, unless it is said: then reading begins at the beginning."""
    topic = new_topic()
    broker.produce(topic, [b"v"] * 5)
    source = open_source(topic)
    poll_until(source, count(5))
    source.commit(source.positions())
    source.close()
    stateless = open_source(topic)
    with pytest.raises(StateMissing, match="--start-empty") as refused:
        poll_until(stateless, count(1))
    stateless.close()
    assert refused.value.exit_code == 78
    assert offsets(poll_until(open_source(topic, start_empty=True), count(5))) == [0, 1, 2, 3, 4]


def test_latest_begins_at_the_end_but_misses_no_added_partition(
    broker: Cluster, new_topic: NewTopic, open_source: Open
) -> None:
    """`start: latest` is for topics that the state doesn't know; the position is there before the first record."""
    topic = new_topic()
    broker.produce(topic, [b"old"] * 5)
    source = open_source(topic, start="latest", consumer={"metadata_max_age_ms": 500})
    poll_until(source, assigned)
    assert source.positions()[Partition(topic, 0)].next_offset == 5
    state = source.positions()
    source.close()
    with broker.admin() as admin:
        admin.create_partitions({topic: 2})
    broker.produce(topic, [b"new"] * 3, partition=1)
    polls = poll_until(open_source(topic, state, start="latest"), count(3))
    assert offsets(polls, 1) == [0, 1, 2]


def test_partitions_added_while_running_are_read_from_their_beginning(
    broker: Cluster, new_topic: NewTopic, open_source: Open
) -> None:
    """The rebalance takes nothing away that stays: no record twice, none missing, nothing revoked."""
    topic = new_topic()
    broker.produce(topic, [b"v"] * 5)
    source = open_source(topic, consumer={"metadata_max_age_ms": 500})
    polls = poll_until(source, count(5))
    with broker.admin() as admin:
        admin.create_partitions({topic: 3})
    broker.produce(topic, [b"v"] * 5, partition=2)
    broker.produce(topic, [b"v"] * 5, partition=0)
    polls += poll_until(source, count(10))
    assert offsets(polls, 0) == list(range(10))
    assert offsets(polls, 2) == list(range(5))
    assert [each for polled in polls for each in polled.assigned] == [Partition(topic, each) for each in range(3)]
    assert [each for polled in polls for each in polled.revoked] == []


def test_a_paused_partition_waits(broker: Cluster, new_topic: NewTopic, open_source: Open) -> None:
    """Nothing of it is handed out, it is never caught up, and nothing is lost when it goes on."""
    topic = new_topic(partitions=2)
    zero, one = Partition(topic, 0), Partition(topic, 1)
    source = open_source(topic)
    poll_until(source, lambda _: len(source.positions()) == 2)
    source.pause({zero, Partition("other", 0)})
    assert source.paused == {zero}
    for number in range(2):
        broker.produce(topic, [b"v"] * 5, partition=number)
    polls = poll_until(source, lambda polls: count(5)(polls) and caught_up(polls))
    assert {run.partition for run in runs(polls)} == {one}
    assert all(zero not in polled.caught_up for polled in polls)
    source.resume({zero})
    assert source.paused == frozenset()
    assert offsets(poll_until(source, count(5)), 0) == [0, 1, 2, 3, 4]


def test_a_pause_in_the_middle_of_a_fetch_loses_nothing(
    broker: Cluster, new_topic: NewTopic, open_source: Open
) -> None:
    """What was fetched already waits, too, whatever other partitions bring meanwhile; then all comes, in order."""
    topic = new_topic(partitions=2)
    zero = Partition(topic, 0)
    for number in range(2):
        broker.produce(topic, [b"v"] * 1_000, partition=number)
    source = open_source(topic)
    polls = poll_until(source, lambda found: zero in {run.partition for run in runs(found)}, at_once=50)
    before = len(offsets(polls, 0))
    for _ in range(3):
        source.pause({zero})
        polls += [source.poll(0.3, 50) for _ in range(8)]
        assert len(offsets(polls, 0)) == before
        source.resume({zero})
        polls += poll_until(source, lambda found: zero in {run.partition for run in runs(found)}, at_once=50)
        before = len(offsets(polls, 0))
        assert before < 1_000, "nothing was left to pause"
    polls += poll_until(source, lambda found: count(2_000)(polls + found))
    assert offsets(polls, 0) == offsets(polls, 1) == list(range(1_000))


def test_bursts_come_whole(broker: Cluster, new_topic: NewTopic, open_source: Open) -> None:
    """The end of a partition is heard of together with the records before it, again and again: none is passed over."""
    topic = new_topic(partitions=2)
    source = open_source(topic)
    polls = poll_until(source, lambda _: len(source.positions()) == 2)
    with broker.producer(linger_ms=0) as producer:
        for burst in range(30):
            for number in range(2):
                for _ in range(20):
                    producer.send(topic, b"v" * 500, partition=number)
            producer.flush()
            polls += poll_until(source, count(40 * (burst + 1) - sum(map(len, polls))))
    assert offsets(polls, 0) == offsets(polls, 1) == list(range(600))


def test_seeking_back_reads_again(broker: Cluster, new_topic: NewTopic, open_source: Open) -> None:
    """After an aborted batch the loop goes back to what is committed."""
    topic = new_topic()
    broker.produce(topic, [b"v"] * 5)
    source = open_source(topic)
    poll_until(source, count(5))
    source.seek({Partition(topic, 0): Position(2, source.positions()[Partition(topic, 0)].topic_id)})
    assert source.positions()[Partition(topic, 0)].next_offset == 2
    assert offsets(poll_until(source, count(3))) == [2, 3, 4]


def test_caught_up_is_said_of_what_is_read_to_its_end(broker: Cluster, new_topic: NewTopic, open_source: Open) -> None:
    """An empty partition is; one with records is once they were handed out, and not when a new one came."""
    topic = new_topic(partitions=2)
    broker.produce(topic, [b"v"] * 300, partition=1)
    source = open_source(topic)
    both = {Partition(topic, 0), Partition(topic, 1)}
    polls = poll_until(source, lambda polls: polls and polls[-1].caught_up == both, at_once=100)
    assert sum(map(len, polls)) == 300
    assert polls[-1].lag == dict.fromkeys(both, 0)
    broker.produce(topic, [b"v"], partition=1)
    polls = poll_until(source, count(1))
    assert Partition(topic, 1) not in polls[-1].caught_up


def test_aborted_transactions_are_never_seen(broker: Cluster, new_topic: NewTopic, open_source: Open) -> None:
    """Only committed records come, and what leaves no record still counts as read to the end."""
    topic = new_topic()
    with broker.producer(transactional_id=f"tx-{topic}") as producer:
        producer.init_transactions()
        for value, finish in ((b"good", producer.commit_transaction), (b"bad", producer.abort_transaction)):
            producer.begin_transaction()
            producer.send(topic, value)
            producer.flush()
            finish()
        source = open_source(topic)
        polls = poll_until(source, caught_up)
        assert [value for run in runs(polls) for value in run.values] == [b"good"]
        assert source.positions()[Partition(topic, 0)].next_offset == 4
        assert polls[-1].lag == {Partition(topic, 0): 0}
        producer.begin_transaction()
        producer.send(topic, b"open")
        producer.flush()
        polls = poll_until(source, lambda polls: len(polls) > 1 and not polls[-1].caught_up)
        assert sum(map(len, polls)) == 0
        producer.commit_transaction()
    assert offsets(poll_until(source, count(1))) == [4]


def test_a_missing_topic_is_a_mistake(broker: Cluster, open_source: Open) -> None:
    """It is named, it is not made, and waiting ends soon."""
    with pytest.raises(SourceError, match="no-such-topic") as refused:
        poll_until(open_source("no-such-topic"), count(1))
    assert refused.value.exit_code == 78
    assert "\n" not in str(refused.value)
    with broker.admin() as admin:
        assert "no-such-topic" not in admin.list_topics()


def test_an_unknown_option_is_a_mistake(broker: Cluster, new_topic: NewTopic, open_source: Open) -> None:
    """The library's refusal, with the section to look at."""
    with pytest.raises(SourceError, match=r"no.such.option.*kafka\.consumer"):
        poll_until(open_source(new_topic(), consumer={"no_such_option": 1}), count(1))


def test_a_large_record_is_read_whatever_the_fetch_size(
    broker: Cluster, new_topic: NewTopic, open_source: Open, transport: str
) -> None:
    """A record larger than a fetch doesn't block its partition."""
    topic = new_topic()
    broker.produce(topic, [b"a", b"x" * 500_000, b"b"])
    limits = {"max_partition_fetch_bytes": 10_000, "fetch_max_bytes": 10_000}
    if transport == "confluent":  # it insists that a fetch holds what a producer may send
        limits |= {"message_max_bytes": 10_000}
    polls = poll_until(open_source(topic, consumer=limits), count(3))
    assert [len(value or b"") for run in runs(polls) for value in run.values] == [1, 500_000, 1]


def test_offsets_of_others_do_not_matter(broker: Cluster, new_topic: NewTopic, open_source: Open) -> None:
    """Offsets reset by hand in the group move nothing: the truth is in the state."""
    topic = new_topic()
    broker.produce(topic, [b"v"] * 5)
    with broker.consumer(group_id=f"group-{topic}") as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        consumer.commit({TopicPartition(topic, 0): OffsetAndMetadata(4, "", -1)})
    assert offsets(poll_until(open_source(topic, {Partition(topic, 0): Position(1)}), count(4))) == [1, 2, 3, 4]
