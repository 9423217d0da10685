"""The Kafka source in its consumer group: who comes, who goes, and who stays."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from kafka.coordinator.consumer import ConsumerCoordinator
from structlog.testing import capture_logs
from structlog.typing import EventDict

from daemon.records import Partition, Position
from daemon.sources import SourceError, company
from daemon.sources.kafka import KafkaSource
from daemon.sources.transports import confluent, joining
from tests.broker import Cluster
from tests.conftest import NewTopic
from tests.integration.polling import PATIENCE_S, Open, assigned, count, offsets, poll_until


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


def test_who_is_not_let_in_asks_again(
    broker: Cluster,
    new_topic: NewTopic,
    open_source: Open,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A broker that keeps us waiting may have forgotten us; a member that is only slow is waited for all the same."""
    monkeypatch.setattr(joining, "JOIN_MS", 1_000)
    monkeypatch.setattr(confluent, "JOIN_S", 1.0)
    caplog.set_level("INFO", logger="kafka.coordinator")
    topic = new_topic(partitions=2)
    broker.produce(topic, [b"v"] * 3)
    with broker.consumer(group_id=f"group-{topic}", heartbeat_interval_ms=300) as other, capture_logs() as said:
        other.subscribe([topic])
        while len(other.assignment()) < 2:
            other.poll(200)
        caplog.clear()
        source = open_source(topic)
        poll_until(source, lambda _: _tries(caplog, said) >= 3)
        assert source.positions() == {}
        monkeypatch.undo()
        poll_until(source, lambda polls: other.poll(50) is not None and assigned(polls))


def _tries(kafka_python_said: pytest.LogCaptureFixture, said: Sequence[EventDict]) -> int:
    """How often a source asked to be let in: it says so by kafka-python's log, or by ours."""
    theirs = sum("(Re-)joining" in record.message for record in kafka_python_said.records)
    ours = [each for each in said if each["event"] == "not let into the consumer group, joining again"]
    return theirs + len(ours)


@pytest.mark.parametrize("transport", ["kafka-python"])
def test_a_join_that_outlasts_a_poll_is_taken_in(
    broker: Cluster, new_topic: NewTopic, open_source: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever leads the group deals partitions that were added, and hears of its own also if that took a while."""
    deal = ConsumerCoordinator._perform_assignment

    def slowly(coordinator: ConsumerCoordinator, *dealt: object) -> object:
        time.sleep(0.8)
        return deal(coordinator, *dealt)

    topic = new_topic()
    broker.produce(topic, [b"v"] * 3)
    source = open_source(topic, consumer={"metadata_max_age_ms": 500})
    poll_until(source, count(3))
    monkeypatch.setattr(ConsumerCoordinator, "_perform_assignment", slowly)
    with broker.admin() as admin:
        admin.create_partitions({topic: 2})
    broker.produce(topic, [b"v"] * 3, partition=1)
    assert offsets(poll_until(source, count(3)), 1) == [0, 1, 2]


@pytest.mark.parametrize("transport", ["kafka-python"])
def test_what_the_group_decided_between_two_polls_counts(
    broker: Cluster, new_topic: NewTopic, open_source: Open, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever has much else to do joins as well: asking anew, all others would have to join again."""
    caplog.set_level("INFO", logger="kafka.coordinator")
    topic = new_topic()
    source = open_source(topic)

    def later(_: object) -> bool:
        time.sleep(0.2)
        return bool(source.positions())

    poll_until(source, later, max_wait_s=0.001)
    assert sum("Successfully joined" in record.message for record in caplog.records) == 1


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
