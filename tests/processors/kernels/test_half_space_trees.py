"""Half-space trees against River's own, on the same trees."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from river import anomaly
from river.tree import padded

from processors.kernels.half_space_trees import PADDING, grow, node_masses, stretch, walk

river_trees: Any = padded
river_anomaly: Any = anomaly


def as_river(features: Any, thresholds: Any, window: int) -> Any:
    """River's estimator, given these trees instead of drawing its own."""
    trees, inner = features.shape

    def branch(tree: int, node: int) -> Any:
        if node >= inner:
            return river_trees.PaddedLeaf(l_mass=0, r_mass=0)
        left, right = branch(tree, 2 * node + 1), branch(tree, 2 * node + 2)
        feature, threshold = int(features[tree, node]), float(thresholds[tree, node])
        return river_trees.PaddedBranch(left, right, feature, threshold, l_mass=0, r_mass=0)

    model = river_anomaly.HalfSpaceTrees(n_trees=trees, height=(inner + 1).bit_length() - 1, window_size=window, seed=0)
    model.trees = [branch(tree, 0) for tree in range(trees)]
    model._tree_nodes = [list(root.iter_dfs()) for root in model.trees]
    return model


def walk_matrix(points: Any, features: Any, thresholds: Any, leaves: Any, window: int) -> Any:
    """`walk` one forest over the rows of a matrix."""
    rows, columns = points.shape
    return walk(
        np.zeros(rows, np.int32),
        np.arange(0, rows * columns, columns),
        np.arange(columns, rows * columns + 1, columns),
        np.tile(np.arange(columns, dtype=np.int32), rows),
        points.ravel(),
        columns,
        features[None],
        thresholds[None],
        node_masses(leaves[None]),
        np.array([window]),
    )


@pytest.mark.parametrize(("columns", "trees", "height", "window"), [(1, 5, 3, 20), (4, 10, 8, 250), (30, 3, 5, 64)])
def test_scores_equal_rivers_when_panes_are_its_windows(columns: int, trees: int, height: int, window: int) -> None:
    """Window after window, each row's score equals `HalfSpaceTrees.score_one`, to the last bit."""
    features, thresholds = grow(7, columns, trees, height)
    model = as_river(features, thresholds, window)
    rng = np.random.default_rng(1)
    leaves, seen = np.zeros((trees, 2**height), np.int32), 0
    for turn in range(4):
        points = rng.beta(2, 5 - turn, (window, columns))
        expected = []
        for point in points.tolist():
            expected.append(model.score_one(dict(enumerate(point))))
            model.learn_one(dict(enumerate(point)))
        scores, formed = walk_matrix(points, features, thresholds, leaves, seen)
        assert np.nan_to_num(scores).tolist() == expected
        assert np.isnan(scores).all() == (turn == 0)
        leaves, seen = formed[0], window


def test_masses_are_rivers() -> None:
    """Sums of leaves are the masses that River counts at every node."""
    features, thresholds = grow(3, 2, 4, 6)
    model = as_river(features, thresholds, 300 + 1)
    points = np.random.default_rng(2).random((300, 2))
    for point in points.tolist():
        model.learn_one(dict(enumerate(point)))
    _, leaves = walk_matrix(points, features, thresholds, np.zeros((4, 64), np.int32), 0)
    breadth_first = [[node.l_mass for node in root.iter_bfs()] for root in model.trees]
    assert node_masses(leaves)[0].tolist() == breadth_first


def test_an_absent_value_follows_the_greater_sealed_mass() -> None:
    """A row without any value walks down the most visited children, as a row there would."""
    features, thresholds = grow(5, 2, 3, 4)
    points = np.random.default_rng(3).beta(2, 8, (500, 2))
    _, formed = walk_matrix(points, features, thresholds, np.zeros((3, 16), np.int32), 0)
    masses = node_masses(formed)[0]
    _, leaves = walk_matrix(np.full((1, 2), np.nan), features, thresholds, formed[0], 500)
    for tree in range(3):
        node = 0
        while node < 15:
            node = 2 * node + 2 if masses[tree, 2 * node + 1] < masses[tree, 2 * node + 2] else 2 * node + 1
        assert leaves[0, tree, node - 15] == 1
        assert leaves[0, tree].sum() == 1


