"""From counts to estimates: each window's predictions by the calibration of its owner, and what their labels showed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from processors.estimation import counts
from processors.estimation.calibration import Calibration, Known
from processors.estimation.measures import Expected, Measures, measures
from processors.performance import entries as cube
from processors.performance.entries import Entries
from processors.profile import BINARY, MULTICLASS, Profile
from processors.rows import Bools, Floats, Ints, Longs


@dataclass(frozen=True, slots=True)
class Learnt:
    """The calibration of some groups."""

    calibration: Calibration

    @classmethod
    def of(cls, entries: Entries, profile: Profile) -> Learnt:
        """From the outcomes that these groups' calibrations are learnt from."""
        owner = cube.group_of(entries.unit)
        return cls(Calibration.of(owner, entries, _is_binary(profile)[owner]))


@dataclass(frozen=True, slots=True)
class Estimates:
    """Of each window: the five measures with intervals, shape (windows, 5), and whether anything is `known`.

    `support` is the share of its predictions with scores near which outcomes enough are known; `binary` says by which
    names the measures go.
    """

    measures: Measures
    support: Floats
    known: Bools
    binary: Bools

    def columns(self, which: Bools | int) -> dict[str, Floats]:
        """Value, low and high of some windows, or of one."""
        return {name: getattr(self.measures, name)[which] for name in ("value", "low", "high")}


def estimated(groups: Ints, owners: Ints, entries: Entries, learnt: Learnt, profile: Profile) -> Estimates:
    """Estimates of one window of each of `groups` (ascending) from the entries of its predictions."""
    binary = _is_binary(profile)[groups]
    entries = _current(entries, profile)
    place = np.searchsorted(groups, cube.group_of(entries.unit))
    facet, _ = counts.facet_in(entries.what)
    known = learnt.calibration.look_up(owners[place], facet, entries.code, binary[place])
    usable = ~np.isnan(known.rate)
    total = np.bincount(place, entries.value, len(groups)).astype(np.float64)
    close = np.bincount(place, entries.value * known.close, len(groups))
    support = np.divide(close, total, out=np.zeros(len(groups)), where=total > 0)
    found = _measures(place, facet, entries.code, entries.value.astype(np.float64), known, binary)
    # A window of which less than half is known of has no estimate.
    share = np.bincount(place, entries.value * usable, len(groups))
    return Estimates(found, support, (share > 0) & (2 * share >= total), binary)


def turned_out(groups: Longs, units: Longs, entries: Entries, profile: Profile) -> Floats:
    """The five measures of the outcomes of each of `units` (ascending), each a window of one of `groups`.

    Shape (units, 5), in the order of the estimates; areas under curves with scores as coarse as those are counted.
    """
    entries = _current(entries, profile)
    binary = _is_binary(profile)[groups]
    facet, hit = counts.facet_in(entries.what)
    place = np.searchsorted(units, entries.unit)
    order = np.lexsort((entries.code, facet, place))
    place, facet, hit, code, value = place[order], facet[order], hit[order], entries.code[order], entries.value[order]
    new = np.ones(len(place), np.bool_)
    new[1:] = (place[1:] != place[:-1]) | (facet[1:] != facet[:-1]) | (code[1:] != code[:-1])
    first = np.flatnonzero(new)
    if not len(first):
        return np.full((len(units), 5), np.nan)
    n = np.add.reduceat(value, first).astype(np.float64)
    rate = np.add.reduceat(np.where(hit, value, 0), first) / n
    nothing = np.zeros(len(first))
    known = Known(rate, nothing, np.zeros(len(first), np.int64), nothing + 1, nothing > 0)
    return _measures(place[first], facet[first], code[first], n, known, binary).value


def _measures(  # noqa: PLR0917 - columns of one table
    place: Longs, facet: Ints | Longs, code: Longs, n: Floats, known: Known, binary: Bools
) -> Measures:
    """Measures of each unit, by its task."""
    size = len(binary)
    value, low, high = (np.full((size, 5), np.nan) for _ in range(3))
    for task in (True, False):
        mine = np.flatnonzero((binary[place] == task) & ~np.isnan(known.rate))
        if not len(mine):
            continue
        found = measures(Expected(place[mine], facet[mine], code[mine], n[mine], known.take(mine), size), binary=task)
        rows = np.unique(place[mine])
        value[rows], low[rows], high[rows] = found.value[rows], found.low[rows], found.high[rows]
    return Measures(value, low, high)


def _is_binary(profile: Profile) -> Bools:
    """By group number: is its model binary?"""
    live = [base >= 0 for base in profile.group_base.tolist()]
    return np.array([alive and profile.task(group) == BINARY for group, alive in enumerate(live)], np.bool_)


def _current(entries: Entries, profile: Profile) -> Entries:
    """The entries that are of their model's task and positive class as they are known now."""
    groups = cube.group_of(entries.unit)
    wanted = np.full(len(profile.groups), -2)
    for group in np.unique(groups).tolist():
        if profile.group_base[group] >= 0 and profile.task(group) in (BINARY, MULTICLASS):
            wanted[group] = profile.positive(group) if profile.task(group) == BINARY else -1
    facet, _ = counts.facet_in(entries.what)
    mine = wanted[groups]
    return entries.take((mine == -1) | (mine == counts.class_of(facet)))
