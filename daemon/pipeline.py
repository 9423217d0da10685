"""The loop: poll, decode, ledger, panes, judge, alert, commit, deliver.

    source ─records─► decode ─rows─► ledger ─pane closes─► watch ─findings─► alerts ─► outbox ─► sinks
                        │ refused                            │ sample ─► explainer ─┘      ▲
                        └──────────────────────────────────────────────── dead letters ────┘

One thread, one pass after the other; what is slow (sinks, explanations) has its own queue or process. Event time
drives everything but idleness, commits and delivery.
"""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import structlog

from daemon.alerts.life import Life
from daemon.alerts.notice import Notice
from daemon.clocks import Clocks
from daemon.decode import Decoder, Refusal
from daemon.explain.explainer import Explainer
from daemon.explain.recording import recorded, replayed
from daemon.explain.tables import from_events, to_table
from daemon.ledger.ledger import Ledger
from daemon.records import Gap, Partition, Polled, Position, Run
from daemon.sinks.base import Message
from daemon.sources.base import Source
from daemon.watch import Watch
from processors.base import Finding, Reading
from processors.profile import GroupKey
from processors.rows import Explanations
from processors.slices import PredictionRows

log = structlog.get_logger()

ALERTS, READINGS, DEAD_LETTERS = "alerts", "readings", "dead_letters"
ACCOUNTS = ("received", "measured", "duplicate", "conflict", "refused", "shed", "pending")
NOBODY = GroupKey("", "")
"""The group of readings about Vigil itself."""


