"""Log-spaced bins against numpy's own quantiles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.anomaly.log_bins import LogBins

BINS = LogBins(-4, 18)


@given(st.floats(2.0**-4, 2.0**18, exclude_max=True))
def test_a_value_lies_within_its_bin(value: float) -> None:
    """Left edge included, right edge not, and a bin is at most a 16th wider than its left edge."""
    place = int(BINS.bin_of(np.array([value]))[0])
    assert BINS.edge(place) <= value < BINS.edge(place + 1)
    assert BINS.edge(place + 1) / BINS.edge(place) <= 1.0625


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1))
def test_every_value_has_a_bin(values: list[float]) -> None:
    """NaN, infinities and negative numbers too."""
    places = BINS.bin_of(np.array(values))
    assert ((places >= 0) & (places < BINS.size)).all()


@pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
def test_quantiles_are_good_to_two_percent(share: float) -> None:
    """Against numpy on lognormal latencies."""
    values = np.random.default_rng(1).lognormal(3, 1, 20_000)
    counts = BINS.count(np.zeros(len(values), np.int64), values, 1)[0]
    assert BINS.quantile(counts, share) == pytest.approx(float(np.quantile(values, share)), rel=0.02)


def test_nothing_has_no_quantile() -> None:
    """NaN where there are no counts."""
    assert np.isnan(BINS.quantile(np.zeros(BINS.size, np.int64), 0.5))
