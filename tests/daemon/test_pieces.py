"""Values that stand in buffers are the same sequence as a list of them, whatever is asked of it."""

from itertools import accumulate, chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.pieces import Pieces, sizes_of

VALUES = st.lists(st.none() | st.binary(max_size=6), max_size=12)
SEVERAL = st.lists(VALUES, max_size=4)


def standing(values: list[bytes | None], between: bytes = b"??") -> Pieces:
    """The values in a buffer with something else around each, as in a fetch."""
    lengths = [len(value or b"") for value in values]
    begin = np.array([2 * (place + 1) for place in range(len(values))], np.int64)
    begin += np.array([0, *accumulate(lengths)][: len(values)], np.int64)
    end = begin + np.array([-1 if value is None else len(value) for value in values], np.int64)
    data = between + b"".join((value or b"") + between for value in values)
    return Pieces([(data, begin, end)])


@given(SEVERAL, st.integers(-30, 30), st.integers(-30, 30))
def test_they_are_a_sequence_as_a_list_is(several: list[list[bytes | None]], start: int, stop: int) -> None:
    """Of any number of buffers: each value, any part of them, whether None is among them, and their sizes."""
    pieces, values = Pieces.together(map(standing, several)), list(chain.from_iterable(several))
    assert len(pieces) == len(values)
    assert list(pieces) == values == [pieces[place] for place in range(len(values))]
    assert pieces[start:stop] == values[start:stop]
    assert values[start:stop] == pieces[start:stop]
    assert (None in pieces) == (None in values)
    assert sizes_of(pieces).tolist() == sizes_of(values).tolist() == [len(value or b"") for value in values]


@given(SEVERAL, st.integers(0, 30), st.integers(0, 30))
def test_in_one_buffer_they_stand_where_it_is_said(several: list[list[bytes | None]], start: int, stop: int) -> None:
    """Nothing else is read in their place; None is empty."""
    pieces = Pieces.together(map(standing, several))[start:stop]
    data, begin, end = pieces.whole()
    found = [data[a:b].tobytes() for a, b in zip(begin.tolist(), end.tolist(), strict=True)]
    assert found == [value or b"" for value in list(chain.from_iterable(several))[start:stop]]


@given(VALUES, VALUES)
def test_lists_are_taken_in(values: list[bytes | None], more: list[bytes | None]) -> None:
    """From sources that have their values as objects."""
    assert Pieces.of(values) == values
    assert standing(values) + more == values + more


@pytest.mark.parametrize("place", [2, -3])
def test_beyond_them_there_is_nothing(place: int) -> None:
    """As in a list."""
    with pytest.raises(IndexError):
        standing([b"a", b"b"])[place]
