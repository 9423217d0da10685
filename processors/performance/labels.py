"""Labels: how long they take, how often they are corrected or assumed, and what share of predictions has one.

Lags are counted in log-spaced bins (`log_bins`: quantiles good to 3%), from 8 ms to two years; a label that says it is
older than its prediction took no time. Assumed labels (`labels.implicit`) have no lag. Nothing here alerts: set a
threshold on a series where lateness matters.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from processors.anomaly.log_bins import LogBins
from processors.base import Judging, Monitor, MonitorSettings, Reading, State, Summary, Verdict
from processors.profile import GroupKey, Profile
from processors.registry import register
from processors.rows import CORRECTION, FIRST, IMPLICIT
from processors.slices import OutcomeRows
from processors.windows import Due, Windows

BINS = LogBins(-7, 26)
"""Of lags in seconds."""

_LONGEST_US = 2**50
_SHARES = {"label_lag_s_p50": 0.5, "label_lag_s_p95": 0.95}
_WINDOWS = Windows()


class LabelsSettings(MonitorSettings):
    """Nothing to set."""


@register("labels")
class Labels(Monitor[LabelsSettings, OutcomeRows]):
    """Times and kinds of labels → their lag, corrections and assumptions per version, and the coverage per model."""

    consumes = "outcomes"
    Settings = LabelsSettings
    alarm_share = 0.0

    def initial(self) -> State:
        return {"windows": _WINDOWS.initial()}

    def measure(self, rows: OutcomeRows, profile: Profile, sealed: Any) -> Summary:
        """By base group, int64: outcomes `n`, and of these `first`, `implicit` and `corrections`.

        `lag` is the sum of the first ones' lags in microseconds, `counts` these lags by bin, (groups, bins).
        """
        kept = np.flatnonzero(rows.base >= 0)
        keys, place = np.unique(rows.base[kept], return_inverse=True)
        if not len(keys):
            return self.empty()
        how, size = rows.table.how[kept], len(keys)
        lag = np.clip(rows.table.label_ts[kept] - rows.table.ts[kept], 0, _LONGEST_US)
        first = how == FIRST
        total = np.zeros(size, np.int64)
        np.add.at(total, place[first], lag[first])
        columns = {
            "n": np.bincount(place, minlength=size),
            "first": np.bincount(place[first], minlength=size),
            "implicit": np.bincount(place[how == IMPLICIT], minlength=size),
            "corrections": np.bincount(place[how == CORRECTION], minlength=size),
            "lag": total,
            "counts": BINS.count(place[first], lag[first] / 1e6, size).astype(np.int64),
        }
        return Summary(keys.astype(np.int32), columns)

    def judge(self, state: State, summary: Summary, context: Judging) -> Verdict:
        verdict = Verdict(state)
        for due in _WINDOWS.add(state["windows"], summary, context):
            verdict.readings.extend(self._readings(due, context.profile))
            verdict.readings.extend(self._coverage(due, context))
        return verdict

    def deadline(self, state: State) -> int | None:
        return _WINDOWS.deadline(state["windows"])

    def forget(self, state: State, groups: frozenset[int], series: frozenset[int]) -> State:
        _WINDOWS.forget(state["windows"], groups)
        return state

    def _readings(self, due: Due, profile: Profile) -> list[Reading]:
        readings = []
        for at, key in enumerate(due.keys.tolist()):
            seen, group = due.summary, profile.groups[key]
            n, first, span = int(seen["n"][at]), int(seen["first"][at]), (int(due.start[at]), int(due.end[at]))
            for series, column in (("label_corrections", "corrections"), ("implicit_labels", "implicit")):
                readings.append(Reading(self.name, series, group, float(seen[column][at]), n, *span))
            if first:
                lags = {"label_lag_s_mean": float(seen["lag"][at]) / 1e6 / first}
                lags |= {series: BINS.quantile(seen["counts"][at], share) for series, share in _SHARES.items()}
                readings += [Reading(self.name, series, group, value, first, *span) for series, value in lags.items()]
        return readings

    def _coverage(self, due: Due, context: Judging) -> list[Reading]:
        """Outcomes of predictions so far, once for each model of which a window closed."""
        readings = []
        models = [context.profile.groups[key].model for key in due.keys.tolist()]
        for model in sorted(set(models)):
            known = context.coverage.get(model)
            if known is not None:
                mine = np.array([name == model for name in models])
                n, start, end = due.summary["n"][mine].sum(), due.start[mine].min(), due.end[mine].max()
                readings.append(
                    Reading(
                        self.name,
                        "label_coverage",
                        GroupKey(model, ""),
                        min(float(known["coverage"]), 1.0),
                        int(n),
                        int(start),
                        int(end),
                        scope="total",
                        details={"keep_rate": float(known["keep_rate"])},
                    )
                )
        return readings
