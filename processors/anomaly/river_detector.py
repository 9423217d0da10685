"""Any drift detector, metric, statistic or anomaly detector of River on any series of each version.

    detectors:
      - {river: drift.KSWIN, params: {alpha: 0.001}, series: "feature:amount"}
      - {river: anomaly.GaussianScorer, series: latency_ms, threshold: 0.999}

Each version has an object of its own, seeded by model, version and series, and fed value by value in canonical order:
the results are River's. Drift detectors alert when they detect drift and recover after `calm` values without; anomaly
filters alert when they call a value anomalous; what yields a number alerts when a window's number is beyond
`threshold`. None of this holds a false-alarm budget, so it spends none; alerts say so in their evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from processors.anomaly import river_names, river_saving, river_series
from processors.anomaly.river_feeding import Fed, Feeder
from processors.base import Finding, Judging, Monitor, MonitorSettings, Reading, State, Summary, Verdict
from processors.profile import GroupKey, Profile
from processors.registry import register
from processors.windows import Due, Windows
from processors.wording import model_words

Kind = Literal["fired", "updated", "recovered"]

_NO_BUDGET = "a River detector does not hold the false-alarm budget"


class RiverSettings(MonitorSettings):
    """One detector of River on one series."""

    on_by_default: ClassVar[bool] = False

    river: str = "drift.ADWIN"
    """Its name inside `river`: `drift.KSWIN`, `drift.binary.DDM`, `metrics.F1`, `stats.Quantile`, `anomaly.LODA`."""
    params: dict[str, Any] = Field(default_factory=dict)
    """Its parameters; one that is itself an object of River is written `{river: …, params: {…}}`."""
    series: str = Field("error", min_length=1)
    """error, loss, outcomes (metrics), score, prediction, latency_ms, feature:<name>, signal:<name>, or any reading."""
    models: tuple[str, ...] = ("*",)
    """Models (names or globs) to watch."""
    name: str | None = None
    """Its name in alerts; `<river>:<series>` if not given."""
    calm: int = Field(1_000, gt=0)
    """An alert of drift or of an anomalous value ends after this many values without another."""
    threshold: float | None = None
    """Alert when a window's mean anomaly score, metric or statistic is beyond this."""
    beyond: Literal["above", "below"] = "above"
    """On which side of `threshold` it is bad."""
    most: int = Field(10_000, gt=0)
    """Values fed per pane and version; of more, a uniform sample."""

    @property
    def title(self) -> str:
        """Its name in alerts."""
        return self.name or f"{self.river}:{self.series}"

    @model_validator(mode="after")
    def _exists(self) -> RiverSettings:
        kind = river_names.kind_of(self.river)
        if (kind == "metric") != (self.series == "outcomes"):
            raise river_names.UnknownRiverError(
                "a metric compares labels with predictions: its series is outcomes, and nothing else has that series."
            )
        river_saving.load(river_saving.save(river_names.build(self.river, self.params, 0)))
        return self


