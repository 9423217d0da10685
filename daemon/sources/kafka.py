"""Kafka as a source: a consumer group whose positions live in Vigil's state.

The group says which partitions are ours; where to go on in them say the state and the broker, on the polling thread
(`_settle`). Offsets committed to Kafka are for lag tools only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import structlog
from kafka import KafkaConsumer
from kafka.errors import KafkaError, LogTruncationError, OffsetOutOfRangeError
from kafka.structs import OffsetAndMetadata

from config.streams import Kafka
from daemon.backoff import Backoff
from daemon.kafka_client import fatal, opened
from daemon.records import Partition, Polled, Position, Run
from daemon.sources.base import Opening, Source, SourceError, StateMissing
from daemon.sources.ends import Ends
from daemon.sources.group import Decisions, ours, theirs
from daemon.sources.held import Held
from daemon.sources.resumption import Extent, resume
from daemon.sources.topics import ANSWER_MS, described, extents, recreated

log = structlog.get_logger(__name__)

DEFAULTS = {"fetch_max_wait_ms": 250, "metadata_max_age_ms": 30_000, "session_timeout_ms": 10_000}
"""Ours instead of kafka-python's; `kafka.consumer` overrides them. New partitions are noticed with the metadata."""
REQUIRED = {
    "enable_auto_commit": False,
    "auto_offset_reset": "none",
    "isolation_level": "read_committed",
    "allow_auto_create_topics": False,
}
WHOLE_FETCHES = 10_000_000
"""More records than a fetch holds."""
MISSING_TRIES = 3
"""A topic is missing when the brokers said so this often: one that just started may not know its topics yet."""


