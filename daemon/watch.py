"""Measure and judge: all monitors over one closed pane after the other.

A monitor that raises all the same is quarantined: the others go on, and a reading `processor_error` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import structlog

from daemon.adoption import Adoption
from daemon.kept import PREFIX, Assignment, given_up, kept_of, reassigned
from daemon.label_counts import LabelCounts
from daemon.ledger.ledger import Closed
from daemon.located import PaneRows, located
from daemon.references import References
from daemon.sightings import Sightings
from daemon.watched import Budget, Watched
from processors.base import Finding, Judging, Reading, Summary, Verdict
from processors.packing import Part, parts, unpack
from processors.profile import GroupKey, Profile
from processors.rows import Explanations, read_texts
from processors.slices import PredictionRows, of_bases

log = structlog.get_logger()

EXAMPLES = 5
"""Ids of events that an alert names."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What the monitors made of a pane."""

    readings: list[Reading]
    findings: list[Finding]
    appeared: list[int] = field(default_factory=list)
    """(model, version)s that predicted for the first time."""
    learnt: list[int] = field(default_factory=list)
    """Those of which the features are known from now on."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What judging needs of the config. Times in microseconds."""

    pane_us: int
    window_events: int
    window_span: int
    window_min_events: int
    window_min_span: int
    budget: Budget
    retire_after: Callable[[str], int]
    """By model: how long a version may be without predictions."""
    label_wait: Callable[[str], int]
    """By model: how long labels are waited for."""


@dataclass(slots=True)
class Ended:
    """What is over: alerts of it are void."""

    retired: list[GroupKey] = field(default_factory=list)
    """Versions."""
    gone: list[str] = field(default_factory=list)
    """Models whose last version was retired."""
    restarted: list[tuple[str, str | None]] = field(default_factory=list)
    """Monitors (and of which model; None: of all) that started anew on `restore`, or are gone."""
    rebased: list[tuple[str, GroupKey]] = field(default_factory=list)
    """(monitor, version)s that judge by another reference."""


