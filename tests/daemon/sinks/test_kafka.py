"""The Kafka sink against a real broker: acknowledged means there, and what can't go whole goes shortened."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import orjson
import pytest

from config.streams import KafkaSink as Settings
from daemon.envelopes import dead_letter, dead_letter_message, parse_dead_letter
from daemon.sinks import Message, SinkError, Surroundings
from daemon.sinks.kafka import KafkaSink
from tests.broker import Broker, Cluster
from tests.conftest import NewTopic


def sink_for(broker: Cluster, topic: str, **options: Any) -> KafkaSink:
    """A sink for a topic."""
    return KafkaSink(Settings(topic=topic), Surroundings({"bootstrap_servers": [broker.bootstrap], **options}))


def delivered(sink: KafkaSink, messages: Sequence[Message], seconds: float = 30) -> None:
    """Send and wait until all is acknowledged."""
    sink.send(messages)
    count, give_up = 0, time.monotonic() + seconds
    while count < len(messages):
        assert time.monotonic() < give_up
        count += sink.flush(0.5)
    assert count == len(messages)
    assert sink.flush(0) == 0


def test_messages_arrive_in_order_with_key_and_headers(broker: Cluster, new_topic: NewTopic) -> None:
    """Tombstones, too; a key always goes to the same partition."""
    topic = new_topic(partitions=4)
    messages = [Message(b"k%d" % (n % 5), b"%d" % n, (("n", b"%d" % n),)) for n in range(200)] + [Message(b"k1", None)]
    sink = sink_for(broker, topic)
    delivered(sink, messages)
    sink.close()
    found = broker.consume(topic, len(messages))
    for key in {message.key for message in messages}:
        mine = [Message(r.key, r.value, tuple(r.headers)) for r in found if r.key == key]
        assert mine == [message for message in messages if message.key == key]
        assert len({record.partition for record in found if record.key == key}) == 1


@pytest.mark.parametrize("limit", ["1048588", "20000"])
def test_a_message_that_is_too_large_leaves_shortened(broker: Cluster, new_topic: NewTopic, limit: str) -> None:
    """Refused by the client or by the broker: what the others are is not touched, and a hash says what it was."""
    topic = new_topic("large", 1, **{"max.message.bytes": limit})
    large = os.urandom(2 * 2**20)
    sink = sink_for(broker, topic)
    delivered(sink, [Message(b"a", b"before"), Message(b"b", large), Message(b"c", b"after")])
    assert sink.replaced == 1
    found = {record.key: record.value for record in broker.consume(topic, 3)}
    sink.close()
    assert found[b"a"] == b"before"
    assert found[b"c"] == b"after"
    stub = orjson.loads(found[b"b"])
    assert (stub["reason"], stub["size"]) == ("too_large", len(large))
    assert stub["sha256"] == sha256(large).hexdigest()


def test_a_topic_that_is_missing_is_named(broker: Cluster) -> None:
    """Not as metadata that did not come in time, which is a broker that is slow or away."""
    sink = sink_for(broker, "no-such-topic")
    sink.send([Message(b"k", b"v")])
    with pytest.raises(SinkError, match="topic no-such-topic: it is not on the brokers: create it"):
        sink.flush(0.5)
    sink.close()


def test_a_dead_letter_that_is_too_large_keeps_its_ref(broker: Cluster, new_topic: NewTopic) -> None:
    """Where it came from, why it was refused, its hash and its first 64 KiB."""
    topic = new_topic()
    whole = os.urandom(3 * 2**20)
    letter = dead_letter(("events", 1, 2, 0), "too_large", "10 MiB", key=b"k", value=whole)
    sink = sink_for(broker, topic)
    delivered(sink, [dead_letter_message(letter)])
    (record,) = broker.consume(topic, 1)
    sink.close()
    found = parse_dead_letter(record.value)
    assert (found.topic, found.partition, found.offset, found.sha256) == ("events", 1, 2, sha256(whole).hexdigest())
    assert found.value == whole[: 64 * 2**10]
    assert found.truncated


@pytest.mark.parametrize(("limit", "kept"), [("20000", 4 * 2**10), ("2000", 0)])
def test_a_dead_letter_stays_one_however_little_the_topic_takes(
    broker: Cluster, new_topic: NewTopic, limit: str, kept: int
) -> None:
    """Ref, reason, size and hash are those of the event; only less of it is there."""
    topic = new_topic("small", 1, **{"max.message.bytes": limit})
    whole = os.urandom(45_000)
    letter = dead_letter(
        ("events", 1, 2, 0), "not_json", "d" * 900, key=os.urandom(900), value=whole, headers=[("h", b"1")], timestamp=5
    )
    sink = sink_for(broker, topic)
    delivered(sink, [dead_letter_message(letter), Message(b"c", b"after")])
    sink.close()
    record, after = broker.consume(topic, 2)
    found = parse_dead_letter(record.value)
    assert (found.value, found.truncated, after.value) == (whole[:kept], True, b"after")
    assert (found.topic, found.partition, found.offset, found.index) == ("events", 1, 2, 0)
    assert (found.reason, found.timestamp, found.size) == ("not_json", 5, len(whole))
    assert found.sha256 == sha256(whole).hexdigest()
    assert (found.key, found.detail) == ((letter.key, "d" * 900) if kept else (None, "d" * 200))


def test_a_broker_that_is_away_is_an_error_not_a_hang(own_broker: Broker) -> None:
    """The caller learns it soon, nothing is acknowledged, and when it is back everything can be sent again."""
    topic = own_broker.new_topic()
    own_broker.kill()
    sink = sink_for(own_broker, topic)
    sink.send([Message(b"k", b"v")])
    began = time.monotonic()
    with pytest.raises(SinkError, match=topic):
        sink.flush(0.1)
    assert time.monotonic() - began < 20
    own_broker.start()
    delivered(sink, [Message(b"k", b"v")])
    sink.close()
    assert [record.value for record in own_broker.consume(topic, 1)] == [b"v"]


def test_a_broker_that_dies_on_the_way_loses_nothing_acknowledged(own_broker: Broker) -> None:
    """What was sent when it died is acknowledged after it came back, once, in order."""
    topic = own_broker.new_topic()
    sink = sink_for(own_broker, topic)
    delivered(sink, [Message(b"k", b"0")])
    own_broker.kill()
    sink.send([Message(b"k", b"%d" % number) for number in range(1, 50)])
    assert sink.flush(0.2) == 0
    own_broker.start()
    acknowledged, give_up = 0, time.monotonic() + 60
    while acknowledged < 49:
        assert time.monotonic() < give_up
        acknowledged += sink.flush(0.5)
    sink.close()
    assert [record.value for record in own_broker.consume(topic, 50)] == [b"%d" % number for number in range(50)]
