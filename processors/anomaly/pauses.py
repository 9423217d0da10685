"""Has something of a model stopped coming? What is shared by `silence` (its predictions) and `label_silence`.

Something (of all versions of a model together, so that a rollout is no silence) is missed once nothing came for longer
than `after` and `factor` times its usual longest pause, of this week and the week before. What comes once a day may
come on working days only: it may also leave out two days. Nor is it missed before a pause that arrivals at random, as
dense as its own, would show once in a month: a sparse stream has shown few of its pauses at first. This is a rule, not
a test: it spends no false-alarm budget, and a model that it has hardly seen yet is not judged.

When nothing comes of any model at all, that is one outage and not one of each: it is told once, for all of them, as
soon as the model with the shortest patience would have been missed. Models that have not come back when it is over
are missed from then on. A pause in which everything was silent is nobody's usual pause.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import ClassVar, Literal, NamedTuple, TypeVar

import numpy as np

from config.units import Duration
from processors.anomaly import models
from processors.base import Action, Finding, Judging, Monitor, MonitorSettings, Severity, State, Summary, Verdict
from processors.detectors import columns
from processors.durations import DAY_US
from processors.profile import GroupKey
from processors.rows import Bools, Ints, Longs
from processors.wording import model_words, moment

_Kind = Literal["fired", "recovered"]
_EPOCH_US = 7 * DAY_US
_MONTH_US = 30 * DAY_US
_NEVER = 2**62
_FEWEST_MODELS = 2
"""Models that make a fleet, of which all may be silent."""
_IRREGULAR = 1.5
"""Pauses that reach so many mean gaps are chance, not a timetable."""
_WEEKEND_US = 2 * DAY_US
_LATER = 1.1
"""Jobs of a night don't begin, nor end, to the minute."""
_CAREFUL = 1.5
"""The mean gap of a day is shorter than that of its quiet hours."""
_ALL = GroupKey("", "")
LAYOUT: columns.Layout = {
    "first": (np.int64, (), -1),
    "last": (np.int64, (), -1),
    "panes": (np.int64, (), 0),
    "pauses": (np.int64, (4,), 0),  # the two longest of this epoch, the two longest of the one before
    "epoch": (np.int64, (), -1),
    "silent": (np.bool_, (), 0),
}
"""What is known of each model."""


class PausesSettings(MonitorSettings):
    """How long a pause may be."""

    after: Duration
    factor: float
    panes: int
    learn: Duration


class Words(NamedTuple):
    """What is said of a silence, and what to do about it."""

    one: str
    severity: Severity
    action: Action
    reason: str
    """Why, where it is one model's."""
    reason_all: str
    """Why, where it is everything."""


SettingsT = TypeVar("SettingsT", bound=PausesSettings)
RowsT = TypeVar("RowsT")


