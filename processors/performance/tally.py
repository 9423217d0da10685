"""From a pane's outcomes to entries.

Each outcome is one fact, +1; a correction is two, -1 with the label that stood before and +1 with the new one. What a
fact says (its confusion cell, its score, its losses) is worked out once and then counted for all groups of its row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from processors.distinct import distinct
from processors.kernels import exact, scores
from processors.performance import entries as cube
from processors.performance.entries import Entries
from processors.profile import BINARY, MULTICLASS, REGRESSION, Profile
from processors.rows import Bools, Floats, Index, Ints, Longs
from processors.slices import OutcomeRows

EPSILON = float(np.finfo(np.float64).eps)
"""Probabilities are held this far from 0 and 1 in the log loss, as scikit-learn does."""

_LARGEST = 1e70
"""Numbers beyond are no regression targets: their fourth power is no float."""

_PARTS_OF_ONE = 2.0**52
"""Losses of probabilities are whole multiples of its inverse, which keeps their exact sums short."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is added or taken away. `row` is the outcome's row, `sign` +1 or -1, the rest the label's side."""

    row: Longs
    sign: Longs
    actual: Ints
    target: Floats
    same: Bools


@dataclass(frozen=True, slots=True)
class Memberships:
    """Which fact counts in which unit: `fact` and `place`, an index of `units` (ascending)."""

    fact: Longs
    place: Longs
    units: Longs


class Tally:
    """Entries in the making: parts in no order, gathered at the end."""

    def __init__(self, rows: OutcomeRows) -> None:
        self.facts = _facts(rows)
        self.members = _memberships(rows)
        self._parts: list[Entries] = []

    def entries(self) -> Entries:
        """All that was counted."""
        together = Entries.concat(self._parts)
        return cube.gathered(together.unit, together.what, together.code, together.value)

    def count(self, what: Any, code: Any, facts: Index) -> None:
        """Count facts given by position; `what` and `code` are one for each of them, or one for all."""
        if not len(facts):
            return
        place, at, sign = self._members_of(facts)
        if isinstance(what, int) and isinstance(code, int):
            self._count_alike(what, code, place, sign)
            return
        what, code = (np.broadcast_to(column, len(facts)) for column in (what, code))
        self._put(place, what[at].astype(np.int32), code[at].astype(np.int64), sign)

    def add(self, sum_of: int, numbers: Floats, facts: Index) -> None:
        """Add one finite number a fact to an exact sum."""
        place, at, sign = self._members_of(facts)
        if not len(place):
            return
        limb, amount = exact.limbs(numbers)
        least = int(limb.min())
        width = int(limb.max()) - least + 1
        what = np.int32(cube.SUM + cube.KINDS * sum_of)
        cells = (place * width + (limb[:, at] - least)).ravel()
        sums = np.bincount(cells, (amount[:, at] * sign).ravel(), len(self.members.units) * width)
        filled = np.flatnonzero(sums)
        self._put(
            filled // width,
            np.full(len(filled), what, np.int32),
            filled % width + least,
            sums[filled].astype(np.int64),
        )

    def _count_alike(self, what: int, code: int, place: Longs, sign: Longs) -> None:
        """Count what is the same of all of them: it need not be sorted first."""
        sums = np.bincount(place, sign, len(self.members.units)).astype(np.int64)
        filled = np.flatnonzero(sums)
        whats, codes = np.full(len(filled), what, np.int32), np.full(len(filled), code, np.int64)
        self._put(filled, whats, codes, sums[filled])

    def _put(self, place: Longs, what: Ints, code: Longs, value: Longs) -> None:
        self._parts.append(Entries(self.members.units[place], what, code, value))

    def _members_of(self, facts: Index) -> tuple[Longs, Longs, Longs]:
        """(place of the unit, position among `facts`, sign) of every membership of these facts."""
        if len(facts) == len(self.facts.row):
            return self.members.place, self.members.fact, self.facts.sign[self.members.fact]
        position = np.full(len(self.facts.row), -1, np.int64)
        position[facts] = np.arange(len(facts))
        at = position[self.members.fact]
        mine = np.flatnonzero(at >= 0)
        return self.members.place[mine], at[mine], self.facts.sign[self.members.fact[mine]]


def tallied(rows: OutcomeRows, profile: Profile, quantile: float | None, ranked_classes: int) -> Entries:
    """All entries of one pane. `ranked_classes` bounds the classes of which scores are kept."""
    if not len(rows):
        return cube.NO_ENTRIES
    tally = Tally(rows)
    facts, task = tally.facts, rows.task[tally.facts.row]
    tally.count(cube.COUNT, cube.ROWS, np.arange(len(task)))
    tally.count(cube.COUNT, cube.CORRECTIONS, np.flatnonzero(~rows.counted[facts.row] & (facts.sign > 0)))
    classes = np.flatnonzero(task != REGRESSION)
    cells = cube.cell_code(rows.predicted[facts.row[classes]], facts.actual[classes], facts.same[classes])
    tally.count(cube.CELL, cells, classes)
    _tally_scores(tally, rows, profile, np.flatnonzero(task == BINARY))
    _tally_class_scores(tally, rows, np.flatnonzero(task == MULTICLASS), ranked_classes)
    _tally_errors(tally, rows, np.flatnonzero(task == REGRESSION), quantile)
    return tally.entries()


