"""What estimates are made of: predictions and outcomes counted by class, side of the decision, and score.

A *facet* is a class, whether it was the one predicted, and whether there was a score for it. Of a binary model only
the positive class has facets, of a multiclass model each of its first classes. Entries of predictions say how often a
facet had a score; those of outcomes also whether the class turned out to be true, and when the prediction was made.

Scores are counted by code (`kernels.scores`) to 32 steps an octave below and above a half, which is what bins that are
even in log-odds are for: scores crowd near 0 and 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from processors.base import Summary
from processors.distinct import distinct
from processors.kernels import binning, isotonic, scores
from processors.kernels.binning import ABSENT, CATEGORICAL, NUMERIC
from processors.performance import entries as cube
from processors.performance.entries import Entries
from processors.profile import BINARY, MULTICLASS, Profile
from processors.rows import Bools, Floats, Ints, Longs
from processors.slices import BothRows, ClassScores, OutcomeRows, PredictionRows

TICK_US = 10_000_000
"""How finely the time of a prediction is kept until its label has been put to its window."""

FEATURE = cube.SUM
"""Kind of an entry that counts a feature's bin: the number above it is the series, `code` the bin."""

ROWS, DOUBT, DOUBTED = range(3)
"""COUNT entries of predictions: rows, sum of the expected errors (in `UNIT`), and rows in that sum."""

UNIT = float(1 << 20)
"""Expected errors are counted in whole parts of it, so that their sums do not depend on an order."""

_STEP_BITS = 5
_TICK_BITS = 33
_TICK_ZERO = 1 << (_TICK_BITS - 1)
_ID_SHIFT = 16


@dataclass(frozen=True, slots=True)
class Facets:
    """One entry a (row, class): by ascending row."""

    row: Longs
    facet: Ints
    code: Longs


def facet_of(class_number: Any, scored: Any, said: Any) -> Any:
    """The number of a facet."""
    return 4 * class_number + 2 * ~scored + said


def class_of(facet: Any) -> Any:
    """The class of a facet."""
    return facet // 4


def is_said(facet: Any) -> Any:
    """Is it of predictions that named the class?"""
    return facet % 2 == 1


def is_scored(facet: Any) -> Any:
    """Does it have a score?"""
    return facet // 2 % 2 == 0


def what_of(facet: Any, hit: Any) -> Any:
    """Kind and number of an entry of a facet; those without a score are of a kind that is never coarsened."""
    kind = np.where(is_scored(facet), cube.SCORE, cube.CELL)
    return kind + cube.KINDS * (2 * facet + hit)


def facet_in(what: Any) -> Any:
    """(facet, hit) of an entry."""
    number = what // cube.KINDS
    return number // 2, number % 2 == 1


def of_facets(entries: Entries) -> Entries:
    """The entries that count facets."""
    kind = entries.what % cube.KINDS
    return entries.take((kind == cube.SCORE) | (kind == cube.CELL))


