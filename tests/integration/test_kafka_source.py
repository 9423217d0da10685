"""The Kafka source against a real broker, with each transport: it goes on where the state says, and says what it
can't have.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any, Protocol

import pytest
from kafka import TopicPartition
from kafka.structs import OffsetAndMetadata

from config.streams import Kafka
from daemon.records import Gap, Partition, Polled, Position, Run
from daemon.sources import Opening, SourceError, StateMissing, company
from daemon.sources.kafka import KafkaSource
from tests.broker import Broker, Cluster
from tests.conftest import NewTopic

PATIENCE_S = 120.0


class Open(Protocol):
    """Opens a source of a topic, closed at the end of the test."""

    def __call__(
        self,
        topic: str,
        positions: Mapping[Partition, Position] | None = None,
        *,
        bootstrap: str | None = None,
        start_empty: bool = False,
        instance: str = "",
        **settings: Any,
    ) -> KafkaSource: ...


@pytest.fixture(params=["kafka-python", "confluent"])
def transport(request: pytest.FixtureRequest) -> str:
    """Each client library that there is."""
    return str(request.param)


@pytest.fixture
def open_source(request: pytest.FixtureRequest, transport: str) -> Iterator[Open]:
    """A function that opens sources; each topic has a group of its own."""
    with ExitStack() as stack:

        def opened(
            topic: str,
            positions: Mapping[Partition, Position] | None = None,
            *,
            bootstrap: str | None = None,
            start_empty: bool = False,
            instance: str = "",
            **settings: Any,
        ) -> KafkaSource:
            brokers = [bootstrap or request.getfixturevalue("broker").bootstrap]
            opening = Opening(
                positions=lambda: {} if positions is None else positions, start_empty=start_empty, instance=instance
            )
            given = {"brokers": brokers, "topics": [topic], "group": f"group-{topic}", **settings}
            given |= {"transport": transport, "consumer": options(transport, given.get("consumer", {}))}
            source = KafkaSource(Kafka(**given), opening)
            stack.callback(source.close)
            return source

        yield opened


def options(transport: str, ours: Mapping[str, Any]) -> dict[str, Any]:
    """Options of kafka-python's consumer by the transport's own names."""
    if transport == "kafka-python":
        return dict(ours)
    renamed = {"metadata_max_age_ms": "topic_metadata_refresh_interval_ms"}
    return {renamed.get(name, name).replace("_", "."): value for name, value in ours.items()}


def poll_until(source: KafkaSource, enough: Callable[[list[Polled]], object], at_once: int = 1_000) -> list[Polled]:
    """Poll until it is enough; raises `TimeoutError` if it never is."""
    polls: list[Polled] = []
    give_up = time.monotonic() + PATIENCE_S
    while not enough(polls):
        if time.monotonic() > give_up:
            raise TimeoutError(f"not enough came: {polls[-1:]}")
        polls.append(source.poll(0.3, at_once))
    return polls


def runs(polls: list[Polled]) -> list[Run]:
    """All runs, in order."""
    return [run for polled in polls for run in polled.runs]


def offsets(polls: list[Polled], number: int = 0) -> list[int]:
    """All offsets of a partition, in order."""
    return [offset for run in runs(polls) if run.partition.number == number for offset in run.offsets]


def count(least: int) -> Callable[[list[Polled]], bool]:
    """Enough when so many records came."""
    return lambda polls: sum(map(len, polls)) >= least


def assigned(polls: list[Polled]) -> bool:
    """Enough when something was assigned."""
    return any(polled.assigned for polled in polls)


def caught_up(polls: list[Polled]) -> bool:
    """Enough when the last poll says that something is read to its end."""
    return bool(polls and polls[-1].caught_up)


def gaps(polls: list[Polled]) -> list[Gap]:
    """All gaps."""
    return [gap for polled in polls for gap in polled.gaps]


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


def test_a_partition_moves_to_another_member_and_back(broker: Cluster, new_topic: NewTopic, open_source: Open) -> None:
    """What is revoked is said and no longer read; what comes back goes on where the state says."""
    topic = new_topic(partitions=2)
    source = open_source(topic, consumer={"heartbeat_interval_ms": 300})
    poll_until(source, lambda _: len(source.positions()) == 2)
    with broker.consumer(group_id=f"group-{topic}") as other:
        other.subscribe([topic])
        polls = poll_until(source, lambda polls: other.poll(50) is not None and any(p.revoked for p in polls))
        (gone,) = [each for polled in polls for each in polled.revoked]
        assert set(source.positions()) == {Partition(topic, 1 - gone.number)}
        assert [each for polled in polls for each in polled.assigned] == []
    broker.produce(topic, [b"v"] * 4, partition=gone.number)
    polls = poll_until(source, count(4))
    assert [each for polled in polls for each in polled.assigned] == [gone]
    assert offsets(polls, gone.number) == [0, 1, 2, 3]


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


def test_deleted_records_are_a_gap(broker: Cluster, new_topic: NewTopic, open_source: Open) -> None:
    """Retention ate the position: reading goes on at the oldest record left, and how many are missing is said."""
    topic = new_topic()
    broker.produce(topic, [b"v"] * 10)
    delete_records(broker, topic, 6)
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
    delete_records(broker, topic, 8)
    source.resume({Partition(topic, 0)})
    polls = poll_until(source, count(2))
    assert gaps(polls) == [Gap(Partition(topic, 0), 3, 8, "retention")]
    assert offsets(polls) == [8, 9]


def delete_records(broker: Cluster, topic: str, before: int) -> None:
    """Delete a partition's records below an offset, as retention would."""
    with broker.admin() as admin:
        admin.delete_records({TopicPartition(topic, 0): before})


