"""The agenda: which alert has something due when, without looking at all of them each pane."""

from __future__ import annotations

import heapq


class Agenda:
    """One time for each fingerprint; a later `put` replaces it."""

    def __init__(self) -> None:
        self._times: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []

    def put(self, fingerprint: str, time: int) -> None:
        """Note when something is due."""
        if self._times.get(fingerprint) != time:
            self._times[fingerprint] = time
            heapq.heappush(self._heap, (time, fingerprint))
        if len(self._heap) > 64 + 4 * len(self._times):  # mostly times that were replaced
            self._heap = [(time, fingerprint) for fingerprint, time in self._times.items()]
            heapq.heapify(self._heap)

    def drop(self, fingerprint: str) -> None:
        """Nothing is due any more."""
        self._times.pop(fingerprint, None)

    def next(self) -> int | None:
        """The earliest time of all; None if there is none."""
        while self._heap and self._times.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, until: int) -> list[str]:
        """What is due by then, taken off the agenda, earliest first."""
        taken = []
        while (time := self.next()) is not None and time <= until:
            _, fingerprint = heapq.heappop(self._heap)
            del self._times[fingerprint]
            taken.append(fingerprint)
        return taken