def time_unit(group: Any, ts: Longs) -> Any:
    """Unit of a group's outcomes of predictions made at about the same time."""
    tick = np.clip(ts // TICK_US, 1 - _TICK_ZERO, _TICK_ZERO - 1) + _TICK_ZERO
    return (np.asarray(group, np.int64) << _TICK_BITS) | tick


def time_of(unit: Longs) -> Longs:
    """When the predictions of a unit of outcomes were made (microseconds)."""
    return np.asarray(((unit & ((1 << _TICK_BITS) - 1)) - _TICK_ZERO) * TICK_US)


def is_outcome(unit: Longs) -> Bools:
    """Is it a unit of outcomes? Those of predictions have no time."""
    return np.asarray((unit & ((1 << _TICK_BITS) - 1)) > 0)


def table_id(base: Any, facet: Any) -> Any:
    """What the rows of a table of doubts are looked up by, together with a score's code."""
    return (np.asarray(base, np.int64) << _ID_SHIFT) | facet


def measured(rows: BothRows, profile: Profile, most_classes: int, doubts: Any) -> Entries:
    """All entries of one pane. `doubts` has columns id, code and doubt: the expected error of a prediction, or None."""
    parts = [
        *_predictions(rows.predictions, profile, most_classes, doubts),
        _outcomes(rows.outcomes, profile, most_classes),
    ]
    together = Entries.concat([part for part in parts if len(part)] or [cube.NO_ENTRIES])
    scored = cube.gathered(together.unit, together.what, together.code, together.value)
    return cube.merged([scored, features(rows.predictions, profile)])


def _predictions(rows: PredictionRows, profile: Profile, most_classes: int, doubts: Any) -> list[Entries]:
    facets = _facets(rows, profile, rows.scores, np.ones(len(rows), np.bool_), most_classes)
    if not len(facets.row):
        return []
    group, at = _memberships(rows, facets.row)
    units = cube.group_unit(group)
    ones = np.ones(len(at), np.int64)
    found = [Entries(units, what_of(facets.facet[at], 0).astype(np.int32), facets.code[at], ones)]
    first = np.ones(len(facets.row), np.bool_)
    first[1:] = facets.row[1:] != facets.row[:-1]
    found.append(_counts(group, ROWS, first[at]))
    if doubts is not None and len(doubts["id"]):
        doubt, known = _doubts(rows, facets, doubts)
        found += [_counts(group, DOUBT, doubt[at]), _counts(group, DOUBTED, known[at])]
    return found


def _counts(group: Ints, code: int, value: Any) -> Entries:
    """A sum by group: of whole numbers that are exact in double precision."""
    sums = np.bincount(group, value).astype(np.int64)
    groups = np.flatnonzero(sums)
    what, codes = np.full(len(groups), cube.COUNT, np.int32), np.full(len(groups), code, np.int64)
    return Entries(cube.group_unit(groups), what, codes, sums[groups])


def _doubts(rows: PredictionRows, facets: Facets, doubts: Any) -> tuple[Longs, Longs]:
    """Expected error of each prediction in whole parts, and 1 where it is known; 0 at facets that do not decide it."""
    deciding = is_said(facets.facet) | (rows.task[facets.row] == BINARY)
    ids = table_id(rows.base[facets.row], facets.facet)
    place = isotonic.nearest(ids, facets.code, doubts["id"], doubts["code"])
    known = deciding & (place >= 0)
    parts = np.rint(doubts["doubt"][np.maximum(place, 0)] * UNIT).astype(np.int64)
    return np.where(known, parts, 0), known.astype(np.int64)


def _outcomes(rows: OutcomeRows, profile: Profile, most_classes: int) -> Entries:
    wanted = rows.counted & (rows.actual >= 0)
    facets = _facets(rows, profile, rows.scores, wanted, most_classes)
    if not len(facets.row):
        return cube.NO_ENTRIES
    group, at = _memberships(rows, facets.row)
    hit = rows.actual[facets.row] == class_of(facets.facet)
    units = time_unit(group, rows.table.ts[facets.row[at]])
    what = what_of(facets.facet, hit).astype(np.int32)
    return Entries(units, what[at], facets.code[at], np.ones(len(at), np.int64))


def features(rows: PredictionRows, profile: Profile) -> Entries:
    """How often each bin of each sealed feature of each version occurred; missing ones are counted as such."""
    base = rows.base[rows.base >= 0]
    if not len(base):
        return cube.NO_ENTRIES
    group, type_ = profile.series_group, profile.series_type
    per_base = np.bincount(base, minlength=len(profile.groups) + 1)
    drawn = (group >= 0) & ((type_ == NUMERIC) | (type_ == CATEGORICAL)) & (per_base[group] > 0)
    keys = np.flatnonzero(drawn)
    if not len(keys):
        return cube.NO_ENTRIES
    cells = rows.cells
    table = binning.counts(cells.series, cells.bin, binning.places(keys, len(group)), len(keys))
    table[:, ABSENT] += per_base[group[keys]] - table.sum(axis=1)
    at, bin_ = np.nonzero(table)
    what = (FEATURE + cube.KINDS * keys[at]).astype(np.int32)
    return cube.gathered(
        cube.group_unit(group[keys[at]]), what, bin_.astype(np.int64), table[at, bin_].astype(np.int64)
    )


def _facets(
    rows: PredictionRows | OutcomeRows, profile: Profile, given: ClassScores, wanted: Bools, most_classes: int
) -> Facets:
    wanted = wanted & (rows.base >= 0) & (rows.predicted >= 0)
    bases, place = distinct(rows.base)
    positive = np.array([profile.positive(base) if base >= 0 else -1 for base in bases.tolist()], np.int32)[place]
    binary = np.flatnonzero(wanted & (rows.task == BINARY) & (positive >= 0))
    parts = [_side(binary, positive[binary], rows.predicted[binary], rows.score[binary])]
    multi = np.flatnonzero(wanted & (rows.task == MULTICLASS))
    if len(multi):
        sizes = [min(len(profile.classes(base)), most_classes) if base >= 0 else 0 for base in bases.tolist()]
        parts.append(_classes(rows, given, multi, np.array(sizes, np.int64)[place[multi]]))
    if len(parts) == 1:
        return parts[0]
    row = np.concatenate([part.row for part in parts])
    order = np.argsort(row, kind="stable")
    facet, code = (np.concatenate([getattr(part, name) for part in parts])[order] for name in ("facet", "code"))
    return Facets(row[order], facet, code)


def _classes(rows: PredictionRows | OutcomeRows, given: ClassScores, multi: Longs, sizes: Longs) -> Facets:
    """The facets of each class of the rows `multi`, whose models have `sizes` classes."""
    width = int(sizes.max(initial=1))
    table = np.full((len(rows), width), np.nan)
    mine = given.label < width
    table[given.row[mine], given.label[mine]] = given.probability[mine]
    row = np.repeat(multi, sizes)
    number = np.arange(len(row)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return _side(row, number, rows.predicted[row], table[row, number])


def _side(row: Longs, number: Any, predicted: Ints, score: Floats) -> Facets:
    scored = ~np.isnan(score)
    code = np.where(scored, scores.stepped(np.where(scored, score, 0.0), _STEP_BITS), 0)
    return Facets(row, facet_of(number, scored, predicted == number).astype(np.int32), code)


def _memberships(rows: PredictionRows | OutcomeRows, row: Longs) -> tuple[Ints, Longs]:
    """(group, position) of every membership of the rows of these positions; `row` ascends."""
    low = np.searchsorted(row, rows.member_row, "left")
    size = np.searchsorted(row, rows.member_row, "right") - low
    ends = np.cumsum(size)
    at = np.arange(ends[-1] if len(ends) else 0) + np.repeat(low - (ends - size), size)
    return np.repeat(rows.member_group, size), at


def rows_by_group(entries: Entries) -> Summary:
    """How many predictions were counted of each group, as column `n`."""
    rows = entries.take((entries.what == cube.COUNT) & (entries.code == ROWS))
    return Summary(cube.group_of(rows.unit).astype(np.int32), {"n": rows.value})


def outcomes_by_unit(entries: Entries) -> tuple[Longs, Longs]:
    """Outcomes of each unit: each has one facet that decides it, the predicted class's or, of a binary model, both."""
    facet, _ = facet_in(entries.what)
    units, place = distinct(entries.unit)
    first = np.full(len(units), np.iinfo(np.int32).max)
    np.minimum.at(first, place, class_of(facet))
    # The facets of any one class are as many as there are outcomes.
    mine = class_of(facet) == first[place]
    return units, np.bincount(place[mine], entries.value[mine], len(units)).astype(np.int64)
