"""Bins of what models answer and of what turns out: classes, scores, and intervals of a regression's values.

A regression's intervals are chosen from the first values of a version (`samples`): even shares of them.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from processors.kernels.binning import ABSENT, BELOW, REGULAR, WIDTH
from processors.profile import REGRESSION, Profile
from processors.rows import Bools, Floats, Ints

INTERVALS = 20
_IRREGULAR = ("missing", "", "a class beyond the limit", "")
"""What the bins before the regular ones hold."""
_LOGITS = np.linspace(-6.5, 6.5, WIDTH - REGULAR - 1)
"""Edges of the score's bins: even in log-odds, for scores crowd at the ends."""


def no_edges() -> Floats:
    """Edges of no version."""
    return np.zeros((0, INTERVALS - 1))


def of_classes(number: Ints) -> Ints:
    """Bin of each class number; -1, a class that was not admitted, has one of its own."""
    return np.where(number < 0, BELOW, np.minimum(REGULAR + number, WIDTH - 1)).astype(np.int32)


def of_scores(score: Floats) -> Ints:
    """Bin of each score, -1 without one."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logit = np.log(np.clip(score, 0, 1)) - np.log1p(-np.clip(score, 0, 1))
    place = REGULAR + np.searchsorted(_LOGITS, logit, side="right")
    return np.where(np.isnan(score), -1, place).astype(np.int32)


def of_values(value: Floats, base: Ints, regression: Bools, edges: Floats | None) -> tuple[Ints, Bools]:
    """Bin of each value of a `regression` (-1: of none, or without edges yet), and which rows have edges.

    `edges` gives by base group the 19 edges between its intervals, NaN where they are not known.
    """
    found, first = np.full(len(base), -1, np.int32), np.full(len(base), np.nan)
    known = (base >= 0) & (base < (0 if edges is None else len(edges)))
    if edges is None or not (known & regression).any():
        return found, np.zeros(len(base), np.bool_)
    first[known] = edges[base[known], 0]
    ready = regression & ~np.isnan(first)
    for one in np.unique(base[ready]).tolist():
        mine = np.flatnonzero(ready & (base == one))
        place = REGULAR + np.searchsorted(edges[one], value[mine], side="right")
        found[mine] = np.where(np.isnan(value[mine]), ABSENT, place)
    return found, ready


def sealed(edges: Floats, full: dict[int, Floats]) -> Floats:
    """The edges, with those of regressions that have values enough now: `full` gives these sorted, by base group."""
    if not full:
        return edges
    more = np.full((max(len(edges), max(full) + 1), INTERVALS - 1), np.nan)
    more[: len(edges)] = edges
    for group, values in full.items():
        more[group] = np.quantile(values, np.arange(1, INTERVALS) / INTERVALS, method="inverted_cdf")
    return more


def without(edges: Floats, groups: frozenset[int]) -> Floats:
    """The edges, but none of these groups."""
    kept = edges.copy()
    kept[[group for group in sorted(groups) if group < len(kept)]] = np.nan
    return kept


def names(group: int, profile: Profile, edges: Floats) -> list[str]:
    """What each bin of a group's answers or labels holds: `class 1`, `12 to 15`."""
    if profile.task(group) == REGRESSION:
        return _of_intervals(edges[profile.group_base[group]])
    said = [*_IRREGULAR, *[""] * (WIDTH - REGULAR)]
    classes = profile.classes(group)
    said[REGULAR : REGULAR + len(classes)] = [f"class {name}" for name in classes]
    if len(classes) > WIDTH - REGULAR:
        said[WIDTH - 1] = "the rarer classes"
    return said[:WIDTH]


def names_of_scores() -> list[str]:
    """What each bin of a score holds."""
    return _of_intervals(1 / (1 + np.exp(-_LOGITS)))


def _of_intervals(edges: Floats) -> list[str]:
    said = [*_IRREGULAR, *[""] * (WIDTH - REGULAR)]
    bounds = [f"{edge:.4g}" for edge in edges.tolist()]
    between = [f"{low} to {high}" for low, high in pairwise(bounds)]
    said[REGULAR : REGULAR + len(bounds) + 1] = [f"below {bounds[0]}", *between, f"{bounds[-1]} or more"]
    return said
