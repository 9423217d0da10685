"""The forests of all versions side by side: where they are kept, planted, and walked.

A tree of arrays that `packing.pack` takes, one entry per forest, groups ascending: `group`; `names` (model, version) to
recognise a number that was given to another; `seed`; `series` of all features, forest after forest, ending at `end`;
`leaves` (forests, trees, leaves) and `rows`: the sealed masses and how many events they count. The trees themselves
follow from seed and number of features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from processors.base import State
from processors.kernels.binning import NUMERIC
from processors.kernels.half_space_trees import grow, node_masses, stretch, walk
from processors.profile import GroupKey, Profile
from processors.rows import Floats, Ints, text_hash
from processors.slices import PredictionRows


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
    """The numeric series of a version, by feature name."""
    of = profile.series_of(group)
    return [number for _, number in sorted(of.items()) if profile.series_type[number] == NUMERIC]


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
    if not len(place):
        return np.full(len(rows), np.nan), np.zeros((len(keys), *shape.leaves), np.int32)
    widest, column = _columns(forests, place, len(profile.series_group))
    cells = rows.cells
    used = np.flatnonzero(column[cells.series] >= 0)
    number = np.full(len(profile.groups) + 1, -1, np.int32)
    number[keys[mine]] = np.arange(len(mine), dtype=np.int32)
    features, thresholds = _trees(forests, shape, place, profile)
    scores, counted = walk(
        number[rows.base],
        np.searchsorted(cells.row[used], np.arange(len(rows) + 1)),
        column[cells.series[used]],
        cells.value[used],
        widest,
        features,
        thresholds,
        node_masses(_at(forests["leaves"], place)),
        forests["rows"][place],
    )
    if len(mine) == len(keys):
        return scores, counted
    leaves = np.zeros((len(keys), *shape.leaves), np.int32)
    leaves[mine] = counted
    return scores, leaves


def _at(column: npt.NDArray[Any], place: Any) -> npt.NDArray[Any]:
    """A column's entries at these places (ascending); not copied if they are all, for that may be ten MB."""
    return column if len(place) == len(column) else np.asarray(column[place])


def _names(key: GroupKey) -> list[str]:
    return [key.model, key.version]


def _series(forests: State, at: int) -> Ints:
    start = int(forests["end"][at - 1]) if at else 0
    return np.asarray(forests["series"][start : int(forests["end"][at])])


def _columns(forests: State, place: Any, series: int) -> tuple[int, Ints]:
    """The most columns of a forest, and for each series its column in its forest, -1 without."""
    column, widest = np.full(series, -1, np.int32), 1
    for at in place.tolist():
        mine = _series(forests, at)
        column[mine] = np.arange(len(mine), dtype=np.int32)
        widest = max(widest, len(mine))
    return widest, column


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
