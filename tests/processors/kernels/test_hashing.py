"""Values by hash: the compiled count and its oracle."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from processors.kernels.hashing import WIDTH, bucket_counts, buckets, numbered

CELLS = 60


@given(
    arrays(np.float64, CELLS, elements=st.floats(width=64)),
    arrays(np.int32, CELLS, elements=st.integers(0, 3)),
)
def test_counts_are_those_of_each_value_by_itself(value: np.ndarray, series: np.ndarray) -> None:
    """Series 1 is not counted; what is not finite is no value."""
    place = np.array([0, -1, 1, 2], np.int32)
    counts = bucket_counts(series, value.view(np.uint64), value, place, 3)
    expected = np.zeros((3, WIDTH), np.int64)
    for number, one in zip(series.tolist(), value, strict=True):
        if place[number] >= 0 and np.isfinite(one):
            expected[place[number], buckets(np.array([one]))[0]] += 1
    assert counts.tolist() == expected.tolist()


def test_values_of_any_kind_spread_evenly() -> None:
    """Whole numbers, round prices and fractions fill all buckets alike (chi-square within six deviations)."""
    rng = np.random.default_rng(0)
    for values in (np.arange(32_000.0), np.arange(32_000) / 100, rng.normal(size=32_000), 1e9 + np.arange(32_000.0)):
        counts = np.bincount(buckets(values), minlength=WIDTH)
        chi_square = float(((counts - 1_000) ** 2 / 1_000).sum())
        assert chi_square < WIDTH - 1 + 6 * np.sqrt(2 * (WIDTH - 1)), (values[:3], counts)


@given(st.lists(st.integers(0, 3) | st.integers(0, 2**64 - 1) | st.integers(0, 7).map(lambda n: n << 61)))
def test_distinct_tokens_are_numbered_as_they_come(tokens: list[int]) -> None:
    """Each token has the place of its first occurrence among the distinct ones, however their hashes collide."""
    known = list(dict.fromkeys(tokens))
    distinct, place = numbered(np.array(tokens, np.uint64))
    assert distinct.tolist() == known
    assert place.tolist() == [known.index(token) for token in tokens]
