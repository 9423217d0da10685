"""Which outcomes are errors: of a class that is not the label's, or of a regression that is further off than usual."""

from __future__ import annotations

import numpy as np

from processors.profile import REGRESSION, UNDECIDED
from processors.rows import MISSING, Bools, Floats
from processors.slices import OutcomeRows

EFFECT, LEAST_EFFECT = 0.02, 0.005
"""Rises that do not matter unless somebody said so: of a usual error rate, and of a small one (absolute)."""
_TAIL = 0.9
"""A regression errs where it is further off than this share of its version's first outcomes."""


def of(rows: OutcomeRows, scale: Floats | None) -> tuple[Bools, Bools, Floats]:
    """Row by row: is it wrong, does it count at all, and by how much is a regression off (NaN: no number)?

    `scale` is the absolute error from which on a regression errs, by base group; NaN or nothing where not known.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        error = np.abs(rows.value - rows.target)
    regression = rows.task == REGRESSION
    limit = np.full(len(rows), np.nan)
    if scale is not None and len(scale):
        known = (rows.base >= 0) & (rows.base < len(scale))
        limit[known] = scale[rows.base[known]]
    present = (rows.table.prediction.kind != MISSING) & (rows.table.label.kind != MISSING)
    classified = ~regression & (rows.task != UNDECIDED) & present
    scaled = regression & ~np.isnan(limit) & ~np.isnan(error)
    wrong = np.where(regression, error > limit, ~rows.table.prediction.same(rows.table.label))
    return wrong, (classified | scaled) & rows.counted & (rows.base >= 0), error


def with_scales(scale: Floats, full: dict[int, Floats]) -> Floats:
    """The scales, and those of groups that have enough errors now (ascending)."""
    return put(scale, {group: errors[int(_TAIL * (len(errors) - 1))] for group, errors in full.items()})


def put(scale: Floats, more: dict[int, float]) -> Floats:
    """The scales, and those of more groups."""
    if not more:
        return scale
    longer = np.full(max(len(scale), max(more) + 1), np.nan)
    longer[: len(scale)] = scale
    longer[list(more)] = list(more.values())
    return longer


def without(scale: Floats, groups: frozenset[int]) -> Floats:
    """The scales of all but these groups."""
    left = scale.copy()
    left[[group for group in sorted(groups) if group < len(left)]] = np.nan
    return left
