"""The real data sets as columns of features and a class, and the frozen classifiers that answer for them."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier

from bench.events import Rows, Served

ADULT = (
    "age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation", "relationship",
    "race", "sex", "capital_gain", "capital_loss", "hours_per_week", "native_country", "class",
)  # fmt: skip
_NOT_FEATURES = ("id", "timestamp", "y_pred", "y_pred_proba")

Truth = npt.NDArray[np.int64]


def load(path: Path, target: str, header: tuple[str, ...] | None = None, positive: str = "") -> tuple[Rows, Truth]:
    """Features and classes (0 and 1) of a gzipped CSV. A column of numbers is float64, any other of texts."""
    with gzip.open(path, "rt", newline="") as file:
        lines = [[cell.strip() for cell in line] for line in csv.reader(file) if line]
    names = header or tuple(lines[0])
    columns = dict(zip(names, zip(*(lines if header else lines[1:]), strict=True), strict=True))
    truth = columns.pop(target)
    classes = [cell == positive for cell in truth] if positive else [float(cell) > 0 for cell in truth]
    return {n: _column(c) for n, c in columns.items() if n not in _NOT_FEATURES}, np.array(classes, np.int64)


def tables(data: Path) -> dict[str, tuple[Rows, Truth]]:
    """The three tables with features of which some are known by name."""
    return {
        "adult": load(data / "adult/adult.csv.gz", "class", ADULT, ">50K"),
        "car_loan": load(data / "car_loan/synthetic_car_loan_reference.csv.gz", "repaid"),
        "electricity": load(data / "electricity/elec.csv.gz", "class"),
    }


def take(rows: Rows, which: Any) -> Rows:
    """Some of the rows."""
    return {name: column[which] for name, column in rows.items()}


class Frozen:
    """A classifier that learns once: 60 iterations of histogram gradient boosting."""

    def __init__(self, rows: Rows, truth: Truth) -> None:
        self._codes = {
            name: {text: float(code) for code, text in enumerate(sorted(set(column.tolist())))}
            for name, column in rows.items()
            if column.dtype == object
        }
        self._names = sorted(rows)
        self._model = HistGradientBoostingClassifier(max_iter=60, random_state=0).fit(self._matrix(rows), truth)

    def serve(self, version: str, rows: Rows, truth: Truth) -> Served:
        """Answer for the rows."""
        return Served(version, rows, self._model.predict_proba(self._matrix(rows))[:, 1], truth)

    def _matrix(self, rows: Rows) -> npt.NDArray[np.float64]:
        return np.stack([self._numbers(name, rows[name]) for name in self._names], axis=1)

    def _numbers(self, name: str, column: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        if name not in self._codes:
            return column.astype(np.float64)
        return np.array([self._codes[name].get(text, np.nan) for text in column.tolist()])


def _column(cells: tuple[str, ...]) -> npt.NDArray[Any]:
    try:
        return np.array([float(cell) if cell else np.nan for cell in cells])
    except ValueError:
        return np.array(cells, object)
