"""Feature values of sampled predictions, as columns, and how a model takes them: as numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from processors.rows import BOOLEAN, MISSING, NUMBER, TEXT, Bytes, Cells, Floats, Names, Strings

Categories = Mapping[str, Sequence[str]]
"""Of a feature that is text for people and a number for the model: the texts in the order of their codes 0, 1, 2…"""


@dataclass(frozen=True, slots=True)
class FeatureRows:
    """Rows of features. Each array has shape (rows, names).

    `kind` is one of `processors.rows` (MISSING where a row lacks the feature), `number` NaN where there is none
    (booleans count as 0 and 1), `text` empty where there is none.
    """

    names: tuple[str, ...]
    kind: Bytes
    number: Floats
    text: Strings

    def __len__(self) -> int:
        return len(self.kind)

    @classmethod
    def of_cells(cls, cells: Cells, words: Names) -> FeatureRows:
        """The rows of a ragged column; the names are those of all rows, in alphabetical order."""
        layouts = [words.layouts.get(layout, ()) for layout in cells.layout.tolist()]
        names = tuple(sorted(set().union(*layouts)))
        rows = cls._missing(names, len(cells))
        place = {name: column for column, name in enumerate(names)}
        numbers = cells.values.numbers()
        for row, (layout, start) in enumerate(zip(layouts, cells.start.tolist(), strict=True)):
            columns = [place[name] for name in layout]
            span = slice(start, start + len(layout))
            rows.kind[row, columns] = cells.values.kind[span]
            rows.number[row, columns] = numbers[span]
            for column, kind, bits in zip(columns, cells.values.kind[span], cells.values.bits[span], strict=True):
                rows.text[row, column] = words.text(bits) if kind == TEXT else ""
        return rows

    @classmethod
    def of_mappings(cls, mappings: Sequence[Mapping[str, Any]]) -> FeatureRows:
        """Rows given as mappings of names to numbers, texts, booleans or None."""
        names = tuple(sorted(set().union(*mappings)))
        rows = cls._missing(names, len(mappings))
        for row, mapping in enumerate(mappings):
            for column, name in enumerate(names):
                value = mapping.get(name)
                if isinstance(value, str):
                    rows.kind[row, column], rows.text[row, column] = TEXT, value
                elif isinstance(value, int | float):
                    rows.kind[row, column] = BOOLEAN if isinstance(value, bool) else NUMBER
                    rows.number[row, column] = value
        return rows

    @classmethod
    def concat(cls, parts: Sequence[FeatureRows]) -> FeatureRows:
        """All rows of the parts, one part after the other, with the names of all."""
        names = tuple(sorted(set().union(*(part.names for part in parts))))
        return cls._stacked([part.select(names) for part in parts], names)

    def select(self, names: Sequence[str]) -> FeatureRows:
        """The columns `names`, in that order; those that are not there are missing in every row."""
        place = {name: column for column, name in enumerate(self.names)}
        chosen = FeatureRows._missing(tuple(names), len(self))
        have = [column for column, name in enumerate(names) if name in place]
        source = [place[names[column]] for column in have]
        for mine, theirs in ((chosen.kind, self.kind), (chosen.number, self.number), (chosen.text, self.text)):
            mine[:, have] = theirs[:, source]
        return chosen

    def head(self, count: int) -> FeatureRows:
        """The first rows."""
        return FeatureRows(self.names, self.kind[:count], self.number[:count], self.text[:count])

    def numbers(self, features: Sequence[str], categories: Categories) -> Floats:
        """What a model takes: float64 of shape (rows, features).

        A feature with declared categories is its value's place among them. NaN is what is missing, a text without
        declared categories, and a category that was not declared.
        """
        rows = self.select(features)
        numbers = rows.number.copy()
        for column, feature in enumerate(features):
            if feature in categories:
                codes = {category: float(code) for code, category in enumerate(categories[feature])}
                numbers[:, column] = [codes.get(word or "", np.nan) for word in rows.words(column)]
        return numbers

    def words(self, column: int) -> list[str | None]:
        """A column as texts, numbers in their shortest form (1, not 1.0); None where it is missing."""
        cells = zip(self.kind[:, column].tolist(), self.number[:, column].tolist(), self.text[:, column], strict=True)
        return [text if kind == TEXT else _shortest(number) for kind, number, text in cells]

    def to_state(self) -> dict[str, Any]:
        """A tree that `packing.pack` takes."""
        return {"names": list(self.names), "kind": self.kind, "number": self.number, "text": self.text}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> FeatureRows:
        """The rows that `to_state` described."""
        return cls(tuple(state["names"]), state["kind"], state["number"], state["text"])

    @classmethod
    def _missing(cls, names: tuple[str, ...], count: int) -> FeatureRows:
        shape = (count, len(names))
        return cls(names, np.full(shape, MISSING, np.uint8), np.full(shape, np.nan), np.full(shape, "", object))

    @classmethod
    def _stacked(cls, parts: Sequence[FeatureRows], names: tuple[str, ...]) -> FeatureRows:
        kind, number, text = (
            np.concatenate([getattr(part, column) for part in parts]) for column in ("kind", "number", "text")
        )
        return cls(names, kind, number, text)


def _shortest(number: float) -> str | None:
    if np.isnan(number):
        return None
    return str(int(number)) if number.is_integer() else str(number)
