"""Any numeric series that someone sends: GPU memory, queue length, training loss.

Readings say mean, least, greatest and last value of a window. The alert: more values than usual lie outside the usual
range, which is that from the 1% to the 99% quantile of the first values, widened by half its width on both sides
(signals wander, and not every step is worth an alert). The share outside is judged against its own reference, made of
later values, by an e-detector (`detectors.rates`).

Signals are few beside predictions: a summary holds the values themselves, in order, so that merging loses nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from processors.base import Finding, Judging, Monitor, MonitorSettings, Reading, State, Summary, Verdict
from processors.detectors import budget, columns
from processors.detectors.change import Change
from processors.detectors.rates import Rates
from processors.profile import Profile
from processors.registry import register
from processors.rows import Floats, Ints
from processors.slices import SignalRows
from processors.windows import Due, Windows
from processors.wording import basis, model_words, percent

_PREFIX = "signal:"
_TAIL = 0.01
_WIDENED = 0.5
_LEAST_MARGIN = 0.01
"""Of the median's size: a signal that never moved may move by this."""
_WINDOWS = Windows(combine={"low": np.minimum, "high": np.maximum})
_RANGES: columns.Layout = {
    "low": (np.float64, (), np.nan),
    "high": (np.float64, (), np.nan),
    "last": (np.float64, (), np.nan),
}


class SignalsSettings(MonitorSettings):
    """When a signal is unusual."""

    learn: int = Field(200, ge=20)
    """Values from which a signal's usual range is taken."""
    min_effect: float = Field(0.05, gt=0, lt=1)
    """Rises of the share of values outside the range by less than this are not worth an alert (absolute)."""


