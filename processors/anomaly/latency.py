"""How long do predictions take, and do more of them take long than used to?

Latencies are counted in log-spaced bins (`log_bins`: quantiles good to 3%), from 62 us to 4 minutes. The alert: a
greater share of predictions than usual takes longer than 95% of the version's first ones did (`tails`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from processors.anomaly.log_bins import LogBins
from processors.anomaly.tails import Tail
from processors.base import Finding, Judging, Monitor, MonitorSettings, Reading, State, Summary, Verdict
from processors.detectors.change import Change
from processors.detectors.rates import Rates
from processors.distinct import distinct
from processors.profile import Profile
from processors.registry import register
from processors.slices import PredictionRows
from processors.windows import Due, Windows
from processors.wording import basis, model_words, percent

BINS = LogBins(-4, 18)

_NS_PER_MS = 1e6
_LONGEST_MS = 1e9
_SHARES = {"latency_ms_p50": 0.5, "latency_ms_p95": 0.95, "latency_ms_p99": 0.99}
_WINDOWS = Windows()


class LatencySettings(MonitorSettings):
    """When slowness matters."""

    min_effect: float = Field(0.05, gt=0, lt=1)
    """Rises of the share of slow predictions (usually 5%) by less than this are not worth an alert (absolute)."""
    warmup: int = Field(1_000, ge=100)
    """Predictions from which a version's usual 95% quantile is taken."""


@register("latency")
class Latency(Monitor[LatencySettings, PredictionRows]):
    """`latency_ms` of each prediction → mean and quantiles per version, and an alert when slow ones become frequent."""

    consumes = "predictions"
    code_version = 2
    Settings = LatencySettings

    def __init__(self, settings: LatencySettings) -> None:
        super().__init__(settings)
        self._tail = Tail(BINS.size, 0.05, Rates(min_effect=settings.min_effect), events=settings.warmup)

    def initial(self) -> State:
        return {"tail": self._tail.initial(), "windows": _WINDOWS.initial()}

    def measure(self, rows: PredictionRows, profile: Profile, sealed: Any) -> Summary:
        """By base group: predictions with a latency `n`, their `total` in ns, and `counts` by bin; int64."""
        latency = rows.table.latency_ms
        kept = np.flatnonzero((rows.base >= 0) & (latency >= 0) & np.isfinite(latency))
        keys, place = distinct(rows.base[kept])
        if not len(keys):
            return self.empty()
        total = np.zeros(len(keys), np.int64)
        np.add.at(total, place, np.rint(np.minimum(latency[kept], _LONGEST_MS) * _NS_PER_MS).astype(np.int64))
        columns = {
            "n": np.bincount(place, minlength=len(keys)),
            "total": total,
            "counts": BINS.count(place, latency[kept], len(keys)).astype(np.int64),
        }
        return Summary(keys.astype(np.int32), columns)

    def judge(self, state: State, summary: Summary, context: Judging) -> Verdict:
        verdict = Verdict(state)
        if len(summary):
            changes = self._tail.step(state["tail"], summary.keys, summary["counts"], context)
            verdict.findings.extend(self._finding(change, state, context.profile) for change in changes)
        for due in _WINDOWS.add(state["windows"], summary, context):
            verdict.readings.extend(self._readings(due, context.profile))
        return verdict

    def deadline(self, state: State) -> int | None:
        return _WINDOWS.deadline(state["windows"])

    def forget(self, state: State, groups: frozenset[int], series: frozenset[int]) -> State:
        self._tail.forget(state["tail"], groups)
        _WINDOWS.forget(state["windows"], groups)
        return state

    def _readings(self, due: Due, profile: Profile) -> list[Reading]:
        readings = []
        for at, key in enumerate(due.keys.tolist()):
            n, counts = int(due.summary["n"][at]), due.summary["counts"][at]
            values = {"latency_ms_mean": float(due.summary["total"][at]) / _NS_PER_MS / n}
            values |= {series: BINS.quantile(counts, share) for series, share in _SHARES.items()}
            span = int(due.start[at]), int(due.end[at])
            group = profile.groups[key]
            readings += [Reading(self.name, series, group, value, n, *span) for series, value in values.items()]
        return readings

    def _finding(self, change: Change, state: State, profile: Profile) -> Finding:
        cut = BINS.edge(self._tail.cut(state["tail"], change.key) or 0)
        support = basis(change.n, "predictions", change.since)
        usual = percent(change.reference)
        sentence = f"{percent(change.value)} of predictions take {cut:.3g} ms or more, usually {usual}"
        if change.kind == "recovered":
            support, sentence = f"{change.n:,} predictions", f"as fast as usual again; {sentence}"
        group, recovered = profile.groups[change.key], change.kind == "recovered"
        return change.finding(
            self.name,
            "slow_share",
            group,
            f"{model_words(group)}: {sentence} ({support}).",
            action="none" if recovered else "scale",
            evidence={"slow_from_ms": cut},
        )
