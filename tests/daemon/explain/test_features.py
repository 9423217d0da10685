"""Feature values as columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from daemon.explain.features import FeatureRows
from processors.packing import pack, unpack
from tests.processors.panes import cells, words

VALUES = st.none() | st.floats(allow_nan=False) | st.integers(-5, 5) | st.text(max_size=3) | st.booleans()
RECORDS = st.lists(st.dictionaries(st.sampled_from("abcd"), VALUES), max_size=5)


def same(one: FeatureRows, other: FeatureRows) -> bool:
    """The same names, kinds, numbers (NaN too) and texts."""
    return pack(one.to_state()) == pack(other.to_state())


@given(RECORDS)
def test_rows_survive_the_wire(records: list[dict[str, Any]]) -> None:
    """Packed and unpacked they are the same."""
    rows = FeatureRows.of_mappings(records)
    assert same(FeatureRows.from_state(unpack(pack(rows.to_state()))), rows)


@given(RECORDS, RECORDS)
def test_concatenated_rows_are_the_rows_of_both(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> None:
    """Whatever names each part has."""
    parts = [FeatureRows.of_mappings(first), FeatureRows.of_mappings(second)]
    assert same(FeatureRows.concat(parts), FeatureRows.of_mappings([*first, *second]))


def test_cells_of_a_pane_become_the_same_rows_as_mappings() -> None:
    """Numbers, texts and what is missing."""
    names = words()
    columns: dict[str, Sequence[Any]] = {"b": [1.5, None], "a": ["x", ""]}
    found = FeatureRows.of_cells(cells(columns, 2, names), names)
    assert same(found, FeatureRows.of_mappings([{"b": 1.5, "a": "x"}, {"b": None, "a": ""}]))


def test_numbers_come_in_the_models_order() -> None:
    """What is missing, a text, or in no declared category is NaN; 1 and 1.0 are one category; true is 1."""
    rows = FeatureRows.of_mappings([{"a": 1.0, "b": "fr", "c": 2}, {"a": "?", "b": "xx", "c": True}])
    matrix = rows.numbers(("c", "b", "a", "d"), {"b": ("de", "fr"), "c": ("1", "2")})
    np.testing.assert_array_equal(matrix, [[1, 1, 1, np.nan], [0, np.nan, np.nan, np.nan]])
