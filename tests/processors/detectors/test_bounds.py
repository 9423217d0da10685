"""Closed-form bounds against scipy."""

from __future__ import annotations

import numpy as np
from scipy import stats

from processors.detectors.bounds import chi2_quantile, normal_quantile, wilson


def test_wilson_is_scipys_interval() -> None:
    """The interval of scipy's binomial test, for rare and common hits alike."""
    for hits, trials in [(0, 20), (1, 20), (10, 20), (20, 20), (37, 1_000), (3, 100_000)]:
        low, high = wilson(np.array([hits]), np.array([trials]), normal_quantile(0.975))
        wanted = stats.binomtest(hits, trials).proportion_ci(0.95, method="wilson")
        np.testing.assert_allclose([low[0], high[0]], [wanted.low, wanted.high], atol=1e-12)


def test_nothing_is_known_without_trials() -> None:
    """No trials: any rate is possible."""
    low, high = wilson(np.zeros(1), np.zeros(1), 2.0)
    assert (low[0], high[0]) == (0.0, 1.0)


def test_chi_square_quantiles_are_good_to_a_percent_where_they_are_used() -> None:
    """From 20 degrees of freedom on, at the lower 1%."""
    freedom = np.array([20.0, 100.0, 1_000.0])
    np.testing.assert_allclose(chi2_quantile(normal_quantile(0.01), freedom), stats.chi2.ppf(0.01, freedom), rtol=0.01)
