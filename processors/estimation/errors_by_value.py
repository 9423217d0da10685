"""Errors of regressions by what was predicted: counted per interval, learnt, and expected of new predictions.

Each version's predicted values are cut into twenty intervals of equal shares, and what lies beyond. The edges, shape
(groups, 21), are NaN for versions that have not predicted enough.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from processors.base import Summary
from processors.distinct import distinct
from processors.drift import samples
from processors.estimation import counts
from processors.kernels import scores
from processors.performance import entries as cube
from processors.performance.entries import Entries
from processors.performance.intervals import Z, share
from processors.profile import REGRESSION
from processors.rows import Floats, Ints, Longs
from processors.slices import OutcomeRows, PredictionRows

BINS = 22
_STEP_BITS = 4
"""Errors are counted to 16 steps an octave: their mean is off by less than a thousandth."""
_LARGEST = 1e70
_FEW, _ENOUGH = 5.0, 30.0


def predictions(rows: PredictionRows, sealed: Any) -> Entries:
    """Predictions of each group by interval."""
    place = _interval(rows.base, rows.value, rows.task, sealed)[rows.member_row]
    mine = place >= 0
    what = (cube.COUNT + cube.KINDS * (1 + place[mine])).astype(np.int32)
    zeros = np.zeros(len(what), np.int64)
    return cube.gathered(cube.group_unit(rows.member_group[mine]), what, zeros, zeros + 1)


def outcomes(rows: OutcomeRows, sealed: Any) -> Entries:
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


def sample(rows: PredictionRows, sealed: Any) -> Summary:
    """Values of the versions that wait for their intervals."""
    unsealed = rows.task == REGRESSION
    unsealed &= (_interval(rows.base, rows.value, rows.task, sealed) < 0) & np.isfinite(rows.value) & (rows.base >= 0)
    keys = np.unique(rows.base[unsealed]).astype(np.int32)
    if not len(keys):
        return Summary(keys, {})
    return Summary(keys, samples.columns(keys, np.where(unsealed, rows.base, -1), rows.table.key, rows.value))


class Errors:
    """Errors learnt of some units: how many, their mean size and square, and how much both vary; shape (units, 22)."""

    def __init__(self, n: Floats, sums: list[Floats]) -> None:
        self._n, self._sums = n, sums

    @classmethod
    def of(cls, entries: Entries, units: Any) -> Errors:
        place = np.searchsorted(units, entries.unit) * BINS + entries.what // cube.KINDS
        size = np.abs(scores.values(entries.code))
        shape = (len(units), BINS)
        sums = [
            np.bincount(place, entries.value * size**power, len(units) * BINS).astype(np.float64).reshape(shape)
            for power in (0, 1, 2, 4)
        ]
        return cls(sums[0], sums[1:])

    def take(self, which: Any) -> Errors:
        return Errors(self._n[which], [part[which] for part in self._sums])

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


def expected(made: Floats, known: Errors) -> tuple[dict[str, Floats], Floats]:
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


def table(entries: Entries, units: Any) -> Floats:
    """Predictions by unit and interval."""
    place = np.searchsorted(units, entries.unit) * BINS + entries.what // cube.KINDS - 1
    return np.bincount(place, entries.value, len(units) * BINS).astype(np.float64).reshape(-1, BINS)


def outcomes_by_unit(entries: Entries) -> tuple[Longs, Longs]:
    """Outcomes of each unit: each is one entry's count."""
    units, place = distinct(entries.unit)
    return units, np.bincount(place, entries.value, len(units)).astype(np.int64)


def predictions_by_group(made: Entries) -> Summary:
    """How many predictions were counted of each group, as column `n`."""
    groups, place = distinct(cube.group_of(made.unit))
    return Summary(groups.astype(np.int32), {"n": np.bincount(place, made.value, len(groups)).astype(np.int64)})
