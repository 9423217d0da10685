"""The best bet against a total variation ball, and the distances."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize
from scipy.spatial.distance import jensenshannon

from processors.detectors.projection import (
    best_bet,
    jensen_shannon,
    sampling_error,
    stability_index,
    total_variation,
)
from processors.rows import Floats

histograms = st.lists(st.floats(0.001, 1.0), min_size=6, max_size=6).map(lambda shares: np.array(shares) / sum(shares))


def worst_mean(bet: Floats, p: Floats, eps: float) -> float:
    """Largest mean of the bet over all distributions within `eps` of p: a linear programme over the mass moved."""
    size = len(p)
    # Variables: what is added to and what is taken from each bin.
    result = optimize.linprog(
        np.concatenate([-bet, bet]),
        A_ub=np.array([[1.0] * size + [0.0] * size]),
        b_ub=[eps],
        A_eq=np.array([[1.0] * size + [-1.0] * size]),
        b_eq=[0.0],
        bounds=[(0, None)] * size + [(0, share) for share in p],
    )
    return float(p @ bet - result.fun)


@settings(max_examples=60, deadline=None)
@given(histograms, histograms, st.floats(0.0, 0.9))
def test_no_member_of_the_null_gains_from_the_bet(p: Floats, q: Floats, eps: float) -> None:
    """The factor's mean is at most 1 under every distribution within eps of the reference: what the proof needs."""
    bet = best_bet(q[None], p[None], np.array([eps]))[0]
    assert worst_mean(bet, p, eps) <= 1 + 1e-7


@settings(max_examples=60, deadline=None)
@given(histograms, histograms, st.floats(0.0, 0.9))
def test_the_bet_is_the_guess_over_a_member_of_the_null(p: Floats, q: Floats, eps: float) -> None:
    """The quotient q / bet is a distribution within eps of p: the one that is closest to q."""
    bet = best_bet(q[None], p[None], np.array([eps]))[0]
    closest = q / bet
    assert abs(closest.sum() - 1) < 1e-7
    assert float(total_variation(closest, p if total_variation(q, p) > eps else q)) <= eps + 1e-7


def test_a_guess_within_the_null_bets_on_nothing() -> None:
    """Nothing to win, nothing to lose."""
    p = np.array([[0.5, 0.3, 0.2]])
    q = np.array([[0.45, 0.3, 0.25]])
    np.testing.assert_array_equal(best_bet(q, p, np.array([0.06])), 1.0)


def test_jensen_shannon_is_scipys() -> None:
    """In base 2, so that 1 is the largest."""
    p, q = np.array([0.5, 0.5, 0.0]), np.array([0.1, 0.6, 0.3])
    np.testing.assert_allclose(jensen_shannon(p, q), jensenshannon(p, q, base=2))
    assert float(jensen_shannon(np.array([1.0, 0.0]), np.array([0.0, 1.0]))) == 1.0


def test_the_stability_index_by_hand() -> None:
    """Sum of (q - p) log(q / p)."""
    p, q = np.array([0.5, 0.5]), np.array([0.25, 0.75])
    wanted = -0.25 * np.log(0.5) + 0.25 * np.log(1.5)
    np.testing.assert_allclose(stability_index(p, q), wanted)


def test_draws_are_rarely_further_from_their_distribution_than_the_bound() -> None:
    """Of 2,000 samples fewer than the promised 5% are."""
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(20))
    n = 300
    shares = rng.multinomial(n, p, 2_000) / n
    bound = sampling_error(p, np.array(float(n)), -np.log(0.05))
    assert (total_variation(shares, p) > bound).mean() < 0.05