@register("river")
class RiverDetector(Monitor[RiverSettings, Any]):
    """Values of one series → what an object of River says of them."""

    Settings = RiverSettings
    alarm_share = 0.0

    def __init__(self, settings: RiverSettings) -> None:
        super().__init__(settings)
        self.consumes = river_series.consumes(settings.series)
        self.name = settings.title
        self._feeder = Feeder(settings.river, settings.params)
        self._windows = Windows()

    def initial(self) -> State:
        return {"objects": {}, "windows": self._windows.initial()}

    def measure(self, rows: Any, profile: Profile, sealed: Any) -> Summary:
        """The values themselves: one entry each (so that keys repeat), ordered by group, time and key."""
        values = river_series.values_of(self.settings.series, rows, profile)
        wanted = [group for group in np.unique(values.group).tolist() if self._wants(profile.groups[group].model)]
        values = values.take(np.flatnonzero(np.isin(values.group, wanted)))
        columns = {name: getattr(values, name) for name in values.__slots__ if name != "group"}
        return self._ordered(Summary(values.group, columns))

    def merge(self, a: Summary, b: Summary) -> Summary:
        """All values of both, in order; beyond `most` a group those with the smallest keys."""
        if not len(a) or not len(b):
            return b if not len(a) else a
        columns = {name: np.concatenate([a[name], b[name]]) for name in a.columns}
        return self._ordered(Summary(np.concatenate([a.keys, b.keys]), columns))

    def judge(self, state: State, summary: Summary, context: Judging) -> Verdict:
        if self.consumes == "readings":
            summary = self._from_readings(context)
        verdict = Verdict(state)
        fed = [self._feed(verdict, part, context) for part in _by_key(summary)]
        counted = Summary(
            np.array([one.group for one in fed], np.int32),
            {
                "n": np.array([one.n for one in fed], np.int64),
                "total": np.array([one.total for one in fed], np.float64),
                "alarms": np.array([len(one.alarms) for one in fed], np.int64),
            },
        )
        for due in self._windows.add(state["windows"], counted if fed else self.empty(), context):
            self._read(verdict, due, context)
        return verdict

    def deadline(self, state: State) -> int | None:
        return self._windows.deadline(state["windows"])

    def forget(self, state: State, groups: frozenset[int], series: frozenset[int]) -> State:
        self._windows.forget(state["windows"], groups)
        for group in groups:
            state["objects"].pop(group, None)
        return state

    def _wants(self, model: str) -> bool:
        return any(fnmatchcase(model, pattern) for pattern in self.settings.models)

    def _ordered(self, values: Summary) -> Summary:
        names = ("score", "predicted", "value", "time", "key")
        order = np.lexsort([values[name] for name in names] + [values.keys])
        place = np.arange(len(order)) - np.searchsorted(values.keys[order], values.keys[order])
        order = order[place < self.settings.most]
        order = order[np.lexsort([values[name][order] for name in (*names[:3], "key", "time")] + [values.keys[order]])]
        return Summary(values.keys[order], {name: column[order] for name, column in values.columns.items()})

    def _from_readings(self, context: Judging) -> Summary:
        """Windows of the series, of whole versions, that other monitors closed in this pane."""
        number = {context.profile.groups[base]: base for base in context.profile.bases()} if context.readings else {}
        found = sorted(
            (number[reading.group], reading.end, reading.value)
            for reading in context.readings
            if reading.series == self.settings.series
            and reading.monitor != self.name
            and reading.value is not None
            and reading.scope == "window"
            and reading.feature is None
            and "class" not in reading.details
            and reading.group in number
            and self._wants(reading.group.model)
        )
        nothing = np.zeros(len(found))
        columns = {
            "time": np.array([end for _, end, _ in found], np.int64),
            "key": np.zeros(len(found), np.uint64),
            "value": np.array([value for _, _, value in found], np.float64),
            "predicted": nothing,
            "score": nothing,
        }
        return Summary(np.array([group for group, _, _ in found], np.int32), columns)

    def _feed(self, verdict: Verdict, values: Summary, context: Judging) -> Fed:
        """Feed one version's values to its object; note drift and the end of it."""
        group = int(values.keys[0])
        key = context.profile.groups[group]
        kept = verdict.state["objects"].get(group)
        if kept is None:
            seed = river_names.seed_of(key.model, key.version, self.settings.series, self.name)
            kept = {"object": river_saving.save(self._feeder.new(seed)), "n": 0, "since": -1, "calm_since": 0}
        found = river_saving.load(kept["object"])
        fed = self._feeder.feed(found, values, context.profile)
        kept |= {"object": river_saving.save(found), "latest": self._feeder.number(found)}
        for at, time in fed.alarms:
            kind: Kind = "fired" if kept["since"] < 0 else "updated"
            kept["since"] = time if kind == "fired" else kept["since"]
            kept["calm_since"] = kept["n"] + at + 1
            if kind == "fired" or at == fed.alarms[-1][0]:
                what = "found an anomalous value in" if self._feeder.kind == "filter" else "detected drift in"
                found_in = _Seen(key, kept["since"], fed.values[at], kept["calm_since"])
                verdict.findings.append(self._finding(kind, found_in, what))
        kept["n"] += fed.n
        verdict.state["objects"][group] = kept
        if kept["since"] >= 0 and self._feeder.alarms and kept["n"] - kept["calm_since"] >= self.settings.calm:
            self._recover(verdict, kept, _Seen(key, kept["since"], fed.mean, kept["n"] - kept["calm_since"]))
        return fed

    def _read(self, verdict: Verdict, due: Due, context: Judging) -> None:
        columns = zip(due.keys.tolist(), due.start.tolist(), due.end.tolist(), strict=True)
        for at, (group, start, end) in enumerate(columns):
            kept = verdict.state["objects"].get(group)
            if kept is None:
                continue
            n = int(due.summary["n"][at])
            value = kept["latest"] if self._feeder.has_number else float(due.summary["total"][at]) / n
            value = value if value is not None and np.isfinite(value) else None
            details: dict[str, Any] = {"river": self.settings.river}
            if self._feeder.alarms:
                details["alarms"] = int(due.summary["alarms"][at])
            series, of = self.settings.series, context.profile.groups[group]
            verdict.readings.append(Reading(self.name, series, of, value, n, start, end, details=details))
            if self.settings.threshold is not None and not self._feeder.alarms and value is not None:
                self._compare(verdict, kept, _Seen(of, kept["since"] if kept["since"] >= 0 else start, value, n))

    def _compare(self, verdict: Verdict, kept: State, seen: _Seen) -> None:
        """Alert or recover by what a window's number is to the threshold."""
        limit, value = self.settings.threshold or 0.0, seen.value or 0.0
        bad = value > limit if self.settings.beyond == "above" else value < limit
        if bad:
            kind: Kind = "updated" if kept["since"] >= 0 else "fired"
            kept["since"] = seen.since
            what = f"is at {value:.4g}, {self.settings.beyond} {limit:g}, on"
            verdict.findings.append(self._finding(kind, seen, what))
        elif kept["since"] >= 0:
            self._recover(verdict, kept, seen)

    def _recover(self, verdict: Verdict, kept: State, seen: _Seen) -> None:
        verdict.findings.append(self._finding("recovered", seen, "no longer objects to"))
        kept["since"] = -1

    def _finding(self, kind: Kind, seen: _Seen, what: str) -> Finding:
        settings, of = self.settings, seen.group
        return Finding(
            kind=kind,
            monitor=self.name,
            series=settings.series,
            group=of,
            since=seen.since,
            value=seen.value,
            n=seen.n,
            reference=None if self._feeder.alarms else settings.threshold,
            summary=f"{model_words(of)}: River's {settings.river} {what} {settings.series} ({seen.n:,} values).",
            evidence={"river": settings.river, "false_alarms": _NO_BUDGET},
        )


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a finding rests on."""

    group: GroupKey
    since: int
    value: float | None
    n: int


def _by_key(summary: Summary) -> list[Summary]:
    """One summary a key."""
    cuts = np.flatnonzero(np.diff(summary.keys)) + 1 if len(summary) else np.zeros(0, np.int64)
    bounds = [0, *cuts.tolist(), len(summary)] if len(summary) else []
    return [
        Summary(summary.keys[start:end], {name: column[start:end] for name, column in summary.columns.items()})
        for start, end in pairwise(bounds)
    ]
