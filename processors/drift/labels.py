"""Label drift: do labels still have the shares that they had?

Of each group the labels by class (of a regression, by intervals of the target, chosen from the version's first labels),
counted for predictions of which the labels have settled (`settling`, which says when that is and what of it is exact):
so that neither late labels nor classes that are labelled later than others look like a change. An e-detector on
histograms (`detectors.histograms`, which says what is proved) asks whether the shares left their reference. For rare
classes it is stricter than for features: what matters is half of what all but the most frequent class have. Of
whole versions with several classes each is judged by itself, too (`classes`), on half of their share of the budget.

What to do about it depends on whether the answers to the same predictions moved along (`followed`).

Proved is only what holds of the detector: at most the budgeted false alarms while shares within the age are in the null
and slots are no more dependent than their dispersion. Measured only (`make bench-alarms`): when they are. Corrections
of labels do not count here, as in all that alerts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import Field

from processors.base import Finding, Judging, Monitor, MonitorSettings, Reading, State, Summary, Verdict
from processors.detectors import budget, columns
from processors.detectors.change import Change
from processors.detectors.histograms import Histograms
from processors.distinct import distinct
from processors.drift import bins, classes, distances, followed, label_findings, labelled, samples, settling
from processors.drift.label_findings import Known
from processors.drift.settling import AGES_US, Settled
from processors.kernels.binning import WIDTH
from processors.performance import entries as cube
from processors.performance.entries import Entries
from processors.profile import REGRESSION, Profile
from processors.registry import register
from processors.rows import Bools, Ints
from processors.slices import BothRows
from processors.windows import Due, Windows

_WINDOWS = Windows()
_WHOLE_SHARE = 4.0
_OF_RARER = 0.5
_OF_WHOLE = 0.5
"""Part of a version's share that is for all classes together, where each is judged by itself, too."""
_KIND = {labelled.LABEL: "labels", labelled.ANSWER: "answers"}


class LabelDriftSettings(MonitorSettings):
    """When a change of the labels' shares matters."""

    min_effect: float = Field(0.1, gt=0, lt=1)
    """Changes that move less than this share of the labels are not worth an alert (total variation distance), or less
    than half of what all but the most frequent class have, where that is less."""
    critical_effect: float = Field(0.5, gt=0, le=1)
    """From this share on an alert is critical."""
    warmup: int = Field(500, ge=50)
    """Labels that a reference made of own labels needs before it judges."""


