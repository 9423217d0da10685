"""Readings of units: each is measured by its model's task as it is known now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Literal

import numpy as np

from processors.base import Judging, Reading
from processors.performance import entries as cube
from processors.performance.classification import accuracy, binary, classified, multiclass
from processors.performance.entries import Entries, Held
from processors.performance.measured import Column, Units
from processors.performance.regression import regression
from processors.profile import BINARY, MULTICLASS, REGRESSION, Profile
from processors.rows import Longs

PORTION = 100_000
"""Entries that are measured at a time, or those of one unit: it takes some 100 bytes for each."""


Numbers = tuple[float, int, float, float, Mapping[str, Any]]
"""Value, n, bounds and details of one series of one unit, as plain numbers: NaN where there is none."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What a unit is a reading of: its group, scope and bounds, and details that all its series share."""

    group: int
    scope: Literal["window", "cohort", "total"]
    start: int
    end: int
    details: Mapping[str, Any] = field(default_factory=dict)


class Request:
    """Units of all scopes to be measured."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self._parts: list[tuple[Held, Longs, list[Frame]]] = []

    def add(self, held: Held, units: Longs, frames: list[Frame]) -> None:
        """Ask for these units (ascending), one frame each, with all that is held of them."""
        if frames:
            self._parts.append((held, units, frames))
            self.frames += frames

    def readings(self, context: Judging, monitor: str, quantile: float | None) -> list[Reading]:
        """All series of all units, unit by unit in the order in which they were added.

        Some are read and measured at a time: where a whole fleet is due at once, their entries would be a tenth of all
        memory, and what is worked out on the way gigabytes.
        """
        return [
            reading
            for held, units, frames in self._parts
            for portion, first, end in _portions(held, units)
            for reading in _readings(Units(portion, units[first:end]), frames[first:end], context, monitor, quantile)
        ]


def _portions(held: Held, units: Longs) -> Iterator[tuple[Entries, int, int]]:
    """Entries of some units that follow each other, and the places of the first and beyond the last of these."""
    ends = np.cumsum(held.most(units))
    first = at = 0
    while first < len(units):
        end = max(int(np.searchsorted(ends, at + PORTION, side="right")), first + 1)
        yield held.read(units[first:end]), first, end
        first, at = end, int(ends[end - 1])


def _readings(
    units: Units, frames: list[Frame], context: Judging, monitor: str, quantile: float | None
) -> list[Reading]:
    found: list[list[Reading]] = [[] for _ in frames]
    for places, columns, left_out in _measured(units, frames, context.profile, quantile):
        heads = [
            _Head.of(frames[place], context, monitor, excluded)
            for place, excluded in zip(places, left_out, strict=True)
        ]
        for column in columns:
            for at, numbers in zip(column.place.tolist(), _numbers(column), strict=True):
                found[places[at]].append(heads[at].reading(column.series, numbers))
    return [reading for of_unit in found for reading in of_unit]


@dataclass(frozen=True, slots=True)
class _Head:
    """What all readings of a unit share."""

    shared: Mapping[str, Any]
    details: Mapping[str, Any]

    @classmethod
    def of(cls, frame: Frame, context: Judging, monitor: str, excluded: int) -> _Head:
        key = context.profile.groups[frame.group]
        known = context.coverage.get(key.model, {})
        details = dict(frame.details)
        if known.get("keep_rate") is not None:
            details["keep_rate"] = known["keep_rate"]
        if excluded:
            details["excluded"] = excluded
        shared = {
            "monitor": monitor,
            "group": key,
            "start": frame.start,
            "end": frame.end,
            "scope": frame.scope,
            "coverage": known.get("coverage"),
        }
        return cls(shared, details)

    def reading(self, series: str, numbers: Numbers) -> Reading:
        """One series of the unit; what is not a finite number is undefined."""
        value, n, low, high, details = numbers
        known = isfinite(value)
        return Reading(
            series=series,
            value=value if known else None,
            n=n,
            low=low if known and isfinite(low) else None,
            high=high if known and isfinite(high) else None,
            details={**self.details, **details} if details else self.details,
            **self.shared,
        )


def _numbers(column: Column) -> Iterator[Numbers]:
    """What a column says of each of its units."""
    size = len(column.place)
    low, high = (np.full(size, np.nan),) * 2 if column.interval is None else column.interval
    values, lows, highs = (np.asarray(bounds, np.float64).tolist() for bounds in (column.value, low, high))
    counts = np.asarray(column.n).astype(np.int64).tolist()
    return zip(values, counts, lows, highs, column.details or [{}] * size, strict=True)


def _measured(
    units: Units, frames: list[Frame], profile: Profile, quantile: float | None
) -> Iterator[tuple[list[int], list[Column], list[int]]]:
    """(places, columns of these, outcomes of each that the measures leave out), by task as it is known now."""
    kinds: dict[tuple[int, str], list[int]] = {}
    for place, frame in enumerate(frames):
        task = profile.task(frame.group)
        kinds.setdefault((task, profile.groups[frame.group].model if task == MULTICLASS else ""), []).append(place)
    for (task, _), places in kinds.items():
        some = units.some(np.array(places)) if len(kinds) > 1 else units
        if task == REGRESSION:
            columns, used = regression(some, quantile), some.count(cube.ERROR_ROWS)
        elif task == BINARY:
            positive = np.array([profile.positive(frames[place].group) for place in places], np.int32)
            columns, used = binary(some, positive), classified(some)
        elif task == MULTICLASS:
            columns, used = multiclass(some, profile.classes(frames[places[0]].group)), classified(some)
        else:
            columns, used = accuracy(some), classified(some)
        left_out = np.maximum(some.count(cube.ROWS) - used, 0).astype(np.int64)
        yield places, columns, left_out.tolist()
