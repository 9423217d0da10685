"""The closing side: panes close as the watermark passes them; what is judged then becomes alerts and readings."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from daemon.accounts import Accounts
from daemon.alerts.notice import Notice
from daemon.catching_up import CatchingUp
from daemon.control.desk import Desk
from daemon.controls import Controls
from daemon.decode import Refusal
from daemon.explain.recording import recorded
from daemon.explain.tables import from_events, to_table
from daemon.gaps import Gaps
from daemon.intake import Intake
from daemon.parts import ALERTS, DEAD_LETTERS, READINGS, Parts
from daemon.watching_log import log_appeared, log_learnt, log_retired
from processors.base import Finding, Reading
from processors.rows import Explanations
from processors.slices import PredictionRows

log = structlog.get_logger()

_TOGETHER = 1_000
"""Readings that are written out at a time: a fleet that is due at once has hundreds of thousands."""


class Closing:
    """Closes panes in their order, each once, and says what follows from them."""

    def __init__(  # noqa: PLR0917 - the parts of the loop, each once
        self,
        parts: Parts,
        controls: Controls,
        accounts: Accounts,
        gaps: Gaps,
        desk: Desk,
        catching_up: CatchingUp,
        intake: Intake,
    ) -> None:
        self._parts, self._controls, self._accounts, self._gaps = parts, controls, accounts, gaps
        self._desk, self._catching_up, self._intake = desk, catching_up, intake
        self.until = 0
        """End of the last pane that was closed: nothing enters a pane before it."""
        self.flushed = False
        """Whether everything was closed at the end of a finite input, and nothing came since."""
        self._problems: dict[tuple[str, str], str] = {}
        """Why versions are not explained, as it was said last."""

    def close_due(self, watermark: int | None) -> None:
        """Close every pane that the watermark has passed."""
        while watermark is not None and (start := self._next_pane()) is not None:
            if start + self._parts.timing.pane_us > watermark:
                break
            self._close(start)

    def finish(self) -> None:
        """The end of a finite input. A dump says how far its run had closed; anything else is closed to the end.

        Once: a run that is started again on the same files finds nothing new, and says nothing again.
        """
        if self.flushed and not self._gaps:
            return
        self.flushed = True
        if self._controls.closed is not None and not self._controls.ended:
            while (start := self._next_pane()) is not None and start < self._controls.closed:
                self._close(start)
            return
        while (start := self._next_pane(rows_only=True)) is not None:
            due = self._next_pane()
            self._close(start if due is None else min(start, due))
        if self.until:
            self._controls.add("ended")
            self._accounts.counts.update(self._parts.ledger.give_up())
            self._close(self.until, last=True)

    def _next_pane(self, *, rows_only: bool = False) -> int | None:
        """Start of the earliest open pane in which there is something to do."""
        parts, pane_us = self._parts, self._parts.timing.pane_us
        found = [parts.ledger.next_pane()]
        if not rows_only:
            if (due := parts.watch.deadline()) is not None:
                found.append(max(due // pane_us * pane_us, self.until))
            if (end := parts.life.deadline()) is not None:
                found.append(max(end - pane_us, self.until))
            found.append(self._gaps.pane(self.until))
            found.append(self._desk.pane(self.until))
            held_back, more = parts.life.backfilling, self._intake.more_to_read
            found.append(self._catching_up.pane(self.until, held_back=held_back, more_to_read=held_back and more()))
        return min((start for start in found if start is not None), default=None)

    def _close(self, start: int, *, last: bool = False) -> None:
        parts = self._parts
        if not last and not parts.ledger.holds(start):
            self._tick(start)
            return
        predictions, signals = parts.ledger.rows_of(start)
        parts.watch.profile.admit(predictions, signals)
        closed = parts.ledger.close(start)
        self.until = closed.end
        judged = parts.watch.close(closed, parts.ledger.keep_rate, lambda rows: self._explain(start, rows), last=last)
        self._accounts.counts.update(closed.accounts)
        if parts.wall is not None:
            log_appeared(parts.watch.profile, judged.appeared)
            log_learnt(parts.watch.profile, judged.learnt)
        self._say(start, judged.readings, judged.findings, last=last)

    def _tick(self, start: int) -> None:
        """Close a pane in which nothing arrived, because somebody wanted to be asked at this time."""
        parts = self._parts
        self.until = start + parts.timing.pane_us
        self._accounts.counts.update(parts.ledger.skip(self.until))
        judged = parts.watch.tick(start, self.until, parts.ledger.keep_rate)
        self._say(start, judged.readings, judged.findings)

    def _say(self, start: int, readings: list[Reading], findings: list[Finding], *, last: bool = False) -> None:
        parts, end = self._parts, self.until
        gap_readings, gap_findings = self._gaps.say(start, end)
        findings = [parts.say.finding(finding) for finding in [*findings, *gap_findings]]
        fired = {(f.group.model, f.group.version) for f in findings if f.kind == "fired"}
        for model, version in sorted(fired | parts.watch.explained):
            if evidence := parts.watch.evidence(model, version):
                parts.life.add_evidence(model, version, evidence)
        behind = self._catching_up.at(start, end, more_to_read=self._intake.more_to_read())
        notices = parts.life.close(end, findings, backfill=behind)
        notices += self._withdrawn(end)
        notices += self._desk.carry_out(start, end, self._refuse)
        readings = [
            *readings,
            *gap_readings,
            *self._accounts.read(end, parts.ledger.keep_rate, parts.cut_off(), last=last),
        ]
        parts.checkpoint.add(ALERTS, [parts.say.alert(notice) for notice in notices if not notice.held])
        for first in range(0, len(readings), _TOGETHER):
            some = readings[first : first + _TOGETHER]
            parts.checkpoint.add(READINGS, [parts.say.reading(reading) for reading in some])
        for notice in notices:
            parts.on_notice(notice)

    def _withdrawn(self, end: int) -> list[Notice]:
        """What is said of alerts that are void: of what is not served any more, or judged in another way."""
        parts, notices = self._parts, list[Notice]()
        ended = parts.watch.take_ended()
        if parts.wall is not None:
            log_retired(ended.retired)
        for key in ended.retired:
            if parts.explainer is not None:
                parts.explainer.forget(key.model, key.version)
                self._problems.pop((key.model, key.version), None)
            notices += parts.life.withdraw(end, "retired", model=key.model, version=key.version)
        for model in ended.gone:
            notices += parts.life.withdraw(end, "retired", model=model)
        for monitor, whose in ended.restarted:
            notices += parts.life.withdraw(end, "superseded", monitor=monitor, model=whose)
        for monitor, key in ended.rebased:
            notices += parts.life.withdraw(end, "superseded", monitor=monitor, model=key.model, version=key.version)
        return notices

    def _refuse(self, refusal: Refusal) -> None:
        self._parts.checkpoint.add(DEAD_LETTERS, [self._parts.say.dead_letter(refusal)])

    def _explain(self, start: int, rows: PredictionRows) -> list[Explanations]:
        """Explanations to take in with this pane: those in its events, those recorded, those that have come."""
        explainer = self._parts.explainer
        tables = [from_events(rows)]
        if self._controls.recorded:
            return tables + self._controls.explained(start)
        if explainer is None:
            return tables
        explainer.offer(rows)
        self._tell_problems(explainer.problems)
        for explained in explainer.collect():
            tables.append(to_table(explained))
            if self._parts.wall is not None:
                self._controls.add("explained", pane=start, **recorded(explained))
        return tables

    def _tell_problems(self, problems: Mapping[tuple[str, str], str]) -> None:
        """Log why versions are not explained, each reason once."""
        for (model, version), why in problems.items():
            if self._problems.get((model, version)) != why:
                self._problems[model, version] = why
                log.warning("not explained", model=model, version=version, why=why)
