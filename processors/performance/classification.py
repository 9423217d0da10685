"""Measures of classifiers, from confusion cells, scores and losses. Definitions are scikit-learn's.

What is undefined is NaN (scikit-learn warns and says 0): precision without a predicted positive, recall without an
actual one, Matthews' correlation of a constant. Rows whose class was not admitted count in the accuracy alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from processors.performance import entries as cube
from processors.performance import intervals
from processors.performance.entries import KINDS
from processors.performance.intervals import Interval, share
from processors.performance.measured import Column, Units
from processors.performance.ranking import Ranked
from processors.rows import Floats, Ints

_CURVE_DIGITS = 6


def accuracy(units: Units) -> list[Column]:
    """How often prediction and label are the same, whatever the task turned out to be."""
    place, cells = units.kind(cube.CELL)
    _, _, same = cube.cell_of(cells.code)
    n = np.maximum(np.bincount(place, cells.value, len(units)), 0.0)
    right = share(np.bincount(place, cells.value * same, len(units)).astype(np.float64), n)
    return _shares(units, accuracy=(right, n), error_rate=(1.0 - right, n))


def classified(units: Units) -> Floats:
    """Outcomes of each unit whose two classes are known: those that all measures but the accuracy rest on."""
    place, cells = units.kind(cube.CELL)
    predicted, actual, _ = cube.cell_of(cells.code)
    return np.maximum(np.bincount(place, cells.value * ((predicted >= 0) & (actual >= 0)), len(units)), 0.0)


def binary(units: Units, positive: Ints) -> list[Column]:
    """All series of binary classifiers; `positive` is the number of each unit's positive class (-1: none yet)."""
    tp, fp, fn, tn = _confusion(units, positive)
    n = tp + fp + fn + tn
    recall, specificity = share(tp, tp + fn), share(tn, tn + fp)
    either = tp + fp + fn
    mcc = _matthews(tp * tn - fp * fn, (tp + fp) * (tn + fn), (tp + fn) * (tn + fp))
    precision, recalled, special, base_rate, said_rate, overlap = _shares(
        units,
        precision=(share(tp, tp + fp), tp + fp),
        recall=(recall, tp + fn),
        specificity=(specificity, tn + fp),
        base_rate=(share(tp + fn, n), n),
        predicted_positive_rate=(share(tp + fp, n), n),
        overlap=(share(tp, either), either),
    )
    both = [(one.value, one.interval) for one in (recalled, special) if one.interval]
    low, high = overlap.interval or (n, n)
    return [
        *accuracy(units),
        _column("balanced_accuracy", units, _average(np.stack([recall, specificity])), n, intervals.averaged(both)),
        precision,
        recalled,
        special,
        # F1 is 2J / (1 + J) of the share J = tp / (tp + fp + fn): so is its interval.
        _column("f1", units, share(2 * tp, either + tp), n, (_from_overlap(low), _from_overlap(high))),
        _column("mcc", units, mcc, n, intervals.correlation(mcc, n)),
        base_rate,
        said_rate,
        _log_loss(units),
        _mean("brier", units, cube.BRIER, cube.BRIER_SQUARED),
        *_ranking(units, positive),
    ]


def multiclass(units: Units, names: list[str]) -> list[Column]:
    """All series of multiclass units of one model, whose classes have these names."""
    columns = [*accuracy(units), _log_loss(units), _macro_area(units, len(names))]
    place, cells = units.kind(cube.CELL)
    predicted, actual, _ = cube.cell_of(cells.code)
    for unit in range(len(units)):
        mine = (place == unit) & (predicted >= 0) & (actual >= 0)
        size = max(len(names), 1 + int(max(predicted[mine].max(initial=-1), actual[mine].max(initial=-1))))
        matrix = np.zeros((size, size))
        np.add.at(matrix, (predicted[mine], actual[mine]), np.maximum(cells.value[mine], 0))
        columns += _of_matrix(unit, matrix, names)
    return columns


def _of_matrix(unit: int, matrix: Floats, names: list[str]) -> list[Column]:
    """Series of one confusion matrix of shape (predicted, actual)."""
    hit, predicted, actual = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    n = matrix.sum()
    precision, recall, f1 = share(hit, predicted), share(hit, actual), share(2 * hit, predicted + actual)
    place = np.array([unit])

    def column(series: str, value: Any, rows: Any, interval: Interval | None, **details: Any) -> Column:
        bounds = None if interval is None else (np.atleast_1d(interval[0]), np.atleast_1d(interval[1]))
        return Column(series, place, np.atleast_1d(value), np.atleast_1d(rows), bounds, [details] if details else [])

    seen = (predicted + actual) > 0
    total, square = np.array([hit.sum() * n - predicted @ actual]), n * n
    mcc = _matthews(total, np.array([square - predicted @ predicted]), np.array([square - actual @ actual]))
    micro = share(np.array([hit.sum()]), np.array([n]))
    balanced = intervals.averaged(
        [(np.array([r]), intervals.wilson(np.array([r]), np.array([k]))) for r, k in _pairs(recall, actual)]
    )
    columns = [
        column("balanced_accuracy", _average(recall[:, None]), n, balanced if n else None),
        column("mcc", mcc, n, intervals.correlation(mcc, np.array([n]))),
    ]
    for series, by_class, rows in (("precision", precision, predicted), ("recall", recall, actual), ("f1", f1, n)):
        # As in scikit-learn an average counts a class as 0 where its own value is undefined.
        known = np.nan_to_num(by_class)
        columns += [
            column(f"{series}_macro", known[seen].mean() if n else np.nan, n, None),
            column(f"{series}_micro", micro, n, intervals.wilson(micro, np.array([n]))),
            column(f"{series}_weighted", share(np.array([known @ actual]), np.array([n])), n, None),
        ]
        for number in np.flatnonzero(seen).tolist():
            count = rows if np.ndim(rows) == 0 else rows[number]
            bounds = None if series == "f1" else intervals.wilson(by_class[number : number + 1], np.array([count]))
            columns.append(column(series, by_class[number], count, bounds, **{"class": _name(names, number)}))
    return columns


