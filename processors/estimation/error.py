"""Estimated error of regressions before labels come: how far off are predictions of such a value usually?

Each version's predicted values are cut into twenty intervals of equal shares, and what lies beyond; outcomes teach how
large errors are in each. A window's predictions then tell the mean absolute error and the root mean square error that
labels are likely to show, with intervals, and are checked once those are there. It is a coarse form of NannyML's direct
loss estimation [1], which learns the loss from all features: errors that depend on other things than the value
predicted are seen only in so far as those move it. No alerts: thresholds can be set on the readings.

[1] NannyML 0.13, "Direct loss estimation".
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from processors.base import Judging, Monitor, MonitorSettings, Reading, State, Summary, Verdict
from processors.distinct import distinct
from processors.drift import samples
from processors.estimation import counts, shift
from processors.estimation.said import Said
from processors.estimation.waiting import Estimated
from processors.kernels import scores
from processors.performance import entries as cube
from processors.performance.entries import Entries, Shelf
from processors.performance.intervals import Z, share
from processors.profile import REGRESSION, Profile
from processors.registry import register
from processors.rows import Bools, Floats, Ints, Longs
from processors.slices import BothRows, OutcomeRows, PredictionRows
from processors.windows import Due, Windows

BINS = 22
MEASURES = ("mae", "rmse")
_WAIT_US = 7 * 24 * 3_600_000_000
_STEP_BITS = 4
"""Errors are counted to 16 steps an octave: their mean is off by less than a thousandth."""
_LARGEST = 1e70
_FEW, _ENOUGH = 5.0, 30.0
_FEWEST_CHECKED = 30


class EstimatedErrorSettings(MonitorSettings):
    """How much must be known before errors are estimated."""

    min_labels: int = Field(300, ge=50)
    """Outcomes that a version needs before its error is estimated."""
    segment_labels: int = Field(2_000, ge=50)
    """Outcomes from which on a segment's errors are told by its own outcomes rather than by the whole version's."""
    labels: int = Field(100_000, ge=1_000)
    """Outcomes that are learnt from; beyond it old ones count half, again and again."""
    max_shift: float = Field(0.25, gt=0, le=1)
    """A feature that moved by more (total variation, beyond chance) since the labels makes an estimate unreliable."""
    min_support: float = Field(0.9, gt=0, le=1)
    """An estimate is unreliable if fewer of its predictions lie where enough outcomes are known of."""
    windows: int = Field(64, ge=1)
    """Windows of one group that wait for their labels; beyond it the oldest is checked with those that came."""


@register("estimated_error")
class EstimatedError(Monitor[EstimatedErrorSettings, BothRows]):
    """Predicted values, and errors by predicted value → expected MAE and RMSE, and how far off those were."""

    Settings = EstimatedErrorSettings
    consumes = "both"
    alarm_share = 0.0

    def __init__(self, settings: EstimatedErrorSettings) -> None:
        super().__init__(settings)
        self._shelf = Shelf(4096, 500_000)
        self._windows = Windows()
        self._waiting = Estimated(settings.windows, 10_000, len(MEASURES))

    def measure(self, rows: BothRows, profile: Profile, sealed: Any) -> Summary:
        """Predictions and errors by interval of the predicted value, whose edges are `sealed`, shape (groups, 21)."""
        parts = [_predictions(rows.predictions, sealed), _outcomes(rows.outcomes, sealed)]
        if len(parts[0]):
            regressions = np.unique(rows.predictions.base[rows.predictions.task == REGRESSION])
            features = counts.features(rows.predictions, profile)
            parts.append(features.take(np.isin(cube.group_of(features.unit), regressions)))
        filled = [part for part in parts if len(part)]
        together = cube.merged(filled) if filled else cube.NO_ENTRIES
        return _summary(together, _sample(rows.predictions, sealed))

    def merge(self, a: Summary, b: Summary) -> Summary:
        entries = cube.merged([cube.from_summary(_entries(part)) for part in (a, b)])
        return _summary(entries, samples.merge(_samples(a), _samples(b)))

    def empty(self) -> Summary:
        return _summary(cube.NO_ENTRIES, Summary(np.zeros(0, np.int32), {}))

    def initial(self) -> State:
        return {
            "windows": self._windows.initial(),
            "recent": self._shelf.initial(),
            "learnt": self._shelf.initial(),
            "arrived": self._shelf.initial(),
            "labels": np.zeros(0, np.int64),
            "waiting": self._waiting.initial(),
            "features": shift.initial(),
            "unsealed": {},
            "edges": np.zeros((0, BINS - 1)),
        }

    def judge(self, state: State, summary: Summary, context: Judging) -> Verdict:
        """Predictions first, outcomes then: what came before a pane's labels is estimated without them."""
        verdict = Verdict(state)
        if len(summary) and len(summary["sampled"]):
            _seal(state, samples.collect(state["unsealed"], _samples(summary)))
        pane = cube.from_summary(_entries(summary))
        came = counts.is_outcome(pane.unit)
        predictions, outcomes = pane.take(~came), pane.take(came)
        self._read(state, self._windows.overdue(state["windows"], context), context, verdict)
        shift.add(state["features"], predictions)
        made = predictions.take(predictions.what % cube.KINDS == cube.COUNT)
        self._shelf.add(state["recent"], made)
        groups, place = distinct(cube.group_of(made.unit))
        n = np.bincount(place, made.value, len(groups)).astype(np.int64)
        for due in self._windows.add(state["windows"], Summary(groups.astype(np.int32), {"n": n}), context):
            self._read(state, due, context, verdict)
        if len(outcomes):
            self._learn(state, outcomes, context.profile)
        self._check(state, context, verdict)
        return Verdict(state, verdict.readings, sealed=state["edges"])

    def adopt(self, state: State, rows: BothRows, context: Judging) -> Verdict:
        """Learn how large errors are from a reference's outcomes; its predictions give the intervals."""
        predictions = rows.predictions
        values = np.where(predictions.task == REGRESSION, predictions.value, np.nan)
        _seal(state, samples.whole(state["unsealed"], predictions.base, values, state["edges"]))
        pane = cube.from_summary(_entries(self.measure(rows, context.profile, state["edges"])))
        came = counts.is_outcome(pane.unit)
        shift.adopt(state["features"], pane.take(~came))
        if came.any():
            self._learn(state, pane.take(came), context.profile, waiting=False)
        return Verdict(state, sealed=state["edges"])

    def deadline(self, state: State) -> int | None:
        times = [self._windows.deadline(state["windows"]), self._waiting.deadline(state["waiting"])]
        return min((time for time in times if time is not None), default=None)

    def forget(self, state: State, groups: frozenset[int], series: frozenset[int]) -> State:
        for shelf in ("recent", "learnt", "arrived"):
            self._shelf.remove(state[shelf], cube.units_of_groups(state[shelf], groups))
        self._windows.forget(state["windows"], groups)
        self._waiting.forget(state["waiting"], groups)
        shift.forget(state["features"], groups, series)
        edges = state["edges"].copy()
        edges[[group for group in sorted(groups) if group < len(edges)]] = np.nan
        state["edges"] = edges
        state["labels"][[group for group in sorted(groups) if group < len(state["labels"])]] = 0
        for group in groups:
            state["unsealed"].pop(group, None)
        return state

    def _read(self, state: State, due: Due, context: Judging, verdict: Verdict) -> None:
        """Estimate windows that closed, and let them wait for their labels."""
        if not len(due):
            return
        units = cube.group_unit(due.keys)
        made = _table(self._shelf.read(state["recent"], units), units)
        self._shelf.remove(state["recent"], units)
        _grow(state, int(due.keys[-1]) + 1)
        many = state["labels"][due.keys] >= self.settings.segment_labels
        owners = np.where(many, due.keys, context.profile.group_base[due.keys])
        whose = np.unique(owners)
        known = _Errors.of(self._shelf.read(state["learnt"], cube.group_unit(whose)), cube.group_unit(whose))
        estimate, support = _expected(made, known.take(np.searchsorted(whose, owners)))
        ready = (state["labels"][owners] >= self.settings.min_labels) & (made.sum(axis=1) > 0)
        for at, group in enumerate(due.keys.tolist()):
            why = self._doubt(state, group, float(support[at]), int(due.end[at]), context.profile)
            if ready[at]:
                said = Said(context, self.name, group, int(due.start[at]), int(due.end[at]), int(due.summary["n"][at]))
                details = {"labels": int(state["labels"][owners[at]]), "reliable": not why} | (
                    {"why": why} if why else {}
                )
                for place, name in enumerate(MEASURES):
                    value, low, high = (estimate[part][at, place] for part in ("value", "low", "high"))
                    verdict.readings.append(said.reading(f"estimated_{name}", value, (low, high), details))
                verdict.readings.append(said.reading("estimate_support", support[at], None, details))
        self._wait(state, due, estimate, ready, context)

    def _doubt(self, state: State, group: int, support: float, end: int, profile: Profile) -> str:
        """Why the estimates of a version's window may be off, if they may; its features start anew."""
        base = int(profile.group_base[group])
        moved = shift.moved(state["features"], base, profile) if base == group else None
        if base == group:
            shift.close(state["features"], base, profile, end)
        if moved is not None and moved[0] > self.settings.max_shift:
            return f"feature {moved[1]} moved away from what labels are known of"
        return "predictions fall where few labels are known" if support < self.settings.min_support else ""

    def _wait(self, state: State, due: Due, estimate: dict[str, Floats], ready: Bools, context: Judging) -> None:
        """Let windows with an estimate wait for their labels, and close the others."""
        profile = context.profile
        models = [profile.groups[group].model for group in due.keys.tolist()]
        wait = np.array([context.coverage.get(model, {}).get("wait_us", _WAIT_US) for model in models], np.int64)
        if not ready.all():
            self._waiting.grow(state["waiting"], int(due.keys[-1]) + 1)
            self._shelf.remove(state["arrived"], self._waiting.open_units(state["waiting"], due.keys[~ready]))
            self._waiting.close(state["waiting"], due.keys[~ready], due.end[~ready])
        columns = {"start": due.start, "end": due.end, "n": due.summary["n"], "until": due.end + wait}
        bounds = {name: column[ready] for name, column in columns.items()}
        self._waiting.put(
            state["waiting"], due.keys[ready], bounds, {name: rows[ready] for name, rows in estimate.items()}
        )

    def _learn(self, state: State, outcomes: Entries, profile: Profile, waiting: bool = True) -> None:
        units, place = distinct(outcomes.unit)
        n = np.bincount(place, outcomes.value, len(units)).astype(np.int64)
        groups, time = cube.group_of(units), counts.time_of(units)
        _grow(state, int(groups[-1]) + 1)
        if waiting:
            window = self._waiting.units_of(state["waiting"], groups, time)
            self._waiting.note(state["waiting"], window[window >= 0], n[window >= 0])
            of_entry = window[place]
            self._shelf.add(state["arrived"], outcomes.take(of_entry >= 0).renamed(of_entry[of_entry >= 0]))
        self._shelf.add(state["learnt"], outcomes.renamed(cube.group_unit(cube.group_of(outcomes.unit))))
        np.add.at(state["labels"], groups, n)
        touched = np.unique(groups)
        for group in touched[state["labels"][touched] > self.settings.labels].tolist():
            faded = self._shelf.halve(state["learnt"], cube.group_unit(group))
            state["labels"][group] = int(faded.value.sum())
        bases = touched[profile.group_base[touched] == touched]
        newest = time[np.searchsorted(groups, bases, "right") - 1]
        shift.learn(state["features"], bases.astype(np.int32), newest, profile)

    def _check(self, state: State, context: Judging, verdict: Verdict) -> None:
        """Compare estimates with what their labels showed."""
        checked = self._waiting.take(state["waiting"], context.end, last=context.last)
        if not len(checked.unit):
            return
        errors = _Errors.of(self._shelf.read(state["arrived"], checked.unit), checked.unit)
        self._shelf.remove(state["arrived"], checked.unit)
        realised = errors.realised()
        for at in np.flatnonzero(checked.table["seen"] >= _FEWEST_CHECKED).tolist():
            row = {name: int(column[at]) for name, column in checked.table.items()}
            coverage = min(row["seen"] / max(row["n"], 1), 1.0)
            said = Said(context, self.name, row["group"], row["start"], row["end"], row["seen"], coverage=coverage)
            verdict.readings.extend(
                _misses(said, {name: part[at] for name, part in checked.estimates.items()}, realised[at])
            )