@register("label_drift")
class LabelDrift(Monitor[LabelDriftSettings, BothRows]):
    """Labels by class, once they have settled → distance to the reference, and an alert where they moved."""

    consumes = "both"
    code_version = 3
    Settings = LabelDriftSettings
    alarm_share = 0.5

    def __init__(self, settings: LabelDriftSettings) -> None:
        super().__init__(settings)
        self._detector = Histograms(min_effect=settings.min_effect, warmup=settings.warmup, of_rarer=_OF_RARER)
        self._classes = classes.Classes(settings.min_effect, settings.warmup)

    def measure(self, rows: BothRows, profile: Profile, sealed: Any) -> Summary:
        """Entries (`labelled`) by group; samples of targets of regressions without intervals.

        `sealed` has by base group the age and the width of slots (microseconds), and the edges between intervals.
        """
        outcomes = rows.outcomes
        entries, waiting = labelled.entries(rows, profile, sealed)
        keys = np.unique(np.concatenate([cube.group_of(entries.unit), outcomes.base[waiting]])).astype(np.int32)
        if not len(keys):
            return self.empty()
        sample = samples.columns(keys, np.where(waiting, outcomes.base, -1), outcomes.table.key, outcomes.target)
        return Summary(keys, {**cube.to_summary(entries).columns, **sample})

    def merge(self, a: Summary, b: Summary) -> Summary:
        if not len(a) or not len(b):
            return a if len(a) else b
        sampled = samples.merge(_samples_of(a), _samples_of(b))
        entries = cube.merged([cube.from_summary(a), cube.from_summary(b)])
        return Summary(sampled.keys, {**cube.to_summary(entries).columns, **sampled.columns})

    def initial(self) -> State:
        return {
            "drift": self._detector.initial(),
            "classes": self._classes.initial(),
            "budget": budget.initial(),
            "windows": _WINDOWS.initial(),
            "settling": settling.initial(),
            "followed": followed.initial(),
            "waiting": {},
            "edges": bins.no_edges(),
        }

    def judge(self, state: State, summary: Summary, context: Judging) -> Verdict:
        """Judge the slots that were due before the pane; take the pane in; judge those that are due with it."""
        verdict = Verdict(state)
        bases = context.profile.group_base
        due = settling.release(state["settling"], context.start, bases)
        if len(summary):
            state["edges"] = bins.sealed(state["edges"], samples.collect(state["waiting"], _samples_of(summary)))
            self._take_in(state, cube.from_summary(summary), context)
        due += settling.release(state["settling"], context.end, bases)
        for settled in due:
            verdict.findings.extend(self._judge(state, settled, context))
        for closed in _WINDOWS.add(state["windows"], _together(due), context):
            verdict.readings.extend(self._readings(state, closed, context.profile))
        sealed = {**settling.sealed(state["settling"]), "edges": state["edges"]}
        return Verdict(state, verdict.readings, verdict.findings, sealed)

    def adopt(self, state: State, rows: BothRows, context: Judging) -> Verdict:
        """The labels of a reference, whole; a regression without intervals gets them from it."""
        outcomes = rows.outcomes
        targets = np.where((outcomes.task == REGRESSION) & outcomes.counted, outcomes.target, np.nan)
        full = samples.whole(state["waiting"], outcomes.base, targets, state["edges"])
        state["edges"] = bins.sealed(state["edges"], full)
        entries = labelled.of_reference(outcomes, state["edges"])
        if len(entries):
            keys, place = distinct(cube.group_of(entries.unit).astype(np.int32))
            counts = np.zeros((len(keys), WIDTH), np.int64)
            np.add.at(counts, (place, entries.code), entries.value)
            enough = counts.sum(axis=1) >= self.settings.warmup
            self._detector.adopt(state["drift"], keys[enough], counts[enough])
            for key, mine in zip(keys[enough].tolist(), counts[enough], strict=True):
                if context.profile.group_base[key] == key and context.profile.task(key) != REGRESSION:
                    self._classes.adopt(state["classes"], key, mine)
        return Verdict(state, sealed={**settling.sealed(state["settling"]), "edges": state["edges"]})

    def accept(self, state: State, groups: frozenset[int], series: frozenset[int]) -> State:
        self._detector.accept(state["drift"], columns.numbers(groups))
        self._classes.accept(state["classes"], sorted(groups))
        followed.forget(state["followed"], groups)
        return state

    def deadline(self, state: State) -> int | None:
        slots, window = state["settling"]["next"], _WINDOWS.deadline(state["windows"])
        due = slots if window is None else min(slots, window)
        return None if due >= settling.NEVER else int(due)

    def forget(self, state: State, groups: frozenset[int], series: frozenset[int]) -> State:
        self._detector.forget(state["drift"], groups)
        self._classes.forget(state["classes"], sorted(groups))
        settling.forget(state["settling"], groups)
        followed.forget(state["followed"], groups)
        budget.forget(state["budget"], groups)
        _WINDOWS.forget(state["windows"], groups)
        state["edges"] = bins.without(state["edges"], groups)
        for group in groups:
            state["waiting"].pop(group, None)
        return state

    def upgrade(self, state: State, sealed: Any, code_version: int) -> tuple[State, Any] | None:
        """Version 1 judged classes only together; version 2 had them in dictionaries."""
        if code_version not in {1, 2}:
            return None
        of_classes = self._classes.initial() if code_version == 1 else self._classes.upgrade(state["classes"])
        return {**state, "classes": of_classes}, sealed

    # Steps.

    def _take_in(self, state: State, entries: Entries, context: Judging) -> None:
        """Lags first: where they changed the age, slots and reference begin anew, without this pane."""
        bases = context.profile.group_base
        anew = self._learn_lags(state, entries.take(entries.what == labelled.LAG), context)
        entries = entries.take(~np.isin(bases[cube.group_of(entries.unit)], anew))
        for what, kind in _KIND.items():
            some = entries.take(entries.what == what)
            group, slot = cube.group_of(some.unit).astype(np.int32), labelled.slot_of(some.unit)
            settling.add(state["settling"], kind, group, slot, some.code, some.value, bases[group])
        pairs = entries.take(entries.what == labelled.PAIR)
        group = cube.group_of(pairs.unit)
        calm = self._calm(state, group)
        followed.pair(state["followed"], group[calm], pairs.code[calm], pairs.value[calm])

    def _learn_lags(self, state: State, entries: Entries, context: Judging) -> Ints:
        """Returns the (model, version)s that begin anew. Those of which something fires stay as they are."""
        bases, place = distinct(cube.group_of(entries.unit).astype(np.int32))
        if not len(bases):
            return np.zeros(0, np.int32)
        lags = np.zeros((len(bases), WIDTH, len(AGES_US)))
        lags[place, entries.code // WIDTH, entries.code % WIDTH] = entries.value
        of = context.profile.group_base
        firing = np.flatnonzero(state["drift"]["firing"])
        fixed = np.isin(bases, of[firing[firing < len(of)]]) | np.isin(bases, self._classes.firing(state["classes"]))
        changed = settling.learn(
            state["settling"], bases, lags, context.label_waits(bases), context.pane_us, np.asarray(fixed)
        )
        if len(changed):
            groups = np.flatnonzero(np.isin(of, changed)).astype(np.int32)
            settling.drop(state["settling"], groups)
            self._begin_anew(state, groups)
        return changed

    def _begin_anew(self, state: State, groups: Ints) -> None:
        """Forget what was learnt of shares; an adopted reference stays."""
        drift = state["drift"]
        known = groups[groups < len(drift["adopted"])]
        adopted = known[drift["adopted"][known]]
        reference = drift["ref"][adopted]
        self._detector.forget(drift, frozenset(groups.tolist()))
        followed.forget(state["followed"], frozenset(groups.tolist()))
        if len(adopted):
            self._detector.adopt(drift, adopted, reference)
        usual = dict(zip(adopted.tolist(), reference, strict=True))
        known_classes = {base: counts for base, counts in usual.items() if base in state["classes"]["version"]}
        self._classes.begin_anew(state["classes"], groups.tolist(), known_classes)

    def _calm(self, state: State, keys: Any) -> Bools:
        """Against which of these series is there no evidence?"""
        drift = state["drift"]
        calm = np.ones(len(keys), np.bool_)
        known = keys < len(drift["run"])
        calm[known] = (drift["run"][keys[known]] <= 0) & ~drift["firing"][keys[known]]
        several = np.isin(keys, state["classes"]["version"])
        calm[several] &= self._classes.calm(state["classes"], keys[several])
        return calm

    def _judge(self, state: State, settled: Settled, context: Judging) -> Iterable[Finding]:
        keys, profile = settled.keys, context.profile
        labelled = settled.labels.sum(axis=1) > 0
        bases = profile.group_base[keys[labelled]]
        shares = np.where(bases == keys[labelled], _WHOLE_SHARE, 1.0)
        weights = budget.weights(state["budget"], keys[labelled], budget.models_of(profile, bases), context, shares)
        counts = settled.labels[labelled]
        several = (bases == keys[labelled]) & self._classes.several(state["classes"], bases, counts)
        several[several] = [profile.task(base) != REGRESSION for base in bases[several].tolist()]
        self._classes.enter(state["classes"], bases[several], counts[several])
        span = settled.start, settled.end
        changes = self._detector.step(
            state["drift"], keys[labelled], counts, *span, np.where(several, weights * _OF_WHOLE, weights)
        )
        of_classes = self._classes.step(
            state["classes"], keys[labelled][several], counts[several], *span, weights[several] * (1 - _OF_WHOLE)
        )
        followed.remember(state["followed"], keys, settled.labels, settled.answers, self._calm(state, keys))
        findings = [label_findings.of_all(change, self._known(state, change.key, profile)) for change in changes]
        findings += [
            label_findings.of_class(change, bin_, self._known(state, base, profile))
            for base, bin_, change in of_classes
            if self._news(state, base, change)
        ]
        for change in changes:
            if change.kind == "recovered":
                followed.recovered(state["followed"], change.key)
        return findings

    @staticmethod
    def _news(state: State, base: int, change: Change) -> bool:
        """A class that changed is no news where the alert about all of them says so."""
        return change.kind != "fired" or not bool(state["drift"]["firing"][base])

    def _readings(self, state: State, due: Due, profile: Profile) -> list[Reading]:
        """Windows are of closings; the predictions whose labels they tell were made an age before."""
        counts, ages, bases = due.summary["labels"], state["settling"]["ages"], profile.group_base[due.keys]
        age = ages["age"][bases]
        made = replace(due, start=due.start - age - ages["width"][bases], end=due.end - age)
        coverage = np.minimum(due.summary["n"] / np.maximum(due.summary["answers"], 1), 1.0)
        reference = self._detector.shares(state["drift"], due.keys)
        return distances.readings(self.name, "labels", made, counts, reference, profile, coverage)

    def _known(self, state: State, key: int, profile: Profile) -> Known:
        base = int(profile.group_base[key])
        return Known(
            monitor=self.name,
            group=profile.groups[key],
            base=base,
            usual=self._detector.shares(state["drift"], np.array([key], np.int32))[0],
            names=bins.names(key, profile, state["edges"]),
            age=int(state["settling"]["ages"]["age"][base]),
            followed=state["followed"],
            critical_effect=self.settings.critical_effect,
        )


def _samples_of(summary: Summary) -> Summary:
    return Summary(summary.keys, {name: summary[name] for name in ("sample_order", "sample")})


def _together(due: list[Settled]) -> Summary:
    """Slots that are due in one pane, by group."""
    if not due:
        return Summary(np.zeros(0, np.int32), {})
    keys, place = np.unique(np.concatenate([settled.keys for settled in due]), return_inverse=True)
    labels, answers = np.zeros((len(keys), WIDTH), np.int64), np.zeros(len(keys), np.int64)
    np.add.at(labels, place, np.concatenate([settled.labels for settled in due]))
    np.add.at(answers, place, np.concatenate([settled.answers for settled in due]).sum(axis=1))
    return Summary(keys.astype(np.int32), {"labels": labels, "answers": answers, "n": labels.sum(axis=1)})
