"""The forests of all versions side by side: where they are kept, planted, and walked.

A tree of arrays that `packing.pack` takes, one entry per forest, groups ascending: `group`; `names` (model, version) to
recognise a number that was given to another; `seed`; `series` of all features, forest after forest, ending at `end`;
`leaves` (forests, trees, leaves) and `rows`: the sealed masses and how many events they count. The trees themselves
follow from seed and number of features.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from processors.base import State
from processors.kernels.binning import NUMERIC
from processors.kernels.half_space_trees import grow, node_masses, stretch, walk
from processors.profile import GroupKey, Profile
from processors.rows import Floats, Ints, text_hash
from processors.slices import PredictionRows

TOGETHER = 64
"""Forests that are walked in one go, or whose masses are added: the copies that this takes stay small."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Trees in a forest and their height."""

    trees: int
    height: int

    @property
    def leaves(self) -> tuple[int, int]:
        """Shape of one forest's leaves."""
        return self.trees, 2**self.height


def empty(shape: Shape) -> State:
    """No forest."""
    return {
        "group": np.zeros(0, np.int32),
        "names": [],
        "seed": np.zeros(0, np.uint64),
        "series": np.zeros(0, np.int32),
        "end": np.zeros(0, np.int64),
        "leaves": np.zeros((0, *shape.leaves), np.int32),
        "rows": np.zeros(0, np.int64),
    }


def columns_of(profile: Profile, group: int) -> list[int]:
    """The numeric series of a version, by feature name; without clocks, by which each new hour would be odd."""
    drawn = (profile.series_type == NUMERIC) & ~profile.series_turning
    return [number for _, number in sorted(profile.series_of(group).items()) if drawn[number]]


def planted(forests: State, groups: list[int], keys: list[GroupKey], series: list[list[int]]) -> State:
    """The forests with new ones of these groups among them, which have seen nothing. All are copied, once."""
    order = np.argsort(np.concatenate([forests["group"], groups]), kind="stable")
    seeds = [text_hash(f"{key.model}\x00{key.version}") for key in keys]
    old = [_series(forests, at) for at in range(len(forests["group"]))]
    columns = [*old, *(np.array(numbers, np.int32) for numbers in series)]
    columns = [columns[at] for at in order.tolist()]
    names = [*forests["names"], *map(_names, keys)]
    return {
        "group": np.concatenate([forests["group"], np.array(groups, np.int32)])[order],
        "names": [names[at] for at in order.tolist()],
        "seed": np.concatenate([forests["seed"], np.array(seeds, np.uint64)])[order],
        "series": np.concatenate(columns),
        "end": np.cumsum([len(numbers) for numbers in columns], dtype=np.int64),
        "leaves": with_new(forests["leaves"], len(groups), 0)[order],
        "rows": with_new(forests["rows"], len(groups), 0)[order],
    }


def with_new(column: npt.NDArray[Any], size: int, value: int) -> npt.NDArray[Any]:
    """A column of forests with so many more at its end."""
    return np.concatenate([column, np.full((size, *column.shape[1:]), value, column.dtype)])


def take(forests: State, kept: Any) -> State:
    """The forests at these places (ascending) only."""
    parts = [_series(forests, at) for at in kept.tolist()]
    return {
        **{name: forests[name][kept] for name in ("group", "seed", "leaves", "rows")},
        "names": [forests["names"][at] for at in kept.tolist()],
        "series": np.concatenate([np.zeros(0, np.int32), *parts]),
        "end": np.cumsum([len(part) for part in parts], dtype=np.int64),
    }


def with_masses(forests: State, places: Any, leaves: Any, rows: Any) -> State:
    """The forests with new masses at these places; the old ones stay as they are for whoever holds them."""
    new_leaves, new_rows = forests["leaves"].copy(), forests["rows"].copy()
    new_leaves[places], new_rows[places] = leaves, rows
    return {**forests, "leaves": new_leaves, "rows": new_rows}


def places(forests: State, keys: Ints) -> tuple[Any, Any]:
    """(places of the forests of those `keys` that have one, places of these keys)."""
    _, mine, place = np.intersect1d(keys, forests["group"], assume_unique=True, return_indices=True)
    return place, mine


def score(forests: State, shape: Shape, keys: Ints, rows: PredictionRows, profile: Profile) -> tuple[Floats, Any]:
    """Score of each row (NaN without sealed masses) and the leaves in which the rows of each key end.

    Shapes (rows,) and (keys, trees, leaves), int32. A forest whose number belongs to another version now is not used.
    """
    place, mine = places(forests, keys)
    own = [forests["names"][at] == _names(profile.groups[int(keys[key])]) for at, key in zip(place, mine, strict=True)]
    place, mine = place[own], mine[own]
    scores, leaves = np.full(len(rows), np.nan), np.zeros((len(keys), *shape.leaves), np.int32)
    number = np.full(len(profile.groups) + 1, -1, np.int32)
    number[keys[mine]] = np.arange(len(mine), dtype=np.int32)
    forest = number[rows.base]
    widest, starts, column, value = _cells(forests, place, rows, len(profile.series_group))
    for first, some in _together(forest, len(mine)):
        at = place[first : first + TOGETHER]
        scores[some], leaves[mine[first : first + TOGETHER]] = walk(
            forest[some] - np.int32(first),
            starts[some],
            starts[some + 1],
            column,
            value,
            widest,
            *_trees(forests, shape, at, profile),
            node_masses(forests["leaves"][at]),
            forests["rows"][at],
        )
    return scores, leaves


def _together(forest: Ints, forests: int) -> Iterator[tuple[int, Any]]:
    """The first of so many forests that are walked in one go, and their rows; `forest` has each row's, -1 without."""
    order = np.argsort(forest, kind="stable")
    first = range(0, forests, TOGETHER)
    cuts = np.searchsorted(forest[order], [*first, forests]).tolist()
    for number, (start, end) in zip(first, pairwise(cuts), strict=True):
        yield number, order[start:end]


def _names(key: GroupKey) -> list[str]:
    return [key.model, key.version]


def _series(forests: State, at: int) -> Ints:
    start = int(forests["end"][at - 1]) if at else 0
    return np.asarray(forests["series"][start : int(forests["end"][at])])


def _cells(forests: State, place: Any, rows: PredictionRows, series: int) -> tuple[int, Any, Ints, Floats]:
    """What forests at these places read: the most columns of one, where each row's cells start, and column and value
    of each cell. `series` is the number of all series.
    """
    column_of, widest = np.full(series, -1, np.int32), 1
    for at in place.tolist():
        mine = _series(forests, at)
        column_of[mine] = np.arange(len(mine), dtype=np.int32)
        widest = max(widest, len(mine))
    cells = rows.cells
    column = column_of[cells.series]
    used = np.flatnonzero(column >= 0)
    starts = np.searchsorted(cells.row[used], np.arange(len(rows) + 1))
    return widest, starts, column[used], cells.value[used]


def _trees(forests: State, shape: Shape, place: Any, profile: Profile) -> tuple[Ints, Floats]:
    """Features and thresholds of the forests at these places; thresholds in each feature's own unit."""
    size, (trees, leaves) = len(place), shape.leaves
    features = np.empty((size, trees, leaves - 1), np.int32)
    thresholds = np.empty((size, trees, leaves - 1))
    for number, at in enumerate(place.tolist()):
        series = _series(forests, at)
        split, share = grow(int(forests["seed"][at]), len(series), shape.trees, shape.height)
        features[number] = split
        stretch(split, share, profile.series_edges[series, 0], profile.series_upper[series], thresholds[number])
    return features, thresholds
