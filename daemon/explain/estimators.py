"""How a scikit-learn estimator is explained, however its file was written. Imported in the worker only."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import shap

from daemon.explain.methods import Contributions, FunctionModel, LinearModel, TreeModel, Words
from daemon.explain.models import Model, ModelFile, ModelRefused, ordered_features
from daemon.explain.permutations import Predict
from processors.rows import Floats

_PROBABILITY_TREES = ("RandomForest", "ExtraTree", "DecisionTree")
_MARGIN_TREES = ("GradientBoosting", "HistGradientBoosting")


def explainable(estimator: Any, file: ModelFile) -> Model:
    """The estimator with its method.

    Trees are explained by their paths, linear models by their coefficients, all others (pipelines too) by permutations
    of their columns. Raises `ModelRefused`.
    """
    if not hasattr(estimator, "predict"):
        raise ModelRefused(f"{file.path}: holds a {type(estimator).__name__}, which predicts nothing.")
    if hasattr(estimator, "get_booster"):
        from daemon.explain.formats import xgboost

        return xgboost.explainable(estimator.get_booster(), file)
    if hasattr(estimator, "booster_"):
        from daemon.explain.formats import lightgbm

        return lightgbm.explainable(estimator.booster_, file)
    own = tuple(map(str, getattr(estimator, "feature_names_in_", ())))
    features = ordered_features(file, own, int(getattr(estimator, "n_features_in_", len(own))))
    model = _by_method(estimator, features, file)
    model.classes = tuple(map(_class_name, getattr(estimator, "classes_", ())))
    return model


def _class_name(value: Any) -> str:
    """A class as events name it: 1, "1", 1.0 and true are one."""
    if isinstance(value, bool | np.bool_ | np.integer) or (isinstance(value, float) and value.is_integer()):
        return str(int(value))
    return str(value)


def _by_method(estimator: Any, features: tuple[str, ...], file: ModelFile) -> Model:
    kind = type(estimator).__name__
    probability = file.output == "probability"
    if kind.startswith(_PROBABILITY_TREES) or (kind.startswith(_MARGIN_TREES) and not probability):
        contributions = _paths(estimator, len(features))
        if contributions is not None:
            model = TreeModel(contributions, features, file.categories)
            model.probability = kind.startswith(_PROBABILITY_TREES)
            return model
    linear = type(estimator).__module__.startswith("sklearn.linear_model") and hasattr(estimator, "coef_")
    if linear and not probability:
        return LinearModel(estimator, features, file.categories)
    return _function(estimator, features, file)


def _paths(estimator: Any, width: int) -> Contributions | None:
    """SHAP values along the trees' paths; None if shap does not read these trees right.

    It does not know splits on sets of categories, and checks on every call that values add up to the output.
    """
    if np.any(getattr(estimator, "is_categorical_", False)):
        return None

    def contributions(matrix: Floats) -> tuple[Any, Any]:
        found = explainer(matrix)
        return found.values, found.base_values

    try:
        explainer = shap.TreeExplainer(estimator)
        contributions(np.random.default_rng(0).normal(size=(16, width)))
    except Exception:  # noqa: BLE001 - shap raises many things; a tree that it cannot read is still a function
        return None
    return contributions


def _function(estimator: Any, features: tuple[str, ...], file: ModelFile) -> FunctionModel:
    """The estimator as a function. One that was fitted on a table with named columns gets such a table."""
    method = _method(estimator, file)
    call = _call(estimator, method)
    named = getattr(estimator, "feature_names_in_", None)
    if named is None:
        model = FunctionModel(call, features, file.categories)
        model.probability = method == "predict_proba"
        return model
    words = Words(file.categories)

    def predict(matrix: Floats) -> Floats:
        columns = {
            str(column): words.column(feature, matrix[:, place])
            for place, (column, feature) in enumerate(zip(named, features, strict=True))
        }
        return call(pd.DataFrame(columns))

    model = FunctionModel(predict, features, file.categories, words)
    model.probability = method == "predict_proba"
    return model


def _method(estimator: Any, file: ModelFile) -> str:
    methods = ["predict_proba", "decision_function", "predict"]
    if file.output == "raw":
        methods.insert(0, "decision_function")
    return next(name for name in methods if hasattr(estimator, name))


def _call(estimator: Any, method: str) -> Predict:
    call = getattr(estimator, method)

    def predict(rows: Any) -> Floats:
        return np.asarray(call(rows), np.float64)

    return predict
