"""The reading side: what a poll brought goes to the ledger, and says how far event time has come.

Which partitions there are, where each began, whose clock holds the others back, and which of them wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import structlog

from daemon.accounts import Accounts
from daemon.control.desk import Desk
from daemon.controls import Controls
from daemon.decode import Refusal
from daemon.gaps import Gaps
from daemon.parts import DEAD_LETTERS, Parts
from daemon.records import Partition, Polled, Position, Run
from daemon.watching_log import RefusedLog

log = structlog.get_logger()

RESUMED_AFTER_S = 5.0
"""A pause is over once no queue was full for so long: one that hovers at its bound is one pause."""


class Revoked(Exception):
    """Partitions were lost (`lost`): what is in memory of them must be dropped."""

    def __init__(self, lost: Iterable[Partition]) -> None:
        super().__init__("partitions were lost")
        self.lost = frozenset(lost)


class Intake:
    """Takes in what polls bring. `closed_until` is the end of the last pane that was closed."""

    def __init__(self, parts: Parts, controls: Controls, accounts: Accounts, gaps: Gaps, desk: Desk) -> None:
        self._parts, self._controls, self._accounts, self._gaps = parts, controls, accounts, gaps
        self._desk = desk
        self.refused = None if parts.wall is None else RefusedLog(parts.now, parts.say.why)
        """What the log says of refused events; a replay has counts of its own."""
        self.began: dict[Partition, Position] = {}
        """Where each partition began in this process: there it goes on again if it is lost before it was committed."""
        self.lag: dict[Partition, int] = {}
        """Records that are left to read, as last heard."""
        self.ready = False
        """Whether there were ever partitions to read."""
        self.paused = False
        """Whether nothing is read for now: see `Checkpoint.pressure`."""
        self._full_at: float | None = None
        """When a queue was last seen full, in a pause that was said."""
        self._finished: set[Partition] = set()
        self._caught_up_since: dict[Partition, float] = {}
        self._doubted_since: dict[Partition, float] = {}
        """Since when a partition has brought no timestamp that could be believed, and some that could not."""
        self._distrusted: set[Partition] = set()
        """Those of which that has been so for long: they hold nobody back, and have the time of the others."""
        self._last_record = 0.0
        """When the last record came, or the state was restored."""
        self._silent_until = 0.0
        """When last every partition was known to be read to its end."""
        self._restored_until = 0

    def back_pressure(self) -> None:
        """Read nothing while a queue is full; hold back partitions that are far ahead of the slowest."""
        source, timing = self._parts.source, self._parts.timing
        held = set(source.positions())
        ahead = self._parts.clocks.ahead_of_slowest(timing.max_skew_us, self._caught_up_since)
        self.paused = self._parts.checkpoint.pressure()
        wanted = held if self.paused else ahead
        source.pause(wanted - source.paused)
        source.resume(source.paused - wanted)
        self._say_pause()

    def take(self, polled: Polled, closed_until: int, asked: float) -> None:
        """Take in what a poll brought that began at `asked`. Raises `Revoked`."""
        self._meet(polled, closed_until)
        for run in polled.runs:
            if self._desk.owns(run.partition.topic):
                self._desk.read(run, self._refuse)
                continue
            if self._parts.clocks.resting(run.partition) and run.partition not in self._finished:
                self._wake(run.partition, run.offsets[0], closed_until)
            for part, wall_us in self._by_wall_clock(run):
                self._take_in(part, wall_us)
        if any(not self._desk.owns(run.partition.topic) for run in polled.runs):
            self._last_record = self._parts.now()
        self._rest(polled, asked)

    def wake_all(self, closed_until: int) -> None:
        """Go on with the partitions that the source holds already, after others were lost."""
        for partition, at in sorted(self._parts.source.positions().items()):
            self._wake(partition, at.next_offset, closed_until)

    def more_to_read(self) -> bool:
        """Whether a partition is not known to be read to its end."""
        held = {each for each in self._parts.source.positions() if not self._desk.owns(each.topic)}
        return not held <= self._finished | self._caught_up_since.keys()

    def watermark(self) -> int | None:
        """The clocks' watermark; when all partitions rest, event time goes on as wall time does.

        As far as silence was heard: not while the brokers are away, nor while this process was stopped.
        """
        parts, clocks = self._parts, self._parts.clocks
        watermark = clocks.watermark()
        if watermark is None and parts.wall is not None and self._last_record:
            latest = max((clocks.of(partition) for partition in parts.source.positions()), default=0)
            waited = int(max(self._silent_until - self._last_record, 0.0) * 1e6)
            return max(latest - clocks.lateness_us, self._restored_until) + waited if latest else None
        return watermark

    def ended(self) -> bool:
        """Will nothing ever come again?"""
        held = set(self._parts.source.positions())
        return bool(held) and held <= self._finished

    def restored(self, closed_until: int) -> None:
        """The state was restored: silence is counted from now on, event time from there."""
        self._last_record, self._restored_until = self._parts.now(), closed_until

    def _say_pause(self) -> None:
        """Log once that queues are full, and once that they are so no more."""
        checkpoint, now = self._parts.checkpoint, self._parts.now()
        if full := checkpoint.full():
            if self._full_at is None:
                queued = checkpoint.queued()
                log.warning("input paused", to_send={queue: queued[queue] for queue in full})
            self._full_at = now
        elif self._full_at is not None and now - self._full_at >= RESUMED_AFTER_S:
            log.info("input resumes", to_send=checkpoint.queued())
            self._full_at = None

    def _meet(self, polled: Polled, closed_until: int) -> None:
        self._note_beginnings(polled)
        if polled.revoked:
            raise Revoked(polled.revoked)
        for partition in polled.assigned:
            offset = self.began[partition].next_offset if partition in self.began else 0
            self._wake(partition, offset, closed_until)
        for gap in polled.gaps:
            self._gaps.add(gap)
        for control in polled.controls:
            self._obey(control)
        self.lag.update(polled.lag)
        self.ready = self.ready or bool(polled.assigned or self._parts.clocks.watermark() is not None)

    def _note_beginnings(self, polled: Polled) -> None:
        """Records of a partition that is new may have come with it: it began before them."""
        positions = self._parts.source.positions() if polled.assigned else {}
        first = {run.partition: run.offsets[0] for run in polled.runs}
        for partition in positions.keys() & set(polled.assigned):
            at = positions[partition]
            self.began[partition] = replace(at, next_offset=first.get(partition, at.next_offset))

    def _obey(self, control: Mapping[str, Any]) -> None:
        """A control record of a dump: what the live run had decided by its wall clock."""
        if control.get("control") == "floor":
            if not self._desk.owns(control["topic"]):
                self._parts.clocks.add(Partition(control["topic"], control["partition"]), control["clock"])
        elif control.get("control") == "missing":
            where = Partition(control["topic"], control["partition"])
            log.warning(
                "the dump is not whole, so this is not what its run said", partition=str(where),
                offsets=control["offsets"], reason=control["reason"],
            )  # fmt: skip
        else:
            self._controls.obey(control)

    def _wake(self, partition: Partition, offset: int, closed_until: int) -> None:
        """A partition begins or goes on: nothing of it may enter a pane that is closed. Orders have no clock."""
        if self._desk.owns(partition.topic):
            return
        clocks = self._parts.clocks
        floor = closed_until + clocks.lateness_us if closed_until else 0
        if partition in self._distrusted:
            floor = max(floor, self._time_elsewhere())
        before = clocks.of(partition)
        if clocks.add(partition, floor) > before or not before:
            self._controls.add("floor", partition, offset=offset, clock=floor)

    def _time_elsewhere(self) -> int:
        """What time it is for a partition whose own timestamps can't be believed.

        The others say it by the panes that they close; before there are any, the slowest of them; and if none of them
        counts, it is the present.
        """
        parts = self._parts
        watermark = parts.clocks.watermark()
        if watermark is None:
            return int(parts.wall() * 1e6) if parts.wall is not None else 0
        return max(watermark + parts.clocks.lateness_us, 0)

    def _by_wall_clock(self, run: Run) -> Iterable[tuple[Run, int | None]]:
        """The run with the present, by which its timestamps are judged; in a replay in parts, with the recorded one."""
        if self._parts.wall is not None:
            return [(run, int(self._parts.wall() * 1e6))]
        return self._controls.by_wall_clock(run)

    def _take_in(self, run: Run, wall_us: int | None) -> None:
        parts = self._parts
        clocks, partition = parts.clocks, run.partition
        ahead, clock = clocks.ahead, clocks.of(partition)
        decoded = parts.decoder.decode(run, wall_us)
        doubted = clocks.ahead > ahead
        if doubted and wall_us is not None:
            self._controls.add("doubted", partition, first=run.offsets[0], last=run.offsets[-1], wall=wall_us)
        if clocks.of(partition) > clock:
            self._doubted_since.pop(partition, None)
            self._distrusted.discard(partition)
        elif doubted:
            self._doubted_since.setdefault(partition, parts.now())
        parts.ledger.add(decoded)
        parts.on_decoded(decoded)
        self._accounts.reasons.update(refusal.reason for refusal in decoded.refused)
        parts.checkpoint.add(DEAD_LETTERS, [parts.say.dead_letter(refusal) for refusal in decoded.refused])
        if self.refused is not None:
            self.refused.note(decoded.refused)

    def _refuse(self, refusal: Refusal) -> None:
        self._parts.checkpoint.add(DEAD_LETTERS, [self._parts.say.dead_letter(refusal)])

    def _rest(self, polled: Polled, asked: float) -> None:
        """Leave out of the watermark what has been read to its end for long enough, or will never bring anything.

        Also what has long had no timestamp that could be believed: it would hold the others back for ever. How long is
        counted up to when the poll began: the process may have been stopped since, and what it heard may be old.
        """
        parts, clocks, now = self._parts, self._parts.clocks, asked
        for partition in polled.finished:
            self._finished.add(partition)
            clocks.rest(partition)
        if parts.wall is None:
            return
        for partition, since in self._doubted_since.items():
            if now - since >= parts.timing.idle_after_s and partition not in self._distrusted:
                log.warning("timestamps ahead of the present", partition=str(partition))
                self._distrusted.add(partition)
        for partition in self._distrusted:
            clocks.rest(partition)
        quiet = polled.caught_up - {run.partition for run in polled.runs} - parts.source.paused
        self._caught_up_since = {each: self._caught_up_since.get(each, now) for each in sorted(quiet)}
        if not self.more_to_read():
            self._silent_until = now
        for partition, since in self._caught_up_since.items():
            if self._desk.owns(partition.topic):
                continue
            if now - since >= parts.timing.idle_after_s and not clocks.resting(partition):
                log.info("partition idle", partition=str(partition))
                clocks.rest(partition)
