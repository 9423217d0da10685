"""The events of a run in their order, whichever way they were read."""

from __future__ import annotations

import numpy as np

from daemon.codecs.base import Codec
from daemon.decode.batch import Batch, Bounds, Moments
from daemon.decode.scanning.scanner import Events, Scanned
from daemon.records import Run
from processors.rows import Longs


class Entries:
    """What was scanned, and the messages that were not as a `Batch`. A message is wholly one or the other."""

    moments: Moments
    """Of the scanned events."""

    def __init__(self, run: Run, scanned: Scanned, codec: Codec, bounds: Bounds) -> None:
        self.scanned = scanned
        rest = np.flatnonzero(~scanned.taken)
        self.batch = Batch(run.take(rest.tolist()) if len(rest) < len(run) else run, codec, bounds)
        record, ts = rest[self.batch.record], self.batch.times()
        if len(scanned.events):
            record, ts = np.concatenate([scanned.events.record, record]), np.concatenate([scanned.events.ts, ts])
        self._order = np.argsort(record, kind="stable")
        self.record: Longs = record[self._order]
        """Of each entry of the run the record that it came in."""
        self.ts: Longs = ts[self._order]
        """What it says of its time, as `stamps.microseconds`."""

    def give(self, moments: Moments) -> None:
        """Each entry its times."""
        place = np.empty_like(self._order)
        place[self._order] = np.arange(len(place))
        scanned = len(self.scanned.events)
        self.moments = moments.take(place[:scanned])
        self.batch.moments = moments.take(place[scanned:])

    def of_kind(self, kind: int) -> tuple[Events, Moments]:
        """The scanned events of a kind, and when they were."""
        at = self.scanned.events.kind == kind
        return self.scanned.events.take(at), self.moments.take(at)
