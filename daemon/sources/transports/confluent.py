"""Kafka through confluent-kafka, Python's face of librdkafka: the same delivery at a fraction of the CPU.

librdkafka fetches on threads of its own. Its offsets can't be moved while a partition stands after an error, so every
move is an assignment anew (`start`), which is rare. Admin questions go through a client of their own.

Once its session is over librdkafka 2.16 forgets its member id, but still tells the group offsets that it had put off.
A coordinator that is back from an outage takes these for another process's under the same instance id and fences us
out, which is fatal to the client. So being fenced is believed the second time only (`_join_again`): another process
does it again at once.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar
from uuid import UUID

import confluent_kafka as ck
import structlog
from confluent_kafka.admin import AdminClient, OffsetSpec

from config.streams import Kafka
from daemon.records import Partition, Position, Run
from daemon.sources.base import SourceError
from daemon.sources.resumption import Extent
from daemon.sources.transports.base import Decision, End, OutOfRange, Transport, Trouble
from daemon.sources.transports.librdkafka import DEFAULTS, REQUIRED, client_options, fenced, opened, translation

log = structlog.get_logger(__name__)
Answer = TypeVar("Answer")

ANSWER_S = 5.0
"""How long to wait for what everything else waits for."""
END_S = 0.5
"""How long to wait for where partitions end."""
JOIN_S = 30.0
"""How long to wait for our partitions before joining the group once more."""
FENCED_AGAIN_S = 60.0
"""Fenced out twice within this time we give way to another process."""
_SILENT = {ck.KafkaError._TIMED_OUT, ck.KafkaError._TRANSPORT, ck.KafkaError._ALL_BROKERS_DOWN}  # noqa: SLF001
_GONE = {ck.KafkaError.UNKNOWN_TOPIC_OR_PART, ck.KafkaError._UNKNOWN_PARTITION, ck.KafkaError._UNKNOWN_TOPIC}  # noqa: SLF001


class Confluent(Transport):
    """See `Transport`."""

    name = "confluent"
    poll_interval = "max.poll.interval.ms"

    def __init__(self, settings: Kafka, instance: str) -> None:
        self._settings, self._instance = settings, instance
        self._topics = list(settings.consumed)
        self._consumer: Any = None
        self._asking: Any = None
        self._next: dict[Partition, int] = {}
        """Of started partitions the next offset, after what was fetched."""
        self._stopped: set[Partition] = set()
        self._decided: deque[Decision] = deque()
        self._lost: frozenset[Partition] = frozenset()
        self._wrong: list[Exception] = []
        """What went wrong in a callback or beside records, to be raised by the next `fetch`."""
        self._fenced = False
        """Whether this consumer is of no use any more and the next `fetch` is to open another."""
        self._fenced_at = -FENCED_AGAIN_S
        self._joining_since: float | None = None
        """Since when we wait for the group to say which partitions are ours; None while we know."""
        self._refusals: set[int] = set()
        """The errors with which the group's offsets were refused since they last were not."""

    @property
    def connected(self) -> bool:
        return self._consumer is not None

    def topic_ids(self, also: Collection[str] = ()) -> dict[str, str | None]:
        found: dict[str, str | None] = {}
        with self._translated():
            asked = self._admin().describe_topics(ck.TopicCollection([*self._topics, *also]), request_timeout=ANSWER_S)
        for name, future in asked.items():
            try:
                found[name] = _uuid(self._answer(future).topic_id)
            except ck.KafkaException as error:
                gone = error.args[0].code() in _GONE
                if not gone and name not in also:
                    raise self._translation(error.args[0]) from error
                found[name] = None if gone else ""
        return found

    def others(self) -> list[str]:
        with self._translated():
            asked = self._admin().describe_consumer_groups([self._settings.group], request_timeout=ANSWER_S)
            members = self._answer(asked[self._settings.group]).members
        names = [(each.group_instance_id or each.client_id, each.host) for each in members]
        return [f"{name}{host}" for name, host in names if name != self._instance]

    def connect(self) -> None:
        ids = {"group.id": self._settings.group} | ({"group.instance.id": self._instance} if self._instance else {})
        options = {
            **DEFAULTS,
            **client_options(self._settings, self._on_error),
            **self._settings.consumer,
            **ids,
            **REQUIRED,
        }
        self._consumer = opened(ck.Consumer, options | {"on_commit": self._on_commit})
        self._joining_since = time.monotonic()
        with self._translated():
            self._consumer.subscribe(
                self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
            )

    def fetch(self, max_wait_s: float, most: int) -> list[Run]:
        """See `Transport`. Waits for one record, then takes what is there: librdkafka waits for all it is asked for."""
        self._raise_worst()
        if self._fenced:
            self._join_again()
        with self._translated():
            messages = self._consumer.consume(1, max_wait_s)
            if messages and most > 1:
                messages += self._consumer.consume(most - 1, 0.0)
        self._ask_again_to_join()
        found: dict[tuple[str, int], list[Any]] = {}
        others = []
        for message in messages:
            if message.error() is None:
                found.setdefault((message.topic(), message.partition()), []).append(message)
            else:
                others.append(message)
        taken = [_run(partition, records) for partition, records in self._taken(found)]
        for message in others:  # after the records: an end lies behind those that came with it
            self._note(message)
        return taken

    def decisions(self) -> Iterator[Decision]:
        while self._decided:
            yield self._decided.popleft()

    def start(self, offsets: Mapping[Partition, int], running: Collection[Partition]) -> None:
        self._next |= offsets
        self._stopped = (self._stopped - offsets.keys()) | (offsets.keys() - set(running))
        with self._translated():
            self._consumer.assign([_theirs(each, offset) for each, offset in sorted(self._next.items())])
        self._switch(self._stopped, "pause")
        self._switch(running, "resume")  # an assignment doesn't: what was paused stays so

    def pause(self, partitions: Collection[Partition]) -> None:
        self._switch(partitions, "pause")
        self._stopped |= self._next.keys() & set(partitions)

    def resume(self, partitions: Collection[Partition]) -> None:
        self._switch(partitions, "resume")
        self._stopped -= set(partitions)

    def reached(self, partition: Partition) -> int:
        return self._next.get(partition, 0)

    def ends(self, partitions: Iterable[Partition]) -> dict[Partition, End]:
        written = self._offsets(partitions, OffsetSpec.latest(), ck.IsolationLevel.READ_UNCOMMITTED, END_S)
        return {each: End(end, end) for each, end in written.items()}

    def extents(self, partitions: Iterable[Partition]) -> dict[Partition, Extent]:
        ids = self.topic_ids()
        asked = [each for each in partitions if ids.get(each.topic) is not None]
        begins = self._offsets(asked, OffsetSpec.earliest(), ck.IsolationLevel.READ_COMMITTED, ANSWER_S)
        ends = self._offsets(asked, OffsetSpec.latest(), ck.IsolationLevel.READ_COMMITTED, ANSWER_S)
        return {
            each: Extent(begins[each], ends[each], ids[each.topic] or "")
            for each in asked
            if each in begins and each in ends
        }

    def committed(self, partition: Partition) -> int | None:
        with self._translated():
            (found,) = self._consumer.committed([_theirs(partition)], ANSWER_S)
        if found.error is not None:
            raise self._translation(found.error)
        return found.offset if found.offset >= 0 else None

    def tell(self, positions: Mapping[Partition, Position]) -> None:
        """See `Transport`. Who is no member just now has nothing to tell, and would be fenced out for it."""
        if not self.connected or (self._instance and not self._consumer.memberid()):
            return
        try:
            self._consumer.commit(
                offsets=[_theirs(each, at.next_offset) for each, at in positions.items()], asynchronous=True
            )
        except ck.KafkaException as error:
            self._on_commit(error.args[0], [])

    def close(self) -> None:
        self._close_consumer()
        self._asking = None

    def _close_consumer(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is None:
            return
        try:
            consumer.close()
        except (ck.KafkaException, RuntimeError) as error:
            log.warning("kafka consumer not closed cleanly", error=str(error))

    def _on_assign(self, consumer: Any, assigned: list[Any]) -> None:
        """Nothing is fetched until the source has found where to go on: it says so with `start`."""
        consumer.assign([])
        self._next, self._stopped, self._joining_since = {}, set(), None
        self._decided.append(Decision(frozenset(map(_ours, assigned)), self._lost))
        self._lost = frozenset()

    def _on_revoke(self, consumer: Any, revoked: list[Any]) -> None:
        """What this means is known when the new assignment is."""
        self._next, self._stopped, self._joining_since = {}, set(), time.monotonic()

    def _on_lost(self, consumer: Any, lost: list[Any]) -> None:
        self._lost |= {_ours(each) for each in lost}
        self._next, self._stopped, self._joining_since = {}, set(), time.monotonic()

    def _on_error(self, error: Any) -> None:
        self._wrong.append(self._translation(error))

    def _on_commit(self, error: Any, _offsets: object) -> None:
        """The group's offsets are advice: if they are refused it matters only where we are not in it any more."""
        if error is None:
            self._refusals.clear()
            return
        if isinstance(translated := self._translation(error), SourceError):
            self._wrong.append(translated)
        if error.code() not in self._refusals:
            self._refusals.add(error.code())
            log.warning("offsets not told to kafka", error=error.str())

    def _ask_again_to_join(self) -> None:
        """Join anew if the group kept us waiting for `JOIN_S`, though the brokers answer.

        librdkafka waits for `max.poll.interval.ms`, five minutes, and can't be told otherwise. So long a broker that
        was killed (4.1.1) may wait for members that are no more; one that asks again is let in at once. Where there
        are others that are only slow, a member under the same name takes its own place and the group waits on.
        """
        if self._joining_since is None or time.monotonic() - self._joining_since < JOIN_S:
            return
        self._joining_since = time.monotonic()  # not before as long again, whatever comes of it
        others = self.others()
        log.warning("not let into the consumer group, joining again", group=self._settings.group, others=others)
        self._join_again()

    def _join_again(self) -> None:
        """Open another consumer in place of this one. What it had is lost: back to the last commit."""
        self._lost |= self._next.keys()
        self._next, self._stopped = {}, set()
        self._close_consumer()
        self._fenced, self._wrong = False, []
        self.connect()

    def _translation(self, error: Any) -> Exception:
        """As the function; but fenced out for the first time we join again."""
        if not fenced(error):
            return translation(error)
        if self._fenced:
            return Trouble(error.str())
        before, self._fenced_at = self._fenced_at, time.monotonic()
        if self._fenced_at - before < FENCED_AGAIN_S:
            return translation(error)
        self._fenced = True
        log.warning("fenced out of the consumer group, joining again", error=error.str())
        return Trouble(error.str())

    def _note(self, message: Any) -> None:
        """A message that is no record: the end of a partition, or something that went wrong."""
        error = message.error()
        partition = Partition(message.topic() or "", message.partition() or 0)
        if error.code() == ck.KafkaError._PARTITION_EOF:  # noqa: SLF001 - public, so named
            if partition in self._next:
                self._next[partition] = max(self._next[partition], message.offset())
        elif error.code() in {ck.KafkaError._AUTO_OFFSET_RESET, ck.KafkaError.OFFSET_OUT_OF_RANGE}:  # noqa: SLF001
            self._wrong.append(OutOfRange([partition]))
        elif error.code() != ck.KafkaError._MAX_POLL_EXCEEDED:  # noqa: SLF001 - ours: the source knows that it was late
            self._wrong.append(self._translation(error))

    def _raise_worst(self) -> None:
        """Raise what can't heal, else what needs another offset, else what was in trouble; the rest is forgotten."""
        wrong, self._wrong = self._wrong, []
        for error in wrong:
            if isinstance(error, SourceError):
                raise error
        if moved := [error for error in wrong if isinstance(error, OutOfRange)]:
            raise OutOfRange(frozenset().union(*(error.partitions for error in moved)))
        if wrong:
            raise wrong[-1]

    def _taken(self, found: Mapping[tuple[str, int], list[Any]]) -> Iterator[tuple[Partition, list[Any]]]:
        """Records of started partitions, from where each goes on: others were on their way when that changed."""
        for (topic, number), messages in found.items():
            partition = Partition(topic, number)
            expected = self._next.get(partition)
            if expected is None:
                continue
            if messages[0].offset() < expected:
                messages = [message for message in messages if message.offset() >= expected]  # noqa: PLW2901 - the rest
            if messages:
                self._next[partition] = messages[-1].offset() + 1
                yield partition, messages

    def _switch(self, partitions: Collection[Partition], how: str) -> None:
        """Pause or resume those that were started; the others stand."""
        if chosen := [_theirs(each) for each in sorted(self._next.keys() & set(partitions))]:
            with self._translated():
                getattr(self._consumer, how)(chosen)

    def _offsets(
        self, partitions: Iterable[Partition], which: Any, isolation: Any, max_wait_s: float
    ) -> dict[Partition, int]:
        """First or last offsets, as the partitions' leaders say; without partitions that are not there."""
        asked = {_theirs(each): which for each in partitions}
        found = {}
        with self._translated():
            futures = (
                self._admin().list_offsets(asked, isolation_level=isolation, request_timeout=max_wait_s)
                if asked
                else {}
            )
        for partition, future in futures.items():
            try:
                found[_ours(partition)] = int(self._answer(future, max_wait_s).offset)
            except ck.KafkaException as error:
                if error.args[0].code() not in _GONE:
                    raise self._translation(error.args[0]) from error
        return found

    def _admin(self) -> Any:
        if self._asking is None:
            self._asking = opened(AdminClient, client_options(self._settings, self._on_error))
        return self._asking

    def _answer(self, future: Future[Answer], max_wait_s: float = ANSWER_S) -> Answer:
        """An answer; raises what the client said went wrong meanwhile rather than that none came in time.

        After an outage of minutes librdkafka 2.16's admin client may never find a group's coordinator again, though it
        answers everything else. So the next question after one that had its time and was not answered is asked by
        another client.
        """
        try:
            return future.result(2 * ANSWER_S)
        except (ck.KafkaException, TimeoutError) as error:
            if self._asking is not None:
                self._asking.poll(0)
            if max_wait_s >= ANSWER_S and (isinstance(error, TimeoutError) or error.args[0].code() in _SILENT):
                self._asking = None
            self._raise_worst()
            if isinstance(error, TimeoutError):
                raise Trouble("no answer") from error
            raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except ck.KafkaException as error:
            raise self._translation(error.args[0]) from error


def _ours(topic_partition: Any) -> Partition:
    return Partition(topic_partition.topic, topic_partition.partition)


def _theirs(partition: Partition, offset: int | None = None) -> Any:
    if offset is None:
        return ck.TopicPartition(partition.topic, partition.number)
    return ck.TopicPartition(partition.topic, partition.number, offset)


def _uuid(topic_id: Any) -> str:
    """As kafka-python writes it, so that a change of transport is no change of topic; "" where there is none."""
    if topic_id is None:
        return ""
    halves = topic_id.get_most_significant_bits(), topic_id.get_least_significant_bits()
    number = (halves[0] % 2**64) << 64 | halves[1] % 2**64
    return str(UUID(int=number)) if number else ""


def _run(partition: Partition, messages: Sequence[Any]) -> Run:
    return Run(
        partition,
        [message.offset() for message in messages],
        [_timestamp(*message.timestamp()) for message in messages],
        [message.key() for message in messages],
        [message.value() for message in messages],
        [message.headers() or () for message in messages],
    )


def _timestamp(kind: int, ms: int) -> int:
    return ms if kind else -1
