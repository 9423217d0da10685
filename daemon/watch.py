"""Measure and judge: all monitors over one closed pane after the other.

A monitor that raises all the same is quarantined: the others go on, and a reading `processor_error` says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
import structlog

from daemon.kept import PREFIX, Assignment, given_up, kept_of, key_of, reassigned
from daemon.ledger.ledger import Closed
from daemon.ledger.open_panes import no_signals
from daemon.references import Reference, References
from daemon.sightings import Sightings
from processors.base import Finding, Judging, Monitor, Reading, Summary, Verdict
from processors.distinct import counted
from processors.packing import Part, parts, unpack
from processors.profile import GroupKey, Profile
from processors.rows import Cells, Explanations, Names
from processors.slices import BothRows, ExplanationRows, OutcomeRows, PredictionRows, of_bases

log = structlog.get_logger()

CONCEPT_DRIFT = "concept_drift"
"""The monitor that gets half of the false-alarm budget; the others share the rest by `alarm_share`."""

EXAMPLES = 5
"""Ids of events that an alert names."""


@dataclass(frozen=True, slots=True)
class Budget:
    """False alarms that may be raised, per microsecond: by one model, and by all together."""

    model: float
    fleet: float

    def per_model(self, models: int) -> float:
        """What each of so many models may spend."""
        return min(self.model, self.fleet / max(models, 1))


@dataclass(slots=True)
class Watched:
    """A monitor at work: its state, what it sealed for measuring, and the models that it is for."""

    monitor: Monitor[Any, Any]
    share: float
    wants: Callable[[str], bool] | None = None
    """Which models it watches, by name; None: all."""
    state: Any = None
    sealed: Any = None
    broken: str | None = None
    """Why it was quarantined."""
    adopted: dict[int, str] = field(default_factory=dict)
    """Name of the reference that it adopted, by (model, version)."""
    _asked: bool = False
    _due: int | None = None

    def __post_init__(self) -> None:
        self.state = self.monitor.initial()

    def put(self, state: Any) -> None:
        """Let this be its state from now on."""
        self.state, self._asked = state, False

    def deadline(self) -> int | None:
        """When (event time) it wants to be judged next even if nothing arrives; asked once after each change."""
        if not self._asked:
            self._due, self._asked = self.monitor.deadline(self.state), True
        return self._due

    @property
    def key(self) -> str:
        """What its state is kept under."""
        return key_of(self.monitor)


@dataclass(frozen=True, slots=True)
class Judged:
    """What the monitors made of a pane."""

    readings: list[Reading]
    findings: list[Finding]
    predictions: PredictionRows
    """For the explainer, which samples them."""


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
        self._references = references
        self._referred: set[int] = set()
        """(model, version)s whose reference was looked for."""
        self.rebased: list[tuple[str, GroupKey]] = []
        """(monitor, version)s that judge by another reference since this list was last cleared: alerts are void."""
        self.retired: list[GroupKey] = []
        """Versions retired since this list was last cleared."""
        self.gone: list[str] = []
        """Models whose last version was retired, since this list was last cleared."""
        self.restarted: list[tuple[str, str | None]] = []
        """Monitors (and of which model; None: of all) that started anew on `restore`, or are gone: alerts are void."""
        self.explained: set[tuple[str, str]] = set()
        """(model, version)s that were explained in the last pane."""
        self._seen = Sightings(lambda base: settings.retire_after(profile.groups[base].model))
        self._counts: dict[str, Counter[str]] = {}
        """Predictions and outcomes so far, by model."""

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
        if self._references is not None:
            self._refer(self._references, self._context(start, end, keep_rate, last=False))
        duplicates = profile.base_of(closed.duplicates.model, closed.duplicates.version)
        predictions = profile.locate_predictions(closed.predictions, start, end, duplicates)
        profile.admit_labels(closed.outcomes)
        known = profile.base_of(closed.outcomes.model, closed.outcomes.version) >= 0
        outcomes = profile.locate_outcomes(closed.outcomes.take(known), start, end)
        explanations = _explanations(profile, explain(predictions), start, end)
        self.explained = {
            (profile.groups[base].model, profile.groups[base].version) for base in set(explanations.base.tolist())
        }
        signals = profile.locate_signals(closed.signals, start, end)
        rows: dict[str, Any] = {
            "predictions": predictions,
            "outcomes": outcomes,
            "both": BothRows(predictions, outcomes),
            "signals": signals,
            "explanations": explanations,
        }
        self._count(predictions, outcomes)
        for base in set(signals.base.tolist()):
            self._seen.signalled(base, end)
        context = self._context(start, end, keep_rate, last=last)
        judged = self._judge(rows, context)
        profile.learn(predictions)
        self._retire(end)
        return Judged(*judged, predictions)

    def tick(self, start: int, end: int, keep_rate: float) -> tuple[list[Reading], list[Finding]]:
        """Judge a pane in which nothing arrived: only the monitors that asked for it by their deadline.

        After them those that consume readings, if there are any.
        """
        self.explained = set()
        context = self._context(start, end, keep_rate, last=False)
        judged = self._judge(None, context)
        self._retire(end)
        return judged

    def deadline(self) -> int | None:
        """When (event time) a monitor wants to be judged next, or a version is retired, even if nothing arrives."""
        found = [watched.deadline() for watched in self.monitors if watched.broken is None]
        found.append(self._seen.next())
        return min((when for when in found if when is not None), default=None)

    def evidence(self, model: str, version: str) -> dict[str, Any]:
        """What monitors have to say to any alert of a version, such as the features that count most in it."""
        base = self.profile.number(model, version)
        found: dict[str, Any] = {}
        for watched in self.monitors:
            ask = getattr(watched.monitor, "evidence", None)
            if ask is not None and base >= 0 and watched.broken is None:
                found |= ask(watched.state, base, self.profile)
        return found

    def accept(self, finding: Finding) -> bool:
        """Let its monitor take what it found for what is normal; false if it has no say in that, or is not there.

        A feature gets new coordinates, too, for its values lie elsewhere now: every monitor of it learns it anew.
        """
        profile, key = self.profile, finding.group
        meant = [watched for watched in self.monitors if _means(watched, finding)]
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
            watched.put(watched.monitor.accept(watched.state, groups, series))
        if finding.feature is not None and (gone := profile.unseal(series)):
            for watched in self.monitors:
                watched.put(watched.monitor.accept(watched.state, frozenset(), gone))
        return True

    # Saving.

    def stage(self, put: Callable[[str, list[Part]], None], delete: Callable[[str], None], saved: set[str]) -> set[str]:
        """Write profile and states; `saved` are the names that the file holds. Returns those that it holds now."""
        put("profile", parts(self.profile.to_state()))
        counts = {model: dict(counts) for model, counts in self._counts.items()}
        put("watch", parts(self._seen.to_state() | {"counts": counts, "assigned": self._assigned()}))
        names = {"profile", "watch"}
        for watched in self.monitors:
            tree = {
                "state": watched.state,
                "sealed": watched.monitor.dump_sealed(watched.sealed),
                "broken": watched.broken,
                "adopted": watched.adopted,
            }
            put(watched.key, parts(tree))
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
        self._counts = {model: Counter(counts) for model, counts in tree["counts"].items()}
        used: set[str] = set()
        now: list[Assignment] = []
        for watched in self.monitors:
            kept = kept_of(watched.monitor, items)
            now.append(Assignment(watched.monitor.name, None if kept is None else kept.key, watched.wants))
            if kept is None:
                log.info("monitor starts anew", monitor=watched.monitor.name)
                continue
            used.add(kept.key)
            watched.put(kept.state)
            watched.sealed, watched.broken, watched.adopted = kept.sealed, kept.broken, kept.adopted
        if "assigned" in tree:
            self.restarted = reassigned(tree["assigned"], now, self._models())
        else:
            self.restarted = [(name, None) for name in given_up(items, used)]

    def _assigned(self) -> dict[str, list[str] | None]:
        """By the key of each monitor's state the models that it is for; None: all."""
        models = self._models()
        return {
            watched.key: None if watched.wants is None else [model for model in models if watched.wants(model)]
            for watched in self.monitors
        }

    def _models(self) -> list[str]:
        return sorted({self.profile.groups[base].model for base in self.profile.bases()})

    # References.

    def _refer(self, references: References, context: Judging) -> None:
        """Give the versions that are new their model's reference, before anything of them is measured.

        Also at a start, those monitors that do not have it: they are new, or the file is another one.
        """
        for base in self.profile.bases():
            if base in self._referred:
                continue
            self._referred.add(base)
            model, version = self.profile.groups[base].model, self.profile.groups[base].version
            name = references.name(model)
            lacking = [watched for watched in self.monitors if name and _lacks(watched, base, model, name)]
            reference = references.of(model, version) if lacking else None
            if reference is not None:
                log.info("reference adopted", model=model, version=version, file=name)
                self._adopt(reference, lacking, base, name, context)

    def _adopt(self, reference: Reference, lacking: Sequence[Watched], base: int, name: str, context: Judging) -> None:
        profile, key, nothing = self.profile, self.profile.groups[base], np.zeros(0, np.int32)
        profile.admit(reference.predictions, no_signals())
        profile.admit_labels(reference.outcomes)
        profile.adopt(key.model, key.version, reference.predictions)
        predictions = profile.locate_predictions(reference.predictions, context.start, context.end, nothing)
        outcomes = profile.locate_outcomes(reference.outcomes, context.start, context.end)
        rows = {"predictions": predictions, "outcomes": outcomes, "both": BothRows(predictions, outcomes)}
        for watched in lacking:
            watched.adopted[base] = name
            try:
                verdict = watched.monitor.adopt(watched.state, rows[watched.monitor.consumes], context)
            except Exception as error:  # as in judging
                watched.broken = f"{type(error).__name__}: {error}"
                log.exception("monitor quarantined", monitor=watched.monitor.name, pane=context.start)
                continue
            watched.put(verdict.state)
            watched.sealed = verdict.sealed
            if base in self._seen:
                self.rebased.append((watched.monitor.name, key))

    # Steps.

    def _judge(self, rows: Mapping[str, Any] | None, context: Judging) -> tuple[list[Reading], list[Finding]]:
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
        return readings, findings

    def _judge_one(
        self, watched: Watched, rows: Mapping[str, Any] | None, context: Judging, known: tuple[Reading, ...]
    ) -> Verdict:
        monitor = watched.monitor
        if watched.wants is not None:
            known = tuple(reading for reading in known if watched.wants(reading.group.model))
        try:
            summary = monitor.empty() if rows is None else self._measure(watched, rows)
            if self._idle(watched, summary, context, known):
                return Verdict(watched.state)
            verdict = monitor.judge(watched.state, summary, replace(context, readings=known) if known else context)
        except Exception as error:  # a third party's monitor may raise anything; it must not stop the others
            watched.broken = f"{type(error).__name__}: {error}"
            log.exception("monitor quarantined", monitor=monitor.name, pane=context.start)
            return Verdict(watched.state, [_broken(monitor.name, watched.broken, context)])
        if rows is not None and any(finding.kind == "fired" for finding in verdict.findings):
            verdict = replace(verdict, findings=self._with_examples(watched, rows, verdict.findings))
        watched.put(verdict.state)
        watched.sealed = verdict.sealed
        return verdict

    def _with_examples(self, watched: Watched, rows: Mapping[str, Any], findings: Sequence[Finding]) -> list[Finding]:
        """What fired, with the ids of a few rows of this pane that show it: those with the least hash, a fair draw."""
        monitor = watched.monitor
        mine = rows.get(monitor.consumes)
        found = []
        for finding in findings:
            shows = None
            if mine is not None and finding.kind == "fired" and "examples" not in finding.evidence:
                shows = monitor.examples(finding, mine, self.profile, watched.sealed)
            if mine is not None and shows is not None and shows.any():
                at = np.flatnonzero(shows)
                few = at[np.argsort(mine.table.key[at], kind="stable")[:EXAMPLES]]
                ids = [str(each) for each in mine.table.id[few].tolist()]
                finding = replace(finding, evidence={**finding.evidence, "examples": ids})  # noqa: PLW2901 - with more
            found.append(finding)
        return found

    def _idle(self, watched: Watched, summary: Summary, context: Judging, known: tuple[Reading, ...]) -> bool:
        """Is there nothing to judge: no rows of its kind, and nothing due?"""
        if len(summary) or context.last or known:
            return False
        deadline = watched.deadline()
        return deadline is None or deadline > context.end

    def _measure(self, watched: Watched, rows: Mapping[str, Any]) -> Summary:
        monitor = watched.monitor
        if monitor.consumes == "readings":
            return monitor.empty()
        mine = rows[monitor.consumes]
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
            coverage=_Coverage(self._counts, keep_rate, settings),
        )

    def _count(self, predictions: PredictionRows, outcomes: OutcomeRows) -> None:
        for kind, base in (("predictions", predictions.base), ("outcomes", outcomes.base[outcomes.counted])):
            groups, counts = counted(base)
            for group, count in zip(groups.tolist(), counts.tolist(), strict=True):
                self._counts.setdefault(self.profile.groups[group].model, Counter())[kind] += count
                if kind == "predictions":
                    self._seen.predicted(group, predictions.end)

    def _retire(self, end: int) -> None:
        """Let go of versions that have not predicted for long."""
        due = sorted(self._seen.due(end), key=lambda number: self.profile.groups[number])
        if not due:
            return
        keys = [self.profile.groups[base] for base in due]
        freed = [self.profile.retire(base) for base in due]
        groups, series = (frozenset().union(*sets) for sets in zip(*freed, strict=True))
        for watched in self.monitors:
            watched.put(watched.monitor.forget(watched.state, groups, series))
        for base in due:
            self._referred.discard(base)
            for watched in self.monitors:
                watched.adopted.pop(base, None)
        self.retired += keys
        live = {self.profile.groups[base].model for base in self.profile.bases()}
        for model in sorted({key.model for key in keys} - live):
            self._counts.pop(model, None)
            self.gone.append(model)


