"""Weights sum to no more than the time is worth, whatever comes and goes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.base import Judging
from processors.detectors import budget
from processors.durations import HOUR_US
from processors.profile import Profile

PANE = 10_000_000


def context(pane: int) -> Judging:
    """A pane with a budget of one alarm an hour."""
    return Judging(pane * PANE, (pane + 1) * PANE, Profile(), 1 / HOUR_US, 100, HOUR_US, PANE)


series = st.lists(st.integers(0, 7), min_size=1, max_size=8, unique=True).map(sorted)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 50), series), min_size=1, max_size=40))
def test_a_models_weights_sum_to_no_more_than_its_budget_for_the_time(panes: list[tuple[int, list[int]]]) -> None:
    """For any pattern of panes and series, of two models that share nothing.

    A series' first pane is worth one pane, so that what came before it is not spent.
    """
    state, now, first, spent = budget.initial(), 0, 0, np.zeros(2)
    for at, (gap, keys) in enumerate(panes):
        now += gap
        first = now if at == 0 else first
        owners = np.array(keys, np.int32) % 2
        weights = budget.weights(state, np.array(keys, np.int32), owners, context(now))
        spent += np.bincount(owners, weights, 2)
        worth = (now + 1 - first) * PANE / HOUR_US
        assert (spent <= worth + 1e-12).all()


def test_steady_series_share_evenly_and_use_it_all() -> None:
    """Four series of one model, each pane: the weights sum to the pane's worth."""
    state, keys, owners = budget.initial(), np.arange(4, dtype=np.int32), np.zeros(4, np.int32)
    for pane in range(3):
        weights = budget.weights(state, keys, owners, context(pane))
        np.testing.assert_allclose(weights, PANE / HOUR_US / 4)


def test_shares_are_relative() -> None:
    """A whole version may weigh more than one of its segments."""
    state, keys = budget.initial(), np.arange(3, dtype=np.int32)
    weights = budget.weights(state, keys, np.zeros(3, np.int32), context(0), [4.0, 1.0, 1.0])
    np.testing.assert_allclose(weights / weights.sum(), [4 / 6, 1 / 6, 1 / 6])


def test_silence_is_worth_an_hour_at_most() -> None:
    """After a night without a pane a series may not bet a night's budget at once."""
    state, key, owner = budget.initial(), np.zeros(1, np.int32), np.zeros(1, np.int32)
    budget.weights(state, key, owner, context(0))
    assert budget.weights(state, key, owner, context(5_000))[0] == pytest.approx(1.0)


def test_the_share_of_a_forgotten_series_is_free_again() -> None:
    """Retiring frees budget."""
    state, keys = budget.initial(), np.arange(2, dtype=np.int32)
    budget.weights(state, keys, np.zeros(2, np.int32), context(0))
    budget.forget(state, frozenset({1}))
    weight = budget.weights(state, keys[:1], np.zeros(1, np.int32), context(1))
    np.testing.assert_allclose(weight, PANE / HOUR_US)
