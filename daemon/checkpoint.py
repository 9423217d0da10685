"""Making progress durable, and sending what leaves.

`Durable` is a live run's: state, positions and outgoing messages in one transaction, and the outbox behind it.
`Direct` is a replay's: nothing is kept, messages go to their sinks at once.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from daemon.ledger.saving import LedgerSaving
from daemon.pipeline import Pipeline
from daemon.records import Partition, Position
from daemon.sinks.base import Message, Sink
from daemon.sources.base import Source
from daemon.state.outbox import Outbox
from daemon.state.steps import Step, reached
from daemon.state.store import Loaded, Store
from processors.packing import parts, unpack

EXPLAINER = "explainer"

_COST_SHARE = 40
"""A commit is due once so many times its own cost have passed, within the bounds."""
ENOUGH_COLLECTED = 32 * 2**20
"""Bytes to be sent that may come together in memory before a commit is due."""
ENOUGH_UNSAVED = 500_000
"""Predictions and labels that may be kept since the last commit before one is due, and during one before input waits:
some 100 MiB, which the next commit holds a second time."""
_ENOUGH = 10_000
"""Messages that a replay lets come together before it writes them."""


class Durable:
    """A live run's checkpoint. The order of `commit` and `deliver` is the guarantee:

    1. State, positions, controls and outgoing messages, in one transaction: from here on nothing is repeated.
    2. Send the messages and wait for their acknowledgement: a crash before 3 sends them again, same ids.
    3. Mark them sent.
    4. Tell the source the positions, for lag tools only.
    """

    def __init__(self, store: Store, outbox: Outbox, source: Source, bounds_s: tuple[float, float]) -> None:
        self._store, self._outbox, self._source, self._bounds_s = store, outbox, source, bounds_s
        self._saving: LedgerSaving | None = None
        self._saved: set[str] = set()
        self._explained = 0
        """Revision of the explainer's state that was saved last."""
        self._committed_at = time.monotonic()
        self._cost_s = 0.0
        self._began_at: float | None = None
        """When the commit that is being written began."""
        self._untold: Mapping[Partition, Position] = {}
        """Committed positions that the source was not told yet."""

    def restore(self, pipeline: Pipeline, saving: LedgerSaving, loaded: Loaded) -> None:
        """Fill a new pipeline with what was committed last; keep its ledger's chunks from now on."""
        self._saving, self._saved = saving, set(loaded.items)
        if "pipeline" not in loaded.items:
            return
        state = pipeline.parts
        pipeline.restore(unpack(loaded.items["pipeline"]))
        state.clocks.load(unpack(loaded.items["clocks"]))
        state.watch.restore(loaded.items)
        if state.explainer is not None:
            known = loaded.items.get(EXPLAINER)
            state.explainer.load({"rows": []} if known is None else unpack(known))
            self._explained = state.explainer.revision
        saving.restore(loaded.items, loaded.chunks, pipeline.closed_until)

    def add(self, queue: str, messages: Sequence[Message]) -> None:
        """See `pipeline.Checkpoint`."""
        if messages:
            self._outbox.add(queue, messages)

    def due(self) -> bool:
        """Once it is durable and its cost is small against the time since, within the configured bounds.

        At once if much waits for it, for until then it is in memory.
        """
        if not self._settle(0.0):
            return False
        if self._much():
            return True
        least, most = self._bounds_s
        return time.monotonic() - self._committed_at >= min(max(_COST_SHARE * self._cost_s, least), most)

    def commit(
        self, pipeline: Pipeline, positions: Mapping[Partition, Position], controls: list[dict[str, Any]]
    ) -> None:
        """Step 1: note down what has to be written; it is written while the loop goes on.

        Raises `StateError` if the commit before could not be written. Memory is then ahead of disk, and the process
        must end; nothing of what could not be written was sent.
        """
        self._settle(None)
        began = time.monotonic()
        state = pipeline.parts
        commit = self._store.stage()
        commit.positions(positions)
        for control in controls:
            commit.control(control)
        commit.put("pipeline", parts(pipeline.to_state()))
        commit.put("clocks", parts(state.clocks.to_state()))
        commit.put("alerts", parts(state.life.to_state()))
        self._saved = state.watch.stage(commit.put, commit.delete, self._saved)
        if state.explainer is not None and state.explainer.revision != self._explained:
            self._explained = state.explainer.revision
            commit.put(EXPLAINER, parts(state.explainer.to_state()))
        if self._saving is not None:
            self._saving.stage(commit, pipeline.closed_until)
        self._outbox.stage(commit)
        self._untold = dict(positions)
        self._store.write_behind(commit)
        self._began_at, self._committed_at = began, time.monotonic()

    def _settle(self, max_wait_s: float | None) -> bool:
        """Whether the last commit is durable, after waiting so long at most. Raises `StateError` if it won't be."""
        if not self._store.written(max_wait_s):
            return False
        if self._began_at is not None:
            self._cost_s, self._began_at = time.monotonic() - self._began_at, None
        return True

    def deliver(self, max_wait_s: float) -> None:
        """Steps 2 to 4, once the last commit is durable."""
        if not self._settle(max_wait_s):
            return
        if max_wait_s:
            self._outbox.drain(max_wait_s)
        else:
            self._outbox.deliver(0.0)
        if self._untold:
            self._source.commit(self._untold)
            self._untold = {}
            reached(Step.TOLD)

    def pressure(self) -> bool:
        """See `pipeline.Checkpoint`. Also while a slow disk writes a commit, once much waits for the next."""
        return bool(self.full()) or (self._much() and not self._settle(0.0))

    def _much(self) -> bool:
        unsaved = 0 if self._saving is None else self._saving.unsaved
        return self._outbox.collected() >= ENOUGH_COLLECTED or unsaved >= ENOUGH_UNSAVED

    def full(self) -> tuple[str, ...]:
        """See `pipeline.Checkpoint`."""
        return self._outbox.full()

    def queued(self) -> dict[str, int]:
        """See `pipeline.Checkpoint`."""
        return {queue: messages for queue, (messages, _) in self._outbox.sizes().items()}

    def close(self) -> None:
        """See `pipeline.Checkpoint`. The store is closed by whoever opened it, after what is being written."""
        self._outbox.close()


