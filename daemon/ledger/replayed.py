"""Replayed dead letters count once: which of them were taken in is remembered for a while."""

from __future__ import annotations

from itertools import islice, takewhile

import numpy as np

from processors.rows import Bools, Hashes, Longs


class Remembered:
    """Events that came in as replays, by the hash of their ref, in the order in which they were taken in.

    At most `most` of them, each for `retention_us` of event time; the oldest go first.
    """

    def __init__(self, retention_us: int, most: int) -> None:
        self._retention_us, self._most = retention_us, most
        self._until: dict[int, int] = {}
        self._new: list[tuple[int, int]] = []
        self._forgotten = 0

    def __len__(self) -> int:
        return len(self._until)

    def first(self, refs: Hashes, end: int) -> Bools:
        """Which of these, in their order, are here for the first time; they are known from then on.

        `end` is that of the pane in which they are.
        """
        self._expire(end)
        stands = np.zeros(len(refs), np.bool_)
        for place, ref in enumerate(refs.tolist()):
            if ref not in self._until:
                stands[place] = True
                self._remember(ref, end + self._retention_us)
        return stands

    def take_new(self) -> tuple[Hashes, Longs]:
        """Refs that came since this was asked last, and until when each is remembered."""
        new, self._new = self._new, []
        return np.array([ref for ref, _ in new], np.uint64), np.array([until for _, until in new], np.int64)

    def take_forgotten(self) -> int:
        """How many had to go for want of room since this was asked last."""
        count, self._forgotten = self._forgotten, 0
        return count

    def restore(self, refs: Hashes, until: Longs, now: int) -> None:
        """Know these again; what is over by `now` is left out."""
        for ref, when in zip(refs.tolist(), until.tolist(), strict=True):
            if when > now:
                self._remember(ref, when)
        self._new.clear()
        self._forgotten = 0

    def _remember(self, ref: int, until: int) -> None:
        self._until[ref] = until
        self._new.append((ref, until))
        for oldest in list(islice(self._until, max(0, len(self._until) - self._most))):
            del self._until[oldest]
            self._forgotten += 1

    def _expire(self, now: int) -> None:
        for ref in list(takewhile(lambda ref: self._until[ref] <= now, self._until)):
            del self._until[ref]
