"""The three ways to SHAP values: a tree's own structure, a linear model's coefficients, permutations of any function.

Imported in the worker only: shap takes seconds to import.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import shap

from daemon.explain.features import Categories, FeatureRows
from daemon.explain.models import Attributions
from daemon.explain.permutations import Predict, permutation_values
from processors.rows import Floats

PERMUTATIONS = 5
"""Passes over the features, each forward and backward, for each explained row."""

Contributions = Callable[[Floats], tuple[Any, Any]]
"""Values (rows, features[, classes]) and base (rows[, classes]) of a matrix."""


class TreeModel:
    """SHAP values along the paths of trees, which need no background.

    S. Lundberg et al. (2020), "From local explanations to global understanding with explainable AI for trees", Nature
    Machine Intelligence 2.
    """

    needs_background = False
    classes: tuple[str, ...] = ()
    probability = False

    def __init__(self, contributions: Contributions, features: tuple[str, ...], codes: Categories):
        self.features = features
        self._contributions = contributions
        self._codes = codes

    def explain(self, rows: FeatureRows, background: FeatureRows | None, seed: int) -> Attributions:
        return chosen_output(*self._contributions(rows.numbers(self.features, self._codes)))


class LinearModel:
    """SHAP values of a linear model, features taken as independent: coefficient × (value − background mean)."""

    needs_background = True
    classes: tuple[str, ...] = ()
    probability = False

    def __init__(self, estimator: Any, features: tuple[str, ...], codes: Categories):
        self.features = features
        self._estimator = estimator
        self._codes = codes

    def explain(self, rows: FeatureRows, background: FeatureRows | None, seed: int) -> Attributions:
        assert background is not None  # noqa: S101 - the worker waits for it
        reference = background.numbers(self.features, self._codes)
        masker = shap.maskers.Independent(reference, max_samples=len(reference))
        found = shap.LinearExplainer(self._estimator, masker)(rows.numbers(self.features, self._codes))
        return chosen_output(found.values, found.base_values)


class FunctionModel:
    """SHAP values of any function of the features, by permutations against a background.

    Each row starts from the seed, so that its values do not depend on the rows before it. `predict` takes float64 of
    shape (rows, features) in which texts are codes of `words`, if the function wants texts.
    """

    needs_background = True
    classes: tuple[str, ...] = ()
    probability = False

    def __init__(self, predict: Predict, features: tuple[str, ...], codes: Categories, words: Words | None = None):
        self.features = features
        self._predict = predict
        self._codes = codes
        self._words = words

    def explain(self, rows: FeatureRows, background: FeatureRows | None, seed: int) -> Attributions:
        assert background is not None  # noqa: S101 - the worker waits for it
        reference = self._matrix(background)
        found = [permutation_values(self._predict, row, reference, PERMUTATIONS, seed) for row in self._matrix(rows)]
        return chosen_output(np.stack([values for values, _ in found]), np.stack([base for _, base in found]))

    def _matrix(self, rows: FeatureRows) -> Floats:
        numbers = rows.numbers(self.features, self._codes)
        return numbers if self._words is None else self._words.encoded(rows, self.features, numbers)


class Words:
    """Texts of columns as codes and back, so that a table with texts can be permuted as a matrix."""

    def __init__(self, codes: Categories) -> None:
        self._codes = codes
        self._words: dict[str, list[str]] = {}

    def encoded(self, rows: FeatureRows, features: tuple[str, ...], numbers: Floats) -> Floats:
        """`numbers` with a code for each text of columns that are not numbers by declared categories."""
        wanted = rows.select(features)
        for column, feature in enumerate(features):
            if feature in self._codes or not any(wanted.text[:, column]):
                continue
            known = self._words.setdefault(feature, [])
            for row, word in enumerate(wanted.words(column)):
                if word is not None:
                    if word not in known:
                        known.append(word)
                    numbers[row, column] = known.index(word)
        return numbers

    def column(self, feature: str, numbers: Floats) -> Any:
        """A column of the matrix as the function wants it: texts (None: missing) if it ever held any, else numbers."""
        known = self._words.get(feature)
        if known is None:
            return numbers
        return np.array([None if np.isnan(code) else known[int(code)] for code in numbers.tolist()], object)


def chosen_output(values: Any, base: Any) -> Attributions:
    """Of values (rows, features[, classes]) and base (rows[, classes]) those of the one output that is explained."""
    values = np.asarray(values, np.float64)
    rows, features = values.shape[:2]
    values = values.reshape(rows, features, -1)
    bases = np.asarray(base, np.float64).reshape(rows, values.shape[2])
    outputs = bases + values.sum(axis=1)
    classes = outputs.shape[1]
    chosen = outputs.argmax(axis=1) if classes > 2 else np.full(rows, classes - 1)
    every = np.arange(rows)
    return Attributions(values[every, :, chosen].copy(), bases[every, chosen].copy(), outputs[every, chosen].copy())
