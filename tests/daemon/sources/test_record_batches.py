"""Kafka's record batches as columns: the same records as kafka-python reads one by one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.errors import KafkaError
from kafka.protocol.consumer import IsolationLevel
from kafka.record import MemoryRecords
from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka.record.legacy_records import LegacyRecordBatchBuilder
from kafka.record.util import calc_crc32c

from daemon.records import Partition, Run
from daemon.sources import held as held_records
from daemon.sources.held import Held
from daemon.sources.transports import record_batches
from daemon.sources.transports.record_batches import columnar, run_of

TP = TopicPartition("events", 3)
Record = tuple[int, int | None, bytes | None, bytes | None, list[tuple[str, bytes | None]]]
"""Offset, timestamp, key, value, headers."""

pieces = st.none() | st.binary(max_size=200)
headers = st.lists(st.tuples(st.text(max_size=6), pieces), max_size=3)
bodies = st.tuples(st.integers(0, 2**41), pieces, pieces, st.just([]) | headers)


@st.composite
def batches(draw: st.DrawFn) -> list[bytes]:
    """Batches of records with holes between their offsets, as compaction leaves them."""
    found, offset = [], draw(st.integers(0, 2**40))
    for _ in range(draw(st.integers(1, 3))):
        records = []
        for body in draw(st.lists(bodies, min_size=1, max_size=8)):
            records.append((offset, *body))
            offset += draw(st.integers(1, 3))
        found.append(batch(records, draw(st.sampled_from([0, 1, 3, 4]))))
    return found


def batch(records: Sequence[Any], compression: int = 0, *, transactional: bool = False) -> bytes:
    """One batch as a broker sends it, but for the offset, which kafka-python's builder leaves to the broker."""
    first = records[0][0]
    producer = (7, 0, 0) if transactional else (-1, -1, -1)
    builder = DefaultRecordBatchBuilder(2, compression, transactional, *producer, 1 << 20)
    for offset, timestamp, key, value, its_headers in records:
        builder.append(offset - first, timestamp, key, value, its_headers)
    data = bytearray(builder.build())
    data[:8] = first.to_bytes(8, "big")
    return bytes(data)


def read(data: bytes, begin: int, *, ours: bool, aborted: Sequence[Any] = ()) -> tuple[list[Any], str, int]:
    """The records of a fetch from an offset on, the error that ended it, and where the next one begins."""
    kind = record_batches._PartitionRecords if ours else Fetcher.PartitionRecords
    options = {"isolation_level": IsolationLevel.READ_COMMITTED, "aborted_transactions": aborted}
    part = kind(begin, TP, MemoryRecords(data), **options)
    found: list[Any] = []
    error = ""
    try:
        while part:
            found += part.take(1_000_000)
    except KafkaError as raised:
        error = type(raised).__name__
    except Exception:
        if ours:
            raise
        error = "CorruptRecordError"  # kafka-python lets the errors of codecs through
    if ours:
        run = run_of(Partition("events", 3), found)
        columns = (run.offsets, run.timestamps, run.keys, run.values, map(list, run.headers))
        return list(zip(*columns, strict=True)), error, part.next_fetch_offset
    rows = [(each.offset, each.timestamp, each.key, each.value, each.headers) for each in found]
    return rows, error, part.next_fetch_offset


@given(batches(), st.integers(0, 12))
def test_batches_are_read_as_kafka_python_reads_them(sent: list[bytes], skipped: int) -> None:
    """Whatever is in them, compressed or not, and wherever in them a fetch begins."""
    begin = int.from_bytes(sent[0][:8], "big") + skipped
    data = b"".join(sent)
    assert read(data, begin, ours=True) == read(data, begin, ours=False)


@given(batches(), st.data())
def test_a_damaged_batch_is_left_to_kafka_python(sent: list[bytes], data: st.DataObject) -> None:
    """The same records before the damage, the same error, whether or not a checksum would find it.

    But for the offset at which a batch begins, which brokers write: below the first it is no offset to read from.
    """
    whole = bytearray(b"".join(sent))
    begins = list(accumulate(map(len, sent), initial=0))
    place = data.draw(st.integers(61, len(whole) - 1).filter(lambda at: all(not 0 <= at - b < 8 for b in begins)))
    whole[place] = data.draw(st.integers(0, 255))
    begin = int.from_bytes(sent[0][:8], "big")
    assert read(bytes(whole), begin, ours=True) == read(bytes(whole), begin, ours=False)


