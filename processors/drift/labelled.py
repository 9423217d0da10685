"""What a pane tells of labels, as entries: labels and answers by slot and bin, lags, and answers by label.

Of labels there are those of events that count; answers are all, labelled or not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from processors.distinct import distinct
from processors.drift import bins, settling
from processors.drift.settling import AGES_US
from processors.kernels.binning import WIDTH
from processors.performance import entries as cube
from processors.performance.entries import Entries
from processors.profile import BINARY, REGRESSION, UNDECIDED, Profile
from processors.rows import Bools, Floats, Ints, Longs
from processors.slices import BothRows, OutcomeRows, PredictionRows

LABEL, ANSWER, LAG, PAIR = range(4)
"""What an entry counts. Its unit is the group, with the slot for the first two; its code the bin, or two of them."""
_SLOT_MASK = (1 << 33) - 1


def entries(rows: BothRows, profile: Profile, sealed: Any) -> tuple[Entries, Bools]:
    """Everything, and which outcomes wait for their version's intervals.

    `sealed` has by base group the age and the width of slots (microseconds), and the edges between intervals.
    """
    edges = None if sealed is None else sealed["edges"]
    outcomes, predictions = rows.outcomes, rows.predictions
    label, waiting = _labels(outcomes, edges)
    parts = [
        _counted(predictions, _slots(sealed, predictions), ANSWER, _answers(predictions, profile, edges)),
        _counted(outcomes, np.where(outcomes.counted, _slots(sealed, outcomes), -1), LABEL, label),
        *_lags_and_pairs(outcomes, label, _answers(outcomes, profile, edges)),
    ]
    together = Entries.concat(parts)
    return cube.gathered(together.unit, together.what, together.code, together.value), waiting


def of_reference(outcomes: OutcomeRows, edges: Floats) -> Entries:
    """Its labels by bin, whenever they came."""
    label, _ = _labels(outcomes, edges)
    return _counted(outcomes, np.where(outcomes.counted, 0, -1), LABEL, label)


def slot_of(unit: Longs) -> Longs:
    """The slot in the unit of a label or an answer."""
    return unit & _SLOT_MASK


def _labels(rows: OutcomeRows, edges: Floats | None) -> tuple[Ints, Bools]:
    """Bin of each label (-1: none yet), and which rows wait for their version's intervals."""
    regression = rows.task == REGRESSION
    values, ready = bins.of_values(rows.target, rows.base, regression, edges)
    label = np.where(regression, values, np.where(rows.task == UNDECIDED, -1, bins.of_classes(rows.actual)))
    return label, regression & ~ready & rows.counted & (rows.base >= 0) & np.isfinite(rows.target)


def _answers(rows: PredictionRows | OutcomeRows, profile: Profile, edges: Floats | None) -> Ints:
    """Bin of each answer: of a binary model's score (a class without one is as sure as can be), class, or value."""
    regression, binary = rows.task == REGRESSION, rows.task == BINARY
    values, _ = bins.of_values(rows.value, rows.base, regression, edges)
    classes = np.where(rows.task == UNDECIDED, -1, bins.of_classes(rows.predicted))
    if binary.any():
        said = rows.predicted == profile.positive_of(rows.base)
        classes = np.where(binary, bins.of_scores(np.where(np.isnan(rows.score), said, rows.score)), classes)
    return np.where(regression, values, classes).astype(np.int32)


def _slots(sealed: Any, rows: PredictionRows | OutcomeRows) -> Longs:
    return settling.slots(sealed, rows.base, rows.table.ts, rows.table.time)


def _counted(rows: PredictionRows | OutcomeRows, slot: Longs, what: int, place: Ints) -> Entries:
    """How many of each group's rows of a slot (-1: none) are in each bin (-1: none)?"""
    kept = ((slot >= 0) & (place >= 0))[rows.member_row]
    row, group = rows.member_row[kept], rows.member_group[kept]
    units, at = distinct(cube.group_unit(group) | slot[row])
    counts = np.bincount(at * WIDTH + place[row], minlength=len(units) * WIDTH)
    filled = np.flatnonzero(counts)
    return Entries(
        units[filled // WIDTH], np.full(len(filled), what, np.int32), filled % WIDTH, counts[filled].astype(np.int64)
    )


def _lags_and_pairs(rows: OutcomeRows, label: Ints, answer: Ints) -> Iterable[Entries]:
    """Of whole versions: labels by class and lag, and by answer and label."""
    kept = np.flatnonzero(rows.counted & (rows.base >= 0) & (rows.task != UNDECIDED))
    lag = settling.lag_of(rows.table.ts[kept], rows.table.time[kept])
    # Targets of a regression are labelled alike; those without a bin yet have a lag, too.
    place = np.where(rows.task[kept] == REGRESSION, 0, label[kept]).astype(np.int64)
    known = (lag < len(AGES_US)) & (place >= 0)
    yield _alone(rows.base[kept[known]], LAG, place[known] * WIDTH + lag[known])
    both = kept[(label[kept] >= 0) & (answer[kept] >= 0)]
    yield _alone(rows.base[both], PAIR, answer[both].astype(np.int64) * WIDTH + label[both])


def _alone(base: Ints, what: int, code: Longs) -> Entries:
    return Entries(cube.group_unit(base), np.full(len(base), what, np.int32), code, np.ones(len(base), np.int64))
