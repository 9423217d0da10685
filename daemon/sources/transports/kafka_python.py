"""Kafka through kafka-python: pure Python, always there."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Thread
from typing import Any, TypeVar
from uuid import UUID

import structlog
from kafka import ConsumerRebalanceListener, KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import (
    CoordinatorNotAvailableError,
    KafkaError,
    LogTruncationError,
    OffsetOutOfRangeError,
    UnknownTopicOrPartitionError,
)
from kafka.structs import OffsetAndMetadata

from config.streams import Kafka
from daemon.kafka_client import fatal, opened
from daemon.records import Partition, Position, Run
from daemon.sources.base import SourceError
from daemon.sources.resumption import Extent
from daemon.sources.transports.base import Decision, End, OutOfRange, Transport, Trouble
from daemon.sources.transports.joining import join_persistently
from daemon.sources.transports.record_batches import columnar, run_of

log = structlog.get_logger(__name__)
Answer = TypeVar("Answer")

DEFAULTS = {"fetch_max_wait_ms": 250, "metadata_max_age_ms": 30_000, "session_timeout_ms": 10_000}
"""Ours instead of kafka-python's; `kafka.consumer` overrides them. New partitions are noticed with the metadata."""
REQUIRED = {
    "enable_auto_commit": False,
    "auto_offset_reset": "none",
    "isolation_level": "read_committed",
    "allow_auto_create_topics": False,
}
WHOLE_FETCHES = 10_000_000
"""More records than a fetch holds: why, says `daemon.sources.held`."""
ANSWER_MS = 5_000
"""How long to wait for what everything else waits for."""
END_MS = 500
"""An answer about ends may wait behind a fetch on the same connection, so at most `fetch_max_wait_ms`."""
NO_ID = str(UUID(int=0))