def _predictions(rows: PredictionRows, sealed: Any) -> Entries:
    """Predictions of each group by interval."""
    place = _interval(rows.base, rows.value, rows.task, sealed)[rows.member_row]
    mine = place >= 0
    what = (cube.COUNT + cube.KINDS * (1 + place[mine])).astype(np.int32)
    zeros = np.zeros(len(what), np.int64)
    return cube.gathered(cube.group_unit(rows.member_group[mine]), what, zeros, zeros + 1)


def _outcomes(rows: OutcomeRows, sealed: Any) -> Entries:
    """Sizes of the errors of each group by interval and time of the prediction."""
    with np.errstate(invalid="ignore", over="ignore"):
        size = np.abs(rows.value - rows.target)
    place = np.where(rows.counted & (size < _LARGEST), _interval(rows.base, rows.value, rows.task, sealed), -1)
    member = np.flatnonzero(place[rows.member_row] >= 0)
    row = rows.member_row[member]
    what = (cube.ERROR + cube.KINDS * place[row]).astype(np.int32)
    code = scores.stepped(size[row], _STEP_BITS)
    return cube.gathered(
        counts.time_unit(rows.member_group[member], rows.table.ts[row]), what, code, np.ones(len(row), np.int64)
    )


def _interval(base: Ints, value: Floats, task: Any, sealed: Any) -> Longs:
    """Interval of each regression's predicted value; -1 without one, or before its model has intervals."""
    place = np.full(len(base), -1, np.int64)
    known = (task == REGRESSION) & (base >= 0) & (base < (0 if sealed is None else len(sealed))) & np.isfinite(value)
    for one in np.unique(base[known]).tolist():
        if not np.isnan(sealed[one, 0]):
            mine = known & (base == one)
            place[mine] = np.searchsorted(sealed[one], value[mine], side="right")
    return place


