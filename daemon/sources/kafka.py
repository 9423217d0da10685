"""Kafka as a source: a consumer group whose positions live in Vigil's state.

The group says which partitions are ours; where to go on in them say the state and the broker (`_settle`). Offsets
committed to Kafka are for lag tools only. Which client library brings the records is `kafka.transport`'s choice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

import structlog

from config.streams import Kafka
from daemon.backoff import Backoff
from daemon.rate_limited import same_line
from daemon.records import Gap, Partition, Polled, Position, Run
from daemon.sources import outputs
from daemon.sources.base import Opening, Source, SourceError, StateMissing, Unreachable
from daemon.sources.company import Company
from daemon.sources.ends import Ends
from daemon.sources.held import Held
from daemon.sources.resumption import Extent, resume
from daemon.sources.transports import transport
from daemon.sources.transports.base import OutOfRange, Trouble

log = structlog.get_logger(__name__)

MISSING_TRIES = 3
"""A topic is missing when the brokers said so this often: one that just started may not know its topics yet."""
POLL_INTERVAL_MS = 300_000
"""How long a group waits for the next fetch where `kafka.consumer` doesn't say: both libraries' default."""


class KafkaSource(Source):
    """Reads the topics of the section `kafka`."""

    name = "kafka"
    Settings = Kafka

    def __init__(self, settings: Kafka, opening: Opening) -> None:
        self._settings = settings
        self._opening = opening
        self._topics = list(settings.consumed)
        self._transport = transport(settings.transport)(settings, opening.instance)
        self._backoff = Backoff()
        self._give_up = time.monotonic() + opening.patience_s
        self._company = Company(settings.group, opening.instance, self._transport.others)
        self._missing = 0
        self._outputs = opening.outputs
        self._troubles: set[str] = set()
        """What was said to be wrong with Kafka since it was last well."""
        self._troubled_since = 0.0
        self._heard_trouble = False
        """Whether something went wrong since Kafka last answered."""
        self._positions: dict[Partition, Position] = {}
        self._fetched_at = float("inf")
        """When the last fetch ended."""
        self._unsettled: set[Partition] = set()
        self._unsure = False
        """Whether something was handed out since the topics' ids were heard."""
        self._disowned: set[Partition] = set()
        """Partitions of which something was handed out that may be of another topic under the same name."""
        self._paused: set[Partition] = set()
        self._ends = Ends()
        self._held = Held()

    @property
    def connected(self) -> bool:
        return self._transport.connected

    def poll(self, max_wait_s: float, max_records: int) -> Polled:
        """See `Source`.

        1. Fetch, and take over what the group decided meanwhile.
        2. Drop what is not ours any more, or of a topic that was made anew.
        3. Find where new partitions go on, unless another Vigil is in the group.
        4. From time to time ask where the partitions end.
        """
        polled = Polled()
        if not self.connected and not self._connect(max_wait_s):
            return polled
        if not self._held.waiting(self._paused):
            self._guarded(self._fetch, max_wait_s, max_records)
        self._take_decisions(polled)
        self._lose_disowned(polled)
        polled.runs = self._held.take(max_records, self._paused | self._unsettled)
        for run in polled.runs:
            self._note_handed_out(run)
        if self._unsettled or self._company.looking:
            self._guarded(self._look_and_settle, polled)
        if self._ends.due:
            self._guarded(self._ask_ends)
        polled.caught_up = self._ends.caught_up()
        polled.lag = self._ends.lag(self.positions())
        return polled

    def seek(self, positions: Mapping[Partition, Position]) -> None:
        """See `Source`. What the brokers have there is asked anew: it may be gone, or the topic another one, since."""
        found = self._positions.keys() & positions.keys()
        self._unsettle(found)
        for partition in found:
            self._positions[partition] = positions[partition]

    def positions(self) -> dict[Partition, Position]:
        """See `Source`. Ahead of the last record where compaction or aborted transactions left nothing to read."""
        return {each: Position(self._reached(each), at.topic_id) for each, at in self._positions.items()}

    def pause(self, partitions: Collection[Partition]) -> None:
        chosen = self._positions.keys() & set(partitions)
        self._paused |= chosen
        for partition in chosen:
            self._ends.doubt(partition)
        if chosen:
            self._transport.pause(chosen)

    def resume(self, partitions: Collection[Partition]) -> None:
        chosen = self._paused & set(partitions)
        self._paused -= chosen
        if settled := chosen - self._unsettled:
            self._transport.resume(settled)

    @property
    def paused(self) -> frozenset[Partition]:
        return frozenset(self._paused)

    @property
    def reachable(self) -> bool:
        return self.connected and not self._troubles

    def vouch(self) -> bool:
        if self._unsure and self._backoff.due:
            self._guarded(self._check_ids)
        return not self._unsure and not self._disowned

    def commit(self, positions: Mapping[Partition, Position]) -> None:
        if ours := {partition: at for partition, at in positions.items() if partition in self._positions}:
            self._transport.tell(ours)

    def close(self) -> None:
        self._transport.close()

    def _connect(self, max_wait_s: float) -> bool:
        """Open the consumer; False, after a moment, if that has to wait for a broker.

        Raises `Unreachable` where it has waited long enough.
        """
        brokers = list(self._settings.brokers)
        if not self._backoff.due:
            time.sleep(min(max_wait_s, self._backoff.remaining_s))
            if time.monotonic() > self._give_up:
                waited = f"{self._opening.patience_s:.0f} s"
                named = ", ".join(brokers)
                raise Unreachable(f"kafka.brokers: none of {named} answered for {waited}: correct or start them")
            return False
        try:
            ids = self._transport.topic_ids(self._outputs.keys() - set(self._topics))
            if missing := [topic for topic in self._topics if ids.get(topic) is None]:
                self._refuse(
                    f"kafka.topics: not on the brokers: {', '.join(missing)}: create them, or correct the names"
                )
                return False
            unseen = {topic: setting for topic, setting in self._outputs.items() if ids.get(topic) is None}
            if lacking := outputs.missing(self._settings, unseen):
                self._refuse(f"{lacking}: create it, or name one that is there")
                return False
            self._outputs = {}  # once is enough: later its sink says so
            if not self._company.room():
                self._backoff.failed()
                return False
            self._transport.connect()
        except Trouble as trouble:
            self._backoff.failed()
            retry_s = round(self._backoff.remaining_s, 1)
            log.warning("no kafka broker answers", brokers=brokers, retry_s=retry_s, error=str(trouble))
            return False
        self._backoff.succeeded()
        log.info("connected to kafka", brokers=brokers, topics=self._topics, group=self._settings.group)
        return True

    def _refuse(self, message: str) -> None:
        """End it for topics that are missing, once that is sure."""
        self._missing += 1
        if self._missing >= MISSING_TRIES:
            raise SourceError(message)
        self._backoff.failed()

    def _fetch(self, max_wait_s: float, most: int) -> None:
        self._say_if_late()
        try:
            self._held.put(self._transport.fetch(max_wait_s, most))
        except OutOfRange as error:
            self._unsettle(error.partitions)
        finally:
            self._fetched_at = time.monotonic()

    def _say_if_late(self) -> None:
        """A group gives up who fetches nothing for long, though it is alive: say that it was us, and what to change."""
        option = self._transport.poll_interval
        allowed_s = int(self._settings.consumer.get(option, POLL_INTERVAL_MS)) / 1_000
        late_s = time.monotonic() - self._fetched_at
        if late_s > allowed_s:
            log.warning(
                "nothing fetched for longer than the consumer group waits", seconds=round(late_s, 1),
                allowed_s=allowed_s, option=f"kafka.consumer: {option}",
            )  # fmt: skip

    def _note_handed_out(self, run: Run) -> None:
        topic_id = self._positions[run.partition].topic_id
        self._positions[run.partition] = Position(run.offsets[-1] + 1, topic_id)
        self._ends.doubt(run.partition)
        self._unsure = True

    def _take_decisions(self, polled: Polled) -> None:
        """Take over what the group decided. A partition that stays ours throughout was neither revoked nor assigned."""
        for decision in self._transport.decisions():
            mine = decision.mine
            gone = {each for each in self._positions if each not in mine or each in decision.lost}
            self._held.drop(set(self._positions) | mine)
            polled.revoked += tuple(sorted(gone))
            for partition in gone:
                del self._positions[partition]
                self._ends.forget(partition)
            self._paused -= gone
            self._unsettled = set(mine)
            self._company.changed()

    def _check_ids(self) -> None:
        """No fetch says of which topic it is, and a name may mean another one by now: ask for its id after it."""
        ids = self._transport.topic_ids()
        self._unsure = False
        self._disowned |= {
            each
            for each, at in self._positions.items()
            if at.topic_id and ids.get(each.topic) and ids[each.topic] != at.topic_id
        }

    def _lose_disowned(self, polled: Polled) -> None:
        """Go back to the last commit in partitions whose topic was made anew, as if they had been taken away."""
        gone, self._disowned = self._disowned & self._positions.keys(), set()
        if not gone:
            return
        self._unsettle(gone)
        polled.revoked += tuple(sorted(gone))
        for partition in gone:
            del self._positions[partition]
            self._ends.forget(partition)
        self._paused -= gone

    def _unsettle(self, partitions: Iterable[Partition]) -> None:
        """Read no more of these before `_settle` has found where. What was passed over without a record was read."""
        for partition in (set(partitions) & self._positions.keys()) - self._unsettled:
            self._positions[partition] = replace(self._positions[partition], next_offset=self._reached(partition))
            self._held.drop([partition])
            self._transport.pause([partition])
            self._unsettled.add(partition)
            self._ends.doubt(partition)

    def _look_and_settle(self, polled: Polled) -> None:
        established = bool(self._positions) or bool(self._opening.positions())
        try:
            welcome = self._company.welcome(established=established)
        except Trouble:
            if not established:
                raise
            welcome = True  # who else is there is asked again; what was read before goes on meanwhile
        if welcome and self._unsettled:
            self._settle(polled)

    def _settle(self, polled: Polled) -> None:
        """Find where the unsettled partitions go on, and let them. What fails is tried again by the next poll."""
        stored = self._opening.positions()
        found: dict[Partition, Position] = {}
        gaps: list[Gap] = []
        for partition, extent in self._transport.extents(sorted(self._unsettled)).items():
            at = self._positions.get(partition) or stored.get(partition)
            offset, gap = resume(partition, at, extent) if at else (self._beginning(partition, extent, stored), None)
            gaps += [gap] if gap else []
            found[partition] = Position(offset, extent.topic_id)
        polled.gaps += gaps
        polled.assigned += tuple(each for each in found if each not in self._positions)
        self._positions |= found
        self._unsettled -= found.keys()
        if found:
            offsets = {partition: at.next_offset for partition, at in found.items()}
            self._transport.start(offsets, offsets.keys() - self._paused)

    def _beginning(self, partition: Partition, extent: Extent, stored: Mapping[Partition, Position]) -> int:
        """Where to begin in a partition that the state doesn't know. Raises `StateMissing` if the group does.

        A partition added to a topic that is known is read from its beginning whatever `kafka.start` says.
        """
        if not self._opening.start_empty:
            committed = self._transport.committed(partition)
            if committed is not None:
                raise StateMissing(
                    f"group {self._settings.group!r} has read {partition} to {committed}, of which the state knows "
                    "nothing: set state.path to the state that goes with it, or begin anew with --start-empty"
                )
        added = any(known.topic == partition.topic for known in stored)
        return extent.beginning if added or self._settings.start == "earliest" else extent.end

    def _ask_ends(self) -> None:
        self._ends.asking()
        running = self._positions.keys() - self._unsettled - self._paused
        self._ends.answered(self._transport.ends(running), self._reached)
        self._check_ids()
        self._backoff.succeeded()
        self._say_if_well()

    def _reached(self, partition: Partition) -> int:
        known = self._positions[partition].next_offset
        if partition in self._unsettled or partition in self._held:
            return known
        return max(known, self._transport.reached(partition))

    def _guarded(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Call something that needs brokers. What may heal is logged now and then; the next poll tries again."""
        try:
            return call(*arguments)
        except Trouble as trouble:
            self._heard_trouble = True
            if self._backoff.due:
                self._backoff.failed()
                self._say_trouble(str(trouble))
            time.sleep(0.05)
            return None

    def _say_trouble(self, error: str) -> None:
        """Say each kind of it once until Kafka is well: the next try fails as the one before did."""
        self._troubled_since = self._troubled_since if self._troubles else time.monotonic()
        if (kind := same_line(error)) not in self._troubles:
            self._troubles.add(kind)
            log.warning("kafka is in trouble", error=error)

    def _say_if_well(self) -> None:
        """Say that it is over once nothing went wrong between two answers: librdkafka tells errors late."""
        if self._troubles and not self._heard_trouble:
            seconds = round(time.monotonic() - self._troubled_since, 1)
            log.info("kafka answers again", brokers=list(self._settings.brokers), seconds=seconds)
            self._troubles.clear()
        self._heard_trouble = False
