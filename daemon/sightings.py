"""When each version was heard of last, and which has been silent for so long that it is retired."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush, heapreplace
from typing import Any


class Sightings:
    """Ends of panes by number of (model, version). The next to be retired is known without looking at all of them."""

    def __init__(self, retire_after: Callable[[int], int]) -> None:
        """`retire_after` says of a version how long it may be silent; as all times, in microseconds."""
        self._retire_after = retire_after
        self._seen: dict[int, int] = {}
        self._never_predicted: set[int] = set()
        """Versions of which there are only signals: these are signs of life as long as there is nothing else."""
        self._retires: list[tuple[int, int]] = []
        """When each version is retired, as a heap; too early for those that were seen again since."""

    def __contains__(self, base: int) -> bool:
        return base in self._seen

    def predicted(self, base: int, end: int) -> None:
        """It predicted in the pane that ended then."""
        self._never_predicted.discard(base)
        self._see(base, end)

    def signalled(self, base: int, end: int) -> None:
        """There was a signal of it."""
        if base not in self._seen:
            self._never_predicted.add(base)
        if base in self._never_predicted:
            self._see(base, end)

    def next(self) -> int | None:
        """When the next version is retired, if nothing is heard of it."""
        while self._retires:
            when, base = self._retires[0]
            if base not in self._seen:
                heappop(self._retires)
            elif (later := self._seen[base] + self._retire_after(base)) > when:
                heapreplace(self._retires, (later, base))
            else:
                return when
        return None

    def due(self, end: int) -> list[int]:
        """Versions that are to be retired by then, which are forgotten here."""
        found = []
        while (when := self.next()) is not None and when <= end:
            base = heappop(self._retires)[1]
            del self._seen[base]
            self._never_predicted.discard(base)
            found.append(base)
        return found

    def to_state(self) -> dict[str, Any]:
        """A tree that `packing.pack` takes."""
        return {"seen": dict(self._seen), "never_predicted": sorted(self._never_predicted)}

    def load(self, tree: dict[str, Any]) -> None:
        """Become what `to_state` described."""
        self._never_predicted = set(tree.get("never_predicted", ()))
        for base, end in tree["seen"].items():
            self._see(int(base), end)

    def _see(self, base: int, end: int) -> None:
        if base not in self._seen:
            heappush(self._retires, (end + self._retire_after(base), base))
        self._seen[base] = end
