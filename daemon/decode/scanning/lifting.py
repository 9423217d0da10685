"""Features that serve as segments, in columns: what `Decoder._liftable` does with mappings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from daemon.scalars import Words
from processors.rows import Cells, Hashes, Names, Scalars


def lifted(
    model: Hashes,
    features: Cells,
    segments: Cells,
    wanted: Mapping[int, Sequence[str]],
    names: Names,
    words: Words,
) -> Cells:
    """The segments with the `wanted` features of each model before them; what has the same name stays a segment's.

    Rows of one model and with the same names are handled together.
    """
    alike = np.unique(np.stack([model, features.layout, segments.layout]), axis=1, return_inverse=True)
    groups, group = alike[0].T.tolist(), alike[1].reshape(-1)
    plans = [_plan(wanted.get(of_model, ()), before, after, names) for of_model, before, after in groups]
    hashes = [words.layout_hash(tuple(plan), names) for plan in plans]
    size = np.array([len(plan) for plan in plans], np.int32)[group]
    start = np.cumsum(size, dtype=np.int64) - size
    values = Scalars.missing(int(size.sum()))
    for number, plan in enumerate(plans):
        rows = np.flatnonzero(group == number)
        for place, (is_segment, column) in enumerate(plan.values()):
            cells = segments if is_segment else features
            source, target = cells.start[rows] + column, start[rows] + place
            values.kind[target], values.bits[target] = cells.values.kind[source], cells.values.bits[source]
    return Cells(np.array(hashes, np.uint64)[group], start, size, values)


def _plan(wanted: Sequence[str], features: int, segments: int, names: Names) -> dict[str, tuple[bool, int]]:
    """Of each name whether its value is a segment's, and at which place of its mapping it stands."""
    columns = {name: place for place, name in enumerate(names.layouts.get(features, ()))}
    found = {name: (False, columns[name]) for name in wanted if name in columns}
    return found | {name: (True, place) for place, name in enumerate(names.layouts.get(segments, ()))}
