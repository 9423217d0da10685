"""Half-space trees [1] as arrays: growing them from a seed, walking them, and the mass of every node.

A forest of T trees of height h is three arrays: `features` and `thresholds` of the (T, 2^h - 1) inner nodes, and the
rows that ended in each of the (T, 2^h) leaves. Nodes stand in heap order: the children of node i are 2i + 1 (below the
threshold) and 2i + 2. Every node's mass is the sum of the leaves under it, so only leaves are counted, and counts add.

Scores equal those of River's `HalfSpaceTrees` [2] on the same trees and masses, with two differences that make a score
independent of the order of rows within a pane. Masses pivot at the end of a pane, so a window may hold more rows than
asked for; its true size stands in River's formulas. And where the feature of a split is absent, River follows the
child visited more often so far in the window that is forming; here it is the child with the greater sealed mass, the
left one while nothing is sealed.

[1] Tan, Ting & Liu (2011), "Fast anomaly detection for streaming data", IJCAI.
[2] river/anomaly/hst.py and river/tree/padded.py, version 0.26.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit

from processors.rows import Floats, Ints

PADDING = 0.15
"""No split nearer to the edge of its node than this share of the node's width: River's value."""

SIZE_LIMIT = 0.1
"""A walk ends where less than this share of the window came by: the value of the paper and of River."""

_MANY = 4
"""What a walk adds is worked out for all leaves of a tree if there are a quarter as many rows."""


@lru_cache(maxsize=4096)
def grow(seed: int, columns: int, trees: int, height: int) -> tuple[Ints, Floats]:
    """Features and thresholds, each of shape (trees, 2^height - 1), over `columns` >= 1 features of range [0, 1].

    As in River a node splits a feature drawn in proportion to the node's width along it. Same arguments, same trees.
    The arrays are shared and read-only.
    """
    features, thresholds = _grow(np.uint64(seed), columns, trees, height)
    features.flags.writeable = thresholds.flags.writeable = False
    return features, thresholds


@njit(cache=True)
def stretch(features: Any, thresholds: Any, low: Any, high: Any, stretched: Any) -> None:
    """Put a forest's thresholds, made for features of range [0, 1], where features of range [low, high] have them."""
    for tree in range(features.shape[0]):
        for node in range(features.shape[1]):
            feature, share = features[tree, node], thresholds[tree, node]
            stretched[tree, node] = low[feature] * (1 - share) + high[feature] * share


@njit(cache=True)
def node_masses(leaves: Any) -> Any:
    """Mass of every node in heap order, shape (forests, trees, 2^(h + 1) - 1), from that of leaves, (..., 2^h)."""
    forests, trees, width = leaves.shape
    masses = np.empty((forests, trees, 2 * width - 1), np.int32)
    for forest in range(forests):
        for tree in range(trees):
            mass = masses[forest, tree]
            mass[width - 1 :] = leaves[forest, tree]
            for node in range(width - 2, -1, -1):
                mass[node] = mass[2 * node + 1] + mass[2 * node + 2]
    return masses


@njit(cache=True)
def walk(
    forest: Any,
    cell_start: Any,
    cell_end: Any,
    cell_column: Any,
    cell_value: Any,
    columns: int,
    features: Any,
    thresholds: Any,
    masses: Any,
    window: Any,
) -> Any:
    """Score each row against the sealed masses of its forest, and count the leaves in which it ends.

    `forest[row]` numbers the first axis of the last four arrays (-1: none). The row's cells stand at `cell_start[row]`
    to `cell_end[row]`; each gives the value of one of at most `columns` columns (-1: not one of the forest's).
    NaN is an absent value. `masses` are those of `node_masses`, `window` the rows that they count (0: none sealed).

    Returns scores of shape (rows,), from 0 (usual) to 1, NaN where nothing is sealed; and int32 counts of shape
    (forests, trees, leaves).
    """
    trees, inner = features.shape[1], features.shape[2]
    scores = np.full(len(forest), np.nan)
    leaves = np.zeros((len(features), trees, inner + 1), np.int32)
    # Rows of one forest together, and its trees one by one, so that each tree stays in the fastest cache.
    start = np.zeros(len(features) + 1, np.int64)
    for row in range(len(forest)):
        if forest[row] >= 0:
            start[forest[row] + 1] += 1
    for mine in range(len(features)):
        start[mine + 1] += start[mine]
    order, filled = np.empty(start[-1], np.int64), start[:-1].copy()
    for row in range(len(forest)):
        if forest[row] >= 0:
            order[filled[forest[row]]] = row
            filled[forest[row]] += 1
    for mine in range(len(features)):
        rows = order[start[mine] : start[mine + 1]]
        points = _points(rows, cell_start, cell_end, cell_column, cell_value, columns)
        total = np.zeros(len(rows))
        many = _MANY * len(rows) >= inner
        for tree in range(trees):
            split, at, mass = features[mine, tree], thresholds[mine, tree], masses[mine, tree]
            if many:
                _descend_all(points, split, at, mass, window[mine], leaves[mine, tree], total)
            else:
                for place in range(len(rows)):
                    total[place] += _descend(points[place], split, at, mass, window[mine], leaves[mine, tree])
        if window[mine] > 0:
            most = trees * window[mine] * (2 * inner + 1)
            for place in range(len(rows)):
                scores[rows[place]] = 1 - total[place] / most
    return scores, leaves


