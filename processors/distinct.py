"""Distinct values of columns, quickly where all are the same, as in most panes: they are small or of one model."""

from __future__ import annotations

from typing import Any

import numpy as np

from processors.rows import Longs


def alike(values: Any) -> bool:
    """Are all values the same? NaN is not the same as NaN."""
    return len(values) < 2 or bool((values == values[0]).all())


def distinct(values: Any) -> tuple[Any, Any]:
    """The distinct values, ascending, and where each value stands among them."""
    if alike(values):
        return values[:1], np.zeros(len(values), np.intp)
    return np.unique(values, return_inverse=True)


def counted(values: Any) -> tuple[Any, Longs]:
    """The distinct values, ascending, and how often each occurs."""
    if alike(values):
        return values[:1], np.full(min(len(values), 1), len(values), np.int64)
    return np.unique(values, return_counts=True)
