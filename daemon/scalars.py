"""JSON values, already parsed, into columns of scalars and ragged cells."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import chain, compress
from typing import Any

import numpy as np

from processors.profile.tokens import canonical, exact
from processors.rows import (
    BOOLEAN,
    MISSING,
    NUMBER,
    OTHER,
    TEXT,
    Bools,
    Bytes,
    Cells,
    Hashes,
    Names,
    Scalars,
    text_hash,
)

LONGEST_TEXT = 1_024
"""Characters up to which a text is kept. A longer one is told from others by its hash, and shown by how it begins."""

_KIND_OF = {type(None): MISSING, int: NUMBER, float: NUMBER, bool: BOOLEAN, str: TEXT, list: OTHER, dict: OTHER}
_NUMERIC = {int, float}
_MOST_TEXTS = 100_000
_MOST_LAYOUT_NAMES = 1_000_000
"""Of all layouts together."""
_FEW_ROWS = 8
_LARGEST_EXACT = 2.0**53


class Words:
    """Hashes of texts and layouts, remembered from batch to batch within a bound (100 MB at most, usually far less)."""

    def __init__(self) -> None:
        self._texts: dict[str, int] = {}
        self._layouts: dict[tuple[str, ...], int] = {}
        self._layout_names = 0

    def texts(self, texts: Sequence[str], names: Names) -> Hashes:
        """The hash of each text; `names` learns them."""
        distinct = set(texts)
        if len(distinct) == 1:
            return np.full(len(texts), self._hash(distinct.pop(), names), np.uint64)
        known = {text: self._hash(text, names) for text in distinct}
        return np.fromiter(map(known.__getitem__, texts), np.uint64, len(texts))

    def _hash(self, text: str, names: Names) -> int:
        found = self._texts.get(text)
        if found is None:
            found = text_hash(text)
            if len(text) > LONGEST_TEXT:
                names.texts[found] = f"{text[: LONGEST_TEXT - 18]}…#{found:016x}"
                return found
            if len(self._texts) >= _MOST_TEXTS:
                self._texts.clear()
            self._texts[text] = found
        names.texts[found] = text
        return found

    def scalars(self, values: list[Any], names: Names, width: int = 0) -> Scalars:
        """A column of any JSON values, maybe of rows of equal `width`. Arrays and objects become OTHER."""
        kind, bits = np.empty(len(values), np.uint8), np.zeros(len(values), np.uint64)
        self._fill(values, kind, bits, names, width)
        return Scalars(kind, bits)

    def classes(self, values: list[Any], names: Names) -> Scalars:
        """A column of class names in canonical form: 1, "1", 1.0 and true are the number 1.

        A whole number that float64 can't hold exactly is a name by its digits.
        """
        types = set(map(type, values))
        if types <= _NUMERIC:
            scalars = self.scalars(values, names)
            if int not in types or not (np.abs(scalars.bits.view(np.float64)) >= _LARGEST_EXACT).any():
                return scalars
        plain = {value: canonical(value) for value in set(values) if type(value) is str}
        found = [
            plain[value] if type(value) is str else exact(value) if type(value) is int else value for value in values
        ]
        scalars = self.scalars(found, names)
        return Scalars(np.where(scalars.kind == BOOLEAN, NUMBER, scalars.kind).astype(np.uint8), scalars.bits)

    def cells(
        self, mappings: list[dict[str, Any]], names: Names, layouts: list[tuple[str, ...]] | None = None
    ) -> Cells:
        """A ragged column of mappings from names to JSON values; `layouts` are their names, where known already."""
        if not any(mappings):
            return Cells.empty(len(mappings))
        if layouts is None:
            layouts = list(map(tuple, mappings))
        layout, uniform = self._layout_column(layouts, names)
        values = list(chain.from_iterable(map(dict.values, mappings)))
        if uniform:
            width = len(layouts[0])
            size = np.full(len(layouts), width, np.int32)
            start = np.arange(0, len(values), width)
        else:
            width = 0
            size = np.fromiter(map(len, layouts), np.int32, len(layouts))
            start = np.cumsum(size, dtype=np.int64) - size
        return Cells(layout, start, size, self.scalars(values, names, width if len(layouts) > _FEW_ROWS else 0))

    def _fill(self, values: list[Any], kind: Bytes, bits: Hashes, names: Names, width: int = 0) -> None:
        """Write the values' kinds and bits. What is missing or OTHER has no bits.

        Of rows of equal `width` each column is likely to be of one type.
        """
        types = set(map(type, values))
        if types <= _NUMERIC:
            kind[:], bits[:] = NUMBER, _bits(values, len(values))
        elif width > 1:
            for column in range(width):
                self._fill(values[column::width], kind[column::width], bits[column::width], names)
        elif types == {str}:
            kind[:], bits[:] = TEXT, self.texts(values, names)
        else:
            kind[:] = np.fromiter(map(_KIND_OF.__getitem__, map(type, values)), np.uint8, len(values))
            numeric, texts = (kind == NUMBER) | (kind == BOOLEAN), kind == TEXT
            bits[numeric] = _bits(compress(values, numeric.tolist()), int(numeric.sum()))
            if texts.any():
                bits[texts] = self.texts(list(compress(values, texts.tolist())), names)

    def _layout_column(self, layouts: list[tuple[str, ...]], names: Names) -> tuple[Hashes, bool]:
        """The hash of each layout, and whether all are the same."""
        distinct = set(layouts)
        found = {layout: self.layout_hash(layout, names) for layout in distinct}
        if len(distinct) == 1:
            return np.full(len(layouts), found[layouts[0]], np.uint64), True
        return np.fromiter(map(found.__getitem__, layouts), np.uint64, len(layouts)), False

    def layout_hash(self, layout: tuple[str, ...], names: Names) -> int:
        """The hash of a layout; `names` learns it."""
        found = self._layouts.get(layout)
        if found is None:
            if self._layout_names + len(layout) > _MOST_LAYOUT_NAMES:
                self._layouts.clear()
                self._layout_names = 0
            found = text_hash("\x1f".join(f"{len(name)}:{name}" for name in layout)) if layout else 0
            self._layouts[layout] = found
            self._layout_names += len(layout) + 1
        names.layouts[found] = layout
        return found


def numbers(values: list[Any]) -> tuple[Any, Bools]:
    """The values as float64, NaN for null and for what is no finite number; and a mask of the latter."""
    types = set(map(type, values))
    if types == {type(None)}:
        return np.full(len(values), np.nan), np.zeros(len(values), np.bool_)
    if types <= _NUMERIC:
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


def _bits(values: Iterable[Any], count: int) -> Hashes:
    """The bits of numbers as float64, those of -0.0 as of 0.0."""
    return np.asarray((np.fromiter(values, np.float64, count) + 0.0).view(np.uint64))