def _tally_scores(tally: Tally, rows: OutcomeRows, profile: Profile, facts: Index) -> None:
    """Scores by actual class, and the losses of those that are probabilities."""
    if not len(facts):
        return
    score, actual = rows.score[tally.facts.row[facts]], tally.facts.actual[facts]
    known = ~np.isnan(score) & (actual >= 0)
    facts, score, actual = facts[known], score[known], actual[known]
    tally.count(cube.SCORE + cube.KINDS * actual, scores.codes(score), facts)
    inside = (score >= 0) & (score <= 1)
    facts, score, actual = facts[inside], score[inside], actual[inside]
    hit = actual == _positives(rows, profile)[tally.facts.row[facts]]
    _add_losses(tally, np.where(hit, score, 1.0 - score), facts)
    _add_both(tally, cube.BRIER, cube.BRIER_SQUARED, (score - hit) ** 2, facts)


def _tally_class_scores(tally: Tally, rows: OutcomeRows, facts: Index, most: int) -> None:
    """Each class's probability, for and against; and the log loss of the actual one's."""
    if not len(facts):
        return
    given = np.bincount(rows.scores.row, minlength=len(rows)) > 0
    facts = facts[given[tally.facts.row[facts]] & (tally.facts.actual[facts] >= 0)]
    if not len(facts):
        return
    row, actual = tally.facts.row[facts], tally.facts.actual[facts]
    table = np.zeros((len(rows), max(int(rows.scores.label.max()), int(actual.max())) + 1))
    table[rows.scores.row, rows.scores.label] = rows.scores.probability
    table = np.where((table >= 0) & (table <= 1), table, 0.0)
    _add_losses(tally, table[row, actual], facts)
    for number in range(min(table.shape[1], most)):
        what = cube.CLASS_SCORE + cube.KINDS * (2 * number + (actual == number))
        tally.count(what, scores.codes(table[row, number]), facts)


def _tally_errors(tally: Tally, rows: OutcomeRows, facts: Index, quantile: float | None) -> None:
    """Errors (prediction - label): their powers, sizes, and what R2 needs."""
    if not len(facts):
        return
    row, target = tally.facts.row[facts], tally.facts.target[facts]
    with np.errstate(invalid="ignore"):
        error = rows.value[row] - target
    known = (np.abs(error) < _LARGEST) & (np.abs(target) < _LARGEST)
    facts, target, error = facts[known], target[known], error[known]
    size = np.abs(error)
    tally.count(cube.COUNT, cube.ERROR_ROWS, facts)
    tally.count(cube.ERROR, scores.codes(size), facts)
    tally.add(cube.BIAS, error, facts)
    tally.add(cube.ABSOLUTE, size, facts)
    tally.add(cube.TARGET, target, facts)
    for sum_of, numbers in ((cube.SQUARED, error), (cube.TARGET_SQUARED, target)):
        for part in exact.squares(numbers):
            tally.add(sum_of, part, facts)
    tally.add(cube.FOURTH, size**4, facts)
    with np.errstate(all="ignore"):
        share = size / np.abs(target)
    finite = np.isfinite(share)
    tally.count(cube.COUNT, cube.PERCENT_ROWS, facts[finite])
    tally.add(cube.PERCENT, share[finite], facts[finite])
    if quantile is not None:
        loss = np.where(error < 0, quantile * size, (1.0 - quantile) * size)
        tally.add(cube.PINBALL, loss, facts)
        tally.add(cube.PINBALL_SQUARED, loss**2, facts)


def _add_losses(tally: Tally, probability: Floats, facts: Index) -> None:
    tally.count(cube.COUNT, cube.LOSS_ROWS, facts)
    _add_both(tally, cube.LOSS, cube.LOSS_SQUARED, -np.log(np.clip(probability, EPSILON, 1.0 - EPSILON)), facts)


def _add_both(tally: Tally, sum_of: int, sum_of_squares: int, losses: Floats, facts: Index) -> None:
    """The sum of losses of probabilities, and that of their squares."""
    for name, column in ((sum_of, losses), (sum_of_squares, losses**2)):
        tally.add(name, np.rint(column * _PARTS_OF_ONE) / _PARTS_OF_ONE, facts)


def _positives(rows: OutcomeRows, profile: Profile) -> Ints:
    """Number of the positive class of each row's model."""
    groups, inverse = distinct(rows.base)
    found = [profile.positive(group) if group >= 0 else -1 for group in groups.tolist()]
    return np.asarray(np.array(found, np.int32)[inverse])


def _facts(rows: OutcomeRows) -> Facts:
    corrections = np.flatnonzero(~rows.counted)
    table = rows.table
    undone = table.prediction.take(corrections).same(table.before.take(corrections))
    return Facts(
        np.concatenate([np.arange(len(rows)), corrections]),
        np.repeat([1, -1], [len(rows), len(corrections)]),
        np.concatenate([rows.actual, rows.before[corrections]]),
        np.concatenate([rows.target, rows.target_before[corrections]]),
        np.concatenate([table.prediction.same(table.label), undone]),
    )


def _memberships(rows: OutcomeRows) -> Memberships:
    again = np.flatnonzero(~rows.counted[rows.member_row])
    undone = len(rows) + np.cumsum(~rows.counted) - 1
    row = np.concatenate([rows.member_row, rows.member_row[again]])
    group = np.concatenate([rows.member_group, rows.member_group[again]])
    fact = np.concatenate([rows.member_row.astype(np.int64), undone[rows.member_row[again]]])
    unit = cube.cohort_unit(group, rows.cohort[row], rows.counted[row])
    units, place = distinct(unit)
    return Memberships(fact, place, units)
