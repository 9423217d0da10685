"""What many rows have in common, said once: versions of models, and the names of ragged cells.

A row holds a small number in its place. Numbers are counted by the rows that use them; once nobody does, the number
is free and the words are gone. So what is held is a function of the rows alone, not of how they came.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from daemon.ledger.index import grow
from processors.distinct import alike
from processors.rows import Hashes, Ints

NOTHING = 0
"""The number of what is empty, or was not taken because there is no room."""


class Shared:
    """Things by number: numeric columns, and one value of any kind."""

    def __init__(self, columns: Mapping[str, npt.DTypeLike]) -> None:
        self.columns = {name: np.zeros(1, dtype) for name, dtype in columns.items()}
        self.words: list[Any] = [None]
        self._uses = np.zeros(1, np.int64)
        self._number: dict[int, int] = {0: NOTHING}
        self._key = [0]
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self._number) - 1

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self.columns[name]

    def take(self, keys: Hashes, describe: Callable[[int], tuple[Any, ...] | None]) -> Ints:
        """The number of each row's key, in use once more.

        `describe(row)` says of a key that is new its words, then its columns in their order; None: it is not taken.
        """
        unique, first, inverse, counts = _grouped(keys)
        numbers = np.empty(len(unique), np.int32)
        for place, key in enumerate(unique.tolist()):
            known = self._number.get(key)
            numbers[place] = self._new(key, describe(int(first[place]))) if known is None else known
        np.add.at(self._uses, numbers, counts)
        return np.asarray(numbers[inverse], np.int32)

    def release(self, numbers: Ints) -> None:
        """These are used no longer, each once for each time that it is given."""
        if not len(numbers):
            return
        unique, _, _, counts = _grouped(numbers)
        self._uses[unique] -= counts
        for number in unique[self._uses[unique] == 0].tolist():
            if number != NOTHING:
                self._drop(number)

    def _drop(self, number: int) -> None:
        del self._number[self._key[number]]
        self.words[number] = None
        self._free.append(number)

    def _new(self, key: int, described: tuple[Any, ...] | None) -> int:
        if described is None:
            return NOTHING
        number = self._free.pop() if self._free else len(self.words)
        if number == len(self.words):
            self.words.append(None)
            self._key.append(0)
            if number == len(self._uses):
                for column in (self._uses, *self.columns.values()):
                    grow(column, 2 * number)
        self._number[key], self._key[number] = number, key
        self.words[number] = described[0]
        for column, value in zip(self.columns.values(), described[1:], strict=True):
            column[number] = value
        return number


class Layouts(Shared):
    """Names of cells. Of very many different ones, or very long ones, the cells are not kept."""

    MOST = 10_000
    MOST_NAMES = 1_000_000

    def __init__(self) -> None:
        super().__init__({"layout": np.uint64, "size": np.int32})
        self.names = 0
        """In all of them together."""
        self.refused = 0
        """Rows whose cells were not kept."""

    def numbers(self, layout: Hashes, size: Ints, names: Mapping[int, tuple[str, ...]]) -> Ints:
        """The number of each row's layout; NOTHING where its cells are not to be kept."""

        def describe(row: int) -> tuple[Any, ...] | None:
            words = names.get(int(layout[row]), ())
            if len(self) >= self.MOST or self.names + len(words) > self.MOST_NAMES:
                return None
            self.names += len(words)
            return words, layout[row], size[row]

        numbers = self.take(layout, describe)
        self.refused += int(((numbers == NOTHING) & (size > 0)).sum())
        return numbers

    def words_of(self, numbers: Ints) -> dict[int, tuple[str, ...]]:
        """Names by layout."""
        used = np.unique(numbers)
        return {int(self["layout"][number]): self.words[number] for number in used.tolist() if number != NOTHING}

    def _drop(self, number: int) -> None:
        self.names -= len(self.words[number])
        super()._drop(number)


def _grouped(values: Any) -> tuple[Any, Any, Any, Any]:
    """Distinct values, where each occurs first, which of them each value is, and how often each occurs."""
    if alike(values):
        count = min(len(values), 1)
        whole = np.full(count, len(values), np.int64)
        return values[:1], np.zeros(count, np.int64), np.zeros(len(values), np.int64), whole
    return np.unique(values, return_index=True, return_inverse=True, return_counts=True)
