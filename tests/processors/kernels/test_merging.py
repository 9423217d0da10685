"""Merging sorted counts, against a dictionary of them."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from processors.kernels.merging import merge

KEY = st.tuples(st.integers(-2, 2), st.integers(0, 2), st.integers(-2, 2))
CUBE = st.dictionaries(KEY, st.integers(-2, 2).filter(bool), max_size=20)


@given(CUBE, CUBE)
def test_both_are_in_what_comes_out(a: dict[tuple[int, int, int], int], b: dict[tuple[int, int, int], int]) -> None:
    """Keys ascend, the counts of a key add up, and one that comes to nothing is gone."""
    expected = Counter(a)
    for key, value in b.items():
        expected[key] += value
    columns = merge(*_columns(a), *_columns(b))
    found = list(zip(*(column.tolist() for column in columns), strict=True))
    assert found == [(*key, value) for key, value in sorted(expected.items()) if value]


def _columns(cube: dict[tuple[int, int, int], int]) -> list[np.ndarray]:
    rows = np.array([(*key, value) for key, value in sorted(cube.items())], np.int64).reshape(-1, 4)
    return [rows[:, 0].copy(), rows[:, 1].astype(np.int32), rows[:, 2].copy(), rows[:, 3].copy()]
