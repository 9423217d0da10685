"""What flows: columns of predictions, outcomes, labels, signals and explanations.

Every kind is a table of equally long columns. Names and texts are held as 64-bit hashes beside one dictionary a table
(`Names`), so that nothing after decoding handles strings row by row, and so that a table means the same in any
process. Times are int64 microseconds since 1970 UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from xxhash import xxh3_64_intdigest

Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Strings = npt.NDArray[np.object_] | npt.NDArray[np.bytes_]
"""Texts, or UTF-8 as it came, of one width or as objects, side by side with texts or not: read by `read_texts`."""
Index = npt.NDArray[np.integer[Any]] | Bools

# Kinds of a JSON scalar.
MISSING, NUMBER, TEXT, BOOLEAN, OTHER = range(5)

# Flags of a row.
LATE, AHEAD = 1, 2


def text_hash(text: str, seed: int = 0) -> int:
    """The 64-bit name of a text (XXH3), the same in every process and release."""
    return xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"), seed)


def read_texts(column: Strings) -> list[str]:
    """What a column of texts holds."""
    return [text.decode() if type(text) is bytes else text for text in column.tolist()]


class Names:
    """Texts and layouts (tuples of names) by hash: what turns the hashes of a table back into words."""

    __slots__ = ("layouts", "texts")

    def __init__(self, texts: dict[int, str] | None = None, layouts: dict[int, tuple[str, ...]] | None = None) -> None:
        self.texts = texts if texts is not None else {}
        self.layouts = layouts if layouts is not None else {}

    def text(self, name: int) -> str:
        """The text behind a hash; its hexadecimal form if this table never held it."""
        unknown = f"{int(name):016x}" if name else ""
        return self.texts.get(int(name), unknown)

    def merged(self, others: Iterable[Names]) -> Names:
        """These names and the others'."""
        texts, layouts = dict(self.texts), dict(self.layouts)
        for other in others:
            texts.update(other.texts)
            layouts.update(other.layouts)
        return Names(texts, layouts)


class Table:
    """Columns of equal length; a column is an array, another table or the `Names` that all share."""

    __slots__ = ()

    def __len__(self) -> int:
        return len(getattr(self, self._columns()[0]))

    def take(self, index: Index) -> Self:
        """The rows at `index` (positions or a mask), in that order; the table itself if that is all of it."""
        if is_all(index, len(self)):
            return self
        if index.dtype == np.bool_:
            index = np.flatnonzero(index)
        return self._map(lambda column: column.take(index))

    @classmethod
    def concat(cls, tables: Sequence[Self]) -> Self:
        """All rows of the tables, one table after the other. Raises `ValueError` without any table."""
        if len(tables) == 1:
            return tables[0]
        return cls(**{name: _concat([getattr(table, name) for table in tables]) for name in cls._columns()})

    def to_state(self) -> dict[str, Any]:
        """A tree that `packing.pack` takes."""
        return {name: _to_state(getattr(self, name)) for name in self._columns()}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """The table that `to_state` described."""
        return cls(**{name: _from_state(state[name]) for name in cls._columns()})

    @classmethod
    def _columns(cls) -> tuple[str, ...]:
        return _columns_of(cls)  # type: ignore[arg-type]

    def _map(self, change: Any) -> Self:
        columns = (getattr(self, name) for name in self._columns())
        return type(self)(*(column if isinstance(column, Names) else change(column) for column in columns))


@cache
def _columns_of(table: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(table))


def is_all(index: Index, size: int) -> bool:
    """Are these positions (or this mask) all of so many rows, in their order?"""
    if len(index) != size:
        return False
    return bool(index.all()) if index.dtype == np.bool_ else bool((index == np.arange(size)).all())


@dataclass(frozen=True, slots=True)
class Scalars(Table):
    """JSON scalars. `bits` holds a number's float64 bits, a text's hash, or 0.

    Columns that name classes are canonical: 1, "1", 1.0 and true are the number 1.
    """

    kind: Bytes
    bits: Hashes

    def numbers(self) -> Floats:
        """The numbers; NaN where there is none. Booleans count as 0 and 1."""
        numeric = (self.kind == NUMBER) | (self.kind == BOOLEAN)
        return np.where(numeric, self.bits.view(np.float64), np.nan)

    def same(self, other: Scalars) -> Bools:
        """Row by row: is it the same scalar?"""
        return np.asarray((self.kind == other.kind) & (self.bits == other.bits))

    @classmethod
    def of_numbers(cls, numbers: npt.ArrayLike) -> Scalars:
        """Scalars of numbers; NaN becomes missing, -0.0 becomes 0.0."""
        values = np.asarray(numbers, np.float64) + 0.0
        kind = np.where(np.isnan(values), MISSING, NUMBER).astype(np.uint8)
        return cls(kind, np.where(kind == MISSING, 0.0, values).view(np.uint64))

    @classmethod
    def missing(cls, count: int) -> Scalars:
        """A column in which every row is missing."""
        return cls(np.zeros(count, np.uint8), np.zeros(count, np.uint64))