class KafkaPython(Transport):
    """See `Transport`."""

    name = "kafka-python"
    poll_interval = "max_poll_interval_ms"

    def __init__(self, settings: Kafka, instance: str) -> None:
        self._settings, self._instance = settings, instance
        self._topics = list(settings.consumed)
        self._consumer: Any = None
        self._admin: Any = None
        self._listener = _Listener()
        self._told: Any = None
        self._refusals: set[str] = set()
        """Why offsets were refused since they last were not, by the errors' names."""

    @property
    def connected(self) -> bool:
        return self._consumer is not None

    def topic_ids(self, also: Collection[str] = ()) -> dict[str, str | None]:
        """See `Transport`. Asks with a client of its own: the consumer's metadata may be minutes old."""
        described = self._asked(lambda admin: admin.describe_topics([*self._topics, *also]))
        return {each["name"]: _topic_id(each) for each in described}

    def others(self) -> list[str]:
        group = self._asked(self._describe_group)
        members = group.get("members") or ()
        instances = [(each.get("group_instance_id") or each["client_id"], each["client_host"]) for each in members]
        return [f"{name}{host}" for name, host in instances if name != self._instance]

    def connect(self) -> None:
        with _translated():
            self._consumer = opened(KafkaConsumer, **self._options())
            columnar(self._consumer)
            join_persistently(self._consumer)
            self._listener.consumer = self._consumer
            # kafka-python 3.0.12 doesn't hand the option on: a topic that was deleted would be made again by asking
            self._consumer._cluster.config["allow_auto_create_topics"] = False  # noqa: SLF001 - there is no public way
            self._consumer.subscribe(self._topics, listener=self._listener)
        self._hear_of_topics()

    def fetch(self, max_wait_s: float, most: int) -> list[Run]:
        with _translated():
            found = self._consumer.poll(int(max_wait_s * 1000), WHOLE_FETCHES)
        return [run_of(_ours(each), records) for each, records in found.items()]

    def decisions(self) -> Iterator[Decision]:
        return self._listener.taken()

    def start(self, offsets: Mapping[Partition, int], running: Collection[Partition]) -> None:
        for partition, offset in offsets.items():
            self._consumer.seek(_theirs(partition), offset)
            if partition in running:
                self._consumer.resume(_theirs(partition))

    def pause(self, partitions: Collection[Partition]) -> None:
        self._consumer.pause(*map(_theirs, partitions))

    def resume(self, partitions: Collection[Partition]) -> None:
        self._consumer.resume(*map(_theirs, partitions))

    def reached(self, partition: Partition) -> int:
        try:
            return self._consumer.position(_theirs(partition), timeout_ms=0) or 0
        except KafkaError:
            return 0

    def ends(self, partitions: Iterable[Partition]) -> dict[Partition, End]:
        asked = [_theirs(each) for each in partitions]
        with _translated():
            ends = self._consumer.end_offsets(asked, timeout_ms=END_MS) if asked else {}
        return {_ours(each): End(end, max(end, self._consumer.highwater(each) or 0)) for each, end in ends.items()}

    def extents(self, partitions: Iterable[Partition]) -> dict[Partition, Extent]:
        ids = self.topic_ids()
        asked = [_theirs(each) for each in partitions if ids.get(each.topic) is not None]
        with _translated():
            begins = self._consumer.beginning_offsets(asked, timeout_ms=ANSWER_MS)
            ends = self._consumer.end_offsets(asked, timeout_ms=ANSWER_MS)
        return {
            _ours(each): Extent(begins[each], ends[each], ids[each.topic] or "")
            for each in asked
            if each in begins and each in ends
        }

    def committed(self, partition: Partition) -> int | None:
        with _translated():
            found = self._consumer.committed(_theirs(partition), timeout_ms=ANSWER_MS)
        return None if found is None else int(found)

    def tell(self, positions: Mapping[Partition, Position]) -> None:
        offsets = {_theirs(each): OffsetAndMetadata(at.next_offset, "", -1) for each, at in positions.items()}
        try:
            self._told = self._consumer.commit_async(offsets, callback=self._on_told)
        except KafkaError as error:
            self._on_told(offsets, error)

    def close(self) -> None:
        self._close_admin()
        if not self.connected:
            return
        give_up = time.monotonic() + 2.0
        while self._told is not None and not self._told.is_done and time.monotonic() < give_up:
            time.sleep(0.01)
        try:
            self._consumer.close(autocommit=False, timeout_ms=2_000)
        except (KafkaError, OSError) as error:
            log.warning("kafka consumer not closed cleanly", error=_said(error))
        self._consumer = None

    def _on_told(self, _offsets: object, response: object) -> None:
        """Say each reason once until offsets are taken again: in an outage all commits have the same."""
        if not isinstance(response, Exception):
            self._refusals.clear()
        elif (name := type(response).__name__) not in self._refusals:
            self._refusals.add(name)
            log.warning("offsets not told to kafka", error=_said(response))

    def _describe_group(self, admin: Any) -> dict[str, Any]:
        try:
            return dict(admin.describe_groups([self._settings.group])[self._settings.group])
        except CoordinatorNotAvailableError:
            return {}  # a cluster in which there never was a group

    def _hear_of_topics(self) -> None:
        """Wait for the topics' metadata before the group is joined, which the first poll does.

        A leader that has none yet deals out nothing; kafka-python 3.0.12 may then stand without partitions for ever.
        """
        cluster, give_up = self._consumer._cluster, time.monotonic() + ANSWER_MS / 1_000  # noqa: SLF001 - no public way
        while time.monotonic() < give_up and not all(map(cluster.partitions_for_topic, self._topics)):
            time.sleep(0.01)

    def _options(self) -> dict[str, Any]:
        ids = {"group_id": self._settings.group, "group_instance_id": self._instance or None}
        return {**DEFAULTS, **ids, **self._client_options(), **self._settings.consumer, **REQUIRED}

    def _client_options(self) -> dict[str, Any]:
        try:
            return self._settings.client_options()
        except OSError as error:
            raise SourceError(f"kafka.security: {error.filename}: {error.strerror}") from error

    def _asked(self, question: Callable[[Any], Answer]) -> Answer:
        """The answer to a question of the admin client, which is kept until one fails.

        On a thread of its own: some of kafka-python's questions have no timeout, and the loop must turn.
        """
        with _translated():
            if self._admin is None:
                self._admin = opened(KafkaAdminClient, **self._client_options(), request_timeout_ms=ANSWER_MS)
            answer: Future[Answer] = Future()
            Thread(target=_put, args=(answer, question, self._admin), daemon=True, name="kafka question").start()
            try:
                return answer.result(2 * ANSWER_MS / 1_000)
            except TimeoutError as error:
                self._admin = None  # closing it might wait as long
                raise Trouble("a question was not answered") from error
            except KafkaError:
                self._close_admin()
                raise

    def _close_admin(self) -> None:
        admin, self._admin = self._admin, None
        if admin is not None:
            admin.close()


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python has no types
    """Listens to rebalances. kafka-python calls it on its IO thread while the polling thread waits inside `poll`.

    It does the least there: partitions stand paused, at an offset that means nothing, until the polling thread has
    found where to go on. The eager protocol of the default assignors takes all partitions away and deals anew, so
    what is assigned is always everything.
    """

    def __init__(self) -> None:
        self.consumer: Any = None
        self._noted: deque[Decision] = deque()
        self._lost: frozenset[Partition] = frozenset()

    def on_partitions_revoked(self, revoked: AbstractSet[TopicPartition]) -> None:
        """Nothing: what this means is known when the new assignment is."""

    def on_partitions_lost(self, lost: AbstractSet[TopicPartition]) -> None:
        self._lost |= {_ours(each) for each in lost}

    def on_partitions_assigned(self, assigned: AbstractSet[TopicPartition]) -> None:
        self.consumer.pause(*assigned)
        for each in assigned:
            self.consumer.seek(each, 0)
        self._noted.append(Decision(frozenset(_ours(each) for each in assigned), self._lost))
        self._lost = frozenset()

    def taken(self) -> Iterator[Decision]:
        while self._noted:
            yield self._noted.popleft()


def _put(answer: Future[Answer], question: Callable[[Any], Answer], admin: Any) -> None:
    try:
        answer.set_result(question(admin))
    except Exception as error:  # noqa: BLE001 - it is raised where the answer is awaited
        answer.set_exception(error)


@contextmanager
def _translated() -> Iterator[None]:
    """kafka-python's errors as the source knows them."""
    try:
        yield
    except OffsetOutOfRangeError as error:
        raise OutOfRange(_ours(each) for each in error.args[0]) from error
    except LogTruncationError as error:
        raise OutOfRange(_ours(each) for each in error.divergent_offsets) from error
    except KafkaError as error:
        if reason := fatal(error):
            raise SourceError(f"kafka: {reason}") from error
        raise Trouble(_said(error)) from error


def _ours(topic_partition: TopicPartition) -> Partition:
    return Partition(topic_partition.topic, topic_partition.partition)


def _theirs(partition: Partition) -> TopicPartition:
    return TopicPartition(partition.topic, partition.number)


def _topic_id(described: Mapping[str, Any]) -> str | None:
    if described["error_code"] == UnknownTopicOrPartitionError.errno:
        return None
    found = str(described.get("topic_id") or NO_ID)
    return "" if found == NO_ID else found


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
