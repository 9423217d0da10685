"""Dead letters as records that are sent once more, each to count once.

A record says in its header `vigil-ref` which event it is, so that a daemon takes it in once, however often it is sent:
after a crash in the middle the whole replay is simply run again.
"""

from __future__ import annotations

import subprocess
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from zlib import crc32

from kafka import KafkaProducer
from kafka.errors import KafkaError, MessageSizeTooLargeError

from config.streams import Kafka
from daemon import private
from daemon.decode.again import REF, TIMESTAMP, milliseconds
from daemon.dlq.letters import PassedOver, ref_of
from daemon.envelopes import Consumed, DeadLetter, dump_line
from daemon.kafka_client import fatal, opened
from daemon.redaction import REDACTED
from daemon.sinks.base import SinkError
from daemon.sources.base import SourceError

FIRST_NUMBER = 1_000_000
"""Partition numbers of offline replays begin here, beyond those of any topic."""
IN_FLIGHT = 1_000
ANSWER_S = 60.0


class NotReplayable(ValueError):
    """A letter that can't be sent as it is: what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """A dead letter as it goes back: to the partition in which it stood, for there it is known again."""

    topic: str
    partition: int
    timestamp: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes | None], ...]


def replayed(letter: DeadLetter, command: str | None) -> Replayed:
    """The letter as a record, its value corrected by a command if there is one. Raises `NotReplayable`."""
    value = letter.value or b""
    if command is not None:
        value = corrected(letter, command)
        letter = replace(letter, truncated=False)
    if letter.truncated:
        raise NotReplayable('only its beginning was kept: put the whole in its place and say "truncated": false')
    if not value:
        raise NotReplayable("it is empty: correct it first")
    if REDACTED.encode() in value:
        raise NotReplayable(f"values in it are {REDACTED}: correct it first")
    origin, timestamp = _origin(letter)
    headers = [(name, held) for name, held in letter.headers if name not in (REF, TIMESTAMP)]
    headers.append((REF, origin.encode()))
    if timestamp >= 0:
        headers.append((TIMESTAMP, b"%d" % timestamp))
    return Replayed(letter.topic, letter.partition, timestamp, letter.key, value, tuple(headers))


def corrected(letter: DeadLetter, command: str) -> bytes:
    """What the shell command makes of the value, which it is given as its input. Raises `NotReplayable`."""
    done = subprocess.run(command, shell=True, input=letter.value or b"", capture_output=True, check=False)  # noqa: S602 - the operator's own
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise NotReplayable(f"the command ended with {done.returncode}{': ' + said[-1] if said else ''}")
    return done.stdout.rstrip(b"\n")


def send(kafka: Kafka, records: Iterable[Replayed], refused: PassedOver) -> int:
    """Send records to the topics they came from; returns how many were acknowledged.

    Of those that no producer takes is noted why. Raises `SinkError`, and `SourceError` where there are no more records
    to be had; both say how many were sent.
    """
    options = {"compression_type": "lz4", "linger_ms": 20, **kafka.client_options(), **kafka.producer}
    producer: Any = None
    waiting: deque[Any] = deque()
    count = 0
    try:
        producer = opened(KafkaProducer, **options | {"acks": "all", "enable_idempotence": True})
        cut_short: SourceError | None = None
        try:
            for record in records:
                try:
                    waiting.append(_on_its_way(producer, record))
                    count += 1
                except NotReplayable as problem:
                    refused.note(_named(record), problem)
                if len(waiting) >= IN_FLIGHT:
                    _acknowledge(waiting)
        except SourceError as error:
            cut_short = error
        _acknowledge(waiting)
    except KafkaError as error:
        said = fatal(error) or str(error) or type(error).__name__
        raise SinkError(_so_far(count - len(waiting), said)) from error
    finally:
        if producer is not None:
            producer.close(timeout=5)
    if cut_short is not None:
        raise type(cut_short)(_so_far(count, str(cut_short))) from cut_short
    return count


def write(path: Path, records: Iterable[Replayed]) -> int:
    """Write records as a dump for `vigild replay`, a partition of its own in which each stands at its own time."""
    found = sorted(records, key=lambda record: record.timestamp)
    content = sha256(repr(found).encode()).digest()
    number = FIRST_NUMBER + crc32(content)
    lines = [
        dump_line(Consumed(each.topic, number, place, each.timestamp, each.key, each.value, each.headers))
        for place, each in enumerate(found)
    ]
    with private.whole(path) as file:
        file.writelines(line + b"\n" for line in lines)
    return len(found)


def _origin(letter: DeadLetter) -> tuple[str, int]:
    """Which event it is, and when it stood there first: a replay that was refused again is still the first one.

    Of several events in that replay each further one is told by its place behind the ref.
    """
    held = dict(letter.headers)
    if (ref := held.get(REF)) is None:
        return ref_of(letter), letter.timestamp
    place = f":{letter.index}" if letter.index else ""
    return ref.decode("utf-8", "replace") + place, milliseconds(held.get(TIMESTAMP))


def _named(record: Replayed) -> str:
    return (dict(record.headers)[REF] or b"").decode()


def _on_its_way(producer: Any, record: Replayed) -> Any:
    """Under the timestamp that it had, so that it moves no clock; where its partition is gone, the key decides.

    A header without a value leaves with an empty one: kafka-python has no other. Raises `NotReplayable`.
    """
    try:
        known = producer.partitions_for(record.topic) or ()
        return producer.send(
            record.topic,
            value=record.value,
            key=record.key,
            headers=[(name, held or b"") for name, held in record.headers],
            partition=record.partition if record.partition in known else None,
            timestamp_ms=record.timestamp if record.timestamp >= 0 else None,
        )
    except (TypeError, ValueError, MessageSizeTooLargeError) as error:
        raise NotReplayable(str(error)) from error


def _acknowledge(waiting: deque[Any]) -> None:
    while waiting:
        waiting[0].get(timeout=ANSWER_S)
        waiting.popleft()


def _so_far(count: int, said: str) -> str:
    return f"{count:,} were sent, then: {said}. Run the same command again: none will count twice"


def each(letters: Iterable[DeadLetter], command: str | None, refused: PassedOver) -> Iterator[Replayed]:
    """The letters as records; of those that can't be sent is noted why."""
    for letter in letters:
        try:
            yield replayed(letter, command)
        except NotReplayable as problem:
            refused.note(ref_of(letter), problem)
