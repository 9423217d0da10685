"""JSON values, already parsed, into columns of scalars and ragged cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from processors.profile.tokens import canonical
from processors.rows import BOOLEAN, MISSING, NUMBER, OTHER, TEXT, Bools, Cells, Hashes, Names, Scalars, text_hash

_KIND_OF = {type(None): MISSING, int: NUMBER, float: NUMBER, bool: BOOLEAN, str: TEXT, list: OTHER, dict: OTHER}
_NUMERIC = {int, float}
_MOST_CACHED = 200_000


class Words:
    """Hashes of texts and layouts, remembered from batch to batch within a bound."""

    def __init__(self) -> None:
        self._texts: dict[str, int] = {}
        self._layouts: dict[tuple[str, ...], int] = {}

    def texts(self, texts: Sequence[str], names: Names) -> Hashes:
        """The hash of each text; `names` learns them."""
        known = self._texts
        distinct = set(texts)
        if len(known) + len(distinct) > _MOST_CACHED:
            known.clear()
        for text in distinct:
            found = known.get(text)
            if found is None:
                found = known[text] = text_hash(text)
            names.texts[found] = text
        return np.array([known[text] for text in texts], np.uint64)

    def scalars(self, values: list[Any], names: Names) -> Scalars:
        """A column of any JSON values. Arrays and objects become OTHER."""
        types = set(map(type, values))
        if types <= _NUMERIC:
            return Scalars(np.full(len(values), NUMBER, np.uint8), _bits(np.array(values, np.float64)))
        kind = np.array([_KIND_OF[type(value)] for value in values], np.uint8)
        bits = np.zeros(len(values), np.uint64)
        numeric = np.flatnonzero((kind == NUMBER) | (kind == BOOLEAN))
        bits[numeric] = _bits(np.array([values[at] for at in numeric.tolist()], np.float64))
        texts = np.flatnonzero(kind == TEXT)
        if len(texts):
            bits[texts] = self.texts([values[at] for at in texts.tolist()], names)
        return Scalars(kind, bits)

    def classes(self, values: list[Any], names: Names) -> Scalars:
        """A column of class names in canonical form: 1, "1", 1.0 and true are the number 1."""
        if set(map(type, values)) <= _NUMERIC:
            return self.scalars(values, names)
        plain = [canonical(value) if type(value) is str else value for value in values]
        scalars = self.scalars(plain, names)
        return Scalars(np.where(scalars.kind == BOOLEAN, NUMBER, scalars.kind).astype(np.uint8), scalars.bits)

    def cells(self, mappings: list[dict[str, Any]], names: Names) -> Cells:
        """A ragged column of mappings from names to JSON values."""
        if not any(mappings):
            return Cells.empty(len(mappings))
        size = np.fromiter(map(len, mappings), np.int32, len(mappings))
        values = self.scalars(list(chain.from_iterable(map(dict.values, mappings))), names)
        start = np.cumsum(size, dtype=np.int64) - size
        return Cells(self._layout_column(mappings, names), start, size, values)

    def _layout_column(self, mappings: list[dict[str, Any]], names: Names) -> Hashes:
        layouts = list(map(tuple, mappings))
        known = self._layouts
        if len(known) > _MOST_CACHED // 10:
            known.clear()
        for layout in set(layouts):
            found = known.get(layout)
            if found is None:
                found = known[layout] = (
                    text_hash("\x1f".join(f"{len(name)}:{name}" for name in layout)) if layout else 0
                )
            names.layouts[found] = layout
        return np.array([known[layout] for layout in layouts], np.uint64)


def numbers(values: list[Any]) -> tuple[Any, Bools]:
    """The values as float64, NaN for null and for what is no finite number; and a mask of the latter."""
    if set(map(type, values)) <= {float, int}:
        array = np.array(values, np.float64)
        return array, ~np.isfinite(array)
    array = np.array([_number(value) for value in values], np.float64)
    absent = np.array([value is None for value in values])
    return array, ~absent & ~np.isfinite(array)


def _number(value: Any) -> float:
    if type(value) in (int, float):
        try:
            return float(value)
        except OverflowError:
            return math.inf
    return math.nan


def _bits(array: Any) -> Hashes:
    return np.asarray((array + 0.0).view(np.uint64))
