"""Tables: taking, concatenating and saving rows keeps each row what it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.examples import Event, example_events, predictions_of
from processors.packing import pack, unpack
from processors.rows import MISSING, NUMBER, TEXT, Cells, Names, Predictions, Scalars, text_hash

ROWS = 40
EVENTS: list[Event] = [event for pane in example_events(1, ROWS, seed=3, ugly=True) for event in pane]
TABLE = predictions_of(EVENTS)
positions = st.lists(st.integers(0, ROWS - 1), max_size=60).map(lambda rows: np.array(rows, np.int64))


def words(table: Predictions) -> list[Any]:
    """Each row as plain values, ragged columns by name, texts as texts."""
    return [
        (table.id[row], int(table.time[row]), repr(table.score[row]), _scalar(table.prediction, row, table.names),
         *(_cells(cells, row, table.names) for cells in (table.features, table.segments, table.attributions)))
        for row in range(len(table))
    ]  # fmt: skip


def _scalar(scalars: Scalars, row: int, names: Names) -> Any:
    kind, bits = int(scalars.kind[row]), int(scalars.bits[row])
    return (kind, names.text(bits) if kind == TEXT else bits)


def _cells(cells: Cells, row: int, names: Names) -> dict[str, Any]:
    columns = names.layouts.get(int(cells.layout[row]), ())
    start = int(cells.start[row])
    return {name: _scalar(cells.values, start + place, names) for place, name in enumerate(columns)}


@settings(max_examples=80, deadline=None)
@given(positions)
def test_taking_rows_gives_those_rows(rows: Any) -> None:
    """In that order, repeated or not, ragged columns and all."""
    everything = words(TABLE)
    assert words(TABLE.take(rows)) == [everything[row] for row in rows]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.booleans(), min_size=ROWS, max_size=ROWS))
def test_a_mask_takes_as_its_positions_do(mask: list[bool]) -> None:
    """Booleans are another way to say positions."""
    chosen = np.array(mask)
    assert words(TABLE.take(chosen)) == words(TABLE.take(np.flatnonzero(chosen)))


@settings(max_examples=80, deadline=None)
@given(st.lists(positions, min_size=1, max_size=5))
def test_concatenating_gives_all_rows_one_table_after_the_other(parts: list[Any]) -> None:
    """Empty tables among them included."""
    joined = Predictions.concat([TABLE.take(rows) for rows in parts])
    assert words(joined) == [row for rows in parts for row in words(TABLE.take(rows))]


@settings(max_examples=40, deadline=None)
@given(positions)
def test_a_saved_table_comes_back(rows: Any) -> None:
    """Through `to_state`, bytes and `from_state`; its words too."""
    table = TABLE.take(rows)
    again = Predictions.from_state(unpack(pack(table.to_state())))
    assert words(again) == words(table)
    assert pack(again.to_state()) == pack(table.to_state())


@settings(max_examples=80, deadline=None)
@given(positions)
def test_taking_keeps_only_the_cells_of_the_rows_taken(rows: Any) -> None:
    """Memory is bounded by rows: what was not taken is let go, and cells lie in row order."""
    cells = TABLE.features.take(rows)
    assert len(cells.values) == cells.size.sum()
    np.testing.assert_array_equal(cells.start, np.cumsum(cells.size) - cells.size)


def test_names_of_different_tables_are_joined() -> None:
    """Each table brings its own dictionary; rows keep their words."""
    other = predictions_of([{**EVENTS[0], "id": "x", "features": {"colour": "green"}}])
    joined = Predictions.concat([TABLE, other])
    assert words(joined)[-1] == words(other)[0]
    assert joined.names.text(text_hash("green")) == "green"


def test_an_unknown_name_is_shown_as_its_hash_and_none_as_nothing() -> None:
    """A sentence with a hash in it beats an exception."""
    assert Names().text(255) == "00000000000000ff"
    assert Names().text(0) == ""


def test_concatenating_no_tables_is_refused() -> None:
    """There is no such thing as no columns."""
    with pytest.raises((ValueError, IndexError)):
        Predictions.concat([])


@settings(max_examples=80, deadline=None)
@given(st.lists(st.floats(), max_size=20))
def test_scalars_of_numbers_are_canonical(numbers: list[float]) -> None:
    """NaN is missing, minus zero is zero: equal numbers have equal bits."""
    scalars = Scalars.of_numbers(np.array(numbers, np.float64))
    np.testing.assert_array_equal(scalars.numbers(), np.array(numbers, np.float64))
    assert all(
        kind == (MISSING if np.isnan(number) else NUMBER) for kind, number in zip(scalars.kind, numbers, strict=True)
    )
    assert scalars.same(Scalars.of_numbers(np.array([-0.0 if number == 0 else number for number in numbers]))).all()


def test_a_texts_hash_is_the_same_in_every_process_and_release() -> None:
    """It is stored; a change of it would orphan every state."""
    assert text_hash("fraud") == 0x6E16EF28011182A5
    assert text_hash("\ud800") == 0xDAAB8382539269D0
