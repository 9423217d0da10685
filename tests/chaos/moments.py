"""What must hold whenever the daemon is dead: nothing has left that the state does not know.

These rules see what the end does not show. What was sent before it was durable mostly comes again, equal to the byte;
but it was promised too early, and where it hangs on the wall clock (explanations) nothing like it may ever come again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from daemon.state.errors import NotThere
from daemon.state.inspect import consumed_so_far
from tests.chaos.topics import Reader, Told

HEARTBEAT = b'"vigil.heartbeat"'


class Moments:
    """Looks at the state and at what has left since the last look."""

    def __init__(self, bootstrap: str, group: str, topics: Mapping[str, str], partitions: int, state: Path) -> None:
        self._state = state
        self._told = Told(bootstrap, group, topics["events"], partitions)
        self._reader = Reader(bootstrap, {topics[name]: 1 for name in ("alerts", "readings", "dead_letters")})
        self.looks = 0
        self.sent: dict[str, list[tuple[bytes | None, bytes | None]]] = {
            name: [] for name in ("alerts", "readings", "dead_letters")
        }
        """(key, value) of everything that has left, by queue, in order."""
        self._names = {topic: name for name, topic in topics.items()}

    def look(self) -> list[str]:
        """What is wrong, one line each."""
        self.looks += 1
        try:
            positions, _, closed_until = consumed_so_far(self._state)
        except NotThere:
            positions, closed_until = {}, 0
        reached = {partition.number: at.next_offset for partition, at in positions.items()}
        wrong = [
            f"kafka was told {offset} of partition {number}, the state has {reached.get(number, 0)}"
            for number, offset in self._told.offsets().items()
            if offset > reached.get(number, 0)
        ]
        return wrong + list(self._sent_too_early(reached, datetime.fromtimestamp(closed_until / 1e6, UTC)))

    def read(self) -> Iterator[tuple[str, bytes | None]]:
        """What has left since the last time: queue and value. Kept in `sent` as well."""
        for record in self._reader.new():
            name = self._names[record.topic]
            self.sent[name].append((record.key, record.value))
            yield name, record.value

    def close(self) -> None:
        """Let go of the connections."""
        self._reader.close()
        self._told.close()

    def _sent_too_early(self, reached: Mapping[int, int], closed_until: datetime) -> Iterator[str]:
        for name, value in self.read():
            if value is None or HEARTBEAT in value:
                continue
            said: dict[str, Any] = orjson.loads(value)
            if name == "dead_letters":
                ref = said["ref"]
                if ref["offset"] >= reached.get(ref["partition"], 0):
                    yield f"a dead letter left before its event was committed: {ref}"
            elif datetime.fromisoformat(said["time"]) > closed_until:
                yield f"{name}: {said['id']} of {said['time']} left, but panes are closed until {closed_until} only"