def _sample(rows: PredictionRows, sealed: Any) -> Summary:
    """Values of the versions that wait for their intervals."""
    unsealed = rows.task == REGRESSION
    unsealed &= (_interval(rows.base, rows.value, rows.task, sealed) < 0) & np.isfinite(rows.value) & (rows.base >= 0)
    keys = np.unique(rows.base[unsealed]).astype(np.int32)
    if not len(keys):
        return Summary(keys, {})
    return Summary(keys, samples.columns(keys, np.where(unsealed, rows.base, -1), rows.table.key, rows.value))


def _seal(state: State, full: dict[int, Floats]) -> None:
    """Choose the intervals of versions that have predictions enough: even shares of them, and what is beyond."""
    if not full:
        return
    edges = np.full((max(len(state["edges"]), max(full) + 1), BINS - 1), np.nan)
    edges[: len(state["edges"])] = state["edges"]
    for group, values in full.items():
        edges[group] = np.quantile(values, np.arange(BINS - 1) / (BINS - 2), method="inverted_cdf")
        edges[group, -1] = np.nextafter(edges[group, -1], np.inf)
    state["edges"] = edges


class _Errors:
    """Errors learnt of some units: how many, their mean size and square, and how much both vary; shape (units, 22)."""

    def __init__(self, n: Floats, sums: list[Floats]) -> None:
        self._n, self._sums = n, sums

    @classmethod
    def of(cls, entries: Entries, units: Any) -> _Errors:
        place = np.searchsorted(units, entries.unit) * BINS + entries.what // cube.KINDS
        size = np.abs(scores.values(entries.code))
        shape = (len(units), BINS)
        sums = [
            np.bincount(place, entries.value * size**power, len(units) * BINS).astype(np.float64).reshape(shape)
            for power in (0, 1, 2, 4)
        ]
        return cls(sums[0], sums[1:])

    def take(self, which: Any) -> _Errors:
        return _Errors(self._n[which], [part[which] for part in self._sums])

    def realised(self) -> Floats:
        """Mean absolute and root mean square error of each unit, shape (units, 2)."""
        n, absolute, square = (part.sum(axis=1) for part in (self._n, *self._sums[:2]))
        return np.stack([share(absolute, n), np.sqrt(share(square, n))], axis=1)

    def by_interval(self) -> tuple[Floats, list[tuple[Floats, Floats]]]:
        """Outcomes of each interval, and (mean, variance) of size and of square; of all where it has too few."""
        few = self._n < _FEW
        n = np.where(few, self._n.sum(axis=1, keepdims=True), self._n)
        means = [np.where(few, part.sum(axis=1, keepdims=True), part) / np.maximum(n, 1) for part in self._sums]
        spread = n / np.maximum(n - 1, 1)
        absolute = means[0], np.maximum(means[1] - means[0] ** 2, 0) * spread
        square = means[1], np.maximum(means[2] - means[1] ** 2, 0) * spread
        return self._n, [absolute, square]


