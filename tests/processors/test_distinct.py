"""Distinct values, however they are found, against numpy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from processors.distinct import ascending, counted, distinct, ordered


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint64, np.float64])
@pytest.mark.parametrize(("low", "spread"), [(5, 1), (-3, 40), (2**31 - 90, 80), (0, 2**17), (-(2**30), 2**31 - 1)])
@pytest.mark.parametrize("size", [0, 1, 20, 400, 20_000])
def test_values_are_told_apart_as_numpy_does(dtype: type, low: int, spread: int, size: int) -> None:
    """Values, places, counts and order are numpy's, type included, near to each other or far apart, few or many."""
    drawn = np.random.default_rng(size).integers(low, low + spread, size)
    values: npt.NDArray[Any] = (np.abs(drawn) if dtype is np.uint64 else drawn).astype(dtype)
    unique, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    for found, expected in zip((*distinct(values), *counted(values)), (unique, place, unique, counts), strict=True):
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype
    np.testing.assert_array_equal(ascending(values), np.argsort(values, kind="stable"))


@pytest.mark.parametrize("spread", [3, 50, 10**9])
@pytest.mark.parametrize("size", [0, 1, 2, 300, 5_000])
def test_rows_are_ordered_by_their_columns_as_numpy_does(size: int, spread: int) -> None:
    """The first column decides, then the next, rows equal in all stay as they came; sorted before or not."""
    rng = np.random.default_rng(size)
    columns = [rng.integers(0, spread, size), rng.integers(0, 3, size).astype(np.uint64), rng.integers(0, 2, size)]
    for first in (columns[0], np.sort(columns[0])):
        expected = np.lexsort((columns[2], columns[1], first))
        np.testing.assert_array_equal(ordered(first, *columns[1:]), expected)