class Direct:
    """A replay's checkpoint: messages go to the sinks as they come."""

    def __init__(self, sinks: Mapping[str, Sequence[Sink]]) -> None:
        self._sinks = sinks
        self._waiting = 0
        self._written_at = time.monotonic()

    def add(self, queue: str, messages: Sequence[Message]) -> None:
        """See `pipeline.Checkpoint`."""
        self._waiting += len(messages)
        if messages:
            for sink in self._sinks[queue]:
                sink.send(messages)

    def due(self) -> bool:
        """Never."""
        return False

    def commit(
        self, pipeline: Pipeline, positions: Mapping[Partition, Position], controls: list[dict[str, Any]]
    ) -> None:
        """Nothing to keep."""

    def deliver(self, max_wait_s: float) -> None:
        """Let the sinks write, when enough has come together or time has passed, or if there is time to wait."""
        if not max_wait_s and self._waiting < _ENOUGH and time.monotonic() - self._written_at < 1:
            return
        self._waiting, self._written_at = 0, time.monotonic()
        for sinks in self._sinks.values():
            for sink in sinks:
                sink.flush(60.0)

    def pressure(self) -> bool:
        """Never: sinks of a replay write at once."""
        return False

    def full(self) -> tuple[str, ...]:
        """None: there are no queues."""
        return ()

    def queued(self) -> dict[str, int]:
        """Nothing waits."""
        return {}

    def close(self) -> None:
        """See `pipeline.Checkpoint`."""
        self.deliver(1.0)
        for sinks in self._sinks.values():
            for sink in sinks:
                sink.close()
