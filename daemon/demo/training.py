"""Training the fleet's models, and their files: what is served is what is explained.

Each model is fitted on its world as it is before anything changed, saved in its library's safe format (skops, XGBoost's
JSON) and read back from that file to serve.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from daemon import exits
from daemon.demo.worlds import Columns, World
from processors.rows import Floats

ROWS = 6_000
"""Rows that each model is fitted on."""
_NEEDED = {"sklearn": "sklearn", "skops": "sklearn", "xgboost": "xgboost"}


@dataclass(frozen=True, slots=True)
class Trained:
    """A model that serves: its world, the features that it takes, its file, and a function from features to its score
    or value, float64 (rows,).
    """

    world: World
    features: tuple[str, ...]
    path: Path
    sha256: str
    predict: Callable[[Columns], Floats]


def require_libraries() -> None:
    """Raise `Ended`, saying what to install, if a library that the models need is not there."""
    missing = sorted({extra for module, extra in _NEEDED.items() if find_spec(module) is None})
    if missing:
        extras = ",".join(missing)
        raise exits.Ended(
            exits.UNAVAILABLE,
            f"the simulated fleet's models need libraries that are not installed: pip install 'vigild[{extras}]'",
        )


def train(worlds: Iterable[World], directory: Path, seed: int) -> list[Trained]:
    """Fit one model for each world and save it under `directory`. The same seed gives the same models."""
    require_libraries()
    directory.mkdir(parents=True, exist_ok=True)
    return [_train(world, number, directory, seed) for number, world in enumerate(worlds)]


def _train(world: World, number: int, directory: Path, seed: int) -> Trained:
    rng = np.random.default_rng([seed, number, 0])
    columns = world.draw(rng, ROWS)
    labels = world.labels(rng, columns, np.zeros(ROWS, np.bool_))
    fit, serve = _WAYS[world.model]
    path = fit(columns, labels, directory / f"{world.model}-{world.version}")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Trained(world, _inputs(columns), path, digest, serve(path))


def _fit_churn(columns: Columns, labels: Floats, stem: Path) -> Path:
    """Logistic regression."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(solver="newton-cholesky", max_iter=200)
    return _save_skops(model.fit(_table(columns), labels.astype(int)), stem)


def _fit_fraud(columns: Columns, labels: Floats, stem: Path) -> Path:
    """Gradient boosted trees of XGBoost."""
    import xgboost

    settings = {"objective": "binary:logistic", "max_depth": 4, "eta": 0.15, "nthread": 1, "seed": 0}
    booster = xgboost.train(settings, xgboost.DMatrix(_table(columns), labels, nthread=1), 90)
    path = stem.with_suffix(".json")
    booster.save_model(path)
    return path


def _fit_pricing(columns: Columns, labels: Floats, stem: Path) -> Path:
    """Histogram gradient boosting of a value."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    model = HistGradientBoostingRegressor(max_iter=80, max_leaf_nodes=15, random_state=0)
    return _save_skops(model.fit(_table(columns), labels), stem)


def _fit_credit(columns: Columns, labels: Floats, stem: Path) -> Path:
    """Histogram gradient boosting of a class."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=10, learning_rate=0.12, random_state=0)
    return _save_skops(model.fit(_table(columns), labels.astype(int)), stem)


def _serve_skops(path: Path) -> Callable[[Columns], Floats]:
    import skops.io

    from daemon.explain.formats.skops import TRUSTED

    model = skops.io.load(path, trusted=sorted(TRUSTED & set(skops.io.get_untrusted_types(file=path))))
    if hasattr(model, "predict_proba"):
        return lambda columns: np.asarray(model.predict_proba(_table(columns))[:, 1], np.float64)
    return lambda columns: np.asarray(model.predict(_table(columns)), np.float64)


def _serve_xgboost(path: Path) -> Callable[[Columns], Floats]:
    import xgboost

    booster = xgboost.Booster({"nthread": 1}, model_file=path)
    return lambda columns: np.asarray(booster.predict(xgboost.DMatrix(_table(columns), nthread=1)), np.float64)


_WAYS: dict[str, tuple[Callable[[Columns, Floats, Path], Path], Callable[[Path], Callable[[Columns], Floats]]]] = {
    "churn": (_fit_churn, _serve_skops),
    "fraud": (_fit_fraud, _serve_xgboost),
    "pricing": (_fit_pricing, _serve_skops),
    "credit": (_fit_credit, _serve_skops),
}


def _save_skops(model: Any, stem: Path) -> Path:
    import skops.io

    path = stem.with_suffix(".skops")
    skops.io.dump(model, path)
    return path


def _table(columns: Columns) -> Any:
    """What models take: the numbers, under their names."""
    import pandas as pd  # type: ignore[import-untyped]

    return pd.DataFrame({name: columns[name] for name in _inputs(columns)})


def _inputs(columns: Columns) -> tuple[str, ...]:
    return tuple(name for name, column in columns.items() if column.dtype.kind == "f")