def recreate(broker: Cluster, topic: str) -> None:
    """Delete a topic and make it again."""
    with broker.admin() as admin:
        admin.delete_topics([topic])
        give_up = time.monotonic() + PATIENCE_S
        while topic in admin.list_topics():
            assert time.monotonic() < give_up
            time.sleep(0.1)
    broker.create_topic(topic)


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
    recreate(broker, topic)
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
    recreate(broker, topic)
    broker.produce(topic, [b"new"] * 7)
    polls = poll_until(source, count(7))
    found = [value for run in runs(polls) for value in run.values]
    assert found[-7:] == [b"new"] * 7
    assert source.positions()[Partition(topic, 0)].topic_id != before
    assert any(polled.revoked for polled in polls) or gaps(polls)[-1].reason == "recreated"


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


def test_a_restart_under_its_name_waits_for_no_predecessor(
    broker: Cluster, new_topic: NewTopic, open_source: Open
) -> None:
    """After a crash the group knows the instance again, though the one before never said goodbye."""
    topic = new_topic()
    broker.produce(topic, [b"v"] * 3)
    long = {"session_timeout_ms": 120_000, "max_poll_interval_ms": 300_000}
    first = open_source(topic, instance="vigil-1", consumer=long)
    poll_until(first, count(3))
    second = open_source(topic, instance="vigil-1", consumer=long)
    assert offsets(poll_until(second, count(3))) == [0, 1, 2]


def test_of_two_under_one_name_one_ends_and_the_other_goes_on(
    broker: Cluster, new_topic: NewTopic, open_source: Open
) -> None:
    """Another process under the same name (a copied state) takes the place. Whoever is put out for good says so and
    ends; it must not go on as if nothing had happened.
    """
    topic = new_topic()
    broker.produce(topic, [b"v"] * 3)
    quick = {"heartbeat_interval_ms": 300}
    states: list[dict[Partition, Position]] = [{}, {}]
    sources = [open_source(topic, state, instance="vigil-1", consumer=quick) for state in states]
    for source, state in zip(sources, states, strict=True):
        poll_until(source, count(3))
        state.update(source.positions())
    ended: dict[KafkaSource, SourceError] = {}

    def tried(source: KafkaSource) -> None:
        try:
            source.poll(0.1, 10)
            source.commit(source.positions())
        except SourceError as error:
            ended[source] = error

    give_up = time.monotonic() + PATIENCE_S
    while not ended and time.monotonic() < give_up:
        for source in sources:
            tried(source)
    ((gone, reason),) = ended.items()
    assert "another process took this one's place" in str(reason)
    assert reason.exit_code == 78
    (stays,) = (source for source in sources if source is not gone)
    broker.produce(topic, [b"v"])
    assert offsets(poll_until(stays, count(1))) == [3]


