"""When and in what portions rows that live are written anew, so that a file holds little more than what lives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from daemon.ledger.keyed import KeyedRows
from processors.rows import Longs

MOST_TIMES = 3
"""So many times as much as lives may stand in the file before the rest is cleared away ..."""
LEAST = 50_000
"""... and so much beside it at any rate."""
PORTION = 20_000
"""Rows that are written anew with one commit, at least; as many as were new if those are more."""


@dataclass(frozen=True, slots=True)
class Held:
    """A chunk: until when (event time) it is needed, when it was written, and its rows with the first of them.

    `written` is counted in chunks: what was written later has a higher number. `first` is a serial number.
    """

    until: int
    written: int
    rows: int
    first: int


class Rewriting:
    """Goes through the chunks of a table of rows, once it is worth it; then what was laid over them is void too."""

    def __init__(self, chunks: dict[int, Held], over: dict[int, Held], rows: KeyedRows) -> None:
        """`over` are the chunks that change rows of `chunks`; both are read, not changed."""
        self._chunks, self._over, self._rows = chunks, over, rows
        self._begun: int | None = None
        """Chunks that were written before this one are to be written anew."""
        self._done: int | None = None
        """Chunks laid over rows, if written before this one, are void."""

    def step(self, now: int) -> tuple[list[int], int, Longs] | None:
        """Chunks to drop, until when their rows are needed, and which rows of them live; None: nothing to do.

        `now` is the number of the chunk that would be written next.
        """
        if self._begun is None and self._held() > MOST_TIMES * len(self._rows) + LEAST:
            self._begun = now
        if self._begun is None:
            return None
        old = [(seq, held) for seq, held in sorted(self._chunks.items()) if held.written < self._begun]
        if not old:
            self._done, self._begun = self._begun, None
            return None
        newest = max(held.rows for held in self._chunks.values())
        seqs: list[int] = []
        until, count = 0, 0
        for seq, held in old:
            if seqs and (count + held.rows > max(PORTION, newest) or not self._adjoin(seqs[-1], seq)):
                break
            seqs.append(seq)
            until, count = max(until, held.until), count + held.rows
        behind = [held.first for seq, held in self._chunks.items() if seq > seqs[-1]]
        high = min(behind, default=np.iinfo(np.int64).max)
        return seqs, until, self._rows.of_serials(self._chunks[seqs[0]].first, high)

    def void(self) -> list[int]:
        """Chunks laid over rows that have all been written anew since; said once."""
        done, self._done = self._done, None
        return [] if done is None else [seq for seq, held in self._over.items() if held.written < done]

    def _held(self) -> int:
        return sum(held.rows for chunks in (self._chunks, self._over) for held in chunks.values())

    def _adjoin(self, one: int, other: int) -> bool:
        return not any(one < seq < other for seq in self._chunks)
