"""Bottom-k samples: which rows they hold, and that nothing but the rows and the seed decides it."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, kstest

from processors.rows import text_hash
from processors.sampling import bottom_k, priorities

KEYS = np.array([text_hash(f"fraud/{number}") for number in range(5_000)], np.uint64)


@st.composite
def tables(draw: st.DrawFn) -> tuple[Any, Any]:
    """Distinct keys, each in one of three groups or in none."""
    keys = draw(st.lists(st.integers(0, 2**64 - 1), unique=True, max_size=60))
    groups = draw(st.lists(st.integers(-1, 2), min_size=len(keys), max_size=len(keys)))
    return np.array(keys, np.uint64), np.array(groups, np.int32)


@given(tables(), st.integers(1, 9), st.integers(0, 2**32 - 1), st.randoms())
def test_the_order_of_rows_does_not_change_the_sample(table: tuple[Any, Any], k: int, seed: int, random: Any) -> None:
    """The same rows in any order give the same keys in the same order."""
    keys, groups = table
    order = np.array(random.sample(range(len(keys)), len(keys)), np.int64)
    here, there = bottom_k(keys, groups, k, seed), bottom_k(keys[order], groups[order], k, seed)
    assert keys[here].tolist() == keys[order][there].tolist()


@given(tables(), st.integers(1, 9), st.integers(0, 60))
def test_the_sample_of_a_union_is_the_sample_of_the_samples(table: tuple[Any, Any], k: int, cut: int) -> None:
    """Samples of two parts hold all that the sample of the whole needs."""
    keys, groups = table
    parts = [bottom_k(keys[:cut], groups[:cut], k, 7), bottom_k(keys[cut:], groups[cut:], k, 7) + min(cut, len(keys))]
    kept = np.concatenate(parts)
    whole = bottom_k(keys, groups, k, 7)
    assert keys[kept][bottom_k(keys[kept], groups[kept], k, 7)].tolist() == keys[whole].tolist()


@given(tables(), st.integers(1, 9))
def test_each_group_gives_k_rows_or_all_it_has(table: tuple[Any, Any], k: int) -> None:
    """Rows of no group (-1) are never drawn, no row twice."""
    keys, groups = table
    drawn = bottom_k(keys, groups, k, 0)
    assert len(set(drawn.tolist())) == len(drawn)
    for group in range(3):
        assert (groups[drawn] == group).sum() == min(k, (groups == group).sum())
    assert not (groups[drawn] < 0).any()


def test_priorities_are_uniform_and_unrelated_to_the_keys_order() -> None:
    """The ledger sheds by the key itself: what it keeps must still be sampled evenly. Fails once in 1,000,000 seeds."""
    low = KEYS[np.uint64(2**63) > KEYS]
    for seed in range(3):
        assert kstest(priorities(low, seed) / 2.0**64, "uniform").pvalue > 1e-6


def test_different_seeds_draw_independent_samples() -> None:
    """Half of the rows are below the median under both of two seeds by chance only, neighbouring seeds included."""
    half = np.uint64(2**63)
    both = ((priorities(KEYS, 0) < half) == (priorities(KEYS, 1) < half)).sum()
    assert binomtest(int(both), len(KEYS), 0.5).pvalue > 1e-6