def shares(monitors: Sequence[Monitor[Any, Any]]) -> list[float]:
    """How the budget is divided: half to concept drift, the rest by `alarm_share`.

    Monitors of one name watch different models, so each has the whole share of that name.
    """
    rest = sum({monitor.name: monitor.alarm_share for monitor in monitors if monitor.name != CONCEPT_DRIFT}.values())
    half = 0.5 if any(monitor.name == CONCEPT_DRIFT for monitor in monitors) else 0.0
    return [
        half if monitor.name == CONCEPT_DRIFT else (1 - half) * monitor.alarm_share / (rest or 1.0)
        for monitor in monitors
    ]


def _means(watched: Watched, finding: Finding) -> bool:
    """Is it the monitor that found this?"""
    wanted = watched.wants is None or watched.wants(finding.group.model)
    return wanted and watched.monitor.name == finding.monitor and watched.broken is None


def _is_of(base: GroupKey, key: GroupKey) -> bool:
    """Is a (model, version) meant by a group: its own, or that of all versions of a model?"""
    return base.model == key.model and key.version in ("", base.version)


def _lacks(watched: Watched, base: int, model: str, name: str) -> bool:
    """Could it adopt a version's reference, and has not?"""
    monitor = watched.monitor
    adopts = type(monitor).adopt is not Monitor.adopt and monitor.consumes in ("predictions", "outcomes", "both")
    wanted = watched.wants is None or watched.wants(model)
    return adopts and wanted and watched.broken is None and watched.adopted.get(base) != name