def test_a_batch_that_says_it_is_shorter_than_its_head_is_damaged() -> None:
    """No checksum covers the length of a batch, and what is cut by it is no batch; the one before it was read."""
    whole = bytearray(b"".join(batch([(place, 1_000, None, b"v", [])]) for place in range(3)))
    second = len(whole) // 3
    whole[second + 8 : second + 12] = (14).to_bytes(4, "big")
    rows, error, _ = read(bytes(whole), 0, ours=True)
    assert [row[0] for row in rows] == [0]
    assert error == "CorruptRecordError"


@given(batches(), st.data())
def test_what_locates_records_stands_any_bytes(sent: list[bytes], data: st.DataObject) -> None:
    """With the checksum made right again, so that the damage gets as far as the loop itself."""
    body = bytearray(sent[0])
    place = data.draw(st.integers(57, len(body) - 1))
    body[place] = data.draw(st.integers(0, 255))
    body[17:21] = calc_crc32c(memoryview(body)[21:]).to_bytes(4, "big")
    begin = int.from_bytes(sent[0][:8], "big")
    theirs = read(bytes(body), begin, ours=False)
    ours = read(bytes(body), begin, ours=True)
    assert ours == theirs


def test_times_that_the_broker_stamped_are_the_brokers() -> None:
    """With `message.timestamp.type=LogAppendTime` every record has the batch's time."""
    data = bytearray(batch([(5, 1_000, None, b"a", []), (6, 2_000, None, b"b", [])]))
    data[22] |= 0x08
    data[17:21] = calc_crc32c(memoryview(data)[21:]).to_bytes(4, "big")
    found = read(bytes(data), 5, ours=True)
    assert found == read(bytes(data), 5, ours=False)
    assert [timestamp for _, timestamp, *_ in found[0]] == [2_000, 2_000]


def test_the_old_message_format_is_read_too() -> None:
    """Kafka-python's own way, record by record."""
    builder = LegacyRecordBatchBuilder(1, 0, 1 << 20)
    builder.append(0, 1_000, b"key", b"value")
    data = bytes(builder.build())
    assert read(data, 0, ours=True) == read(data, 0, ours=False)
    assert read(data, 0, ours=True)[0] == [(0, 1_000, b"key", b"value", [])]


def test_records_of_aborted_transactions_are_left_out() -> None:
    """As `read_committed` says; the fetch goes on after them."""

    class Aborted:
        first_offset, producer_id = 0, 7

    sent = batch([(0, 1, None, b"gone", [])], transactional=True) + batch([(1, 1, None, b"stays", [])])
    found = read(sent, 0, ours=True, aborted=[Aborted()])
    assert found == read(sent, 0, ours=False, aborted=[Aborted()])
    assert [value for *_, value, _ in found[0]] == [b"stays"]


def test_the_installed_kafka_python_is_built_as_we_know_it() -> None:
    """A release that is not would be read slowly, and nobody would notice."""

    class Consumer:
        _fetcher = object.__new__(Fetcher)

    columnar(Consumer)
    assert Consumer._fetcher.PartitionRecords is record_batches._PartitionRecords


def test_a_release_built_otherwise_is_read_record_by_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slower, and right."""
    monkeypatch.setattr(record_batches, "_NEEDED", ((KafkaConsumer, ("what is not there",)),))

    class Consumer:
        _fetcher = object.__new__(Fetcher)

    columnar(Consumer)
    assert Consumer._fetcher.PartitionRecords is Fetcher.PartitionRecords


def test_runs_that_wait_are_handed_out_in_pieces_in_order() -> None:
    """Also after more of the same partition was fetched."""
    partition, held = Partition("events", 0), Held()
    run = Run(partition, [1, 2, 3], [0] * 3, [None] * 3, [b"a", b"b", b"c"], [()] * 3)
    held.put([run])
    assert [each.offsets for each in held.take(2, ())] == [[1, 2]]
    held.put([Run(partition, [7], [0], [None], [b"d"], [()])])
    assert held.waiting(())
    assert not held.waiting([partition])
    assert [each.values for each in held.take(9, ())] == [[b"c", b"d"]]
    assert held.take(9, ()) == []
    assert partition not in held


def test_what_is_handed_out_at_once_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that is larger than the bound comes alone; tombstones weigh nothing; the rest comes later, in order."""
    monkeypatch.setattr(held_records, "MOST_BYTES", 10)
    values = [b"1234", None, b"123456", b"1", b"x" * 40, b"12"]
    held, partition = Held(), Partition("events", 0)
    held.put([Run(partition, list(range(6)), [0] * 6, [None] * 6, values, [()] * 6)])
    held.put([Run(Partition("events", 1), [0], [0], [None], [b"1234567"], [()])])
    taken = [[each.offsets for each in held.take(9, ())] for _ in range(4)]
    assert taken == [[[0, 1, 2]], [[3], [0]], [[4]], [[5]]]
