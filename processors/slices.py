"""The rows of one closed pane as monitors see them: in canonical order, located in groups, series, classes and bins.

Canonical order is (time, key, partition, offset, index): the same however the stream was cut into partitions. The
group axis: `base[row]` is the number of the row's (model, version); `member_row` and `member_group` list every
membership, that one and one for each of the row's segment values, so that one `bincount` serves all groups.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np

from processors.rows import (
    Bools,
    Bytes,
    Explanations,
    Floats,
    Ints,
    Longs,
    Outcomes,
    Predictions,
    Signals,
    Table,
)


@dataclass(frozen=True, slots=True)
class Located:
    """Feature cells of a slice, one entry per cell that is monitored, in row order.

    `series` is the profile's number of (model, version, feature); `bin` as in `kernels.binning`; `value` the number,
    NaN for texts.
    """

    row: Ints
    series: Ints
    bin: Ints
    value: Floats


@dataclass(frozen=True, slots=True)
class ClassScores:
    """Probabilities of known classes, one entry per (row, class)."""

    row: Ints
    label: Ints
    probability: Floats


@dataclass(frozen=True, slots=True)
class PredictionRows:
    """One pane's predictions, each measured exactly once."""

    start: int
    end: int
    table: Predictions
    base: Ints
    member_row: Ints
    member_group: Ints
    task: Bytes
    """Task of each row's model (`profile.UNDECIDED`, BINARY, MULTICLASS, REGRESSION)."""
    predicted: Ints
    """Class number of the prediction; -1 for a regression or a class that was not admitted."""
    value: Floats
    """The prediction as a number; NaN if it is a text."""
    score: Floats
    """Probability of the positive class, from `score` or `proba`; NaN where there is none."""
    scores: ClassScores
    """Probabilities by class, where events carry `proba`."""
    cells: Located
    duplicates: Ints
    """Group number of each prediction that was refused as a duplicate or conflict in this pane."""

    def __len__(self) -> int:
        return len(self.base)


@dataclass(frozen=True, slots=True)
class OutcomeRows:
    """One pane's outcomes. `counted` marks first and implicit ones; the rest are corrections, for cohorts only."""

    start: int
    end: int
    table: Outcomes
    base: Ints
    member_row: Ints
    member_group: Ints
    task: Bytes
    counted: Bools
    predicted: Ints
    actual: Ints
    """Class number of the label, -1 as in `PredictionRows.predicted`."""
    before: Ints
    """Class number of the label that a correction replaces, -1 where there is none."""
    value: Floats
    target: Floats
    """The label as a number."""
    target_before: Floats
    score: Floats
    scores: ClassScores
    """Probabilities by class, where events carry `proba`."""
    cohort: Longs
    """Start of the hour in which the prediction was made."""

    def __len__(self) -> int:
        return len(self.base)


@dataclass(frozen=True, slots=True)
class BothRows:
    """One pane's predictions and its outcomes: facts of their own, for outcomes are mostly of earlier predictions."""

    predictions: PredictionRows
    outcomes: OutcomeRows

    def __len__(self) -> int:
        return len(self.predictions) + len(self.outcomes)

    @property
    def start(self) -> int:
        """Start of the pane."""
        return self.predictions.start

    @property
    def end(self) -> int:
        """End of the pane."""
        return self.predictions.end


@dataclass(frozen=True, slots=True)
class SignalRows:
    """One pane's signals. `series` numbers (model, version, name)."""

    start: int
    end: int
    table: Signals
    base: Ints
    series: Ints
    value: Floats

    def __len__(self) -> int:
        return len(self.base)


@dataclass(frozen=True, slots=True)
class ExplanationRows:
    """One pane's explained predictions: attribution `value` of `series` for each `row`."""

    start: int
    end: int
    table: Explanations
    base: Ints
    row: Ints
    series: Ints
    value: Floats

    def __len__(self) -> int:
        return len(self.base)


RowsT = TypeVar("RowsT", PredictionRows, OutcomeRows, BothRows, SignalRows, ExplanationRows)


def of_bases(rows: RowsT, wanted: Bools) -> RowsT:
    """Only the rows whose (model, version) is wanted; `wanted` is indexed by its number."""
    if isinstance(rows, BothRows):
        return BothRows(of_bases(rows.predictions, wanted), of_bases(rows.outcomes, wanted))
    kept = np.flatnonzero(wanted[rows.base])
    if len(kept) == len(rows):
        return rows
    place = np.full(len(rows), -1, np.int32)
    place[kept] = np.arange(len(kept), dtype=np.int32)
    columns: dict[str, Any] = {}
    for field in fields(rows):
        value = getattr(rows, field.name)
        columns[field.name] = value.take(kept) if isinstance(value, Table) else value
        if isinstance(value, np.ndarray) and field.name not in ("member_row", "member_group", "row", "duplicates"):
            columns[field.name] = value[kept] if len(value) == len(rows) else value
    if isinstance(rows, PredictionRows | OutcomeRows):
        mine = place[rows.member_row] >= 0
        columns |= {"member_row": place[rows.member_row[mine]], "member_group": rows.member_group[mine]}
    if isinstance(rows, PredictionRows):
        cells = rows.cells
        mine = place[cells.row] >= 0
        columns["cells"] = Located(place[cells.row[mine]], cells.series[mine], cells.bin[mine], cells.value[mine])
        columns["duplicates"] = rows.duplicates[wanted[rows.duplicates]]
    if isinstance(rows, PredictionRows | OutcomeRows):
        scores = rows.scores
        mine = place[scores.row] >= 0
        columns["scores"] = ClassScores(place[scores.row[mine]], scores.label[mine], scores.probability[mine])
    if isinstance(rows, ExplanationRows):
        mine = place[rows.row] >= 0
        columns |= {"row": place[rows.row[mine]], "series": rows.series[mine], "value": rows.value[mine]}
    return type(rows)(**columns)