@dataclass(frozen=True, slots=True)
class Cells(Table):
    """A ragged column: each row is a small mapping of names to scalars.

    Row i's scalars stand at `start[i]` to `start[i] + size[i]` of `values`, in the order of the names in
    `names.layouts[layout[i]]`. `values` is not of the table's length; it is packed anew on `take` and `concat`.
    """

    layout: Hashes
    start: Longs
    size: Ints
    values: Scalars

    def take(self, index: Index) -> Cells:
        """The rows at `index`, with only their own scalars."""
        return self if is_all(index, len(self.size)) else self.packed(index)

    def packed(self, index: Index) -> Cells:
        """`take` from cells that need not be compact themselves."""
        if index.dtype == np.bool_:
            index = np.flatnonzero(index)
        size = self.size[index]
        ends = np.cumsum(size, dtype=np.int64)
        start = ends - size
        total = int(ends[-1]) if len(ends) else 0
        position = np.arange(total) + np.repeat(self.start[index] - start, size)
        return Cells(self.layout[index], start, size, self.values.take(position))

    @classmethod
    def concat(cls, tables: Sequence[Cells]) -> Cells:
        """All rows of the tables, one table after the other."""
        if len(tables) == 1:
            return tables[0]
        shifts = np.cumsum([0, *(len(table.values) for table in tables[:-1])])
        return Cells(
            np.concatenate([table.layout for table in tables]),
            np.concatenate([table.start + shift for table, shift in zip(tables, shifts, strict=True)]),
            np.concatenate([table.size for table in tables]),
            Scalars.concat([table.values for table in tables]),
        )

    @classmethod
    def empty(cls, count: int) -> Cells:
        """A column in which every row is the empty mapping."""
        return cls(np.zeros(count, np.uint64), np.zeros(count, np.int64), np.zeros(count, np.int32), Scalars.missing(0))


@dataclass(frozen=True, slots=True)
class Refs(Table):
    """Where each row came from: partition (a number the pipeline gave), offset, and index within the message."""

    partition: Ints
    offset: Longs
    index: Ints


@dataclass(frozen=True, slots=True)
class Predictions(Table):
    """Predictions as decoded, in the order of their partitions.

    `ts` is the event's own time, `time` its effective time, `arrival` its partition's clock when it was read.
    `key` is the hash of (model, id): one label serves every version. `score` is the positive class's (NaN: none).
    """

    ref: Refs
    time: Longs
    ts: Longs
    arrival: Longs
    flags: Bytes
    model: Hashes
    version: Hashes
    key: Hashes
    id: Strings
    prediction: Scalars
    score: Floats
    latency_ms: Floats
    features: Cells
    proba: Cells
    segments: Cells
    attributions: Cells
    content: Hashes
    """Hash of the event's content, to tell a `duplicate` from a `conflict`."""
    names: Names


@dataclass(frozen=True, slots=True)
class Labels(Table):
    """Labels as decoded. `time` is the clock of the label's partition when it was read."""

    ref: Refs
    time: Longs
    ts: Longs
    flags: Bytes
    model: Hashes
    key: Hashes
    id: Strings
    label: Scalars
    names: Names


@dataclass(frozen=True, slots=True)
class Signals(Table):
    """Values of named numeric series, such as `gpu_mem_mb` of a model's process."""

    ref: Refs
    time: Longs
    ts: Longs
    flags: Bytes
    model: Hashes
    version: Hashes
    name: Hashes
    value: Floats
    names: Names


# How an outcome came about.
FIRST, IMPLICIT, CORRECTION = range(3)


@dataclass(frozen=True, slots=True)
class Outcomes(Table):
    """Predictions matched with their labels.

    `time` is the effective time of the match, `ts` the prediction's own time (its cohort), `label_ts` the label's.
    Rows of `how` FIRST and IMPLICIT are seen by detectors and windows; CORRECTION replaces `before` by `label` in the
    cohorts and in nothing else (`before` is missing in the other rows).
    """

    time: Longs
    ts: Longs
    label_ts: Longs
    how: Bytes
    model: Hashes
    version: Hashes
    key: Hashes
    id: Strings
    prediction: Scalars
    score: Floats
    proba: Cells
    segments: Cells
    label: Scalars
    before: Scalars
    names: Names


@dataclass(frozen=True, slots=True)
class Explanations(Table):
    """Attributions of sampled predictions, from the events themselves or from the explainer."""

    time: Longs
    model: Hashes
    version: Hashes
    key: Hashes
    id: Strings
    attributions: Cells
    names: Names


def _concat(columns: list[Any]) -> Any:
    first = columns[0]
    if isinstance(first, Names):
        distinct = {id(names): names for names in columns}
        return first if len(distinct) == 1 else first.merged(list(distinct.values())[1:])
    return type(first).concat(columns) if isinstance(first, Table) else np.concatenate(columns)


_TABLES: dict[str, type[Table]] = {table.__name__: table for table in (Scalars, Cells, Refs)}


def _to_state(column: Any) -> Any:
    if isinstance(column, Names):
        return {
            "texts": {str(name): text for name, text in sorted(column.texts.items())},
            "layouts": {str(name): list(layout) for name, layout in sorted(column.layouts.items())},
        }
    return {"table": type(column).__name__, "columns": column.to_state()} if isinstance(column, Table) else column


def _from_state(state: Any) -> Any:
    if isinstance(state, dict) and "texts" in state:
        return Names(
            {int(name): text for name, text in state["texts"].items()},
            {int(name): tuple(layout) for name, layout in state["layouts"].items()},
        )
    return _TABLES[state["table"]].from_state(state["columns"]) if isinstance(state, dict) else state
