"""Pooled curves and looking them up, against scikit-learn and plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from processors.kernels import isotonic


@pytest.mark.parametrize("seed", range(5))
def test_rates_of_blocks_are_those_of_isotonic_regression(seed: int) -> None:
    """Each curve's pooled rates are scikit-learn's, weighted by trials, whatever curves stand beside it."""
    rng = np.random.default_rng(seed)
    curve = np.sort(rng.integers(0, 4, 200)).astype(np.int64)
    trials = rng.integers(1, 30, 200).astype(np.float64)
    hits = np.floor(trials * rng.random(200))
    block = isotonic.pool(curve, hits, trials)
    rate = (np.bincount(block, hits) / np.bincount(block, trials))[block]
    for one in np.unique(curve).tolist():
        mine = curve == one
        place = np.arange(mine.sum())
        fitted = IsotonicRegression().fit(place, (hits / trials)[mine], sample_weight=trials[mine])
        np.testing.assert_allclose(rate[mine], fitted.predict(place), atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_nearest_is_found_within_its_own_curve(seed: int) -> None:
    """The place is that of the least distance, the lower of two, and -1 for a curve that is not known."""
    rng = np.random.default_rng(seed)
    known = np.unique(rng.integers(0, [4, 100], (60, 2)), axis=0)
    asked = rng.integers(-5, [6, 110], (200, 2))
    place = isotonic.nearest(asked[:, 0].copy(), asked[:, 1].copy(), known[:, 0].copy(), known[:, 1].copy())
    for (curve, code), found in zip(asked.tolist(), place.tolist(), strict=True):
        distances = [(abs(other - code), other, at) for at, (its, other) in enumerate(known.tolist()) if its == curve]
        assert found == (min(distances)[2] if distances else -1)


def test_nothing_is_pooled_to_nothing() -> None:
    """No entries have no blocks, and nothing is near in an empty table."""
    none, nothing = np.zeros(0, np.int64), np.zeros(0)
    assert len(isotonic.pool(none, nothing, nothing)) == 0
    one = np.ones(1, np.int64)
    assert isotonic.nearest(one, one, none, none).tolist() == [-1]
