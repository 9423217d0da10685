"""LightGBM's native text files. The values are LightGBM's own path-dependent TreeSHAP, the same that shap asks for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from daemon.explain.models import Format, Model, ModelFile, ordered_features
from processors.rows import Floats


def load(data: bytes, file: ModelFile) -> Model:
    """The booster in a file that `save_model` wrote."""
    import lightgbm

    return explainable(lightgbm.Booster(model_str=data.decode()), file)


def explainable(booster: Any, file: ModelFile) -> Model:
    """A booster that explains its margin, or its probability by permutations."""
    from daemon.explain.methods import FunctionModel, TreeModel

    features = ordered_features(file, tuple(booster.feature_name()), booster.num_feature())
    categories = {**_own_categories(booster, features), **file.categories}
    taken = replace(file, categories=categories)

    def contributions(matrix: Floats) -> tuple[Floats, Floats]:
        flat = np.asarray(booster.predict(matrix, pred_contrib=True, num_threads=1), np.float64)
        found = flat.reshape(len(matrix), -1, len(features) + 1)
        return np.moveaxis(found[:, :, :-1], 1, 2), found[:, :, -1]

    def predict(matrix: Floats) -> Floats:
        return np.asarray(booster.predict(matrix, num_threads=1), np.float64)

    if file.output == "probability":
        model = FunctionModel(predict, features, taken.categories)
        model.probability = True
        return model
    return TreeModel(contributions, features, taken.categories)


def _own_categories(booster: Any, features: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Categories that the file holds, if the model was fitted on a table with categorical columns.

    The file lists them in the order of those columns, without their names; which columns they are shows in the ranges
    of values: sets (`-1:0:1:2`) instead of intervals (`[0:9.5]`).
    """
    listed = booster.pandas_categorical or []
    ranges = _line(booster.model_to_string(num_iteration=1), "feature_infos").split(" ")
    columns = [name for name, values in zip(features, ranges, strict=True) if values[:1] not in {"[", "n"}]
    if len(columns) != len(listed):
        return {}
    return {name: tuple(map(str, words)) for name, words in zip(columns, listed, strict=True)}


def _line(text: str, key: str) -> str:
    found = next(line for line in text.splitlines() if line.startswith(f"{key}="))
    return found.removeprefix(f"{key}=")


FORMAT = Format("lightgbm", (".txt", ".lgb"), ("lightgbm",), "lightgbm", load)