class Watch:
    """The profile and the monitors. `close` is the only way in."""

    def __init__(
        self,
        profile: Profile,
        monitors: Sequence[Watched],
        settings: Settings,
        references: References | None = None,
    ) -> None:
        self.profile, self.monitors, self._settings = profile, list(monitors), settings
        self._adoption = None if references is None else Adoption(references, self.monitors)
        self.ended = Ended()
        """What ended since it was asked for last."""
        self.explained: set[tuple[str, str]] = set()
        """(model, version)s that were explained in the last pane."""
        self._seen = Sightings(lambda base: settings.retire_after(profile.groups[base].model))
        self._counts = LabelCounts()

    def take_ended(self) -> Ended:
        """What ended since this was asked last."""
        ended, self.ended = self.ended, Ended()
        return ended

    def close(
        self,
        closed: Closed,
        keep_rate: float,
        explain: Callable[[PredictionRows], Sequence[Explanations]],
        *,
        last: bool,
    ) -> Judged:
        """Measure and judge a pane. `explain` is given its predictions and answers with explanations to take in."""
        profile, start, end = self.profile, closed.start, closed.end
        if self._adoption is not None:
            self._adopt(self._adoption, self._context(start, end, keep_rate, last=False))
        rows = located(profile, closed, explain)
        self.explained = {
            (profile.groups[base].model, profile.groups[base].version) for base in set(rows.explanations.base.tolist())
        }
        predicted = self._counts.add(profile, rows.predictions, rows.outcomes)
        appeared = [base for base in predicted if base not in self._seen]
        for base in predicted:
            self._seen.predicted(base, end)
        for base in set(rows.signals.base.tolist()):
            self._seen.signalled(base, end)
        context = self._context(start, end, keep_rate, last=last)
        judged = self._judge(rows, context)
        learnt = profile.learn(rows.predictions)
        self._retire(end)
        return Judged(*judged, appeared, learnt)

    def tick(self, start: int, end: int, keep_rate: float) -> Judged:
        """Judge a pane in which nothing arrived: only the monitors that asked for it by their deadline.

        After them those that consume readings, if there are any.
        """
        self.explained = set()
        context = self._context(start, end, keep_rate, last=False)
        judged = self._judge(None, context)
        self._retire(end)
        return Judged(*judged)

    def deadline(self) -> int | None:
        """When (event time) a monitor wants to be judged next, or a version is retired, even if nothing arrives."""
        found = [watched.deadline() for watched in self.monitors]
        found.append(self._seen.next())
        return min((when for when in found if when is not None), default=None)

    def evidence(self, model: str, version: str) -> dict[str, Any]:
        """What monitors have to say to any alert of a version, such as the features that count most in it."""
        base = self.profile.number(model, version)
        found: dict[str, Any] = {}
        for watched in self.monitors:
            if base >= 0 and watched.broken is None:
                nothing: dict[str, Any] = {}
                found |= watched.ask(partial(watched.monitor.evidence, watched.state, base, self.profile), nothing)
        return found

    def accept(self, finding: Finding) -> bool:
        """Let its monitor take what it found for what is normal; false if it has no say in that, or is not there.

        A feature gets new coordinates, too, for its values lie elsewhere now: every monitor of it learns it anew.
        """
        profile, key = self.profile, finding.group
        meant = [watched for watched in self.monitors if watched.found(finding)]
        bases = [base for base in profile.bases() if _is_of(profile.groups[base], key)]
        if not bases or not meant or not all(watched.monitor.accepts for watched in meant):
            return False
        of_bases = [profile.series_of(base) for base in bases]
        if finding.feature is None:
            groups = frozenset({profile.groups.index(key)} if key in profile.groups else bases)
            series = frozenset(number for numbers in of_bases for number in numbers.values())
        else:
            groups = frozenset()
            series = frozenset(numbers[finding.feature] for numbers in of_bases if finding.feature in numbers)
        for watched in meant:
            watched.accept(groups, series)
        if finding.feature is not None and (gone := profile.unseal(series)):
            for watched in self.monitors:
                watched.accept(frozenset(), gone)
        return True

    # Saving.

    def stage(self, put: Callable[[str, list[Part]], None], delete: Callable[[str], None], saved: set[str]) -> set[str]:
        """Write profile and states; `saved` are the names that the file holds. Returns those that it holds now."""
        put("profile", parts(self.profile.to_state()))
        more = {"counts": self._counts.to_state(), "assigned": self._assigned()}
        put("watch", parts(self._seen.to_state() | more))
        names = {"profile", "watch"}
        for watched in self.monitors:
            put(watched.key, parts(watched.tree()))
            names.add(watched.key)
        for name in saved - names:
            if name.startswith(PREFIX):
                delete(name)
        return names

    def restore(self, items: Mapping[str, bytes]) -> None:
        """Go on from what `stage` wrote. A monitor whose code or settings changed starts anew."""
        if "profile" not in items:
            return
        self.profile.load(unpack(items["profile"]))
        tree = unpack(items["watch"])
        self._seen.load(tree)
        self._counts.load(tree["counts"])
        used: set[str] = set()
        now: list[Assignment] = []
        for watched in self.monitors:
            kept = kept_of(watched.monitor, items)
            now.append(Assignment(watched.monitor.name, None if kept is None else kept.key, watched.wants))
            if kept is None:
                log.info("monitor starts anew", monitor=watched.monitor.name)
                continue
            used.add(kept.key)
            watched.go_on_from(kept)
        if "assigned" in tree:
            self.ended.restarted = reassigned(tree["assigned"], now, self._models())
        else:
            self.ended.restarted = [(name, None) for name in given_up(items, used)]

    def _assigned(self) -> dict[str, list[str] | None]:
        """By the key of each monitor's state the models that it is for; None: all."""
        models = self._models()
        return {
            watched.key: None if watched.wants is None else [model for model in models if watched.wants(model)]
            for watched in self.monitors
        }

    def _models(self) -> list[str]:
        return sorted({self.profile.groups[base].model for base in self.profile.bases()})

    # Steps.

    def _adopt(self, adoption: Adoption, context: Judging) -> None:
        """Give the versions that are new their reference, before anything of them is measured."""
        for watched, base in adoption.refer(context):
            if base in self._seen:
                self.ended.rebased.append((watched.monitor.name, self.profile.groups[base]))

    def _judge(self, rows: PaneRows | None, context: Judging) -> tuple[list[Reading], list[Finding]]:
        """All monitors on a pane's rows (None: nothing arrived), those that consume readings last."""
        readings: list[Reading] = []
        findings: list[Finding] = []
        shares = {watched.share for watched in self.monitors}
        shared = {share: replace(context, alarms_per_us=context.alarms_per_us * share) for share in shares}
        for consumes_readings in (False, True):
            known = tuple(readings)
            for watched in self.monitors:
                if watched.broken is None and (watched.monitor.consumes == "readings") == consumes_readings:
                    verdict = self._judge_one(watched, rows, shared[watched.share], known)
                    readings += verdict.readings
                    findings += verdict.findings
        for watched in self.monitors:
            if why := watched.newly_broken():
                readings.append(_broken(watched.monitor.name, why, context))
        return readings, findings

    def _judge_one(
        self, watched: Watched, rows: PaneRows | None, context: Judging, known: tuple[Reading, ...]
    ) -> Verdict:
        if watched.wants is not None:
            known = tuple(reading for reading in known if watched.wants(reading.group.model))
        verdict = watched.ask(lambda: self._verdict(watched, rows, context, known), None)
        if verdict is None:
            return Verdict(watched.state)
        if rows is not None and any(finding.kind == "fired" for finding in verdict.findings):
            verdict = replace(verdict, findings=self._with_examples(watched, rows, verdict.findings))
        watched.put(verdict.state)
        watched.sealed = verdict.sealed
        return verdict

    def _verdict(
        self, watched: Watched, rows: PaneRows | None, context: Judging, known: tuple[Reading, ...]
    ) -> Verdict | None:
        """None: there is nothing to judge."""
        summary = watched.monitor.empty() if rows is None else self._measure(watched, rows)
        if self._idle(watched, summary, context, known):
            return None
        return watched.monitor.judge(watched.state, summary, replace(context, readings=known) if known else context)

    def _with_examples(self, watched: Watched, rows: PaneRows, findings: Sequence[Finding]) -> list[Finding]:
        """What fired, with the ids of a few rows of this pane that show it: those with the least hash, a fair draw."""
        monitor = watched.monitor
        mine = rows.of(monitor.consumes)
        found = []
        for finding in findings:
            shows = None
            if mine is not None and finding.kind == "fired" and "examples" not in finding.evidence:
                shows = watched.ask(partial(monitor.examples, finding, mine, self.profile, watched.sealed), None)
            if mine is not None and shows is not None and shows.any():
                at = np.flatnonzero(shows)
                few = at[np.argsort(mine.table.key[at], kind="stable")[:EXAMPLES]]
                examples = read_texts(mine.table.id[few])
                finding = replace(finding, evidence={**finding.evidence, "examples": examples})  # noqa: PLW2901 - with more
            found.append(finding)
        return found

    def _idle(self, watched: Watched, summary: Summary, context: Judging, known: tuple[Reading, ...]) -> bool:
        """Is there nothing to judge: no rows of its kind, and nothing due?"""
        if len(summary) or context.last or known:
            return False
        deadline = watched.deadline()
        return deadline is None or deadline > context.end

    def _measure(self, watched: Watched, rows: PaneRows) -> Summary:
        monitor = watched.monitor
        mine = rows.of(monitor.consumes)
        if mine is None:
            return monitor.empty()
        if watched.wants is not None:
            mine = of_bases(mine, self._wanted(watched.wants))
        if not len(mine) and not (monitor.consumes == "predictions" and len(mine.duplicates)):
            return monitor.empty()
        return monitor.measure(mine, self.profile, watched.sealed)

    def _wanted(self, wants: Callable[[str], bool]) -> Any:
        """A mask by group number; the last place stands for -1."""
        return np.array([*(bool(key.model) and wants(key.model) for key in self.profile.groups), False], np.bool_)

    def _context(self, start: int, end: int, keep_rate: float, *, last: bool) -> Judging:
        settings = self._settings
        return Judging(
            start=start,
            end=end,
            profile=self.profile,
            alarms_per_us=settings.budget.per_model(len(self._counts)),
            window_events=settings.window_events,
            window_span=settings.window_span,
            window_min_events=settings.window_min_events,
            window_min_span=settings.window_min_span,
            pane_us=settings.pane_us,
            last=last,
            coverage=self._counts.coverage(keep_rate, settings.label_wait),
        )

    def _retire(self, end: int) -> None:
        """Let go of versions that have not predicted for long."""
        due = sorted(self._seen.due(end), key=lambda number: self.profile.groups[number])
        if not due:
            return
        keys = [self.profile.groups[base] for base in due]
        freed = [self.profile.retire(base) for base in due]
        groups, series = (frozenset().union(*sets) for sets in zip(*freed, strict=True))
        for watched in self.monitors:
            watched.forget(groups, series)
        for base in due:
            if self._adoption is not None:
                self._adoption.forget(base)
            for watched in self.monitors:
                watched.adopted.pop(base, None)
        self.ended.retired += keys
        live = {self.profile.groups[base].model for base in self.profile.bases()}
        for model in sorted({key.model for key in keys} - live):
            self._counts.forget(model)
            self.ended.gone.append(model)


def _is_of(base: GroupKey, key: GroupKey) -> bool:
    """Is a (model, version) meant by a group: its own, or that of all versions of a model?"""
    return base.model == key.model and key.version in ("", base.version)


def _broken(name: str, why: str, context: Judging) -> Reading:
    group = GroupKey("", "")
    return Reading(name, "processor_error", group, 1.0, 1, context.start, context.end, details={"error": why})