@register("signals")
class Signals(Monitor[SignalsSettings, SignalRows]):
    """Values of each signal → their summary per window, and an alert when they leave the usual range."""

    consumes = "signals"
    code_version = 2
    Settings = SignalsSettings

    def __init__(self, settings: SignalsSettings) -> None:
        super().__init__(settings)
        self._rates = Rates(min_effect=settings.min_effect, warmup=100)

    def initial(self) -> State:
        return {
            "samples": {},
            "ranges": columns.empty(_RANGES),
            "rates": self._rates.initial(),
            "budget": budget.initial(),
            "windows": _WINDOWS.initial(),
        }

    def measure(self, rows: SignalRows, profile: Profile, sealed: Any) -> Summary:
        """Every finite `value` with its `time`, ordered by series and time: keys repeat."""
        kept = np.flatnonzero((rows.series >= 0) & np.isfinite(rows.value))
        return _ordered(rows.series[kept], rows.table.time[kept], rows.value[kept]) if len(kept) else self.empty()

    def merge(self, a: Summary, b: Summary) -> Summary:
        """All values of both, in order."""
        if not len(a) or not len(b):
            return b if not len(a) else a
        joined = (np.concatenate(pair) for pair in ((a.keys, b.keys), (a["time"], b["time"]), (a["value"], b["value"])))
        return _ordered(*joined)

    def judge(self, state: State, summary: Summary, context: Judging) -> Verdict:
        verdict = Verdict(state)
        per_series = self.empty()
        if len(summary):
            keys, first = np.unique(summary.keys, return_index=True)
            columns.grow(state["ranges"], _RANGES, keys)
            state["ranges"]["last"][keys] = summary["value"][np.append(first[1:], len(summary)) - 1]
            per_series = _aggregated(keys, first, summary["value"])
            changes = self._judge(state, keys, first, summary, context)
            verdict.findings.extend(self._finding(change, state, context.profile) for change in changes)
        for due in _WINDOWS.add(state["windows"], per_series, context):
            verdict.readings.extend(self._readings(state, due, context.profile))
        return verdict

    def deadline(self, state: State) -> int | None:
        return _WINDOWS.deadline(state["windows"])

    def forget(self, state: State, groups: frozenset[int], series: frozenset[int]) -> State:
        for number in series:
            state["samples"].pop(number, None)
        columns.clear(state["ranges"], _RANGES, columns.numbers(series))
        self._rates.forget(state["rates"], series)
        budget.forget(state["budget"], series)
        _WINDOWS.forget(state["windows"], series)
        return state

    def _judge(self, state: State, keys: Ints, first: Any, summary: Summary, context: Judging) -> list[Change]:
        """Judge the share outside of the series that have a range; let the others learn theirs."""
        ranges = state["ranges"]
        known = ~np.isnan(ranges["low"][keys])
        outside = (summary["value"] < ranges["low"][summary.keys]) | (summary["value"] > ranges["high"][summary.keys])
        hits, trials = np.add.reduceat(outside.astype(np.int64), first), np.diff(np.append(first, len(summary)))
        owners = budget.models_of(context.profile, context.profile.series_group[keys[known]])
        weights = budget.weights(state["budget"], keys[known], owners, context)
        changes = self._rates.step(
            state["rates"], keys[known], hits[known], trials[known], context.start, context.end, weights
        )
        for at in np.flatnonzero(~known).tolist():
            self._learn(state, int(keys[at]), summary["value"][first[at] : first[at] + trials[at]])
        return changes

    def _learn(self, state: State, key: int, values: Floats) -> None:
        sample = np.concatenate([state["samples"].pop(key, np.zeros(0)), values])
        if len(sample) < self.settings.learn:
            state["samples"][key] = sample
            return
        low, middle, high = np.quantile(sample[: self.settings.learn], [_TAIL, 0.5, 1 - _TAIL]).tolist()
        margin = max(_WIDENED * (high - low), _LEAST_MARGIN * abs(middle))
        state["ranges"]["low"][key], state["ranges"]["high"][key] = low - margin, high + margin

    def _readings(self, state: State, due: Due, profile: Profile) -> list[Reading]:
        readings = []
        for at, key in enumerate(due.keys.tolist()):
            n = int(due.summary["n"][at])
            values = {
                "signal_mean": float(due.summary["total"][at]) / n,
                "signal_min": float(due.summary["low"][at]),
                "signal_max": float(due.summary["high"][at]),
                "signal_last": float(state["ranges"]["last"][key]),
            }
            group, span = profile.groups[int(profile.series_group[key])], (int(due.start[at]), int(due.end[at]))
            for series, number in values.items():
                value = number if np.isfinite(number) else None
                readings.append(Reading(self.name, series, group, value, n, *span, feature=_of(profile, key)))
        return readings

    def _finding(self, change: Change, state: State, profile: Profile) -> Finding:
        name, group = _of(profile, change.key), profile.groups[int(profile.series_group[change.key])]
        low, high = (float(state["ranges"][side][change.key]) for side in ("low", "high"))
        support = basis(change.n, "values", change.since)
        usual = f"its usual range of {low:.4g} to {high:.4g}"
        sentence = f"signal {name} has left {usual} in {percent(change.value)} of values"
        if change.kind == "recovered":
            support, sentence = f"{change.n:,} values", f"signal {name} is back in its usual range"
        return change.finding(
            self.name,
            "signal_outside",
            group,
            f"{model_words(group)}: {sentence} ({support}).",
            feature=name,
            evidence={"usual_range": [low, high], "last": float(state["ranges"]["last"][change.key])},
        )


def _of(profile: Profile, key: int) -> str:
    """The signal's name."""
    return profile.series_feature[key].removeprefix(_PREFIX)


def _ordered(keys: Any, time: Any, value: Any) -> Summary:
    order = np.lexsort([value, time, keys])
    return Summary(keys[order].astype(np.int32), {"time": time[order], "value": value[order]})


def _aggregated(keys: Ints, first: Any, value: Floats) -> Summary:
    """Number, sum, least and greatest value of each series."""
    with np.errstate(over="ignore", invalid="ignore"):
        total = np.add.reduceat(value, first)
    columns_ = {
        "n": np.diff(np.append(first, len(value))),
        "total": total,
        "low": np.minimum.reduceat(value, first),
        "high": np.maximum.reduceat(value, first),
    }
    return Summary(keys, columns_)
