"""Performance: how right each model was, by window, by cohort and in total; overall and by segment.

Outcomes are counted, not stored: confusion cells, scores with their class, exact sums of losses (`entries`). What can
be counted equals scikit-learn's number on the same events, to float rounding; the areas under curves do too as long
as a unit holds at most `score_points` distinct scores, and are within about 0.001 beyond. `docs/readings.md` says
what each series means.

- `window`: first labels only, by the pane of the outcome; what thresholds look at. Never revised.
- `cohort`: by the hour of the prediction, with late labels and corrections; revised until it is final.
- `total`: everything since the version began, with corrections.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from processors.base import Judging, Monitor, MonitorSettings, State, Summary, Verdict
from processors.durations import HOUR_US
from processors.performance import entries as cube
from processors.performance.cohorts import Cohorts
from processors.performance.entries import Entries, Shelf
from processors.performance.readings import Frame, Request
from processors.performance.tally import tallied
from processors.performance.totals import Totals
from processors.profile import Profile
from processors.registry import register
from processors.rows import Ints
from processors.slices import OutcomeRows
from processors.windows import Due, Windows


class PerformanceSettings(MonitorSettings):
    """What is measured besides the fixed list, and how much is remembered."""

    quantile: float | None = Field(default=None, gt=0, lt=1)
    """Quantile that regressions predict: adds the series `quantile_loss`."""
    score_points: int = Field(default=4096, ge=64)
    """Distinct scores kept apart in a window, cohort or total; beyond it the nearest are taken together."""
    ranked_classes: int = Field(default=20, ge=0)
    """Classes of a multiclass model whose probabilities are ranked for `roc_auc`."""
    group_cohorts: int = Field(default=24 * 32, ge=1)
    """Open cohorts of one group; beyond it the oldest becomes final."""
    cohorts: int = Field(default=100_000, ge=1)
    """Open cohorts in all."""
    entries: int = Field(default=500_000, ge=10_000)
    """Counts kept for each of windows, cohorts and totals before scores are taken together further."""


@register("performance")
class Performance(Monitor[PerformanceSettings, OutcomeRows]):
    """Outcomes by group and hour → accuracy, F1, ROC AUC, RMSE and the other series of `docs/readings.md`."""

    Settings = PerformanceSettings
    consumes = "outcomes"
    alarm_share = 0.0

    def __init__(self, settings: PerformanceSettings) -> None:
        super().__init__(settings)
        self._shelf = Shelf(settings.score_points, settings.entries)
        self._windows = Windows()
        self._totals = Totals(self._shelf)
        self._cohorts = Cohorts(self._shelf, settings.group_cohorts, settings.cohorts)

    def measure(self, rows: OutcomeRows, profile: Profile, sealed: None) -> Summary:
        """Signed counts by group and hour, see `entries`."""
        return cube.to_summary(tallied(rows, profile, self.settings.quantile, self.settings.ranked_classes))

    def merge(self, a: Summary, b: Summary) -> Summary:
        """All counts of both, added up."""
        return cube.to_summary(cube.merged([cube.from_summary(a), cube.from_summary(b)]))

    def empty(self) -> Summary:
        """No counts."""
        return cube.to_summary(cube.NO_ENTRIES)

    def initial(self) -> State:
        """Nothing was seen."""
        return {
            "windows": self._windows.initial(),
            "recent": self._shelf.initial(),
            "totals": self._totals.initial(),
            "cohorts": self._cohorts.initial(),
            "span": 0,
            "enough": 1,
        }

    def judge(self, state: State, summary: Summary, context: Judging) -> Verdict:
        """Add the pane to cohorts, windows and totals; read what is due.

        Cohorts come first: totals tell what came too late for one.
        """
        pane = cube.from_summary(summary)
        state["span"], state["enough"] = context.window_span, context.window_min_events
        request = Request()
        self._ask_cohorts(state, pane, context, request)
        self._ask_windows(state, pane, context, request)
        return Verdict(state, request.readings(context, self.name, self.settings.quantile))

    def deadline(self, state: State) -> int | None:
        """When the next window or cohort is due though nothing comes."""
        due = self._cohorts.deadline(state["cohorts"], state["span"], state.get("enough", 1))
        times = [self._windows.deadline(state["windows"]), due]
        return min((time for time in times if time is not None), default=None)

    def forget(self, state: State, groups: frozenset[int], series: frozenset[int]) -> State:
        """Drop everything of these groups."""
        units = cube.group_unit(np.array(sorted(groups), np.int64))
        self._windows.forget(state["windows"], groups)
        self._shelf.remove(state["recent"], units)
        self._totals.forget(state["totals"], groups)
        self._cohorts.forget(state["cohorts"], groups)
        return state

    def _ask_cohorts(self, state: State, pane: Entries, context: Judging, request: Request) -> None:
        ready = self._cohorts.add(state["cohorts"], pane, context)
        columns = (cube.group_of(ready.unit), cube.hour_of(ready.unit), ready.revision, ready.final, ready.early)
        frames = []
        for group, hour, revision, final, early in zip(*(column.tolist() for column in columns), strict=True):
            details = {"as_of": context.end, "revision": revision, "final": final} | ({"early": True} if early else {})
            frames.append(Frame(group, "cohort", hour, hour + HOUR_US, details))
        request.add(ready.held, ready.unit, frames)

    def _ask_windows(self, state: State, pane: Entries, context: Judging, request: Request) -> None:
        """Windows and totals. What had run out before the pane is read without it.

        1. Take the windows that had run out.
        2. Add the pane.
        3. Take the windows that it fills, and read the totals of all groups whose windows were taken.
        """
        overdue = self._windows.overdue(state["windows"], context)
        self._take_windows(state, overdue, request)
        seen = pane.take(cube.is_counted(pane.unit))
        seen = seen.renamed(cube.group_unit(cube.group_of(seen.unit)))
        self._shelf.add(state["recent"], seen)
        self._totals.add(state["totals"], pane, context)
        taken = [overdue.keys]
        for due in self._windows.add(state["windows"], _rows_by_group(seen), context):
            self._take_windows(state, due, request)
            taken.append(due.keys)
        self._ask_totals(state, np.unique(np.concatenate(taken)), context, request)

    def _take_windows(self, state: State, due: Due, request: Request) -> None:
        units = cube.group_unit(due.keys)
        columns = (column.tolist() for column in (due.keys, due.start, due.end))
        frames = [Frame(group, "window", start, end) for group, start, end in zip(*columns, strict=True)]
        request.add(self._shelf.held(state["recent"]), units, frames)
        self._shelf.remove(state["recent"], units)

    def _ask_totals(self, state: State, groups: Ints, context: Judging, request: Request) -> None:
        read = self._totals.read(state["totals"], groups, context)
        late = self._cohorts.after_final(state["cohorts"], read.group)
        frames = [
            Frame(group, "total", since, context.end, {"after_final": count} if count else {})
            for group, since, count in zip(read.group.tolist(), read.since.tolist(), late, strict=True)
        ]
        request.add(read.held, cube.group_unit(read.group), frames)


def _rows_by_group(seen: Entries) -> Summary:
    """Outcomes of each group, for the windows to count."""
    rows = seen.take((seen.what == cube.COUNT) & (seen.code == cube.ROWS))
    return Summary(cube.group_of(rows.unit).astype(np.int32), {"n": rows.value})
