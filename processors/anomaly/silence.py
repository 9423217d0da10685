"""Has a model stopped predicting?

A model (all its versions together, so that a rollout is no silence) is silent once nothing came for longer than
`after` and `factor` times its usual longest pause: the second longest of this week and the week before, so that one
outage is not taken for usual, and a nightly pause is after two nights. On a model's first day it is the longest, for
a job that runs each hour has shown few pauses by then. Nor is a model silent before a pause that arrivals at random,
as dense as its own, would show once in a month: a sparse stream has shown few of its pauses at first. This is a rule,
not a test: it spends no false-alarm budget, and a model that it has hardly seen yet is not judged.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field

from config.units import Duration
from processors.anomaly import models
from processors.base import Finding, Judging, Monitor, MonitorSettings, State, Summary, Verdict
from processors.detectors import columns
from processors.distinct import counted
from processors.durations import DAY_US
from processors.profile import GroupKey, Profile
from processors.registry import register
from processors.rows import Ints, Longs
from processors.slices import PredictionRows
from processors.wording import model_words, moment

_EPOCH_US = 7 * DAY_US
_MONTH_US = 30 * DAY_US
_IRREGULAR = 1.5
"""Pauses that reach so many mean gaps are chance, not a timetable."""
_CAREFUL = 1.5
"""The mean gap of a day is shorter than that of its quiet hours."""
_LAYOUT: columns.Layout = {
    "first": (np.int64, (), -1),
    "last": (np.int64, (), -1),
    "panes": (np.int64, (), 0),
    "pauses": (np.int64, (4,), 0),  # the two longest of this epoch, the two longest of the one before
    "epoch": (np.int64, (), -1),
    "silent": (np.bool_, (), 0),
}


class SilenceSettings(MonitorSettings):
    """How long a pause may be."""

    after: Duration = Duration.parse("5m")
    """A pause up to this long is never an alert."""
    factor: float = Field(3.0, ge=1)
    """Nor is one up to this many times the model's usual longest pause."""
    panes: int = Field(30, ge=2)
    """A model is judged once it has predicted in this many panes ..."""
    learn: Duration = Duration.parse("30m")
    """... over at least this long."""


@register("silence")
class Silence(Monitor[SilenceSettings, PredictionRows]):
    """When predictions came → an alert when they stop, and its end when they return."""

    consumes = "predictions"
    Settings = SilenceSettings
    alarm_share = 0.0

    def initial(self) -> State:
        return {"models": models.initial(), "own": columns.empty(_LAYOUT)}

    def measure(self, rows: PredictionRows, profile: Profile, sealed: Any) -> Summary:
        """Predictions `n` by base group, int64."""
        keys, counts = counted(rows.base[rows.base >= 0])
        return Summary(keys.astype(np.int32), {"n": counts}) if len(keys) else self.empty()

    def judge(self, state: State, summary: Summary, context: Judging) -> Verdict:
        own, verdict = state["own"], Verdict(state)
        if len(summary):
            present = np.unique(models.numbers(state["models"], summary.keys, context.profile))
            columns.grow(own, _LAYOUT, present)
            back = present[own["silent"][present]]
            verdict.findings.extend(self._finding("recovered", state, int(at), context) for at in back.tolist())
            self._hear(own, present, context)
        quiet = np.flatnonzero(self._judged(own) & (context.end - own["last"] >= self._limit(own)))
        verdict.findings.extend(self._finding("fired", state, int(at), context) for at in quiet.tolist())
        own["silent"][quiet] = True
        return verdict

    def deadline(self, state: State) -> int | None:
        own = state["own"]
        judged = self._judged(own)
        return int((own["last"] + self._limit(own))[judged].min()) if judged.any() else None

    def forget(self, state: State, groups: frozenset[int], series: frozenset[int]) -> State:
        columns.clear(state["own"], _LAYOUT, columns.numbers(models.forget(state["models"], groups)))
        return state

    def _hear(self, own: State, present: Ints, context: Judging) -> None:
        """Take in that these models predicted in this pane, and the pause that it ended."""
        known = own["last"][present] >= 0
        pause = np.where(known, np.maximum(context.start - own["last"][present], 0), 0)
        turn = own["epoch"][present] + _EPOCH_US <= context.start
        pauses = own["pauses"][present]
        pauses[turn] = np.concatenate([np.zeros_like(pauses[turn, :2]), pauses[turn, :2]], axis=1)
        pauses[:, :2] = np.sort(np.column_stack([pauses[:, :2], pause]), axis=1)[:, :0:-1]
        own["pauses"][present] = pauses
        own["epoch"][present] = np.where(turn, context.start, own["epoch"][present])
        own["first"][present] = np.where(known, own["first"][present], context.start)
        own["last"][present], own["silent"][present] = context.end, False
        own["panes"][present] += 1

    def _judged(self, own: State) -> Any:
        seen = (own["panes"] >= self.settings.panes) & (own["last"] - own["first"] >= self.settings.learn)
        return seen & ~own["silent"]

    def _usual(self, own: State) -> Longs:
        longest = np.sort(own["pauses"], axis=1)
        return np.where(own["last"] - own["first"] < DAY_US, longest[:, -1], longest[:, -2])

    def _limit(self, own: State) -> Longs:
        usual = self._usual(own)
        rule = np.maximum(usual * self.settings.factor, self.settings.after)
        return np.asarray(np.maximum(rule, self._by_chance(own, usual)), np.int64)

    def _by_chance(self, own: State, usual: Longs) -> Any:
        """The pause that a stream of irregular arrivals shows once in a month by chance; 0 for a regular one."""
        gap = np.maximum((own["last"] - own["first"]) / np.maximum(own["panes"], 1), 1.0)
        return np.where(usual > _IRREGULAR * gap, _CAREFUL * gap * np.log(np.maximum(_MONTH_US / gap, 1.0)), 0.0)

    def _finding(self, kind: Literal["fired", "recovered"], state: State, number: int, context: Judging) -> Finding:
        own = state["own"]
        last, until = int(own["last"][number]), context.end if kind == "fired" else context.start
        group = GroupKey(state["models"]["names"][number], "")
        pause, usual = Duration(until - last), Duration(int(self._usual(own)[number]))
        sentence = f"no prediction since {moment(last)} ({_minutes(pause)}; usual pauses last up to {_minutes(usual)})"
        if kind == "recovered":
            sentence = f"predictions are back after {_minutes(pause)} of silence"
        return Finding(
            kind=kind,
            monitor=self.name,
            series="silence",
            group=group,
            since=last,
            value=pause.seconds,
            n=int(own["panes"][number]),
            summary=f"{model_words(group)}: {sentence}.",
            reference=usual.seconds,
            severity="critical",
        )


def _minutes(pause: Duration) -> str:
    """A length of time for people: `40 seconds`, `12 minutes`, `3.5 hours`."""
    if pause.seconds < 120:
        return f"{pause.seconds:.0f} seconds"
    return f"{pause.seconds / 60:.0f} minutes" if pause.seconds < 7200 else f"{pause.seconds / 3600:.1f} hours"
