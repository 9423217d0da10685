"""XGBoost's native files. The values are XGBoost's own path-dependent TreeSHAP, the same that shap asks it for."""

from __future__ import annotations

from typing import Any

import numpy as np

from daemon.explain.models import Format, Model, ModelFile, ordered_features
from processors.rows import Floats


def load(data: bytes, file: ModelFile) -> Model:
    """The booster in a file that `save_model` wrote."""
    import xgboost

    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(bytearray(data))
    return explainable(booster, file)


def explainable(booster: Any, file: ModelFile) -> Model:
    """A booster that explains its margin, or its probability by permutations.

    Trees after the best round of an early stopping are left out, as XGBoost's estimators leave them out.
    """
    from daemon.explain.methods import FunctionModel, TreeModel

    own = tuple(booster.feature_names or ())
    features = ordered_features(file, own, booster.num_features())
    margin = _Booster(booster)
    if file.output == "probability":
        model = FunctionModel(margin.predict, features, file.categories)
        model.probability = True
        return model
    return TreeModel(margin.contributions, features, file.categories)


class _Booster:
    def __init__(self, booster: Any) -> None:
        self._booster = booster
        best = booster.attr("best_iteration")
        self._rounds = (0, int(best) + 1) if best is not None else (0, 0)

    def contributions(self, matrix: Floats) -> tuple[Floats, Floats]:
        """Values (rows, features[, classes]) and base (rows[, classes])."""
        found = self._predict(matrix, pred_contribs=True)
        if found.ndim == 3:
            found = np.moveaxis(found, 1, 2)
        return found[:, :-1], found[:, -1]

    def predict(self, matrix: Floats) -> Floats:
        return self._predict(matrix)

    def _predict(self, matrix: Floats, **what: Any) -> Floats:
        import xgboost

        types = self._booster.feature_types
        table = xgboost.DMatrix(
            matrix,
            feature_names=self._booster.feature_names,
            feature_types=types,
            enable_categorical="c" in (types or ()),
            nthread=1,
        )
        return np.asarray(self._booster.predict(table, iteration_range=self._rounds, **what), np.float64)


FORMAT = Format("xgboost", (".json", ".ubj", ".xgb"), ("xgboost",), "xgboost", load)
