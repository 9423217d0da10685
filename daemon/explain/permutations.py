"""SHAP values of any function, by antithetic permutations: each is walked forward and backward.

E. Štrumbelj & I. Kononenko (2014), "Explaining prediction models and individual predictions with feature
contributions", Knowledge and Information Systems 41. The same values as `shap.PermutationExplainer` gives with the same
seed, whose compiled parts take 6 CPU seconds to compile anew in each process. Exact for models with interactions of two
features at most, and of whatever order where the permutations suffice; they always add up to the output.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from processors.rows import Bools, Floats, Index

Predict = Callable[[Floats], Floats]

_CELLS = 2**21
"""Numbers that are handed to the function at a time."""


def permutation_values(
    predict: Predict, row: Floats, background: Floats, permutations: int, seed: int
) -> tuple[Floats, Floats]:
    """(values, base) of one row of shape (features,): shapes (features[, classes]) and ([classes]).

    `predict` takes (rows, features) and gives (rows[, classes]). A feature that no row of the background has otherwise
    has the value 0.
    """
    varying = np.flatnonzero(~np.isclose(row, background).all(axis=0))
    base = np.asarray(_mean_output(predict, row, background, np.zeros((1, len(row)), np.bool_))[0])
    values = np.zeros((len(row), *base.shape))
    random = np.random.RandomState(seed)  # the generator that shap draws from
    for _ in range(permutations if len(varying) else 0):
        random.shuffle(varying)
        outputs = _mean_output(predict, row, background, _walk(varying, len(row)))
        steps = np.diff(outputs, axis=0)
        values[varying] += steps[: len(varying)] - steps[len(varying) :]
    return values / (2 * permutations), base


def _walk(order: Index, width: int) -> Bools:
    """Which features are the row's own at each step: one more from none to all, then one fewer in the same order."""
    count = len(order)
    own = np.zeros((2 * count + 1, width), np.bool_)
    for step, feature in enumerate(order):
        own[step + 1 : step + count + 1, feature] = True
    return own


def _mean_output(predict: Predict, row: Floats, background: Floats, own: Bools) -> Floats:
    """The mean output over the background for each set of the row's own features; shape (sets[, classes])."""
    at_once = max(1, _CELLS // max(background.size, 1))
    parts = []
    for first in range(0, len(own), at_once):
        mixed = np.where(own[first : first + at_once, None, :], row, background)
        outputs = np.asarray(predict(mixed.reshape(-1, len(row))), np.float64)
        outputs = outputs.reshape(len(mixed), len(background), *outputs.shape[1:])
        parts.append(outputs.mean(axis=1))
    return np.concatenate(parts)
