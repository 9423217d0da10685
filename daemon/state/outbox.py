"""What has yet to leave: three queues in the state file, each with its own bound, sinks and acknowledgements.

    outbox.add("alerts", messages)      any time: collected in memory
    outbox.stage(commit)                in the transaction that makes their cause durable
    outbox.deliver(0.05)                after it: send, wait for acknowledgements, mark as sent

Messages are sent as they were read back from the file, so a crash before they are marked sends the same bytes again.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import structlog

from daemon.backoff import Backoff
from daemon.sinks.base import Message, Sink, SinkError
from daemon.state.commit import Commit, Queued
from daemon.state.steps import Step, reached
from daemon.state.store import Store

log = structlog.get_logger(__name__)

QUEUES = ("alerts", "dead_letters", "readings")
"""In the order in which they are served; none waits for another."""
ROW_MESSAGES, ROW_BYTES = 1_000, 2**20
"""How many messages share a row of the file, at most."""
FLIGHT_MESSAGES, FLIGHT_BYTES = 20_000, 16 * 2**20
"""How much a sink is given before it has acknowledged any of it."""


@dataclass(frozen=True, slots=True)
class Bound:
    """How much a queue may hold before input pauses."""

    messages: int
    size: int


BOUNDS = {
    "alerts": Bound(100_000, 128 * 2**20),
    "dead_letters": Bound(200_000, 512 * 2**20),
    "readings": Bound(1_000_000, 512 * 2**20),
}


class Outbox:
    """The queues of one store. A queue without sinks throws away what it is given."""

    def __init__(
        self, store: Store, sinks: Mapping[str, Sequence[Sink]], bounds: Mapping[str, Bound] | None = None
    ) -> None:
        self._store = store
        limits = {**BOUNDS, **(bounds or {})}
        self._queues = {name: _Queue(name, limits[name], sinks.get(name, ())) for name in QUEUES}
        for row in store.queued():
            self._queues[row.queue].extend([row])

    def add(self, queue: str, messages: Sequence[Message]) -> None:
        """Collect messages for the next commit."""
        self._queues[queue].add(messages)

    def stage(self, commit: Commit) -> None:
        """Write what was collected into the transaction. Not to be delivered before that is committed."""
        for queue in self._queues.values():
            queue.stage(commit)

    def deliver(self, max_s: float) -> int:
        """Send, collect acknowledgements, mark as sent. Returns how many messages were marked.

        1. Give every sink what it has room for.
        2. Wait for acknowledgements, of alerts first, `max_s` together; what comes later is seen by the next call.
        3. Mark rows as sent that all sinks of their queue acknowledged.

        A sink that fails is left alone for a while and then gets everything unacknowledged again; its queue grows up
        to its bound, the others go on. Raises `StateError`, never `SinkError`.
        """
        give_up = time.monotonic() + max_s
        for queue in self._queues.values():
            queue.send(self._store)
        for queue in self._queues.values():
            queue.settle(give_up)
        done = {name: up_to for name, queue in self._queues.items() if (up_to := queue.acknowledged()) is not None}
        if not done:
            return 0
        reached(Step.SENT)
        self._store.mark_sent(done)
        return sum(self._queues[name].forget(up_to) for name, up_to in done.items())

    def drain(self, max_s: float) -> bool:
        """Deliver until nothing is left or the time is over; whether nothing is left."""
        give_up = time.monotonic() + max_s
        while any(queue.rows for queue in self._queues.values()) and time.monotonic() < give_up:
            if not self.deliver(min(0.5, give_up - time.monotonic())):
                time.sleep(0.01)
        return not any(queue.rows for queue in self._queues.values())

    def collected(self) -> int:
        """Bytes that are in memory until the next commit."""
        return sum(queue.collected for queue in self._queues.values())

    def full(self) -> tuple[str, ...]:
        """The queues at their bound: while there is one, input should pause."""
        return tuple(name for name, queue in self._queues.items() if queue.full)

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Messages and bytes in each queue, collected ones included."""
        return {name: (queue.messages, queue.size) for name, queue in self._queues.items()}

    def close(self) -> None:
        """Close the sinks. What is unsent stays in the file."""
        for queue in self._queues.values():
            for route in queue.routes:
                route.sink.close()