def test_a_second_state_in_the_group_is_refused(broker: Cluster, new_topic: NewTopic, open_source: Open) -> None:
    """It would take half of the partitions: it does not even join, and the first goes on undisturbed."""
    topic = new_topic(partitions=2)
    first = open_source(topic, instance="vigil-1")
    poll_until(first, lambda _: len(first.positions()) == 2)
    second = open_source(topic, instance="vigil-0")
    with pytest.raises(SourceError, match=r"vigil-1.*a group of its own") as refused:
        poll_until(second, assigned)
    assert refused.value.exit_code == 78
    broker.produce(topic, [b"v"] * 4)
    polls = poll_until(first, count(4))
    assert [each for polled in polls for each in (*polled.revoked, *polled.assigned)] == []


@pytest.mark.parametrize("first", [0, 1])
def test_of_two_states_that_meet_in_the_group_the_one_that_reads_stays(
    broker: Cluster, new_topic: NewTopic, open_source: Open, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    """The other did not see it in time: it goes without having read anything, whatever the names are."""
    monkeypatch.setattr(company, "NEWCOMER_S", 3.0)
    topic = new_topic(partitions=2)
    quick = {"heartbeat_interval_ms": 300, "session_timeout_ms": 3_000}
    sources = [open_source(topic, instance=f"vigil-{number}", consumer=quick) for number in range(2)]
    monkeypatch.setattr(company.Company, "room", lambda _: True)
    stays, goes = sources[first], sources[1 - first]
    poll_until(stays, lambda _: len(stays.positions()) == 2)
    with pytest.raises(SourceError, match=rf"vigil-{first}.*a group of its own"):
        poll_until(goes, lambda polls: assigned(polls) or stays.poll(0.1, 10) is None)
    goes.close()
    poll_until(stays, lambda _: len(stays.positions()) == 2)


def test_of_two_states_that_join_at_once_one_stays(
    broker: Cluster, new_topic: NewTopic, open_source: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither saw the other before: the one whose name comes first waits for the other to go, and gets everything."""
    topic = new_topic(partitions=2)
    quick = {"heartbeat_interval_ms": 300, "session_timeout_ms": 3_000}
    sources = [open_source(topic, instance=f"vigil-{number}", consumer=quick) for number in range(2)]
    monkeypatch.setattr(company.Company, "room", lambda _: True)
    monkeypatch.setattr(company, "NEWCOMER_S", PATIENCE_S)
    with monkeypatch.context() as blind:  # neither looks around before both are members
        blind.setattr(KafkaSource, "_look_and_settle", lambda *_: None)
        poll_until(sources[0], lambda _: sources[1].poll(0.1, 10) is not None and len(members(sources[0])) == 2)
    with pytest.raises(SourceError, match="vigil-0"):
        poll_until(sources[1], lambda _: sources[0].poll(0.1, 10) is None)
    sources[1].close()
    poll_until(sources[0], lambda _: len(sources[0].positions()) == 2)


def members(source: KafkaSource) -> list[str]:
    """Who is in the group, itself included."""
    return [*source._transport.others(), source._opening.instance]


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


def test_offsets_of_others_do_not_matter(broker: Cluster, new_topic: NewTopic, open_source: Open) -> None:
    """Offsets reset by hand in the group move nothing: the truth is in the state."""
    topic = new_topic()
    broker.produce(topic, [b"v"] * 5)
    with broker.consumer(group_id=f"group-{topic}") as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        consumer.commit({TopicPartition(topic, 0): OffsetAndMetadata(4, "", -1)})
    assert offsets(poll_until(open_source(topic, {Partition(topic, 0): Position(1)}), count(4))) == [1, 2, 3, 4]