def _expected(made: Floats, known: _Errors) -> tuple[dict[str, Floats], Floats]:
    """MAE and RMSE of units with so many predictions in each interval, shape (units, 2), and their support."""
    n, moments = known.by_interval()
    total = np.maximum(made.sum(axis=1), 1)
    weight = made / total[:, None]
    columns: dict[str, list[Floats]] = {"value": [], "low": [], "high": []}
    for place, (mean, variance) in enumerate(moments):
        value = (weight * mean).sum(axis=1)
        drawn = (weight * variance).sum(axis=1) / total
        learnt = (weight**2 * variance / np.maximum(n, 1)).sum(axis=1)
        half = Z * np.sqrt(drawn + learnt)
        bounds = (value, np.maximum(value - half, 0), value + half)
        for name, bound in zip(columns, bounds, strict=True):
            columns[name].append(np.sqrt(bound) if place else bound)
    support = (weight * (n >= _ENOUGH)).sum(axis=1)
    return {name: np.stack(column, axis=1) for name, column in columns.items()}, support


def _table(entries: Entries, units: Any) -> Floats:
    """Predictions by unit and interval."""
    place = np.searchsorted(units, entries.unit) * BINS + entries.what // cube.KINDS - 1
    return np.bincount(place, entries.value, len(units) * BINS).astype(np.float64).reshape(-1, BINS)


