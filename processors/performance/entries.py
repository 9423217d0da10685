"""A sparse cube of signed counts: all that is remembered of outcomes.

An entry says how often something was seen in a unit, which is a group's outcomes of one hour or of all hours. Counts
are integers, also those that make up sums (`kernels.exact`), so entries merge in any order and a correction is the
old fact with -1 and the new one with +1. To look at larger units, rename the units and gather again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from processors.base import Summary
from processors.distinct import distinct
from processors.durations import HOUR_US
from processors.kernels import scores
from processors.kernels.merging import merge
from processors.rows import Bools, Index, Ints, Longs, Table

# What an entry counts: a kind, and above it a number that says which.
COUNT, CELL, SCORE, CLASS_SCORE, ERROR, SUM = range(6)
KINDS = 8

# COUNT: which rows, by `code`.
ROWS, CORRECTIONS, LOSS_ROWS, ERROR_ROWS, PERCENT_ROWS = range(5)

# SUM: of what, by the number above the kind; `code` is the limb.
LOSS, LOSS_SQUARED, BRIER, BRIER_SQUARED = range(4)
BIAS, ABSOLUTE, SQUARED, FOURTH, TARGET, TARGET_SQUARED, PERCENT, PINBALL, PINBALL_SQUARED = range(4, 13)

_HOUR_BITS = 32
_HOUR_ZERO = 1 << (_HOUR_BITS - 1)
_GROUP_SHIFT = _HOUR_BITS + 1
_COUNTED_OFF = 1 << 16
"""So many numbers are sorted by their digits, in one pass."""


@dataclass(frozen=True, slots=True)
class Entries(Table):
    """Sorted by (unit, what, code), one entry each. `what` is kind + KINDS * number; `value` the signed count.

    A score's code is `kernels.scores`'; a confusion cell's holds predicted class, actual class and whether they agree.
    """

    unit: Longs
    what: Ints
    code: Longs
    value: Longs

    def of(self, kind: int) -> Entries:
        """The entries of one kind."""
        return self.take(self.what % KINDS == kind)

    def renamed(self, unit: Longs) -> Entries:
        """The same counts in other units."""
        return gathered(unit, self.what, self.code, self.value)


NO_ENTRIES = Entries(np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.int64))


def gathered(unit: Longs, what: Ints, code: Longs, value: Longs) -> Entries:
    """Entries in order, equal ones added up, those that come to nothing left out."""
    if not _in_order(unit, what, code):
        order = _order(unit, what, code)
        unit, what, code, value = unit[order], what[order], code[order], value[order]
    new = begins(unit, what, code)
    if new.all() and value.all():
        return Entries(unit, what, code, value)
    first = np.flatnonzero(new)
    sums = np.add.reduceat(value, first) if len(first) else value
    kept = first[sums != 0]
    return Entries(unit[kept], what[kept], code[kept], sums[sums != 0])


def _order(unit: Longs, what: Ints, code: Longs) -> Index:
    """Positions by (unit, what, code). Which of equal ones comes first is of no matter."""
    units, place = distinct(unit)
    kinds = int(what.max()) + 1
    if len(units) * kinds > _COUNTED_OFF:
        return np.asarray(np.lexsort((code, what, unit)))
    cell = (place * kinds + what).astype(np.uint16)
    order = np.argsort(code, kind="stable")  # by parts they often are in order
    return np.asarray(order[np.argsort(cell[order], kind="stable")])


def _in_order(unit: Longs, what: Ints, code: Longs) -> bool:
    """Are they sorted already, as entries of one hour are when they are renamed for all hours?"""
    if len(unit) < 2:
        return True
    same = unit[1:] == unit[:-1]
    if not (same | (unit[1:] > unit[:-1])).all():
        return False
    later = (what[1:] > what[:-1]) | ((what[1:] == what[:-1]) & (code[1:] >= code[:-1]))
    return bool((later | ~same).all())


def merged(parts: Sequence[Entries]) -> Entries:
    """All entries of the parts, added up; the smallest first, so that each is gone over only a few times."""
    filled = sorted((part for part in parts if len(part)), key=len)
    if not filled:
        return NO_ENTRIES
    whole = filled[0]
    for part in filled[1:]:
        whole = Entries(
            *merge(whole.unit, whole.what, whole.code, whole.value, part.unit, part.what, part.code, part.value)
        )
    return whole


def cell_code(predicted: Ints, actual: Ints, same: Bools) -> Longs:
    """Code of a cell of the confusion matrix; class -1 (not admitted) has its own row and column."""
    return ((predicted.astype(np.int64) + 1) << 20) | ((actual.astype(np.int64) + 1) << 1) | same


def cell_of(code: Longs) -> tuple[Longs, Longs, Bools]:
    """(predicted, actual, same) of a cell."""
    return (code >> 20) - 1, ((code & ((1 << 20) - 1)) >> 1) - 1, (code & 1) == 1


def cohort_unit(group: Ints, cohort: Longs, counted: Bools) -> Longs:
    """Unit of a group's outcomes of one hour; those for windows (`counted`) and corrections apart."""
    hour = np.clip(cohort // HOUR_US, -_HOUR_ZERO, _HOUR_ZERO - 1) + _HOUR_ZERO
    return (group.astype(np.int64) << _GROUP_SHIFT) | (hour << 1) | counted


def group_unit(group: Any) -> Any:
    """Unit of all outcomes of a group."""
    return np.asarray(group, np.int64) << _GROUP_SHIFT


def group_of(unit: Any) -> Any:
    """Group number of a unit."""
    return unit >> _GROUP_SHIFT


def hour_of(unit: Any) -> Any:
    """Start (microseconds) of the hour of a cohort's unit."""
    return (((unit >> 1) & ((1 << _HOUR_BITS) - 1)) - _HOUR_ZERO) * HOUR_US


def is_counted(unit: Longs) -> Bools:
    """Is it the part of a cohort that windows see?"""
    counted: Bools = (unit & 1) == 1
    return counted


def coarsened(entries: Entries, most: int) -> Entries:
    """Gathered entries with at most `most` distinct scores (and as many errors) a unit; else as they are."""
    if len(entries) <= most:
        return entries
    rows = _of_runs(entries.unit, most)
    kind = entries.what[rows] % KINDS
    scored = (kind == SCORE) | (kind == CLASS_SCORE) | (kind == ERROR)
    rows, kind = rows[scored], kind[scored]
    # Both signs of a score are coarsened alike: they are ranked against each other.
    family = np.where(kind == CLASS_SCORE, entries.what[rows] // KINDS // 2 * KINDS + kind, kind)
    order = np.lexsort((family, entries.unit[rows]))
    rows, family = rows[order], family[order]
    part = np.cumsum(begins(entries.unit[rows], family)) - 1
    size = np.bincount(part)
    mine = size[part] > most if len(part) else np.zeros(0, np.bool_)
    if not mine.any():
        return entries
    rows = rows[mine]
    _, part = distinct(part[mine])
    code = entries.code.copy()
    code[rows] = scores.coarsened(code[rows], scores.bits_to_drop(code[rows], part, most)[part])
    return gathered(entries.unit, entries.what, code, entries.value)


def begins(*columns: Any) -> Bools:
    """Does a row differ from the one before it? Of columns in order: is it the first of its kind?"""
    new = np.ones(len(columns[0]), np.bool_)
    new[1:] = False
    for column in columns:
        new[1:] |= column[1:] != column[:-1]
    return new


def _of_runs(unit: Longs, most: int) -> Longs:
    """Positions of the rows of units (ascending) that have more than `most` of them."""
    cuts = np.append(np.flatnonzero(begins(unit)), len(unit))
    sizes = np.diff(cuts)
    return np.flatnonzero(np.repeat(sizes > most, sizes))


def to_summary(entries: Entries) -> Summary:
    """Entries as a summary: `keys` are the groups, the columns are the entries' and longer than the keys."""
    keys = np.unique(group_of(entries.unit)).astype(np.int32)
    return Summary(keys, {name: getattr(entries, name) for name in ("unit", "what", "code", "value")})


def from_summary(summary: Summary) -> Entries:
    """The entries that `to_summary` was given."""
    if not summary.columns:
        return NO_ENTRIES
    return Entries(summary["unit"], summary["what"], summary["code"], summary["value"])


def units_of_groups(runs: list[Any], groups: frozenset[int]) -> Longs:
    """All units of these groups on a shelf, ascending."""
    units = [np.unique(run["unit"]) for run in runs]
    mine = [unit[np.isin(group_of(unit), sorted(groups))] for unit in units]
    return np.unique(np.concatenate([np.zeros(0, np.int64), *mine]))


@dataclass(frozen=True, slots=True)
class Held:
    """What was on a shelf at some moment, to be read some units at a time. Arrays of runs never change: no copy."""

    runs: tuple[Entries, ...]

    def read(self, units: Longs) -> Entries:
        """The entries of these units (ascending)."""
        if not len(units):
            return NO_ENTRIES
        return merged([_units_of(run, units) for run in self.runs])

    def most(self, units: Longs) -> Longs:
        """How many entries each of these units has at most: those of different runs may be the same."""
        sizes = np.zeros(len(units), np.int64)
        for run in self.runs:
            sizes += np.searchsorted(run.unit, units, "right") - np.searchsorted(run.unit, units, "left")
        return sizes


class Shelf:
    """Entries that are kept: cheap to add to, and to take units from. Holds no data itself; the state is a tree.

    Sorted runs, each at least twice as long as the next, so that an entry is merged only a few times in its life.
    """

    def __init__(self, most_scores: int, budget: int) -> None:
        """`most_scores` distinct scores a unit; fewer once there are more than `budget` entries in all."""
        self._most_scores = most_scores
        self._budget = budget

    def initial(self) -> list[Any]:
        """The state of an empty shelf."""
        return []

    def add(self, runs: list[Any], entries: Entries) -> None:
        """Put entries in; changes `runs` in place."""
        if not len(entries):
            return
        while runs and len(runs[-1]["unit"]) < 2 * len(entries):
            entries = self._within_bounds(merged([Entries(**runs.pop()), entries]), len(runs) == 0)
        if len(entries):
            runs.append(entries.to_state())

    def read(self, runs: list[Any], units: Longs) -> Entries:
        """The entries of these units (ascending)."""
        return self.held(runs).read(units)

    def held(self, runs: list[Any]) -> Held:
        """What is on the shelf now, whatever is put in or taken out later."""
        return Held(tuple(Entries(**run) for run in runs))

    def halve(self, runs: list[Any], unit: int) -> Entries:
        """Let the counts of a unit, none of them negative, count half from now on, and return them.

        Every second one of the odd counts is rounded up.
        """
        units = np.array([unit], np.int64)
        old = self.read(runs, units)
        self.remove(runs, units)
        faded = gathered(old.unit, old.what, old.code, (old.value + np.arange(len(old)) % 2) // 2)
        self.add(runs, faded)
        return faded

    def remove(self, runs: list[Any], units: Longs) -> None:
        """Drop the entries of these units (ascending); changes `runs` in place."""
        if len(units):
            kept = [Entries(**run).take(outside(run["unit"], units)) for run in runs]
            runs[:] = [entries.to_state() for entries in kept if len(entries)]

    def _within_bounds(self, entries: Entries, bottom: bool) -> Entries:
        most = self._most_scores
        entries = coarsened(entries, most)
        while bottom and len(entries) > self._budget and most > 64:
            most //= 2
            entries = coarsened(entries, most)
        return entries


def _units_of(entries: Entries, units: Longs) -> Entries:
    start = np.searchsorted(entries.unit, units, "left")
    size = np.searchsorted(entries.unit, units, "right") - start
    ends = np.cumsum(size)
    rows: Index = np.arange(ends[-1] if len(ends) else 0) + np.repeat(start - (ends - size), size)
    return entries.take(rows)


def outside(unit: Longs, units: Longs) -> Bools:
    """Which of the first are not among the second (ascending)."""
    if not len(units):
        return np.ones(len(unit), np.bool_)
    at = np.minimum(np.searchsorted(units, unit), len(units) - 1)
    different: Bools = units[at] != unit
    return different
