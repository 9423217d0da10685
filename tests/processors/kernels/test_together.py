"""Sides of features, counted in one pass, against the definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from processors.kernels.binning import WIDTH
from processors.kernels.together import together

FEATURES, PARTNERS = 5, 2


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rows", [0, 1, 60, 500])
def test_sides_are_counted_as_they_are_defined(rows: int, seed: int) -> None:
    """Sums of products of sides, of each two features and of each with what its partners tell, by version."""
    rng, versions = np.random.default_rng(seed), 3
    row: Any
    series: Any
    version: Any
    place = rng.permutation(np.array([0, 1, 2, 3, 4, -1], np.int16))
    cells = rng.permutation(
        [(row, series) for row in range(rows) for series in range(len(place) + 2) if rng.random() < 0.8] or [(0, 9)]
    )
    row, series = (cells if rows else cells[:0]).T.astype(np.int32)
    bins = rng.integers(0, WIDTH, len(row)).astype(np.int32)
    version = rng.integers(-1, versions, rows)
    side = rng.integers(-1, 2, (len(place), WIDTH)).astype(np.int8)
    partner = rng.integers(0, FEATURES, (versions, FEATURES, PARTNERS)).astype(np.uint8)
    weight = rng.normal(size=(versions, FEATURES, PARTNERS, WIDTH)).astype(np.float32)
    bar = rng.normal(size=(versions, FEATURES)).astype(np.float32)

    pairs: list[Any] = [*zip(*np.triu_indices(FEATURES, 1), strict=True), *((one, one) for one in range(FEATURES))]
    agree: Any
    up: Any
    agree, both = np.zeros((2, versions, len(pairs)), np.int64)
    up, seen = np.zeros((2, versions, FEATURES), np.int64)
    for at in np.flatnonzero(version >= 0).tolist():
        mine = version[at]
        sides, binned = np.zeros(FEATURES, np.int64), np.zeros(FEATURES, np.int64)
        for cell in np.flatnonzero(row == at).tolist():
            if series[cell] < len(place) and place[series[cell]] >= 0:
                sides[place[series[cell]]] = side[series[cell], bins[cell]]
                binned[place[series[cell]]] = bins[cell]
        up[mine] += sides
        seen[mine] += np.abs(sides)
        for number, (one, other) in enumerate(pairs):
            theirs = sides[other]
            if one == other:
                told = sum(weight[mine, one, turn, binned[partner[mine, one, turn]]] for turn in range(PARTNERS))
                theirs = 1 if told > bar[mine, one] else -1
            agree[mine, number] += sides[one] * theirs
            both[mine, number] += abs(sides[one] * theirs)

    found = together(row, series, bins, version, place, side, partner, weight, bar)
    for got, expected in zip(found, (agree, both, up, seen), strict=True):
        np.testing.assert_array_equal(got, expected)
    assert rows < 2 or np.abs(agree).sum() > 0
