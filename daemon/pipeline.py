"""The loop: poll, decode, ledger, panes, judge, alert, commit, deliver.

    source ─records─► decode ─rows─► ledger ─pane closes─► watch ─findings─► alerts ─► outbox ─► sinks
                        │ refused                            │ sample ─► explainer ─┘      ▲
                        └──────────────────────────────────────────────── dead letters ────┘

    intake.py: left of the ledger      closing.py: right of it      checkpoint.py: commit and deliver

One thread, one pass after the other; what is slow (sinks, explanations) has its own queue or process. Event time
drives everything but idleness, commits and delivery.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from daemon.accounts import ACCOUNTS, Accounts
from daemon.catching_up import CatchingUp
from daemon.closing import Closing
from daemon.control.desk import Desk
from daemon.controls import Controls
from daemon.gaps import Gaps
from daemon.garbage import seldom_collected
from daemon.intake import Intake
from daemon.parts import ALERTS, Parts
from daemon.records import Partition, Position

log = structlog.get_logger()


class Pipeline:
    """See the module's docstring."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._controls = Controls()
        self._gaps = Gaps(self._controls)
        if parts.wall is not None and parts.explainer is not None:
            self._controls.add("explains")
        self._accounts = Accounts(parts.timing.account_span_us)
        self._desk = Desk(
            parts.control_topic, self._controls, parts.life, parts.watch.accept, live=parts.wall is not None
        )
        self._catching_up = CatchingUp(self._controls, parts.wall, parts.timing.behind_us)
        self._intake = Intake(parts, self._controls, self._accounts, self._gaps, self._desk)
        self._closing = Closing(
            parts, self._controls, self._accounts, self._gaps, self._desk, self._catching_up, self._intake
        )
        self._last_heartbeat = 0.0
        self._status: dict[str, Any] = {"ready": False}

    @property
    def closed_until(self) -> int:
        """End of the last pane that was closed: nothing enters a pane before it."""
        return self._closing.until

    @property
    def accounts(self) -> Counter[str]:
        """What became of events so far."""
        return self._accounts.counts

    @property
    def began(self) -> Mapping[Partition, Position]:
        """Where each partition began in this process."""
        return self._intake.began

    def run(self, stop: Callable[[], bool]) -> None:
        """Loop until told to stop, or until a finite input is at its end; then commit and deliver what there is.

        Raises `Revoked` when partitions were lost.
        """
        with seldom_collected() as collect_if_due:
            while not stop():
                if self.step():
                    break
                collect_if_due()
        self._commit()
        self.parts.checkpoint.deliver(10.0)
        if self._intake.refused is not None:
            self._intake.refused.tell()
        if waiting := {queue: count for queue, count in self.parts.checkpoint.queued().items() if count}:
            log.warning("not sent, kept in the state", **waiting)
        self._take_status()

    def step(self) -> bool:
        """One pass of the loop; says whether the input is at its end."""
        parts, intake = self.parts, self._intake
        intake.back_pressure()
        asked = parts.now()
        polled = parts.source.poll(parts.timing.max_wait_s, parts.timing.max_records)
        intake.take(polled, self.closed_until, asked)
        self._closing.flushed = self._closing.flushed and not polled.runs
        ended = intake.ended()
        self._closing.close_due(intake.watermark())
        if ended:
            self._closing.finish()
        self._heartbeat()
        # First: what a commit holds may leave once it is durable, which it never is where the next one is due at once.
        parts.checkpoint.deliver(0.0)
        if parts.checkpoint.due():
            self._commit()
        self._take_status()
        return ended

    def resume(self, began: Mapping[Partition, Position]) -> None:
        """Go on with the partitions that the source holds already, after others were lost to another pipeline."""
        self._intake.began.update(began)
        self._intake.wake_all(self.closed_until)

    def status(self) -> dict[str, Any]:
        """A snapshot for people and metrics; made by the loop, read by other threads."""
        return self._status

    def close(self) -> None:
        """Let go of everything. What is not committed is dropped."""
        if self.parts.explainer is not None:
            self.parts.explainer.close()
        self.parts.source.close()
        self.parts.checkpoint.close()

    def restore(self, tree: Mapping[str, Any]) -> None:
        """Go on from `to_state`."""
        self._closing.until, self._closing.flushed = tree["closed_until"], tree["flushed"]
        self._accounts.restore(tree)
        self._gaps.restore(tree)
        self._desk.restore(tree)
        self._catching_up.restore(tree)
        self._intake.restored(self.closed_until)

    def to_state(self) -> dict[str, Any]:
        """The loop's own state as a tree that `packing.pack` takes."""
        own = {"closed_until": self.closed_until, "flushed": self._closing.flushed}
        said = self._desk.to_state() | self._catching_up.to_state()
        return own | self._accounts.to_state() | self._gaps.to_state() | said

    def _commit(self) -> None:
        """Make progress durable, unless the source can't stand for all of it: then with a later pass."""
        if not self.parts.source.vouch():
            return
        self.parts.checkpoint.commit(self, self.parts.source.positions(), self._controls.take())

    def _heartbeat(self) -> None:
        parts, now = self.parts, self.parts.now()
        if parts.wall is None or now - self._last_heartbeat < parts.timing.heartbeat_s:
            return
        self._last_heartbeat = now
        watermark = self._intake.watermark()
        watermark = None if watermark is None or watermark < 0 else watermark
        firing = parts.life.firing_count
        message = parts.say.heartbeat(watermark=watermark, lag=self._intake.lag, firing=firing, wall=parts.wall())
        parts.checkpoint.add(ALERTS, [message])

    def _take_status(self) -> None:
        parts, intake = self.parts, self._intake
        explainer = parts.explainer
        self._status = {
            "ready": intake.ready,
            "reachable": parts.source.reachable,
            "paused": intake.paused,
            "watermark": intake.watermark(),
            "closed_until": self.closed_until,
            "lag": {str(partition): lag for partition, lag in sorted(intake.lag.items())},
            "accounts": {name: self.accounts[name] for name in ACCOUNTS},
            "refused": dict(sorted(self._accounts.reasons.items())),
            "pending": len(parts.ledger.retained),
            "waiting_labels": len(parts.ledger.waiting),
            "open_rows": parts.ledger.open_rows(),
            "keep_rate": parts.ledger.keep_rate,
            "firing": parts.life.firing_count,
            "catching_up": self._catching_up.behind,
            "orders": self._desk.waiting,
            "models": len(parts.watch.profile.bases()),
            "cut_off": parts.cut_off() | self._accounts.forgotten,
            "ahead": parts.clocks.ahead,
            "explanations": {} if explainer is None else dict(explainer.counters),
            "outbox": parts.checkpoint.queued(),
            "positions": {str(p): at.next_offset for p, at in sorted(parts.source.positions().items())},
            "quarantined": [w.monitor.name for w in parts.watch.monitors if w.broken is not None],
        }
