"""Intervals solve the equations that define them, and hold the truth as often as they promise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from processors.performance import intervals


def test_wilson_is_scipys() -> None:
    """Shares from 0 to 1 among few and many."""
    for hits, n in ((0, 1), (1, 1), (3, 10), (0, 50), (999, 1000)):
        low, high = intervals.wilson(np.array([hits / n]), np.array([float(n)]))
        expected = stats.binomtest(hits, n).proportion_ci(method="wilson")
        assert (low[0], high[0]) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_bounds_of_an_area_are_as_far_off_as_chance_allows() -> None:
    """Newcombe's equation (A - t)^2 = z^2 V(t), with Hanley and McNeil's variance V, holds at both bounds."""
    area, m, n = np.array([0.5, 0.83, 0.99, 1.0, 0.2]), np.array([9.0, 40, 300, 2, 5]), np.array([9.0, 11, 20, 1, 70])
    for bound in intervals.area(area, m, n):
        star = (m + n) / 2 - 1
        spread = 1 + star * (1 - bound) / (2 - bound) + star * bound / (1 + bound)
        variance = bound * (1 - bound) * spread / (m * n)
        inside = bound < 1
        np.testing.assert_allclose(
            np.abs(area - bound)[inside], intervals.Z * np.sqrt(variance)[inside], atol=2e-3, rtol=0
        )


@pytest.mark.parametrize(("positives", "negatives"), [(15, 60), (80, 80)])
def test_the_interval_of_an_area_holds_the_truth_about_95_times_in_100(positives: int, negatives: int) -> None:
    """Normal scores one deviation apart: the true area is known."""
    rng = np.random.default_rng(0)
    truth = stats.norm.cdf(1 / np.sqrt(2))
    high, low = rng.normal(1, 1, (2_000, positives)), rng.normal(0, 1, (2_000, negatives))
    area = (high[:, :, None] > low[:, None, :]).mean(axis=(1, 2))
    below, above = intervals.area(area, np.full(2_000, float(positives)), np.full(2_000, float(negatives)))
    assert 0.93 < np.mean((below <= truth) & (truth <= above)) < 0.985


def test_the_interval_of_a_mean_is_the_normal_one() -> None:
    """From the mean of squares, with n - 1; a single value has none."""
    sample = np.random.default_rng(1).exponential(size=200)
    low, high = intervals.mean(np.array([sample.mean()]), np.array([(sample**2).mean()]), np.array([200.0]))
    expected = stats.norm.interval(0.95, sample.mean(), stats.sem(sample))
    assert (low[0], high[0]) == pytest.approx(expected, rel=1e-9)
    assert np.isnan(intervals.mean(np.ones(1), np.ones(1), np.ones(1))[0][0])


def test_what_is_undefined_has_no_interval() -> None:
    """Not a number in, not a number out, and no warning."""
    nothing, none = np.array([np.nan]), np.array([0.0])
    for interval in (
        intervals.wilson(nothing, none),
        intervals.mean(nothing, nothing, none),
        intervals.correlation(nothing, none),
        intervals.area(nothing, none, none),
    ):
        assert np.isnan(interval).all()
