"""The events of one kind: checked column by column, then read as columns of what is left.

A column is checked as a whole by the types and lengths that occur in it; only if these don't fit is it looked at value
by value.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Collection
from itertools import chain
from typing import Any

import numpy as np

from daemon import stamps
from daemon.decode.batch import Batch, Bounds, Moments
from daemon.records import Run
from daemon.scalars import Words, numbers
from processors.rows import Cells, Longs, Names, Refs, Strings, text_hash

_CLASSES = {int, float, str, bool}
_PLAIN = _CLASSES | {type(None)}
_NUMBERS = {int, float}


class Part:
    """See the module's docstring. Rows are the batch's entries `at`."""

    def __init__(self, batch: Batch, at: Longs, bounds: Bounds) -> None:
        self._batch, self._bounds = batch, bounds
        self.at = at
        """Entries of the rows that are left."""
        events = batch.events
        self._events = events if len(at) == len(events) else [events[entry] for entry in at.tolist()]
        self._columns: dict[str, list[Any]] = {}
        self._layouts: dict[str, list[tuple[str, ...]]] = {}
        """Names of the mappings of a field, row by row, where it was looked at."""
        self._bad: dict[int, tuple[str, str]] = {}
        self._kept: Longs | None = None

    def __len__(self) -> int:
        return len(self.at)

    # Checks. Each condemns the rows that don't pass; the first one stands.

    def check_names(self, field: str, *, optional: bool = False) -> None:
        """Names are non-empty texts of bounded length, or whole numbers."""
        values, most = self._raw(field), self._bounds.id_chars

        def fits(value: Any) -> bool:
            return (type(value) is str and 0 < len(value) <= most) or type(value) is int

        if not self._named(values, optional=optional):
            expected = f"a text of 1 to {most} characters or a whole number of 64 bits"
            self._check(field, fits, f"bad_{field}", expected, optional=optional)

    def check_classes(self, field: str) -> None:
        """Classes are numbers, booleans, or texts of bounded length."""
        values, most = self._raw(field), self._bounds.id_chars
        types = set(map(type, values))
        if types <= _CLASSES and (str not in types or max(map(len, _texts(values, types))) <= most):
            return
        expected = f"a number, a boolean or a text of at most {most} characters"
        self._check(field, lambda value: _is_class(value, most), f"bad_{field}", expected)

    def check_time(self) -> None:
        """A `ts` is a time from 1970 to 2262, if there is one; else the record has one."""
        ts = self._batch.moments.ts[self.at]
        for row in np.flatnonzero(ts == stamps.INVALID).tolist():
            value = self._events[row].get("ts")
            self._condemn(row, "ts", value, "bad_ts", "RFC 3339 or epoch s, ms, us or ns from 1970 to 2262")
        for row in np.flatnonzero(self._batch.moments.timeless[self.at]).tolist():
            self._bad.setdefault(row, ("no_time", "no believable time: neither a `ts` nor a timestamp of the record"))

    def check_mappings(self, field: str, fit: Callable[[Collection[Any]], bool] | None = None, what: str = "") -> None:
        """Mappings hold a bounded number of names of bounded length, and values that fit; absent ones are empty."""
        values = self._raw(field)
        types = set(map(type, values))
        if types == {type(None)}:
            return
        if types == {dict}:
            layouts = self._layouts[field] = list(map(tuple, values))
            named = all(map(self._fits_layout, set(layouts)))
            if named and (fit is None or fit(list(chain.from_iterable(map(dict.values, values))))):
                return
        most, longest, reason = self._bounds.cells, self._bounds.id_chars, f"bad_{field}"
        expected = f"an object with at most {most:,} names of at most {longest:,} characters"
        self._check(field, self._is_mapping, reason, expected, optional=True)
        if fit is not None:
            self._check(field, lambda v: type(v) is not dict or fit(v.values()), reason, what, optional=True)

    def numbers(self, field: str, *, optional: bool = True) -> Any:
        """The field as float64 in all rows; condemns what is no finite number."""
        values = self._raw(field)
        array, bad = numbers(values)
        if not optional and None in values:
            bad = bad | np.array([value is None for value in values], bool)
        for row in np.flatnonzero(bad).tolist():
            self._condemn(row, field, values[row], f"bad_{field}", "a finite number")
        return array

    def settle(self) -> None:
        """Refuse the condemned rows; from now on columns hold the others."""
        if not self._bad:
            return
        for row, (reason, detail) in sorted(self._bad.items()):
            self._batch.refuse(int(self.at[row]), reason, detail)
        self._kept = np.delete(np.arange(len(self.at)), sorted(self._bad))
        self.at = self.at[self._kept]
        kept = self._kept.tolist()
        self._events = [self._events[row] for row in kept]
        self._columns = {field: [values[row] for row in kept] for field, values in self._columns.items()}
        self._layouts = {field: [layouts[row] for row in kept] for field, layouts in self._layouts.items()}

    # Columns of the rows that are left.

    def kept(self, column: Any) -> Any:
        """What is left of a column of all rows."""
        return column if self._kept is None else column[self._kept]

    def column(self, field: str) -> list[Any]:
        """The field's values."""
        return self._raw(field)

    def names(self, field: str) -> list[str]:
        """A field of names: whole numbers as they read, nothing as the empty text."""
        values = self._raw(field)
        if set(map(type, values)) == {str}:
            return values
        return ["" if value is None else value if type(value) is str else str(value) for value in values]

    def ids(self) -> tuple[list[str], Strings]:
        """The ids as a list and as an object array."""
        values = self.names("id")
        array = np.empty(len(values), object)
        array[:] = values
        return values, array

    def mappings(self, field: str) -> list[dict[str, Any]]:
        """The field's mappings, empty where it is absent."""
        return [value or {} for value in self._raw(field)]

    def cells(self, field: str, words: Words, names: Names) -> Cells:
        """The field's mappings as cells."""
        values = self._raw(field)
        types = set(map(type, values))
        if types == {type(None)}:
            return Cells.empty(len(values))
        mappings = values if types == {dict} else self.mappings(field)
        return words.cells(mappings, names, self._layouts.get(field))

    def refs(self) -> Refs:
        """Where the rows came from."""
        batch = self._batch
        return refs_of(batch.run, batch.record[self.at], batch.index[self.at])

    def moments(self) -> Moments:
        """When they were."""
        return self._batch.moments.take(self.at)

    # How it is done.

    def _raw(self, field: str) -> list[Any]:
        """The field's values, null where it is absent."""
        values = self._columns.get(field)
        if values is None:
            values = self._columns[field] = [event.get(field) for event in self._events]
        return values

    def _named(self, values: list[Any], *, optional: bool) -> bool:
        """Is every value a name, seen by their types and lengths alone?"""
        types = set(map(type, values))
        if types == {str}:
            lengths = set(map(len, values))
            return 0 not in lengths and max(lengths) <= self._bounds.id_chars
        return types == {int} or (optional and types == {type(None)})

    def _is_mapping(self, value: Any) -> bool:
        return type(value) is dict and self._fits_layout(value)

    def _fits_layout(self, names: Collection[str]) -> bool:
        return len(names) <= self._bounds.cells and max(map(len, names), default=0) <= self._bounds.id_chars

    def _check(
        self, field: str, fits: Callable[[Any], bool], reason: str, expected: str, *, optional: bool = False
    ) -> None:
        for row, value in enumerate(self._raw(field)):
            if not (value is None and optional) and not fits(value):
                self._condemn(row, field, value, reason, expected)

    def _condemn(self, row: int, field: str, value: Any, reason: str, expected: str) -> None:
        if row not in self._bad:
            missing = value is None and field not in self._events[row]
            shown = reprlib.repr if type(value) in (dict, list) else repr
            found = "nothing" if missing else shown(value)[:80]
            code = f"missing_{field}" if missing else reason
            self._bad[row] = (code, f"{field}: expected {expected}, found {found}")


