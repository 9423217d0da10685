"""A monitor: how often is a model undecided? More scores near one half than usual mean inputs it was not made for.

Copy it to `processors/quality/`, or offer it from a package of your own (see the README).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from processors.windows import Due
from vigild import (
    Change,
    Finding,
    Judging,
    Monitor,
    MonitorSettings,
    PredictionRows,
    Profile,
    Rates,
    Reading,
    State,
    Summary,
    Verdict,
    Windows,
    budget,
    register,
)

WINDOWS = Windows()


class UndecidedSettings(MonitorSettings):
    """When indecision matters."""

    margin: float = Field(0.1, gt=0, lt=0.5)
    """A score at most this far from one half is undecided."""
    min_effect: float = Field(0.05, gt=0, lt=1)
    """Rises of the share of undecided predictions by less than this are not worth an alert."""


@register("undecided")
class Undecided(Monitor[UndecidedSettings, PredictionRows]):
    """Scores of a pane → the share that is undecided, by version and segment, and an alert where it rose."""

    consumes = "predictions"
    Settings = UndecidedSettings

    def __init__(self, settings: UndecidedSettings) -> None:
        super().__init__(settings)
        self._detector = Rates(direction="up", min_effect=settings.min_effect)

    def initial(self) -> State:
        return {"rates": self._detector.initial(), "budget": budget.initial(), "windows": WINDOWS.initial()}

    def measure(self, rows: PredictionRows, profile: Profile, sealed: Any) -> Summary:
        """Undecided predictions (`hits`) of the `n` that have a score, by group. The default merge adds them up."""
        score = rows.score[rows.member_row]
        scored = ~np.isnan(score)
        undecided = np.abs(score - 0.5) <= self.settings.margin
        keys, place = np.unique(rows.member_group[scored], return_inverse=True)
        if not len(keys):
            return self.empty()
        hits = np.bincount(place, undecided[scored], len(keys)).astype(np.int64)
        return Summary(keys.astype(np.int32), {"hits": hits, "n": np.bincount(place, minlength=len(keys))})

    def judge(self, state: State, summary: Summary, context: Judging) -> Verdict:
        verdict = Verdict(state)
        if len(summary):
            keys, hits, n = summary.keys, summary["hits"], summary["n"]
            models = budget.models_of(context.profile, context.profile.group_base[keys])
            weights = budget.weights(state["budget"], keys, models, context)
            changes = self._detector.step(state["rates"], keys, hits, n, context.start, context.end, weights)
            verdict.findings.extend(self._finding(change, context.profile) for change in changes)
        for due in WINDOWS.add(state["windows"], summary, context):
            verdict.readings.extend(self._readings(due, context.profile))
        return verdict

    def deadline(self, state: State) -> int | None:
        return WINDOWS.deadline(state["windows"])

    def forget(self, state: State, groups: frozenset[int], series: frozenset[int]) -> State:
        self._detector.forget(state["rates"], groups)
        budget.forget(state["budget"], groups)
        WINDOWS.forget(state["windows"], groups)
        return state

    def _readings(self, due: Due, profile: Profile) -> list[Reading]:
        readings = []
        for at, key in enumerate(due.keys.tolist()):
            n, group = int(due.summary["n"][at]), profile.groups[key]
            share = float(due.summary["hits"][at]) / n
            readings.append(Reading(self.name, "undecided", group, share, n, int(due.start[at]), int(due.end[at])))
        return readings

    def _finding(self, change: Change, profile: Profile) -> Finding:
        group = profile.groups[change.key]
        return Finding(
            kind=change.kind,
            monitor=self.name,
            series="undecided",
            group=group,
            since=change.since,
            value=change.value,
            n=change.n,
            summary=f"Model {group.model} v{group.version} is undecided about {change.value:.0%} of "
            f"{change.n:,} predictions, usually {change.reference:.0%}.",
            reference=change.reference,
            low=change.low,
            high=change.high,
            action="none" if change.kind == "recovered" else "retrain",
            provisional=change.provisional,
        )
