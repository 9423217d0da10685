"""NDCG against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from processors.explanation.ranking import ndcg


@pytest.mark.parametrize("seed", range(5))
def test_ndcg_is_that_of_scikit_learn(seed: int) -> None:
    """Without ties both rank alike."""
    random = np.random.default_rng(seed)
    reference, current = random.gamma(1, size=12), random.gamma(1, size=12)
    assert ndcg(reference, current) == pytest.approx(ndcg_score([reference], [current]), abs=1e-12)


def test_the_same_order_is_one_whatever_the_sizes() -> None:
    """Only ranks count."""
    assert ndcg(np.array([5.0, 3.0, 1.0]), np.array([0.9, 0.8, 0.0])) == pytest.approx(1.0)


def test_nothing_to_rank_is_no_number() -> None:
    """A reference of zeros says nothing about any order."""
    assert np.isnan(ndcg(np.zeros(3), np.ones(3)))