class _Coverage(Mapping[str, Any]):
    """`Judging.coverage`, worked out for the models that are asked for."""

    def __init__(self, counts: Mapping[str, Counter[str]], keep_rate: float, settings: Settings) -> None:
        self._counts, self._keep_rate, self._settings = counts, keep_rate, settings

    def __getitem__(self, model: str) -> Any:
        counts = self._counts[model]
        return {
            "coverage": counts["outcomes"] / max(counts["predictions"], 1),
            "keep_rate": self._keep_rate,
            "wait_us": self._settings.label_wait(model),
        }

    def __iter__(self) -> Iterator[str]:
        return iter(self._counts)

    def __len__(self) -> int:
        return len(self._counts)


def _explanations(profile: Profile, tables: Sequence[Explanations], start: int, end: int) -> ExplanationRows:
    tables = [table for table in tables if len(table)]
    if not tables:
        none = np.zeros(0, np.int32)
        return ExplanationRows(start, end, no_explanations(), none, none, none, np.zeros(0))
    table = Explanations.concat(tables)
    known = profile.base_of(table.model, table.version) >= 0
    table = table.take(known)
    order = np.lexsort((table.key, table.time))
    return profile.locate_explanations(table.take(order), start, end)


@cache
def no_explanations() -> Explanations:
    """A table without rows."""
    hashes = np.zeros(0, np.uint64)
    return Explanations(np.zeros(0, np.int64), hashes, hashes, hashes, np.zeros(0, object), Cells.empty(0), Names())


def _broken(name: str, why: str, context: Judging) -> Reading:
    group = GroupKey("", "")
    return Reading(name, "processor_error", group, 1.0, 1, context.start, context.end, details={"error": why})