@njit(cache=True)
def _points(rows: Any, cell_start: Any, cell_end: Any, cell_column: Any, cell_value: Any, columns: int) -> Any:
    """Values by column of these rows, NaN where there is none."""
    points = np.full((len(rows), columns), np.nan)
    for place in range(len(rows)):
        for cell in range(cell_start[rows[place]], cell_end[rows[place]]):
            if cell_column[cell] >= 0:
                points[place, cell_column[cell]] = cell_value[cell]
    return points


@njit(cache=True)
def _descend(point: Any, features: Any, thresholds: Any, masses: Any, window: Any, leaves: Any) -> float:
    """Walk one tree from root to leaf; returns what it adds to the score: mass x 2^depth of each node passed."""
    inner = len(features)
    limit = SIZE_LIMIT * window
    total, weight, going_on, node = 0.0, 1.0, True, 0
    while node < inner:
        if going_on:
            total += masses[node] * weight
            going_on = masses[node] >= limit
            weight *= 2.0
        left = 2 * node + 1
        value = point[features[node]]
        if np.isnan(value):
            node = left + 1 if masses[left] < masses[left + 1] else left
        else:
            node = left if value < thresholds[node] else left + 1
    if going_on:
        total += masses[node] * weight
    leaves[node - inner] += 1
    return total


@njit(cache=True)
def _descend_all(
    points: Any, features: Any, thresholds: Any, masses: Any, window: Any, leaves: Any, total: Any
) -> None:
    """`_descend` for many points, its returns added to `total`, by the same additions in the same order.

    What a walk adds is known of every leaf before the first, and no step is a branch that could be guessed wrong.
    Indices are unsigned, for numba asks of others whether they count from the end.
    """
    inner, limit, one = np.uint64(len(features)), SIZE_LIMIT * window, np.uint64(1)
    adds, weight = np.empty(len(masses)), np.empty(len(masses))
    right_without = np.empty(len(features), np.uint64)
    adds[0], weight[0] = masses[0], 1.0
    for node in range(1, len(masses)):
        above = (node - 1) // 2
        weight[node] = 2.0 * weight[above] if masses[above] >= limit else 0.0
        adds[node] = adds[above] + masses[node] * weight[node]
    for node in range(len(features)):
        right_without[node] = masses[2 * node + 1] < masses[2 * node + 2]
    for place in range(len(points)):
        at = np.uint64(0)
        while at < inner:
            value = points[place, np.uint64(features[at])]
            right = np.uint64(value >= thresholds[at]) + np.uint64(np.isnan(value)) * right_without[at]
            at = at + at + one + right
        leaves[at - inner] += 1
        total[place] += adds[at]


@njit(cache=True)
def _grow(seed: Any, columns: int, trees: int, height: int) -> Any:
    inner = 2**height - 1
    features = np.empty((trees, inner), np.int32)
    thresholds = np.empty((trees, inner))
    low, high = np.empty(columns), np.empty(columns)
    state = seed
    for tree in range(trees):
        for node in range(inner):
            _limits(node, features[tree], thresholds[tree], low, high)
            state += np.uint64(0x9E3779B97F4A7C15)
            feature = _choose(_uniform(state), low, high)
            state += np.uint64(0x9E3779B97F4A7C15)
            margin = PADDING * (high[feature] - low[feature])
            start, end = low[feature] + margin, high[feature] - margin
            features[tree, node] = feature
            thresholds[tree, node] = start + (end - start) * _uniform(state)
    return features, thresholds


@njit(cache=True)
def _limits(node: int, features: Any, thresholds: Any, low: Any, high: Any) -> None:
    """The node's box: from the node up, the nearest split on a feature bounds it most tightly."""
    low[:] = 0.0
    high[:] = 1.0
    while node > 0:
        parent = (node - 1) // 2
        feature, threshold = features[parent], thresholds[parent]
        if node == 2 * parent + 1:
            high[feature] = min(high[feature], threshold)
        else:
            low[feature] = max(low[feature], threshold)
        node = parent


@njit(cache=True)
def _choose(at: float, low: Any, high: Any) -> int:
    """The feature at share `at` of the widths laid end to end."""
    left = at * (high - low).sum()
    last = len(low) - 1
    for feature in range(last):
        left -= high[feature] - low[feature]
        if left < 0:
            return feature
    return last


@njit(cache=True)
def _uniform(state: Any) -> float:
    """A number in [0, 1) from a counter: the output function of SplitMix64 (Steele, Lea & Flood 2014)."""
    mixed = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return float(mixed >> np.uint64(11)) * 2.0**-53
