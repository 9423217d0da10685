"""Which series do the cells of a row belong to? Told once for each (version, layout) that occurs."""

from __future__ import annotations

import numpy as np

from processors.profile.tokens import lookup
from processors.rows import Bools, Hashes, Ints, Longs


class Slots:
    """Runs of series numbers, one number for each name of a layout, by a token of (version, layout)."""

    MOST_NAMES = 1_000_000
    """In all runs together, once the rows of a pane have been looked up."""

    def __init__(self, most: int) -> None:
        self._most, self._names = most, 0
        self._runs: dict[int, Ints] = {}
        self._of_base: dict[int, list[int]] = {}
        self._places: dict[int, int] | None = None
        """Place of each run in the arrays below; None after a change."""
        self._start = np.zeros(0, np.int64)
        self._series = np.zeros(0, np.int32)

    def unknown(self, tokens: Hashes) -> Bools:
        """Which tokens have no run yet?"""
        return np.asarray(self.places(tokens) < 0)

    def trim(self) -> None:
        """Begin anew if there are too many. Not while the rows of a pane are being looked up: they need theirs."""
        if len(self._runs) > self._most or self._names > self.MOST_NAMES:
            self._runs, self._of_base, self._places, self._names = {}, {}, None, 0

    def add(self, base: int, token: int, series: Ints) -> None:
        """Keep the run of a layout of a version; -1 in it for what is not monitored."""
        self._runs[token] = series
        self._names += len(series)
        self._of_base.setdefault(base, []).append(token)
        self._places = None

    def forget(self, base: int) -> None:
        """Drop the runs of a version: its series have changed."""
        for token in self._of_base.pop(base, ()):
            run = self._runs.pop(token, None)
            self._names -= 0 if run is None else len(run)
            self._places = None

    def places(self, tokens: Hashes) -> Ints:
        """Place of each token's run among `runs`, -1 where there is none."""
        return np.asarray(lookup(tokens, self._index()))

    def runs(self) -> tuple[Longs, Ints]:
        """Where each run begins, and all runs one after the other."""
        self._index()
        return self._start, self._series

    def _index(self) -> dict[int, int]:
        if self._places is None:
            self._places = {token: place for place, token in enumerate(self._runs)}
            sizes = [0, *map(len, self._runs.values())]
            self._start = np.cumsum(sizes, dtype=np.int64)
            self._series = np.concatenate([np.zeros(0, np.int32), *self._runs.values()])
        return self._places
