"""Score codes keep order and ties, and coarsen into nested bins."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from processors.kernels import scores

PROBABILITIES = st.lists(
    st.floats(0, 1) | st.sampled_from([0.0, 5e-324, 1e-17, 0.5, np.nextafter(0.5, 1), np.nextafter(1.0, 0), 1.0]),
    min_size=1,
    max_size=60,
)
ANY = st.lists(st.floats(allow_nan=False) | st.sampled_from([-0.0, -1.0, 1.0, 2.0, np.inf, -np.inf]), min_size=2)


@given(PROBABILITIES)
def test_codes_of_probabilities_keep_order_and_ties_and_give_the_probability_back(
    numbers: list[float],
) -> None:
    """Up to the last bit; a score above 0.5 that 1 - x rounds is impossible (Sterbenz)."""
    array = np.array(numbers)
    codes = scores.codes(array)
    np.testing.assert_array_equal(np.sign(codes[:, None] - codes), np.sign(array[:, None] - array))
    np.testing.assert_array_equal(scores.values(codes), array)


@given(ANY)
def test_codes_of_any_scores_never_turn_an_order_around(numbers: list[float]) -> None:
    """Margins and other unbounded scores rank as they are; only near neighbours above 1 may tie."""
    array = np.array(numbers)
    order = np.argsort(array, kind="stable")
    codes = scores.codes(array)[order]
    assert (codes[:-1] <= codes[1:]).all()
    tied = (codes[:-1] == codes[1:]) & (array[order][:-1] != array[order][1:])
    assert (array[order][:-1][tied] >= 1.0).all()
    np.testing.assert_allclose(scores.values(codes), array[order], rtol=2**-42)


@given(PROBABILITIES, st.integers(0, 62), st.integers(0, 62))
def test_coarsening_twice_is_coarsening_once_by_the_greater(numbers: list[float], first: int, second: int) -> None:
    """So it does not matter in how many steps counts were collapsed."""
    codes = scores.codes(np.array(numbers))
    twice = scores.coarsened(scores.coarsened(codes, min(first, second)), max(first, second))
    np.testing.assert_array_equal(twice, scores.coarsened(codes, max(first, second)))


@given(st.lists(PROBABILITIES, min_size=1, max_size=4), st.integers(2, 20))
def test_no_more_bits_are_dropped_than_need_be(parts: list[list[float]], most: int) -> None:
    """At most `most` codes of each part remain, and with one bit more there would be too many, whatever the others."""
    codes = [scores.codes(np.array(numbers)) for numbers in parts]
    part = np.repeat(np.arange(len(parts)), list(map(len, parts)))
    for mine, bits in zip(codes, scores.bits_to_drop(np.concatenate(codes), part, most).tolist(), strict=True):
        assert len(np.unique(scores.coarsened(mine, bits))) <= most
        assert bits == 0 or len(np.unique(scores.coarsened(mine, bits - 1))) > most


@given(st.lists(st.floats(-1e60, 1e60), min_size=1, max_size=60), st.integers(1, 42))
def test_steps_keep_order_and_are_of_even_ratio(numbers: list[float], bits: int) -> None:
    """A stepped code never turns an order around, and gives back a score off by no more than half a step."""
    array = np.array([number for number in numbers if abs(number) > 1e-300 and abs(1 - number) > 1e-9] or [0.25])
    stepped = scores.stepped(np.sort(array), bits)
    assert (stepped[:-1] <= stepped[1:]).all()
    back = scores.values(scores.stepped(array, bits))
    # Between a half and 1 the steps are those of what is missing to 1.
    size = np.where((array > 0.5) & (array < 1), np.abs(1 - array), np.abs(array))
    assert (np.abs(back - array) <= size * 2.0**-bits * 1.000001 + 1e-15).all()
    assert scores.values(scores.stepped(np.array([1.0]), bits)).tolist() == [1.0]
