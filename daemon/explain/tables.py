"""Explanations as a table: the worker's answers, and attributions that came with the events."""

from __future__ import annotations

import numpy as np

from daemon.explain.request import Explained
from processors.rows import Cells, Explanations, Names, Scalars, text_hash
from processors.slices import PredictionRows


def to_table(explained: Explained) -> Explanations:
    """A row for each explained prediction, with a cell for each feature of the model."""
    rows, width = explained.values.shape
    layout = text_hash("\x1f".join(f"{len(name)}:{name}" for name in explained.features))
    model, version = text_hash(explained.model), text_hash(explained.version)
    ids = np.empty(rows, object)
    ids[:] = explained.ids
    cells = Cells(
        np.full(rows, layout, np.uint64),
        np.arange(rows, dtype=np.int64) * width,
        np.full(rows, width, np.int32),
        Scalars.of_numbers(explained.values.ravel()),
    )
    return Explanations(
        time=explained.time,
        model=np.full(rows, model, np.uint64),
        version=np.full(rows, version, np.uint64),
        key=explained.keys,
        id=ids,
        attributions=cells,
        names=Names({model: explained.model, version: explained.version}, {layout: explained.features}),
    )


def from_events(rows: PredictionRows) -> Explanations:
    """The attributions of the predictions that carry any, in the order of the rows."""
    table = rows.table
    carrying = np.flatnonzero(table.attributions.size)
    return Explanations(
        time=table.time[carrying],
        model=table.model[carrying],
        version=table.version[carrying],
        key=table.key[carrying],
        id=table.id[carrying],
        attributions=table.attributions.take(carrying),
        names=table.names,
    )