class Checkpoint(Protocol):
    """What makes progress durable and sends what leaves: the state and its outbox, or in a replay just the sinks."""

    def add(self, queue: str, messages: Sequence[Message]) -> None:
        """Queue messages; they leave after the next commit."""

    def due(self) -> bool:
        """Is it time for a commit?"""

    def commit(
        self, pipeline: Pipeline, positions: Mapping[Partition, Position], controls: list[dict[str, Any]]
    ) -> None:
        """Make everything so far durable. Raises if it can't: the process must then end."""

    def deliver(self, max_wait_s: float) -> None:
        """Send what was committed; failures are logged and tried again."""

    def pressure(self) -> bool:
        """Is a queue full? Then nothing more is read."""

    def queued(self) -> dict[str, int]:
        """Messages that wait, by queue."""

    def close(self) -> None:
        """Let go of the sinks. What was committed and not delivered stays for the next start."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Times of the loop, microseconds unless named otherwise."""

    pane_us: int
    lateness_us: int
    max_skew_us: int
    idle_after_s: float
    heartbeat_s: float
    account_span_us: int
    """How often the accounts are read out, in event time."""
    max_wait_s: float = 0.5
    max_records: int = 2_048


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that a pipeline is made of; `daemon.app` puts it together."""

    source: Source
    clocks: Clocks
    decoder: Decoder
    ledger: Ledger
    watch: Watch
    life: Life
    explainer: Explainer | None
    checkpoint: Checkpoint
    timing: Timing
    say: Messages
    wall: Callable[[], float] | None
    """The wall clock in seconds; None in a replay, where there is no present."""
    on_decoded: Callable[[Any], None]
    on_notice: Callable[[Notice], None]


class Messages(Protocol):
    """Turns what is said into messages."""

    def finding(self, finding: Finding) -> Finding: ...

    def alert(self, notice: Notice) -> Message: ...

    def reading(self, reading: Reading) -> Message: ...

    def dead_letter(self, refusal: Refusal) -> Message: ...

    def heartbeat(
        self, *, watermark: int | None, lag: Mapping[Partition, int], firing: int, wall: float
    ) -> Message: ...


class Revoked(Exception):
    """Partitions were lost (`lost`): what is in memory of them must be dropped."""

    def __init__(self, lost: Iterable[Partition]) -> None:
        super().__init__("partitions were lost")
        self.lost = frozenset(lost)


class Pipeline:
    """See the module's docstring."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.closed_until = 0
        """End of the last pane that was closed: nothing enters a pane before it."""
        self.accounts: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        """Refusals by reason."""
        self._accounts_read_at = 0
        self._controls: list[dict[str, Any]] = []
        self._explained: dict[int, list[Explanations]] = {}
        """Recorded explanations of a dump, by pane."""
        self._recorded = False
        self._problems: dict[tuple[str, str], str] = {}
        """Why versions are not explained, as it was said last."""
        self.began: dict[Partition, Position] = {}
        """Where each partition began in this process: there it goes on again if it is lost before it was committed."""
        self._finished: set[Partition] = set()
        self._caught_up_since: dict[Partition, float] = {}
        self._last_record = 0.0
        """When the last record came, or the state was restored."""
        self._restored_until = 0
        self._last_heartbeat = 0.0
        self._lag: dict[Partition, int] = {}
        self._gaps: list[Gap] = []
        """Not said yet."""
        self._past_gaps: list[Gap] = []
        """Said at the last closing."""
        self._flushed = False
        """Whether everything was closed at the end of a finite input, and nothing came since."""
        self._closed_by_dump: int | None = None
        self._doubted: dict[Partition, list[tuple[int, int, int]]] = {}
        """(first offset, last, wall clock) of a dump's runs in which timestamps were too far ahead of that clock."""
        self._ended_in_dump = False
        self._status: dict[str, Any] = {"ready": False}
        self._ready = False

    def resume(self) -> None:
        """Go on with the partitions that the source holds already, after others were lost."""
        for partition, at in sorted(self.parts.source.positions().items()):
            self._wake(partition, at.next_offset)

    def run(self, stop: Callable[[], bool]) -> None:
        """Loop until told to stop, or until a finite input is at its end; then commit and deliver what there is."""
        while not stop():
            if self.step():
                break
        self._commit()
        self.parts.checkpoint.deliver(10.0)
        self._take_status()

    def step(self) -> bool:
        """One pass of the loop; says whether the input is at its end."""
        parts = self.parts
        self._back_pressure()
        polled = parts.source.poll(parts.timing.max_wait_s, parts.timing.max_records)
        self._partitions(polled)
        self._ingest(polled.runs)
        self._rest(polled)
        ended = self._ended()
        self._close_due()
        if ended:
            self._finish()
        self._heartbeat()
        if parts.checkpoint.due():
            self._commit()
        parts.checkpoint.deliver(0.0)
        self._take_status()
        return ended

    def status(self) -> dict[str, Any]:
        """A snapshot for people and metrics; made by the loop, read by other threads."""
        return self._status

    def close(self) -> None:
        """Let go of everything. What is not committed is dropped."""
        if self.parts.explainer is not None:
            self.parts.explainer.close()
        self.parts.source.close()
        self.parts.checkpoint.close()

    # Reading.

    def _back_pressure(self) -> None:
        """Read nothing while a queue is full; hold back partitions that are far ahead of the slowest."""
        source, timing = self.parts.source, self.parts.timing
        held = set(source.positions())
        ahead = self.parts.clocks.ahead_of_slowest(timing.max_skew_us, self._caught_up_since)
        wanted = held if self.parts.checkpoint.pressure() else ahead
        source.pause(wanted - source.paused)
        source.resume(source.paused - wanted)

    def _partitions(self, polled: Polled) -> None:
        clocks = self.parts.clocks
        self._note_beginnings(polled)
        if polled.revoked:
            raise Revoked(polled.revoked)
        for partition in polled.assigned:
            self._wake(partition, self.began[partition].next_offset if partition in self.began else 0)
        for gap in polled.gaps:
            log.error("gap", partition=str(gap.partition), expected=gap.expected, found=gap.found, reason=gap.reason)
            self._gaps.append(gap)
        for control in polled.controls:
            self._obey(control)
        self._lag.update(polled.lag)
        self._ready = self._ready or bool(polled.assigned or clocks.watermark() is not None)

    def _note_beginnings(self, polled: Polled) -> None:
        """Records of a partition that is new may have come with it: it began before them."""
        positions = self.parts.source.positions() if polled.assigned else {}
        first = {run.partition: run.offsets[0] for run in polled.runs}
        for partition in positions.keys() & set(polled.assigned):
            at = positions[partition]
            self.began[partition] = replace(at, next_offset=first.get(partition, at.next_offset))

    def _ingest(self, runs: Sequence[Run]) -> None:
        for run in runs:
            if self.parts.clocks.resting(run.partition) and run.partition not in self._finished:
                self._wake(run.partition, run.offsets[0])
            for part, wall_us in self._by_wall_clock(run):
                self._take_in(part, wall_us)
        if runs:
            self._last_record, self._flushed = time.monotonic(), False

    def _by_wall_clock(self, run: Run) -> Iterator[tuple[Run, int | None]]:
        """The run with the present, by which its timestamps are judged; in a replay in parts, with the recorded one."""
        if self.parts.wall is not None:
            yield run, int(self.parts.wall() * 1e6)
            return
        doubted = self._doubted.get(run.partition, [])
        start = 0
        for first, last, wall_us in doubted:
            begin, end = bisect_left(run.offsets, first), bisect_right(run.offsets, last)
            if begin < end:
                if start < begin:
                    yield run.part(start, begin), None
                yield run.part(begin, end), wall_us
                start = end
        if start < len(run):
            yield run.part(start, len(run)) if start else run, None

    def _take_in(self, run: Run, wall_us: int | None) -> None:
        parts = self.parts
        ahead = parts.clocks.ahead
        decoded = parts.decoder.decode(run, wall_us)
        if parts.clocks.ahead > ahead and wall_us is not None:
            where = {"topic": run.partition.topic, "partition": run.partition.number}
            self._control("doubted", **where, first=run.offsets[0], last=run.offsets[-1], wall=wall_us)
        parts.ledger.add(decoded)
        parts.on_decoded(decoded)
        self.reasons.update(refusal.reason for refusal in decoded.refused)
        parts.checkpoint.add(DEAD_LETTERS, [parts.say.dead_letter(refusal) for refusal in decoded.refused])

    def _wake(self, partition: Partition, offset: int) -> None:
        """A partition begins or goes on: nothing of it may enter a pane that is closed."""
        clocks = self.parts.clocks
        floor = self.closed_until + clocks.lateness_us if self.closed_until else 0
        before = clocks.of(partition)
        if clocks.add(partition, floor) > before or not before:
            self._control("floor", topic=partition.topic, partition=partition.number, offset=offset, clock=floor)

    def _rest(self, polled: Polled) -> None:
        """Leave out of the watermark what has been read to its end for long enough, or will never bring anything."""
        clocks, now = self.parts.clocks, time.monotonic()
        for partition in polled.finished:
            self._finished.add(partition)
            clocks.rest(partition)
        if self.parts.wall is None:
            return
        quiet = polled.caught_up - {run.partition for run in polled.runs} - self.parts.source.paused
        self._caught_up_since = {each: self._caught_up_since.get(each, now) for each in sorted(quiet)}
        for partition, since in self._caught_up_since.items():
            if now - since >= self.parts.timing.idle_after_s and not clocks.resting(partition):
                log.info("partition idle", partition=str(partition))
                clocks.rest(partition)

    def _watermark(self) -> int | None:
        """The clocks' watermark; when all partitions rest, event time goes on as wall time does."""
        clocks = self.parts.clocks
        watermark = clocks.watermark()
        if watermark is None and self.parts.wall is not None and self._last_record:
            latest = max((clocks.of(partition) for partition in self.parts.source.positions()), default=0)
            waited = int((time.monotonic() - self._last_record) * 1e6)
            return max(latest - clocks.lateness_us, self._restored_until) + waited if latest else None
        return watermark

    def _ended(self) -> bool:
        held = set(self.parts.source.positions())
        return bool(held) and held <= self._finished

    # Closing.

    def _close_due(self) -> None:
        watermark = self._watermark()
        while watermark is not None and (start := self._next_pane()) is not None:
            if start + self.parts.timing.pane_us > watermark:
                break
            self._close(start)

    def _next_pane(self, *, rows_only: bool = False) -> int | None:
        """Start of the earliest open pane in which there is something to do."""
        parts, pane_us = self.parts, self.parts.timing.pane_us
        found = [parts.ledger.next_pane()]
        if not rows_only:
            if (due := parts.watch.deadline()) is not None:
                found.append(max(due // pane_us * pane_us, self.closed_until))
            if (end := parts.life.deadline()) is not None:
                found.append(max(end - pane_us, self.closed_until))
        return min((start for start in found if start is not None), default=None)

    def _close(self, start: int, *, last: bool = False) -> None:
        parts = self.parts
        if not last and not parts.ledger.holds(start):
            self._tick(start)
            return
        predictions, signals = parts.ledger.rows_of(start)
        parts.watch.profile.admit(predictions, signals)
        closed = parts.ledger.close(start)
        self.closed_until = closed.end
        judged = parts.watch.close(closed, parts.ledger.keep_rate, lambda rows: self._explain(start, rows), last=last)
        findings = [*judged.findings, *self._gap_findings(closed.end)]
        self.accounts.update(closed.accounts)
        self._say(closed.end, judged.readings, findings, last=last)

    def _tick(self, start: int) -> None:
        """Close a pane in which nothing arrived, because somebody wanted to be asked at this time."""
        self.closed_until = start + self.parts.timing.pane_us
        self.accounts.update(self.parts.ledger.skip(self.closed_until))
        judged = self.parts.watch.tick(start, self.closed_until, self.parts.ledger.keep_rate)
        self._say(self.closed_until, *judged)

    def _say(self, end: int, readings: list[Reading], findings: list[Finding], *, last: bool = False) -> None:
        parts = self.parts
        findings = [parts.say.finding(finding) for finding in findings]
        fired = {(f.group.model, f.group.version) for f in findings if f.kind == "fired"}
        for model, version in sorted(fired | parts.watch.explained):
            if evidence := parts.watch.evidence(model, version):
                parts.life.add_evidence(model, version, evidence)
        notices = parts.life.close(end, findings)
        for key in parts.watch.retired:
            if parts.explainer is not None:
                parts.explainer.forget(key.model, key.version)
                self._problems.pop((key.model, key.version), None)
            notices += parts.life.withdraw(end, "retired", model=key.model, version=key.version)
        for model in parts.watch.gone:
            notices += parts.life.withdraw(end, "retired", model=model)
        for monitor in parts.watch.restarted:
            notices += parts.life.withdraw(end, "superseded", monitor=monitor)
        for monitor, key in parts.watch.rebased:
            notices += parts.life.withdraw(end, "superseded", monitor=monitor, model=key.model, version=key.version)
        parts.watch.rebased.clear()
        parts.watch.retired.clear()
        parts.watch.gone.clear()
        parts.watch.restarted.clear()
        readings = [*readings, *self._read_accounts(end, last=last)]
        parts.checkpoint.add(ALERTS, [parts.say.alert(notice) for notice in notices if not notice.held])
        parts.checkpoint.add(READINGS, [parts.say.reading(reading) for reading in readings])
        for notice in notices:
            parts.on_notice(notice)

    def _explain(self, start: int, rows: PredictionRows) -> list[Explanations]:
        """Explanations to take in with this pane: those in its events, those recorded, those that have come."""
        explainer = self.parts.explainer
        tables = [from_events(rows)]
        if self._recorded:
            return tables + self._explained.pop(start, [])
        if explainer is None:
            return tables
        explainer.offer(rows)
        self._tell_problems(explainer.problems)
        for explained in explainer.collect():
            tables.append(to_table(explained))
            if self.parts.wall is not None:
                self._control("explained", pane=start, **recorded(explained))
        return tables

    def _tell_problems(self, problems: Mapping[tuple[str, str], str]) -> None:
        """Log why versions are not explained, each reason once."""
        for (model, version), why in problems.items():
            if self._problems.get((model, version)) != why:
                self._problems[model, version] = why
                log.warning("not explained", model=model, version=version, why=why)

    def _finish(self) -> None:
        """The end of a finite input. A dump says how far its run had closed; anything else is closed to the end.

        Once: a run that is started again on the same files finds nothing new, and says nothing again.
        """
        if self._flushed and not self._gaps:
            return
        self._flushed = True
        if self._closed_by_dump is not None and not self._ended_in_dump:
            while (start := self._next_pane()) is not None and start < self._closed_by_dump:
                self._close(start)
            return
        while (start := self._next_pane(rows_only=True)) is not None:
            due = self._next_pane()
            self._close(start if due is None else min(start, due))
        if self.closed_until:
            self._control("ended")
            self.accounts.update(self.parts.ledger.give_up())
            self._close(self.closed_until, last=True)

    # Accounts.

    def _read_accounts(self, end: int, *, last: bool) -> list[Reading]:
        """The accounts so far, every `account_span` of event time: received is always the sum of the others."""
        if not last and end - self._accounts_read_at < self.parts.timing.account_span_us:
            return []
        start, self._accounts_read_at = self._accounts_read_at, end
        received = self.accounts["received"]
        explained = {name: count for name, count in sorted(self.accounts.items()) if name not in ACCOUNTS}
        cut_off = dict(sorted(self.parts.watch.profile.cut_off.items()))
        values = {name: self.accounts[name] for name in ACCOUNTS} | {"keep_rate": self.parts.ledger.keep_rate}
        details = {"shed": explained, "conflict": {}, "received": cut_off}
        return [
            Reading(
                "accounts", name, NOBODY, float(value), received, start, end, "total",
                details=details.get(name, {}),
            )
            for name, value in values.items()
        ]  # fmt: skip

    # Gaps and controls.

    def _gap_finding(self, gap: Gap, end: int) -> Finding:
        lost = "an unknown number of" if gap.lost is None else f"{gap.lost:,}"
        summary = f"{lost} records of {gap.partition} were never read ({gap.reason}): reading goes on at {gap.found}."
        evidence = {"expected": gap.expected, "found": gap.found, "reason": gap.reason}
        value = None if gap.lost is None else float(gap.lost)
        group = GroupKey("", "", "partition", str(gap.partition))
        return Finding("fired", "source", "gap", group, end, value, gap.lost or 0, summary, evidence=evidence)

    def _gap_findings(self, end: int) -> list[Finding]:
        """Gaps, each fired at the next closing and over at the one after: it has happened, it does not go on."""
        over = [replace(self._gap_finding(gap, end), kind="recovered") for gap in self._past_gaps]
        self._past_gaps, self._gaps = self._gaps, []
        return [self._gap_finding(gap, end) for gap in self._past_gaps] + over

    def _control(self, kind: str, **fields: Any) -> None:
        self._controls.append({"control": kind, **fields})

    def _obey(self, control: Mapping[str, Any]) -> None:
        """A control record of a dump: what the live run had decided by its wall clock."""
        kind = control.get("control")
        if kind == "floor":
            self.parts.clocks.add(Partition(control["topic"], control["partition"]), control["clock"])
        elif kind == "doubted":
            doubted = self._doubted.setdefault(Partition(control["topic"], control["partition"]), [])
            doubted.append((control["first"], control["last"], control["wall"]))
        elif kind == "explained":
            self._recorded = True
            self._explained.setdefault(control["pane"], []).append(to_table(replayed(control)))
        elif kind == "ended":
            self._ended_in_dump = True
        elif kind == "closed":
            self._closed_by_dump = max(self._closed_by_dump or 0, control["until"])

    # The end of a pass.

    def _commit(self) -> None:
        controls, self._controls = self._controls, []
        self.parts.checkpoint.commit(self, self.parts.source.positions(), controls)

    def _heartbeat(self) -> None:
        parts, now = self.parts, time.monotonic()
        if parts.wall is None or now - self._last_heartbeat < parts.timing.heartbeat_s:
            return
        self._last_heartbeat = now
        firing = parts.life.firing_count
        watermark = self._watermark()
        watermark = None if watermark is None or watermark < 0 else watermark
        message = parts.say.heartbeat(watermark=watermark, lag=self._lag, firing=firing, wall=parts.wall())
        parts.checkpoint.add(ALERTS, [message])

    def _take_status(self) -> None:
        parts = self.parts
        explainer = parts.explainer
        self._status = {
            "ready": self._ready,
            "watermark": self._watermark(),
            "closed_until": self.closed_until,
            "lag": {str(partition): lag for partition, lag in sorted(self._lag.items())},
            "accounts": {name: self.accounts[name] for name in ACCOUNTS},
            "refused": dict(sorted(self.reasons.items())),
            "pending": len(parts.ledger.retained),
            "waiting_labels": len(parts.ledger.waiting),
            "open_rows": parts.ledger.open_rows(),
            "keep_rate": parts.ledger.keep_rate,
            "firing": parts.life.firing_count,
            "models": len(parts.watch.profile.bases()),
            "cut_off": dict(parts.watch.profile.cut_off),
            "ahead": parts.clocks.ahead,
            "explanations": {} if explainer is None else dict(explainer.counters),
            "outbox": parts.checkpoint.queued(),
            "positions": {str(p): at.next_offset for p, at in sorted(parts.source.positions().items())},
            "quarantined": [w.monitor.name for w in parts.watch.monitors if w.broken is not None],
        }

    def restore(self, tree: Mapping[str, Any]) -> None:
        """Go on from `to_state`."""
        self.closed_until = tree["closed_until"]
        self.accounts, self.reasons = Counter(tree["accounts"]), Counter(tree["reasons"])
        self._accounts_read_at, self._flushed = tree["accounts_read_at"], tree["flushed"]
        self._gaps, self._past_gaps = ([_gap(each) for each in tree[name]] for name in ("gaps", "past_gaps"))
        self._last_record, self._restored_until = time.monotonic(), self.closed_until

    def to_state(self) -> dict[str, Any]:
        """The loop's own state as a tree that `packing.pack` takes."""
        return {
            "closed_until": self.closed_until,
            "accounts": dict(self.accounts),
            "reasons": dict(self.reasons),
            "accounts_read_at": self._accounts_read_at,
            "flushed": self._flushed,
            "gaps": [_packed(gap) for gap in self._gaps],
            "past_gaps": [_packed(gap) for gap in self._past_gaps],
        }


def _packed(gap: Gap) -> list[Any]:
    return [gap.partition.topic, gap.partition.number, gap.expected, gap.found, gap.reason]


def _gap(packed: list[Any]) -> Gap:
    topic, number, expected, found, reason = packed
    return Gap(Partition(topic, number), expected, found, reason)