def _macro_area(units: Units, classes: int) -> Column:
    """One-versus-rest areas, averaged over the classes that have both sides."""
    place, entries = units.kind(cube.CLASS_SCORE)
    number, hit = entries.what // KINDS // 2, entries.what // KINDS % 2 == 1
    width = max(classes, int(number.max(initial=0)) + 1)
    ranked = Ranked.of(place * width + number, entries.code, entries.value, hit, len(units) * width)
    positives, negatives = (side.reshape(-1, width) for side in ranked.totals())
    areas = ranked.roc_auc().reshape(-1, width)
    known = (~np.isnan(areas)).sum(axis=1)
    details = [{"average": "macro, one versus rest", "classes": int(count)} for count in known.tolist()]
    n = (positives + negatives).max(axis=1, initial=0.0)
    return Column("roc_auc", units.every(), _average(areas.T), n, None, details)


def _confusion(units: Units, positive: Ints) -> tuple[Floats, Floats, Floats, Floats]:
    """(tp, fp, fn, tn) of each unit, over rows whose classes are known."""
    place, cells = units.kind(cube.CELL)
    predicted, actual, _ = cube.cell_of(cells.code)
    known = (predicted >= 0) & (actual >= 0)
    said, true = predicted == positive[place], actual == positive[place]
    masks = (said & true, said & ~true, ~said & true, ~said & ~true)
    tp, fp, fn, tn = (np.maximum(np.bincount(place, cells.value * (mask & known), len(units)), 0.0) for mask in masks)
    return tp, fp, fn, tn


def _ranking(units: Units, positive: Ints) -> list[Column]:
    """ROC and precision-recall area, and calibration with its curve."""
    place, entries = units.kind(cube.SCORE)
    hit = entries.what // KINDS == positive[place]
    ranked = Ranked.of(place, entries.code, entries.value, hit, len(units))
    positives, negatives = ranked.totals()
    n = positives + negatives
    area, precision = ranked.roc_auc(), ranked.average_precision()
    error, score, rate, count = ranked.calibration()
    return [
        _column("roc_auc", units, area, n, intervals.area(area, positives, negatives)),
        _column("pr_auc", units, precision, n, intervals.wilson(precision, positives)),
        Column("calibration_error", units.every(), error, n, None, _curves(score, rate, count)),
    ]


def _curves(score: Floats, rate: Floats, count: Floats) -> list[Mapping[str, Any]]:
    """The reliability curve of each unit: [mean score, share of positives, n] of every bin that holds something."""
    rounded = zip(score.round(_CURVE_DIGITS).tolist(), rate.round(_CURVE_DIGITS).tolist(), count.tolist(), strict=True)
    return [{"curve": [[x, y, int(n)] for x, y, n in zip(*unit, strict=True) if n]} for unit in rounded]


def _log_loss(units: Units) -> Column:
    return _mean("log_loss", units, cube.LOSS, cube.LOSS_SQUARED)


def _mean(series: str, units: Units, sum_of: int, sum_of_squares: int) -> Column:
    n = units.count(cube.LOSS_ROWS)
    average, square = share(units.sums(sum_of), n), share(units.sums(sum_of_squares), n)
    return _column(series, units, average, n, _above_zero(intervals.mean(average, square, n)))


def _above_zero(interval: Interval) -> Interval:
    return np.maximum(interval[0], 0.0), interval[1]


def _shares(units: Units, **series: tuple[Floats, Floats]) -> list[Column]:
    """Columns of shares (value, n), all intervals in one go."""
    values, sizes = (np.stack(parts) for parts in zip(*series.values(), strict=True))
    low, high = intervals.wilson(values, sizes)
    return [_column(name, units, values[at], sizes[at], (low[at], high[at])) for at, name in enumerate(series)]


def _column(series: str, units: Units, value: Floats, n: Floats, interval: Interval) -> Column:
    return Column(series, units.every(), value, n, interval)


def _average(parts: Floats) -> Floats:
    """The mean of what is defined, over the first axis."""
    known = ~np.isnan(parts)
    return share(np.where(known, parts, 0.0).sum(axis=0), known.sum(axis=0).astype(np.float64))


def _matthews(covariance: Floats, predicted: Floats, actual: Floats) -> Floats:
    """Matthews' correlation from the covariance of predicted and actual and the two variances."""
    spread = np.sqrt(predicted) * np.sqrt(actual)
    return share(covariance, spread)


def _from_overlap(overlap: Floats) -> Floats:
    return 2 * overlap / (1 + overlap)


def _pairs(first: Floats, second: Floats) -> list[tuple[float, float]]:
    return list(zip(first.tolist(), second.tolist(), strict=True))


def _name(names: list[str], number: int) -> str:
    return names[number] if number < len(names) else str(number)
