"""Tiny models trained for the tests, saved in every format, and rows to explain."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from daemon.explain.features import FeatureRows
from daemon.explain.models import ModelFile
from daemon.explain.request import Request
from processors.rows import text_hash

NAMES = ("amount", "age", "hour", "rate", "count")

Matrix = npt.NDArray[np.float64]


@cache
def data(classes: int = 2) -> tuple[Matrix, Any]:
    """300 rows of five features, and their classes."""
    return make_classification(300, 5, n_informative=4, n_redundant=0, n_classes=classes, random_state=1)  # type: ignore[no-any-return]


def rows_of(matrix: Matrix, names: tuple[str, ...] = NAMES) -> FeatureRows:
    """Events' features."""
    return FeatureRows.of_mappings([dict(zip(names, row, strict=True)) for row in matrix.tolist()])


def saved(estimator: Any, path: Path) -> ModelFile:
    """The estimator in a skops file whose features are `NAMES`."""
    import skops.io

    skops.io.dump(estimator, path)
    return ModelFile(str(path), features=NAMES)


def tree_file(folder: Path) -> ModelFile:
    """A model that needs no background."""
    return saved(HistGradientBoostingClassifier(max_iter=5).fit(*data()), folder / "tree.skops")


def linear_file(folder: Path) -> ModelFile:
    """A model that is explained against a background."""
    return saved(LogisticRegression().fit(*data()), folder / "linear.skops")


def joblib_file(value: Any, path: Path) -> ModelFile:
    """Any object in a trusted joblib file."""
    import joblib

    joblib.dump(value, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return ModelFile(str(path), trust=True, sha256={"*": digest}, features=NAMES)


def request(count: int = 3, *, model: str = "m", version: str = "1", pane: int = 0, first: int = 0) -> Request:
    """The data's rows from `first` on as sampled predictions."""
    matrix = data()[0][first : first + count]
    ids = tuple(f"r-{first + at}" for at in range(count))
    keys = np.array([text_hash(identity) for identity in ids], np.uint64)
    return Request(pane, model, version, ids, keys, np.full(count, pane, np.int64), rows_of(matrix))


def renamed(file: ModelFile, **changes: Any) -> ModelFile:
    """The file, otherwise described."""
    return replace(file, **changes)