class Pauses(Monitor[SettingsT, RowsT]):
    """When something came → an alert when it stops, and its end when it returns."""

    alarm_share = 0.0
    layout: ClassVar[columns.Layout] = LAYOUT
    words: ClassVar[Words]

    def initial(self) -> State:
        return {"models": models.initial(), "own": columns.empty(self.layout), "outage": -1, "resumed": -1}

    def judge(self, state: State, summary: Summary, context: Judging) -> Verdict:
        own, verdict = state["own"], Verdict(state)
        present = self.present(state, summary, context) if len(summary) else np.zeros(0, np.int32)
        if len(present):
            verdict.findings.extend(self._resume(state, context))
            back = present[own["silent"][present]]
            verdict.findings.extend(self._finding("recovered", state, int(at), context) for at in back.tolist())
            self._hear(state, present, context)
        due = self._due(state)
        outage_due = self._outage_due(state)
        if state["outage"] < 0 and context.end >= outage_due:
            state["outage"] = _last(own)
            verdict.findings.append(self._of_all("fired", state, context))
        elif context.end < _suspected_from(state, outage_due):
            quiet = np.flatnonzero(self._judged(own) & (context.end >= due))
            verdict.findings.extend(self._finding("fired", state, int(at), context) for at in quiet.tolist())
            own["silent"][quiet] = True
        return verdict

    def deadline(self, state: State) -> int | None:
        own = state["own"]
        judged = self._judged(own)
        if not judged.any() or state["outage"] >= 0:
            return None
        first, outage_due = int(self._due(state)[judged].min()), self._outage_due(state)
        return first if first < _suspected_from(state, outage_due) else outage_due

    def forget(self, state: State, groups: frozenset[int], series: frozenset[int]) -> State:
        columns.clear(state["own"], self.layout, columns.numbers(models.forget(state["models"], groups)))
        if _last(state["own"]) < 0:
            state["outage"] = state["resumed"] = -1
        return state

    @abstractmethod
    def present(self, state: State, summary: Summary, context: Judging) -> Ints:
        """Take in a pane; returns the models (ascending) of which something came, with room in all columns."""

    @abstractmethod
    def usual(self, own: State) -> Longs:
        """The usual longest pause of each model."""

    def owed(self, own: State) -> Bools:
        """Of which models something must come, for all that is known."""
        return np.ones(len(own["last"]), np.bool_)

    def _resume(self, state: State, context: Judging) -> list[Finding]:
        """Something came: an outage of everything is over."""
        if state["outage"] < 0:
            return []
        over = self._of_all("recovered", state, context)
        state["outage"], state["resumed"] = -1, context.start
        return [over]

    def _due(self, state: State) -> Longs:
        """When each model is missed, if nothing comes of it."""
        own = state["own"]
        return np.asarray(np.maximum(own["last"], state["resumed"]) + self._limit(own), np.int64)

    def _outage_due(self, state: State) -> int:
        """When all models together are missed: after the last of any, and what the most regular may pause."""
        judged = self._judged(state["own"])
        if judged.sum() < _FEWEST_MODELS:
            return _NEVER
        return _heard(state) + int(self._limit(state["own"])[judged].min())

    def _hear(self, state: State, present: Ints, context: Judging) -> None:
        """Take in that something of these models came in this pane, and the pause that it ended."""
        own = state["own"]
        known = own["last"][present] >= 0
        since = np.maximum(own["last"][present], state["resumed"])
        pause = np.where(known, np.maximum(context.start - since, 0), 0)
        turn = own["epoch"][present] + _EPOCH_US <= context.start
        pauses = own["pauses"][present]
        pauses[turn] = np.concatenate([np.zeros_like(pauses[turn, :2]), pauses[turn, :2]], axis=1)
        pauses[:, :2] = np.sort(np.column_stack([pauses[:, :2], pause]), axis=1)[:, :0:-1]
        own["pauses"][present] = pauses
        own["epoch"][present] = np.where(turn, context.start, own["epoch"][present])
        own["first"][present] = np.where(known, own["first"][present], context.start)
        own["last"][present], own["silent"][present] = context.end, False
        own["panes"][present] += 1

    def _judged(self, own: State) -> Bools:
        seen = (own["panes"] >= self.settings.panes) & (own["last"] - own["first"] >= self.settings.learn)
        judged: Bools = seen & ~own["silent"] & self.owed(own)
        return judged

    def _limit(self, own: State) -> Longs:
        usual = self.usual(own)
        rule = np.maximum(usual * self.settings.factor, self.settings.after)
        rule = np.maximum(rule, np.where(usual > DAY_US // 2, usual * _LATER + _WEEKEND_US, 0))
        return np.asarray(np.maximum(rule, _by_chance(own, usual)), np.int64)

    def _finding(self, kind: _Kind, state: State, number: int, context: Judging) -> Finding:
        own, one = state["own"], self.words.one
        last, usual = int(own["last"][number]), Duration(int(self.usual(own)[number]))
        group, until = GroupKey(state["models"]["names"][number], ""), _until(kind, context)
        pause = Duration(until - last)
        sentence = f"no {one} since {moment(last)} ({_minutes(pause)}; usual pauses last up to {_minutes(usual)})"
        if kind == "recovered":
            sentence = f"{one}s are back after {_minutes(pause)} of silence"
        return replace(
            self._told(
                kind, group, last, pause, n=int(own["panes"][number]), summary=f"{model_words(group)}: {sentence}."
            ),
            reference=usual.seconds,
            onset=(max(last - context.pane_us, 0), min(last + usual, until)),
            reason=self.words.reason,
        )

    def _of_all(self, kind: _Kind, state: State, context: Judging) -> Finding:
        """The input as a whole: nothing comes of any model, or something does again."""
        one, last = self.words.one, int(state["outage"])
        count, pause = int(self._judged(state["own"]).sum()), Duration(_until(kind, context) - last)
        sentence = f"No {one} of any of {count} models since {moment(last)} ({_minutes(pause)})."
        if kind == "recovered":
            sentence = f"{one.capitalize()}s are back after {_minutes(pause)} in which none came of any model."
        told = self._told(kind, _ALL, last, pause, n=count, summary=sentence)
        return replace(told, reason=self.words.reason_all)

    def _told(self, kind: _Kind, group: GroupKey, last: int, pause: Duration, *, n: int, summary: str) -> Finding:
        """What all findings have in common."""
        return Finding(
            kind=kind,
            monitor=self.name,
            series="silence",
            group=group,
            since=last,
            value=pause.seconds,
            n=n,
            summary=summary,
            severity=self.words.severity,
            action=self.words.action,
        )


def _until(kind: _Kind, context: Judging) -> int:
    """The end of a pause: now, or when something came."""
    return context.end if kind == "fired" else context.start


def _by_chance(own: State, usual: Longs) -> Longs:
    """The pause that a stream of irregular arrivals shows once in a month by chance; 0 for a regular one."""
    gap = np.maximum((own["last"] - own["first"]) / np.maximum(own["panes"], 1), 1.0)
    longest = np.where(usual > _IRREGULAR * gap, _CAREFUL * gap * np.log(np.maximum(_MONTH_US / gap, 1.0)), 0.0)
    return longest.astype(np.int64)


def _suspected_from(state: State, outage_due: int) -> int:
    """From when on a missing model waits for whether all are missing: half of the way to that."""
    last = _heard(state)
    return outage_due if outage_due == _NEVER else last + (outage_due - last) // 2


def _heard(state: State) -> int:
    """When any model was last heard of, or all were back."""
    return int(max(_last(state["own"]), state["resumed"]))


def _last(own: State) -> int:
    """When any model was last heard of; -1: none ever was."""
    return int(own["last"].max(initial=-1))


def _minutes(pause: Duration) -> str:
    """A length of time for people: `40 seconds`, `12 minutes`, `3.5 hours`."""
    if pause.seconds < 120:
        return f"{pause.seconds:.0f} seconds"
    return f"{pause.seconds / 60:.0f} minutes" if pause.seconds < 7200 else f"{pause.seconds / 3600:.1f} hours"
