"""Packed values come back as they were, from the same bytes each time, and damage is noticed."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from processors.packing import PackingError, pack, unpack

numeric = arrays.arrays(
    st.sampled_from([np.bool_, np.uint8, np.int32, np.int64, np.uint64, np.float32, np.float64]),
    arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4),
)


def object_array(texts: list[str]) -> Any:
    """Texts as a column of objects."""
    column = np.empty(len(texts), object)
    column[:] = texts
    return column


leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text()
    | st.binary()
    | numeric
    | st.lists(st.text(st.characters()), max_size=4).map(object_array)
)
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4) | st.integers(0, 99), inner, max_size=4)
    ),
    max_leaves=12,
)


def same(a: Any, b: Any) -> bool:
    """Equal in type and content; NaN equals itself."""
    if isinstance(a, np.ndarray):
        equal = a.tolist() == b.tolist() if a.dtype == object else a.tobytes() == b.tobytes()
        return bool(a.dtype == b.dtype and a.shape == b.shape and equal)
    if isinstance(a, float):
        return isinstance(b, float) and (
            (a == b and math.copysign(1, a) == math.copysign(1, b)) or (math.isnan(a) and math.isnan(b))
        )
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    return type(a) is type(b) and bool(a == b)


@settings(max_examples=300, deadline=None)
@given(trees)
def test_what_is_packed_comes_back(tree: Any) -> None:
    """Types, shapes, order of keys, NaN, infinities and lone surrogates included; however it is packed."""
    assert same(unpack(pack(tree)), tree)
    assert same(unpack(pack(tree, brief=True)), tree)


@settings(max_examples=100, deadline=None)
@given(trees)
def test_the_same_content_has_the_same_bytes(tree: Any) -> None:
    """Packing what was unpacked gives the bytes it came from."""
    packed = pack(tree)
    assert pack(unpack(packed)) == packed


def test_how_an_array_lies_in_memory_does_not_show() -> None:
    """Views, strides and Fortran order are packed by content."""
    array = np.arange(12).reshape(3, 4)
    assert pack(np.asfortranarray(array)) == pack(array) == pack(np.arange(24).reshape(3, 8)[:, ::2] // 2)


def test_what_repeats_is_written_once_if_asked() -> None:
    """Columns that say nothing take no room: zeros, one NaN, empty texts; others as much as before."""
    columns = {"zeros": np.zeros(9_000), "nan": np.full(9_000, np.nan), "text": object_array([""] * 9_000)}
    assert len(pack(columns, brief=True)) < 300 < len(pack(columns))
    assert len(pack(np.arange(9_000), brief=True)) == len(pack(np.arange(9_000)))
    assert len(pack(np.array([0.0, -0.0, 0.0]), brief=True)) == len(pack(np.zeros(3)))


def test_tuples_and_numpy_scalars_come_back_plain() -> None:
    """As lists and Python's own scalars."""
    assert unpack(pack((1, (np.float64(2.5), np.int32(3), np.bool_(True))))) == [1, [2.5, 3, True]]


def test_unpacked_arrays_may_be_changed() -> None:
    """They are copies: judges update their state in place."""
    array = unpack(pack(np.zeros(3)))
    array[1] = 7.0
    assert array.tolist() == [0.0, 7.0, 0.0]


@pytest.mark.parametrize("value", [2**64, {1, 2}, object(), {(1, 2): 3}, {None: 1}, 1j, lambda: None])
def test_what_has_no_packed_form_is_refused(value: Any) -> None:
    """Nothing that would need code to come back."""
    with pytest.raises(PackingError):
        pack({"state": value})


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_bytes_that_end_too_early_are_noticed(data: st.DataObject) -> None:
    """Every true prefix of a packed value is damaged."""
    packed = pack({"a": np.arange(5), "b": [b"bytes", "text"], "c": object_array(["x", "yy"])})
    end = data.draw(st.integers(0, len(packed) - 1))
    with pytest.raises(PackingError):
        unpack(packed[:end])


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_nothing_but_packing_errors(data: bytes) -> None:
    """Damage has one name."""
    with contextlib.suppress(PackingError):
        unpack(data)