def refs_of(run: Run, record: Longs, index: Longs) -> Refs:
    """Where events came from: the `index`-th of their record of the run."""
    offsets = np.array(run.offsets, np.int64)[record]
    number = partition_number(run.partition.topic, run.partition.number)
    return Refs(np.full(len(record), number, np.int32), offsets, index.astype(np.int32))


def partition_number(topic: str, number: int) -> int:
    """The number that stands for a partition in `Refs`: a hash, so that it needs no agreement."""
    return text_hash(f"{topic}/{number}") & 0x7FFFFFFF


def probabilities(values: Collection[Any]) -> bool:
    """Are these numbers from 0 to 1?"""
    return not values or (set(map(type, values)) <= _NUMBERS and min(values) >= 0 and max(values) <= 1)


def numeric(values: Collection[Any]) -> bool:
    """Are these numbers?"""
    return set(map(type, values)) <= _NUMBERS


def plain_texts(longest: int) -> Callable[[Collection[Any]], bool]:
    """A check for values that are no arrays or objects, and no texts longer than this."""

    def fit(values: Collection[Any]) -> bool:
        types = set(map(type, values))
        return types <= _PLAIN and max(map(len, _texts(values, types)), default=0) <= longest

    return fit


def _texts(values: Collection[Any], types: set[type]) -> Collection[str]:
    return values if types == {str} else [value for value in values if type(value) is str]


def _is_class(value: Any, longest: int) -> bool:
    return type(value) in _CLASSES and (type(value) is not str or len(value) <= longest)