def _misses(said: Said, estimate: dict[str, Floats], realised: Floats) -> list[Reading]:
    """Estimated minus realised, with how far off the estimate allowed for."""
    readings = []
    for place, name in enumerate(MEASURES):
        value, low, high, truth = (
            float(part[place]) for part in (*(estimate[n] for n in ("value", "low", "high")), realised)
        )
        details = {"estimated": value, "realised": truth}
        readings.append(said.reading(f"estimation_error_{name}", value - truth, (value - high, value - low), details))
    return readings


def _summary(entries: Entries, sample: Summary) -> Summary:
    """Entries and samples in one; the keys are the groups of either."""
    counted = cube.to_summary(entries)
    keys = np.union1d(counted.keys, sample.keys).astype(np.int32)
    return Summary(keys, {**counted.columns, "sampled": sample.keys, **sample.columns})


def _entries(summary: Summary) -> Summary:
    return Summary(summary.keys, {name: summary[name] for name in ("unit", "what", "code", "value")})


def _samples(summary: Summary) -> Summary:
    columns = {
        name: column for name, column in summary.columns.items() if name.startswith("sample_") or name == "sample"
    }
    return Summary(summary["sampled"], columns)


def _grow(state: State, size: int) -> None:
    before = len(state["labels"])
    if size > before:
        state["labels"] = np.concatenate([state["labels"], np.zeros(size + before // 8 - before, np.int64)])