class _Queue:
    """Rows that wait, in order, and the routes that each of them has to take."""

    def __init__(self, name: str, bound: Bound, sinks: Sequence[Sink]) -> None:
        self.routes = [_Route(name, sink) for sink in sinks]
        self.rows: deque[Queued] = deque()
        self.messages = 0
        self.size = 0
        self._name = name
        self._bound = bound
        self._collected: list[Message] = []
        self.collected = 0
        """Bytes of what was collected."""

    @property
    def full(self) -> bool:
        return self.messages >= self._bound.messages or self.size >= self._bound.size

    def add(self, messages: Sequence[Message]) -> None:
        if self.routes:
            size = sum(message.size for message in messages)
            self._collected += messages
            self.collected += size
            self._grow(len(messages), size)

    def stage(self, commit: Commit) -> None:
        collected, self._collected = self._collected, []
        self._grow(-len(collected), -self.collected)
        self.collected = 0
        self.extend([commit.outbox(self._name, some) for some in _rows(collected)])

    def extend(self, rows: Sequence[Queued]) -> None:
        self.rows += rows
        self._grow(sum(row.messages for row in rows), sum(row.size for row in rows))

    def send(self, store: Store) -> None:
        for route in self.routes:
            route.send(self.rows, store)

    def settle(self, give_up: float) -> None:
        for route in self.routes:
            route.settle(give_up)

    def acknowledged(self) -> int | None:
        """The last row that every route acknowledged; None if the first one has yet to be."""
        up_to = min((route.acknowledged for route in self.routes), default=self.rows[-1].seq if self.rows else 0)
        return up_to if self.rows and self.rows[0].seq <= up_to else None

    def forget(self, up_to: int) -> int:
        """Drop the rows that were marked; returns how many messages they were."""
        before = self.messages
        while self.rows and self.rows[0].seq <= up_to:
            row = self.rows.popleft()
            self._grow(-row.messages, -row.size)
        return before - self.messages

    def _grow(self, messages: int, size: int) -> None:
        self.messages += messages
        self.size += size


class _Route:
    """One sink of one queue, and how far it has come."""

    def __init__(self, queue: str, sink: Sink) -> None:
        self.sink = sink
        self.acknowledged = 0
        self._queue = queue
        self._sent = 0
        self._flight: deque[list[int]] = deque()  # [seq, messages not yet acknowledged, bytes]
        self._backoff = Backoff()

    def send(self, rows: Sequence[Queued], store: Store) -> None:
        """Give the sink the next rows, as long as there is room."""
        if not self._backoff.due or not rows or rows[-1].seq <= self._sent:
            return
        messages, size = sum(each[1] for each in self._flight), sum(each[2] for each in self._flight)
        for row in rows:
            if row.seq <= self._sent:
                continue
            if self._flight and (messages + row.messages > FLIGHT_MESSAGES or size + row.size > FLIGHT_BYTES):
                break
            self.sink.send(store.messages(row.seq))
            self._flight.append([row.seq, row.messages, row.size])
            self._sent = row.seq
            messages, size = messages + row.messages, size + row.size

    def settle(self, give_up: float) -> None:
        """Take acknowledgements. After a failure everything unacknowledged will be sent again."""
        if not self._flight:
            return
        try:
            count = self.sink.flush(max(0.0, give_up - time.monotonic()))
        except SinkError as error:
            self._flight.clear()
            self._sent = self.acknowledged
            self._backoff.failed()
            retry_s = round(self._backoff.remaining_s, 1)
            log.warning("sink failed", queue=self._queue, sink=self.sink.name, retry_s=retry_s, error=str(error))
            return
        if count:
            self._backoff.succeeded()
        while count and self._flight:
            row = self._flight[0]
            taken = min(count, row[1])
            row[1] -= taken
            count -= taken
            if not row[1]:
                self.acknowledged = row[0]
                self._flight.popleft()


def _rows(messages: Sequence[Message]) -> Iterator[list[Message]]:
    """The messages in order, cut into what fits in a row."""
    row: list[Message] = []
    size = 0
    for message in messages:
        if row and (len(row) >= ROW_MESSAGES or size + message.size > ROW_BYTES):
            yield row
            row, size = [], 0
        row.append(message)
        size += message.size
    if row:
        yield row
