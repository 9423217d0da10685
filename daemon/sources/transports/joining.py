"""How a consumer of kafka-python's joins its group: it asks again, and takes in what it is told.

kafka-python 3.0.12 loses its way in three places, two of them where a poll, in which alone it goes on with a join, is
over before the group has decided. There it is mended as Kafka's own client (`AbstractCoordinator`) is written.

- It waits for the answer to JoinGroup as long as `max_poll_interval_ms`, five minutes, in which nothing is read. So
  long a broker that was killed (4.1.1) may wait for members that are no more; it lets us in at once when asked again.
  Where there are others, asking again changes nothing.
- When it leads the group and partitions were added, it forgets that it wanted to join as soon as it has dealt them. It
  stays without heartbeats and decisions, for ever.
- A decision that came between two polls is thrown away and asked for anew, at which all others have to join again, too.
  Where they are as slow as we are that has no end.
"""

from __future__ import annotations

from typing import Any

from kafka.coordinator.base import JoinGroupRequest
from kafka.errors import KafkaTimeoutError

JOIN_MS = 30_000
"""How long to wait to be let into the group before asking once more."""


def join_persistently(consumer: Any) -> None:
    """Mend how a new `KafkaConsumer` joins its group, before it polls."""
    coordinator = consumer._coordinator  # noqa: SLF001 - there is no public way
    manager = coordinator._manager  # noqa: SLF001 - as above
    coordinator._manager = _Persistent(manager, coordinator._do_join_and_sync_async)  # noqa: SLF001 - as above
    wanted = coordinator.need_rejoin

    def need_rejoin() -> bool:
        """Whether to join, asked at each poll; the wish stays until the coordinator has taken in a decision."""
        needed = bool(wanted())
        if needed:
            coordinator.request_rejoin()
        return needed

    coordinator.need_rejoin = need_rejoin


class _Joining:
    """A join under way, which counts as done when somebody has heard what came of it."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.is_done = answer, False


class _Persistent:
    """kafka-python's manager of connections as the coordinator uses it. All of it runs on the IO thread."""

    def __init__(self, manager: Any, join: Any) -> None:
        self._manager, self._join = manager, join

    def __getattr__(self, name: str) -> Any:
        return getattr(self._manager, name)

    def send(self, request: Any, node_id: Any = None, request_timeout_ms: float | None = None) -> Any:
        """Send a request; an answer to JoinGroup is waited for no longer than `JOIN_MS`."""
        if isinstance(request, JoinGroupRequest):
            request_timeout_ms = min(request_timeout_ms or JOIN_MS, JOIN_MS)
        return self._manager.send(request, node_id=node_id, request_timeout_ms=request_timeout_ms)

    def call_soon(self, task: Any, *arguments: Any) -> Any:
        """Begin a task, such as a join."""
        begun = self._manager.call_soon(task, *arguments)
        return _Joining(begun) if task == self._join else begun

    async def wait_for(self, begun: Any, timeout_ms: float | None) -> Any:
        """What came of a task. Raises `KafkaTimeoutError` if that takes longer; it goes on all the same."""
        if not isinstance(begun, _Joining):
            return await self._manager.wait_for(begun, timeout_ms)
        try:
            heard = await self._manager.wait_for(begun.answer, timeout_ms)
        except KafkaTimeoutError:
            begun.is_done = begun.answer.failed()
            raise
        except BaseException:
            begun.is_done = True
            raise
        begun.is_done = True
        return heard
