"""The values of many records as they stand in what was fetched: a value becomes an object when somebody looks at it.

Nobody looks at most of them: a compiled loop reads them where they stand (`decode.scanning`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, overload

import numpy as np

from processors.rows import Bytes, Longs


class _Part(NamedTuple):
    data: bytes
    begin: Longs
    end: Longs


class Pieces(Sequence[bytes | None]):
    """Values in buffers, each from a begin to an end; None where the end is before the begin."""

    __slots__ = ("_size", "parts")

    def __init__(self, parts: Iterable[tuple[bytes, Longs, Longs]] = ()) -> None:
        self.parts = [_Part(*part) for part in parts if len(part[1])]
        self._size = sum(len(part.begin) for part in self.parts)

    @classmethod
    def of(cls, values: Sequence[bytes | None]) -> Pieces:
        """These values; as they are if they are pieces already."""
        if isinstance(values, Pieces):
            return values
        known = [value or b"" for value in values] if None in values else values
        sizes = sizes_of(known)
        begin = np.cumsum(sizes) - sizes
        end = begin + sizes
        if known is not values:
            end[[value is None for value in values]] = -1
        return cls([(b"".join(known), begin, end)])  # type: ignore[arg-type]  # none of them is None

    @classmethod
    def together(cls, several: Iterable[Pieces]) -> Pieces:
        """The values of all of them, one after the other."""
        return cls(part for each in several for part in each.parts)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes | None]:
        for data, begin, end in self.parts:
            for a, b in zip(begin.tolist(), end.tolist(), strict=True):
                yield data[a:b] if a <= b else None

    @overload
    def __getitem__(self, place: int) -> bytes | None: ...
    @overload
    def __getitem__(self, place: slice) -> Pieces: ...
    def __getitem__(self, place: int | slice) -> bytes | Pieces | None:
        if isinstance(place, slice):
            start, stop, step = place.indices(self._size)
            return self._between(start, stop) if step == 1 else Pieces.of(list(self)[place])
        if not -self._size <= place < self._size:
            raise IndexError(place)
        return next(iter(self._between(place % self._size, place % self._size + 1)))

    def __contains__(self, value: object) -> bool:
        if value is None:
            return any(bool((part.end < part.begin).any()) for part in self.parts)
        return value in list(self)

    def __add__(self, more: Sequence[bytes | None]) -> Pieces:
        return Pieces([*self.parts, *Pieces.of(more).parts])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, list | Pieces) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # as of a list, which has none either

    def __repr__(self) -> str:
        return f"Pieces.of({list(self)!r})"

    def sizes(self) -> Longs:
        """Bytes of each value."""
        return np.concatenate([np.zeros(0, np.int64), *(np.maximum(end - begin, 0) for _, begin, end in self.parts)])

    def whole(self) -> tuple[Bytes, Longs, Longs]:
        """(bytes, begin, end): all values in one buffer, and little else; empty ones in place of None."""
        found, begins, ends, shift = [], [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], 0
        for data, begin, end in self.parts:
            there = np.maximum(begin, end)
            first, last = int(begin.min()), int(there.max())
            found.append(np.frombuffer(data, np.uint8)[first:last])
            begins.append(begin + (shift - first))
            ends.append(there + (shift - first))
            shift += last - first
        if len(found) == 1:
            return found[0], begins[1], ends[1]
        return np.concatenate([np.zeros(0, np.uint8), *found]), np.concatenate(begins), np.concatenate(ends)

    def _between(self, start: int, stop: int) -> Pieces:
        found, passed = [], 0
        for data, begin, end in self.parts:
            if passed >= stop:
                break
            first, last = max(start - passed, 0), stop - passed
            if first < len(begin):
                found.append((data, begin[first:last], end[first:last]))
            passed += len(begin)
        return Pieces(found)


def sizes_of(values: Sequence[bytes | None]) -> Longs:
    """Bytes of each of these values; none of None."""
    if isinstance(values, Pieces):
        return values.sizes()
    known = values if None not in values else [value or b"" for value in values]
    return np.fromiter(map(len, known), np.int64, len(values))  # type: ignore[arg-type]  # none of them is None
