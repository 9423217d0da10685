"""JSON values as columns: each value by itself, whatever stands beside it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from daemon.scalars import Words, numbers
from processors.rows import BOOLEAN, MISSING, NUMBER, OTHER, TEXT, Names, text_hash

VALUES = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4) | st.just([1]) | st.just({"a": 1})
)  # fmt: skip


def one(value: Any) -> tuple[int, int]:
    """Kind and bits that a value must have."""
    if value is None:
        return MISSING, 0
    if isinstance(value, str):
        return TEXT, text_hash(value)
    if isinstance(value, list | dict):
        return OTHER, 0
    return BOOLEAN if isinstance(value, bool) else NUMBER, int(np.float64(value + 0.0).view(np.uint64))


@given(st.lists(VALUES, max_size=12))
def test_a_column_holds_each_value_s_kind_and_bits(values: list[Any]) -> None:
    """Numbers as float64 (-0.0 as 0.0), texts as their hash, null as missing, arrays and objects as other."""
    names = Names()
    column = Words().scalars(values, names)
    assert list(zip(column.kind.tolist(), column.bits.tolist(), strict=True)) == [one(value) for value in values]
    assert set(names.texts.values()) == {value for value in values if isinstance(value, str)}


@given(st.lists(VALUES.filter(lambda value: not isinstance(value, list | dict)), max_size=12))
def test_a_class_is_the_same_whatever_stands_beside_it(values: list[Any]) -> None:
    """A column of classes gives each value the scalar that it has alone."""
    column = Words().classes(values, Names())
    alone = [Words().classes([value], Names()) for value in values]
    assert column.kind.tolist() == [int(each.kind[0]) for each in alone]
    assert column.bits.tolist() == [int(each.bits[0]) for each in alone]
    assert not (column.kind == BOOLEAN).any()


@given(st.lists(st.dictionaries(st.text(max_size=3), VALUES, max_size=4), max_size=8))
def test_mappings_come_back_from_their_cells(mappings: list[dict[str, Any]]) -> None:
    """Each row's names, in their order, and its values."""
    names = Names()
    cells = Words().cells(mappings, names)
    for row, mapping in enumerate(mappings):
        layout = names.layouts[int(cells.layout[row])] if cells.size[row] else ()
        assert layout == tuple(mapping)
        mine = cells.values.take(np.arange(cells.start[row], cells.start[row] + cells.size[row]))
        assert list(zip(mine.kind.tolist(), mine.bits.tolist(), strict=True)) == [one(v) for v in mapping.values()]


def test_layouts_that_look_alike_are_told_apart() -> None:
    """Names that contain what would separate them don't make two layouts one."""
    names = Names()
    mappings: list[dict[str, Any]] = [{"a\x1fb": 1}, {"a": 1, "b": 1}, {"b": 1, "a": 1}, {"a\x1f1:b": 1}, {"": 1}, {}]
    assert len(set(Words().cells(mappings, names).layout.tolist())) == len(mappings)


def test_words_are_remembered_within_a_bound_and_known_again_after_it() -> None:
    """An endless supply of new texts neither grows memory without end nor loses a name of the batch at hand."""
    words = Words()
    for batch in range(5):
        names = Names()
        texts = [f"user-{batch}-{n}" for n in range(60_000)]
        hashes = words.texts(texts, names)
        assert [names.text(found) for found in hashes[::5_000].tolist()] == texts[::5_000]
    assert len(words._texts) <= 200_000


@given(st.lists(VALUES, max_size=8))
def test_numbers_are_finite_or_bad_or_absent(values: list[Any]) -> None:
    """Null gives NaN and is not bad; anything but a finite number gives no number and is."""
    array, bad = numbers(values)
    for value, number, wrong in zip(values, array.tolist(), bad.tolist(), strict=True):
        fine = type(value) in (int, float)
        assert wrong == (not fine and value is not None)
        assert number == float(value) if fine else math.isnan(number)


def test_what_is_remembered_of_texts_and_layouts_is_bounded() -> None:
    """A million distinct texts and names later the tables are no longer than their bounds, and hashes the same."""
    words = Words()
    first = words.texts(["a"], Names()).tolist()
    for start in range(0, 300_000, 10_000):
        words.texts([f"text {number}" for number in range(start, start + 10_000)], Names())
        mappings = [{f"{start} {row} {column}": 1 for column in range(1_000)} for row in range(40)]
        words.cells(mappings, Names())
    assert len(words._texts) <= 100_000
    assert sum(map(len, words._layouts)) <= 1_000_000
    words.texts(["n" * 1_000_000], Names())
    assert max(map(len, words._texts)) <= 1_024
    assert words.texts(["a"], Names()).tolist() == first