class KafkaSource(Source):
    """Reads the topics of the section `kafka`."""

    name = "kafka"
    Settings = Kafka

    def __init__(self, settings: Kafka, opening: Opening) -> None:
        self._settings = settings
        self._opening = opening
        self._topics = [topic.name for topic in settings.topics]
        self._consumer: Any = None
        self._decisions = Decisions()
        self._backoff = Backoff()
        self._missing = 0
        self._positions: dict[Partition, Position] = {}
        self._unsettled: set[Partition] = set()
        self._paused: set[Partition] = set()
        self._ends = Ends()
        self._held = Held()
        self._told: Any = None

    @property
    def connected(self) -> bool:
        return self._consumer is not None

    def poll(self, max_wait_s: float, max_records: int) -> Polled:
        """See `Source`.

        1. Fetch, and take over what the group decided meanwhile.
        2. Drop what is not ours any more, or of a topic that was made anew.
        3. Find where new partitions go on.
        4. From time to time ask where the partitions end.
        """
        polled = Polled()
        if not self.connected and not self._connect(max_wait_s):
            return polled
        if not self._held.waiting(self._paused):
            self._guarded(self._fetch, max_wait_s)
        self._take_decisions(polled)
        self._unsettle(recreated(self._consumer, self._positions))
        fetched = self._held.take(max_records, self._paused | self._unsettled)
        polled.runs = [self._hand_out(partition, batch) for partition, batch in fetched.items()]
        if self._unsettled:
            self._guarded(self._settle, polled)
        if self._ends.due:
            self._guarded(self._ask_ends)
        polled.caught_up = self._ends.caught_up()
        polled.lag = self._ends.lag(self._positions)
        return polled

    def seek(self, positions: Mapping[Partition, Position]) -> None:
        self._held.drop(positions)
        for partition in self._positions.keys() & positions.keys():
            self._positions[partition] = positions[partition]
            self._ends.doubt(partition)
            if partition not in self._unsettled:
                self._consumer.seek(theirs(partition), positions[partition].next_offset)

    def positions(self) -> dict[Partition, Position]:
        """See `Source`. Ahead of the last record where compaction or aborted transactions left nothing to read."""
        return {each: Position(self._reached(each), at.topic_id) for each, at in self._positions.items()}

    def pause(self, partitions: Collection[Partition]) -> None:
        chosen = self._positions.keys() & set(partitions)
        self._paused |= chosen
        for partition in chosen:
            self._ends.doubt(partition)
            self._consumer.pause(theirs(partition))

    def resume(self, partitions: Collection[Partition]) -> None:
        chosen = self._paused & set(partitions)
        self._paused -= chosen
        for partition in chosen - self._unsettled:
            self._consumer.resume(theirs(partition))

    @property
    def paused(self) -> frozenset[Partition]:
        return frozenset(self._paused)

    def commit(self, positions: Mapping[Partition, Position]) -> None:
        offsets = {
            theirs(partition): OffsetAndMetadata(position.next_offset, "", -1)
            for partition, position in positions.items()
            if partition in self._positions
        }
        if not offsets:
            return
        try:
            self._told = self._consumer.commit_async(offsets, callback=_log_refusal)
        except KafkaError as error:
            _log_refusal(offsets, error)

    def close(self) -> None:
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

    def _connect(self, max_wait_s: float) -> bool:
        """Open the consumer; False, after a moment, if that has to wait for a broker."""
        if not self._backoff.due:
            time.sleep(min(max_wait_s, self._backoff.remaining_s))
            return False
        brokers = list(self._settings.brokers)
        try:
            ids = described(self._topics, self._client_options())
            if missing := [topic for topic in self._topics if ids.get(topic) is None]:
                self._refuse_missing(missing)
                return False
            self._consumer = opened(KafkaConsumer, **self._options())
        except KafkaError as error:
            self._raise_if_fatal(error)
            self._backoff.failed()
            retry_s = round(self._backoff.remaining_s, 1)
            log.warning("no kafka broker answers", brokers=brokers, retry_s=retry_s, error=_said(error))
            return False
        self._backoff.succeeded()
        self._decisions.consumer = self._consumer
        self._consumer.subscribe(self._topics, listener=self._decisions)
        log.info("connected to kafka", brokers=brokers, topics=self._topics, group=self._settings.group)
        return True

    def _options(self) -> dict[str, Any]:
        ids = {"group_id": self._settings.group, "group_instance_id": self._opening.instance or None}
        return {**DEFAULTS, **ids, **self._client_options(), **self._settings.consumer, **REQUIRED}

    def _client_options(self) -> dict[str, Any]:
        try:
            return self._settings.client_options()
        except OSError as error:
            raise SourceError(f"kafka.security: {error.filename}: {error.strerror}") from error

    def _refuse_missing(self, topics: list[str]) -> None:
        self._missing += 1
        if self._missing >= MISSING_TRIES:
            raise SourceError(
                f"kafka.topics: not on the brokers: {', '.join(topics)}: create them, or correct the names"
            )
        self._backoff.failed()

    def _fetch(self, max_wait_s: float) -> None:
        try:
            found = self._consumer.poll(int(max_wait_s * 1000), WHOLE_FETCHES)
        except OffsetOutOfRangeError as error:
            self._unsettle(ours(each) for each in error.args[0])
        except LogTruncationError as error:
            self._unsettle(ours(each) for each in error.divergent_offsets)
        else:
            self._held.put({ours(each): records for each, records in found.items()})

    def _hand_out(self, partition: Partition, batch: list[Any]) -> Run:
        self._positions[partition] = Position(batch[-1].offset + 1, self._positions[partition].topic_id)
        self._ends.doubt(partition)
        return Run(
            partition,
            [record.offset for record in batch],
            [record.timestamp for record in batch],
            [record.key for record in batch],
            [record.value for record in batch],
            [record.headers for record in batch],
        )

    def _take_decisions(self, polled: Polled) -> None:
        """Take over what the group decided. A partition that stays ours throughout was neither revoked nor assigned."""
        for mine, lost in self._decisions.taken():
            gone = {each for each in self._positions if each not in mine or each in lost}
            self._held.drop(set(self._positions) | mine)
            polled.revoked += tuple(sorted(gone))
            for partition in gone:
                del self._positions[partition]
                self._ends.forget(partition)
            self._paused -= gone
            self._unsettled = set(mine)

    def _unsettle(self, partitions: Iterable[Partition]) -> None:
        for partition in set(partitions) & self._positions.keys():
            self._held.drop([partition])
            self._consumer.pause(theirs(partition))
            self._unsettled.add(partition)
            self._ends.doubt(partition)

    def _settle(self, polled: Polled) -> None:
        """Find where the unsettled partitions go on, and let them. What fails is tried again by the next poll."""
        ids = described(self._topics, self._client_options())
        stored = self._opening.positions()
        for partition, extent in extents(self._consumer, sorted(self._unsettled), ids).items():
            at = self._positions.get(partition) or stored.get(partition)
            offset, gap = resume(partition, at, extent) if at else (self._start(partition, extent, stored), None)
            self._consumer.seek(theirs(partition), offset)
            if gap:
                polled.gaps.append(gap)
            if partition not in self._positions:
                polled.assigned += (partition,)
            self._positions[partition] = Position(offset, extent.topic_id)
            self._unsettled.remove(partition)
            if partition not in self._paused:
                self._consumer.resume(theirs(partition))

    def _start(self, partition: Partition, extent: Extent, stored: Mapping[Partition, Position]) -> int:
        """Where to begin in a partition that the state doesn't know. Raises `StateMissing` if the group does.

        A partition added to a topic that is known is read from its beginning whatever `kafka.start` says.
        """
        if not self._opening.start_empty:
            committed = self._consumer.committed(theirs(partition), timeout_ms=ANSWER_MS)
            if committed is not None:
                raise StateMissing(
                    f"group {self._settings.group!r} has read {partition} to {committed}, of which the state knows "
                    "nothing: set state.path to the state that goes with it, or begin anew with --start-empty"
                )
        added = any(known.topic == partition.topic for known in stored)
        return extent.beginning if added or self._settings.start == "earliest" else extent.end

    def _ask_ends(self) -> None:
        running = self._positions.keys() - self._unsettled - self._paused
        self._ends.ask(self._consumer, running, self._reached)
        self._backoff.succeeded()

    def _reached(self, partition: Partition) -> int:
        known = self._positions[partition].next_offset
        if partition in self._unsettled or partition in self._held:
            return known
        try:
            return max(known, self._consumer.position(theirs(partition), timeout_ms=0) or 0)
        except KafkaError:
            return known

    def _guarded(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Call something that needs brokers. What may heal is logged now and then; the next poll tries again."""
        try:
            return call(*arguments)
        except KafkaError as error:
            self._raise_if_fatal(error)
            if self._backoff.due:
                self._backoff.failed()
                log.warning("kafka is in trouble", error=_said(error))
            time.sleep(0.05)
            return None

    def _raise_if_fatal(self, error: KafkaError) -> None:
        if reason := fatal(error):
            raise SourceError(f"kafka: {reason}") from error


def _log_refusal(_offsets: object, response: object) -> None:
    if isinstance(response, Exception):
        log.warning("offsets not told to kafka", error=_said(response))


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
