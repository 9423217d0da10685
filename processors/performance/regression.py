"""Measures of regressions, from exact sums of errors (prediction - label) and a sparse count of their sizes."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np

from processors.kernels import scores
from processors.performance import entries as cube
from processors.performance import intervals
from processors.performance.intervals import share
from processors.performance.measured import Column, Units
from processors.performance.ranking import quantile_ranks
from processors.rows import Floats, Longs


def regression(units: Units, quantile: float | None) -> list[Column]:
    """All series of regressions. R2 is NaN below two labels or where they are all the same."""
    n = units.count(cube.ERROR_ROWS)
    squared = units.fractions(cube.SQUARED)
    mean_square = share(_floats(squared), n)
    low, high = intervals.mean(mean_square, share(units.sums(cube.FOURTH), n), n)
    columns = [
        _mean("mae", units, units.sums(cube.ABSOLUTE), mean_square, n),
        _mean("bias", units, units.sums(cube.BIAS), mean_square, n),
        Column("rmse", units.every(), np.sqrt(mean_square), n, (np.sqrt(np.maximum(low, 0.0)), np.sqrt(high))),
        Column("r2", units.every(), _determination(units, squared, n), n),
        _median_error(units),
    ]
    percent = units.count(cube.PERCENT_ROWS)
    columns.append(Column("mape", units.every(), share(units.sums(cube.PERCENT), percent), percent))
    if quantile is not None:
        square = share(units.sums(cube.PINBALL_SQUARED), n)
        columns.append(_mean("quantile_loss", units, units.sums(cube.PINBALL), square, n))
    return columns


def _mean(series: str, units: Units, total: Floats, mean_square: Floats, n: Floats) -> Column:
    average = share(total, n)
    low, high = intervals.mean(average, mean_square, n)
    return Column(series, units.every(), average, n, (low if series == "bias" else np.maximum(low, 0.0), high))


def _determination(units: Units, squared: list[Fraction], n: Floats) -> Floats:
    """R2 = 1 - SSE / SST, in fractions: nothing cancels even where labels are far from zero."""
    result = np.full(len(units), np.nan)
    sums, squares = units.fractions(cube.TARGET), units.fractions(cube.TARGET_SQUARED)
    for place, rows in enumerate(n.tolist()):
        if rows >= 2:
            spread = squares[place] - sums[place] ** 2 / int(rows)
            result[place] = float(1 - squared[place] / spread) if spread > 0 else np.nan
    return result


def _median_error(units: Units) -> Column:
    """Median size of the error; its interval from the ranks that a sample's median lies between."""
    place, entries = units.kind(cube.ERROR)
    bounds = np.searchsorted(place, np.arange(len(units) + 1))
    found = [_medians(entries.code[a:b], np.maximum(entries.value[a:b], 0)) for a, b in pairwise(bounds.tolist())]
    median, low, high, n = np.array(found, np.float64).reshape(-1, 4).T
    return Column("median_absolute_error", units.every(), median, n, (low, high))


def _medians(code: Longs, count: Longs) -> tuple[float, float, float, int]:
    """(median, low, high, n)."""
    n = int(count.sum())
    if not n:
        return np.nan, np.nan, np.nan, 0
    away = int(np.ceil(intervals.Z * np.sqrt(n) / 2))
    ranks = np.array([(n - 1) // 2, n // 2, max(n // 2 - away, 0), min((n - 1) // 2 + away, n - 1)])
    lower, upper, low, high = scores.values(quantile_ranks(code, count, ranks)).tolist()
    return (lower + upper) / 2, low, high, n


def _floats(sums: list[Fraction]) -> Floats:
    return np.array([float(total) for total in sums], np.float64)
