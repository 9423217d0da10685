"""Ways in which one column of real rows goes wrong, strongly and mildly, and streams that have them.

A damage that leaves nearly all values as they were (a clip above the largest, a swap of categories of the same share)
is none. A permuted column keeps its distribution: what can be seen is that it goes with others no more, so it counts
only where its joint distribution with some other column moves by 0.15, as much as is asked of a mild damage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from bench.events import Rows
from bench.tables import take

Column = npt.NDArray[Any]
Damage = Callable[[Column, Column, np.random.Generator], Column]
"""(the rows to be damaged, rows before them, chance) in, damaged rows out."""

REFERENCE, DAMAGED = 6_000, 2_000
STRENGTHS = ("strong", "mild")
_FEWEST_CHANGED = 0.08
_FEWEST_MOVED = {"strong": 0.3, "mild": 0.15}
_RAMP = 1_000


@dataclass(frozen=True, slots=True)
class Trial:
    """A stream of which the last `DAMAGED` rows are damaged in `feature` (None: nothing is)."""

    name: str
    data: str
    what: str
    strength: str
    feature: str | None
    rows: Rows

    def __len__(self) -> int:
        return len(next(iter(self.rows.values())))


def trials(data: str, rows: Rows, seed: int, only: str = "") -> Iterator[Trial]:
    """Each damage of each column in both strengths, where it damages anything, on rows of its own."""
    for what, of_texts, of_numbers in _DAMAGES:
        for feature in sorted(rows):
            for strength, damage in (of_texts if rows[feature].dtype == object else of_numbers).items():
                name = f"{data}-{what}-{strength}-{feature}"
                if only not in name:
                    continue
                rng = np.random.default_rng([seed, crc32(name.encode())])
                drawn = _drawn(rows, rng)
                before, after = drawn[feature][:REFERENCE], drawn[feature][REFERENCE:]
                bad = damage(after, before, rng)
                least = _FEWEST_MOVED["mild"] / (0.5 if strength == "mild" else 1.0)
                if what == "permuted" and not _goes_with_others(drawn, feature, least):
                    continue
                if _damaged(what, strength, before, after, bad):
                    changed = {**drawn, feature: np.concatenate([before, bad])}
                    yield Trial(name, data, what, strength, feature, changed)


def stable(data: str, rows: Rows, seed: int, splits: int, only: str = "") -> Iterator[Trial]:
    """Shuffled splits: nothing ever changes."""
    for split in range(splits):
        name = f"{data}-stable-{split}"
        if only in name:
            yield Trial(
                name, data, "stable", "", None, _drawn(rows, np.random.default_rng([seed, crc32(name.encode())]))
            )


def _drawn(rows: Rows, rng: np.random.Generator) -> Rows:
    total = len(next(iter(rows.values())))
    return take(rows, rng.choice(total, REFERENCE + DAMAGED, replace=total < REFERENCE + DAMAGED))


def _damaged(what: str, strength: str, before: Column, after: Column, bad: Column) -> bool:
    """Is enough changed to speak of damage: of the values, and (but for a permuted column) of their distribution?"""
    if (after.astype(str) != bad.astype(str)).mean() < _FEWEST_CHANGED:
        return False
    return what in ("permuted", "missing") or _moved(before, bad) >= _FEWEST_MOVED[strength]


def _moved(before: Column, bad: Column) -> float:
    """Total variation between two columns, over values or twentieths."""
    if before.dtype != object:
        known = before[~np.isnan(before)]
        edges = np.unique(np.quantile(known, np.arange(1, 20) / 20, method="inverted_cdf"))
        before, bad = (np.where(np.isnan(c), -1, np.searchsorted(edges, c, side="right")) for c in (before, bad))
    names, place = np.unique(np.concatenate([before.astype(str), bad.astype(str)]), return_inverse=True)
    p = np.bincount(place[: len(before)], minlength=len(names)) / len(before)
    q = np.bincount(place[len(before) :], minlength=len(names)) / len(bad)
    return float(np.abs(p - q).sum() / 2)


def _goes_with_others(rows: Rows, feature: str, least: float) -> bool:
    """Would at least this share of the rows have to move for the column to be independent of some other one?"""
    mine = _coarse(rows[feature])
    return any(_joint(mine, _coarse(column)) >= least for name, column in rows.items() if name != feature)


def _coarse(column: Column) -> Column:
    """Numbers by fifths, texts by name."""
    if column.dtype == object:
        return np.unique(column.astype(str), return_inverse=True)[1]
    edges = np.unique(np.nanquantile(column, np.arange(1, 5) / 5))
    return np.where(np.isnan(column), len(edges) + 1, np.searchsorted(edges, column, side="right"))


def _joint(one: Column, other: Column) -> float:
    """Total variation between two columns as they come and as if they had nothing to do with each other."""
    table = np.zeros((int(one.max()) + 1, int(other.max()) + 1))
    np.add.at(table, (one, other), 1 / len(one))
    return float(np.abs(table - np.outer(table.sum(axis=1), table.sum(axis=0))).sum() / 2)


def _some(share: float, damage: Damage) -> Damage:
    """The damage of a share of the rows: one of several producers is broken."""

    def partly(column: Column, before: Column, rng: np.random.Generator) -> Column:
        return np.where(rng.random(len(column)) < share, damage(column, before, rng), column)

    return partly


def _scaled(factor: float) -> Damage:
    return lambda column, before, rng: column * factor  # noqa: ARG005 - a damage's signature


def _offset(deviations: float) -> Damage:
    return lambda column, before, rng: column + deviations * np.nanstd(before)  # noqa: ARG005 - a damage's signature


def _ramp(deviations: float) -> Damage:
    def ramp(column: Column, before: Column, rng: np.random.Generator) -> Column:  # noqa: ARG001 - as above
        return np.asarray(column + deviations * np.nanstd(before) * np.minimum(np.arange(len(column)) / _RAMP, 1))

    return ramp


def _stuck(column: Column, before: Column, rng: np.random.Generator) -> Column:  # noqa: ARG001 - as above
    return np.full_like(column, before[-1])


def _clipped(quantile: float) -> Damage:
    return lambda column, before, rng: np.minimum(column, np.nanquantile(before, quantile))  # noqa: ARG005 - as above


def _lost(column: Column, before: Column, rng: np.random.Generator) -> Column:  # noqa: ARG001 - as above
    return np.full_like(column, np.nan) if column.dtype != object else np.full(len(column), None, object)


def _permuted(column: Column, before: Column, rng: np.random.Generator) -> Column:  # noqa: ARG001 - as above
    return rng.permutation(column)


def _swapped(column: Column, before: Column, rng: np.random.Generator) -> Column:  # noqa: ARG001 - as above
    """The most frequent category trades places with the one that makes the most difference."""
    names, counts = np.unique(before.astype(str), return_counts=True)
    order = np.argsort(-counts, kind="stable")
    if len(names) < 2:
        return column
    first, other = names[order[0]], names[order[min(2, len(order) - 1)]]
    return np.where(column == first, other, np.where(column == other, first, column)).astype(object)


_Strengths = dict[str, Damage]
_MISSING: _Strengths = {"strong": _some(0.4, _lost), "mild": _some(0.1, _lost)}
_STUCK: _Strengths = {"strong": _stuck, "mild": _some(0.3, _stuck)}
_PERMUTED: _Strengths = {"strong": _permuted, "mild": _some(0.5, _permuted)}
_DAMAGES: tuple[tuple[str, _Strengths, _Strengths], ...] = (
    ("unit", {}, {"strong": _scaled(1_000), "mild": _some(0.25, _scaled(1_000))}),
    ("scaling", {}, {"strong": _scaled(2), "mild": _scaled(1.25)}),
    ("offset", {}, {"strong": _offset(1), "mild": _offset(0.5)}),
    ("missing", _MISSING, _MISSING),
    ("swapped", {"strong": _swapped, "mild": _some(0.5, _swapped)}, {}),
    ("stuck", _STUCK, _STUCK),
    ("clipped", {}, {"strong": _clipped(0.5), "mild": _clipped(0.8)}),
    ("permuted", _PERMUTED, _PERMUTED),
    ("slow", {}, {"strong": _ramp(2), "mild": _ramp(1)}),
)  # fmt: skip
"""Name, and how strongly and mildly it happens to a column of texts and to one of numbers."""