@given(seed=st.integers(0, 2**32), height=st.integers(1, 7), absent=st.sampled_from([0.0, 0.1, 0.9]))
def test_many_rows_walk_as_each_would_alone(seed: int, height: int, absent: float) -> None:
    """Scores to the last bit, and leaves; whatever is absent, also where the walk of the score ends early."""
    rng = np.random.default_rng(seed)
    features, thresholds = grow(seed, 3, 4, height)
    points = rng.random((40, 3))
    points[rng.random((40, 3)) < absent] = np.nan
    sealed = (rng.poisson(rng.exponential(3.0, (4, 2**height)))).astype(np.int32)
    together, counts = walk_matrix(points, features, thresholds, sealed, int(sealed[0].sum()) + 1)
    alone = [walk_matrix(point[None], features, thresholds, sealed, int(sealed[0].sum()) + 1) for point in points]
    assert together.tobytes() == np.concatenate([scores for scores, _ in alone]).tobytes()
    assert counts.tobytes() == np.sum([leaves for _, leaves in alone], 0, np.int32).tobytes()


def test_values_of_one_row_do_not_leak_into_the_next() -> None:
    """A row with a cell and a row without stay apart."""
    features, thresholds = grow(1, 1, 2, 3)
    start, end, column = np.array([0, 1]), np.array([1, 1]), np.zeros(1, np.int32)
    args = (features[None], thresholds[None], np.zeros((1, 2, 15), np.int32), np.array([0]))
    _, leaves = walk(np.zeros(2, np.int32), start, end, column, np.array([0.99]), 1, *args)
    assert leaves[0, :, 0].tolist() == [1, 1]
    assert leaves[0, :, -1].tolist() == [1, 1]


def test_rows_without_a_forest_are_left_alone() -> None:
    """Forest -1 gets no score and counts nowhere."""
    features, thresholds = grow(1, 1, 2, 3)
    args = (features[None], thresholds[None], np.ones((1, 2, 15), np.int32), np.array([8]))
    nowhere = np.zeros(1, np.int64)
    scores, leaves = walk(np.array([-1], np.int32), nowhere, nowhere, np.zeros(0, np.int32), np.zeros(0), 1, *args)
    assert np.isnan(scores).all()
    assert leaves.sum() == 0


@given(seed=st.integers(0, 2**64 - 1), columns=st.integers(1, 5))
def test_every_split_lies_well_within_its_node(seed: int, columns: int) -> None:
    """The padding of River: a threshold keeps 15% of the node's width to both sides."""
    features, thresholds = grow(seed, columns, 2, 4)

    def check(tree: int, node: int, low: list[float], high: list[float]) -> None:
        if node >= 15:
            return
        on, at = features[tree, node], thresholds[tree, node]
        margin = PADDING * (high[on] - low[on]) * (1 - 1e-9)
        assert low[on] + margin <= at <= high[on] - margin
        check(tree, 2 * node + 1, low, [*high[:on], at, *high[on + 1 :]])
        check(tree, 2 * node + 2, [*low[:on], at, *low[on + 1 :]], high)

    for tree in range(2):
        check(tree, 0, [0.0] * columns, [1.0] * columns)


def test_features_are_drawn_evenly_at_the_root() -> None:
    """Equal widths, equal chances: 4,000 roots over 4 features stay within 5 standard deviations."""
    roots = np.concatenate([grow(seed, 4, 10, 1)[0][:, 0] for seed in range(400)])
    counts = np.bincount(roots, minlength=4)
    assert np.abs(counts - 1000).max() < 5 * np.sqrt(4000 * 0.25 * 0.75)


def test_seeds_make_different_trees() -> None:
    """Same seed, same trees; another seed, others."""
    assert (grow(1, 3, 2, 4)[1] == grow.__wrapped__(1, 3, 2, 4)[1]).all()
    assert (grow(1, 3, 2, 4)[1] != grow(2, 3, 2, 4)[1]).all()


def test_thresholds_are_stretched_to_each_features_range() -> None:
    """As numpy does it, to the last bit."""
    features, thresholds = grow(3, 4, 5, 6)
    low, high = np.random.default_rng(1).normal(size=(2, 4))
    found = np.empty(thresholds.shape)
    stretch(features, thresholds, low, high, found)
    np.testing.assert_array_equal(found, low[features] * (1 - thresholds) + high[features] * thresholds)
