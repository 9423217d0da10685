"""What is in each series, in one pass: the compiled counts and their oracles in numpy."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from processors.kernels import binning
from processors.rows import BOOLEAN, MISSING, NUMBER, OTHER, TEXT

CELL = st.tuples(st.integers(0, 4), st.integers(0, binning.WIDTH - 1), st.floats(width=64))
PLACE = binning.places(np.array([1, 2, 4]), 5)


def _columns(cells: list[tuple[int, int, float]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    series, bins, value = ([cell[at] for cell in cells] for at in range(3))
    return np.array(series, np.int32), np.array(bins, np.int32), np.array(value, np.float64)


SERIES = (binning.NUMERIC, binning.CATEGORICAL, binning.UNSEALED, binning.IGNORED)
KINDS = (MISSING, NUMBER, TEXT, BOOLEAN, OTHER)


@given(
    st.sets(st.floats(-1e300, 1e300), min_size=1, max_size=binning.WIDTH - binning.REGULAR),
    st.lists(st.tuples(st.integers(-1, 3), st.sampled_from(KINDS), st.one_of(st.floats(), st.integers(0, 27)))),
    st.floats(0, 1e300),
)
def test_cells_fall_into_the_bin_that_a_search_of_numpy_finds(
    edges: set[float], cells: list[tuple[int, int, float]], beyond: float
) -> None:
    """Those of no series are left out, and counted where their row is monitored."""
    shape = (len(SERIES), binning.WIDTH - binning.REGULAR)
    left, bins, upper = np.full(shape, np.inf), np.full(len(SERIES), len(edges), np.int32), max(edges) + beyond
    vocabulary = np.zeros(shape, np.uint64)
    left[0, : len(edges)] = sorted(edges)
    words = np.sort(np.array(list(edges)).view(np.uint64))
    vocabulary[1, : len(words)] = words + np.uint64(TEXT)
    series = np.array([cell[0] for cell in cells], np.int32)
    kind = np.array([cell[1] for cell in cells], np.uint8)
    known = sorted(edges)
    value = np.array([known[at % len(known)] if type(at) is int else at for *_, at in cells], np.float64)
    rows = len(cells)
    base = np.arange(rows, dtype=np.int32) % 2 - 1
    row, of, found, number, left_out = binning.locate(
        np.arange(rows), base, np.arange(rows), np.ones(rows, np.int32), kind, value.view(np.uint64), value,
        np.arange(rows), series, np.array(SERIES, np.uint8), left, np.full(len(SERIES), upper), vocabulary, bins,
    )  # fmt: skip
    kept = np.flatnonzero(series >= 0)
    np.testing.assert_array_equal(row, kept)
    np.testing.assert_array_equal(of, series[kept])
    np.testing.assert_array_equal(number, np.where(np.isin(kind, (NUMBER, BOOLEAN)), value, np.nan)[kept])
    assert left_out == int((base[series < 0] >= 0).sum())
    expected = [_bin(SERIES[series[at]], (kind[at], value[at]), known, upper, words) for at in kept]
    np.testing.assert_array_equal(found, expected)


def _bin(of: int, cell: tuple[int, float], edges: list[float], upper: float, words: np.ndarray) -> int:
    kind, value = cell
    if kind == MISSING:
        return binning.ABSENT
    if of == binning.CATEGORICAL:
        at = np.flatnonzero(words + np.uint64(TEXT) == np.float64(value).view(np.uint64) + np.uint64(kind))
        return binning.REGULAR + int(at[0]) if len(at) else binning.UNSEEN
    return _interval(kind, value, edges, upper) if of == binning.NUMERIC else binning.REGULAR


def _interval(kind: int, value: float, edges: list[float], upper: float) -> int:
    if kind not in {NUMBER, BOOLEAN}:
        return binning.WRONG_TYPE
    if value < edges[0] or value > upper:
        return binning.BELOW if value < edges[0] else binning.ABOVE
    return binning.REGULAR + (0 if np.isnan(value) else int(np.searchsorted(edges, value, side="right")) - 1)


@given(st.lists(CELL))
def test_cells_are_counted_by_series_and_bin(cells: list[tuple[int, int, float]]) -> None:
    """Each cell of a wanted series counts once, in its bin."""
    series, bins, _ = _columns(cells)
    expected = np.zeros((3, binning.WIDTH), np.int64)
    np.add.at(expected, (PLACE[series[PLACE[series] >= 0]], bins[PLACE[series] >= 0]), 1)
    np.testing.assert_array_equal(binning.counts(series, bins, PLACE, 3), expected)


@given(st.lists(CELL))
def test_sums_are_those_of_numpy_to_the_last_bit(cells: list[tuple[int, int, float]]) -> None:
    """Finite values alone, added in their order."""
    series, _, value = _columns(cells)
    mine = (PLACE[series] >= 0) & np.isfinite(value)
    total, numbers = binning.sums(series, value, PLACE, 3)
    np.testing.assert_array_equal(total, np.bincount(PLACE[series[mine]], value[mine], 3))
    np.testing.assert_array_equal(numbers, np.bincount(PLACE[series[mine]], minlength=3))


@given(st.lists(CELL))
def test_extremes_are_of_values_that_are_known(cells: list[tuple[int, int, float]]) -> None:
    """Numbers of their type, in or out of range, and the bins of known categories."""
    series, bins, value = _columns(cells)
    text = np.isnan(value)
    there = (PLACE[series] >= 0) & (bins >= binning.BELOW) & ~(text & (bins == binning.UNSEEN))
    least, greatest = np.full(3, np.inf), np.full(3, -np.inf)
    one = np.where(text, bins.astype(np.float64), value)[there]
    np.minimum.at(least, PLACE[series[there]], one)
    np.maximum.at(greatest, PLACE[series[there]], one)
    found = binning.extremes(series, bins, value, PLACE, 3)
    np.testing.assert_array_equal(found, (least, greatest))


def test_rows_are_counted_by_the_bin_of_one_feature_and_the_side_of_another() -> None:
    """As a product of matrices of ones and zeros does it."""
    rng = np.random.default_rng(4)
    bins = rng.integers(0, binning.WIDTH, (200, 3)).astype(np.uint8)
    sides = rng.integers(-1, 2, (3, binning.WIDTH)).astype(np.int8)
    in_bin = bins[:, :, None] == np.arange(binning.WIDTH)
    found = binning.side_counts(bins, sides)
    for place, side in enumerate((-1, 1)):
        expected = np.einsum("rib,rj->ijb", in_bin.astype(int), (sides[np.arange(3), bins] == side).astype(int))
        np.testing.assert_array_equal(found[..., place], expected)
