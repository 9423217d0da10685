"""Items cut into pages, so that a commit writes of a large state only what changed.

An item is the parts that `processors.packing.parts` makes of a tree: its head and the bytes of its arrays. Small parts
lie together in segment 0; every large one is a segment of its own, so that an array that grows moves no other. Segments
are cut into pages of 32 KiB, and a page is written when its checksum is not the one that is in the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from daemon.state.digests import Digests, digest_of
from daemon.state.errors import Damaged
from processors.packing import Part

PAGE = 32 * 2**10
"""Bytes of a page; also how large a part must be to have a segment of its own."""

Place = tuple[int, int]
"""Number of a segment, number of a page in it."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of an item with its checksum."""

    place: Place
    digest: bytes
    content: bytes


class Known:
    """Checksums of the pages that are in the file, by item."""

    def __init__(self) -> None:
        self._digests: dict[str, dict[Place, bytes]] = {}

    def take(self, name: str, digests: dict[Place, bytes]) -> None:
        """These are the pages of an item now; none: it is gone."""
        if digests:
            self._digests[name] = digests
        else:
            self._digests.pop(name, None)

    def knows(self, name: str) -> bool:
        """Whether it is known which pages the file holds of an item."""
        return name in self._digests

    def changed(self, name: str, parts: Sequence[Part]) -> tuple[list[Page], list[Place], dict[Place, bytes]]:
        """Pages to write, places that are void, and all checksums from then on. What is to be written is copied."""
        before = self._digests.get(name, {})
        after: dict[Place, bytes] = {}
        changed = []
        of_name = Digests(name)
        for place, content in pages(parts):
            digest = after[place] = of_name.of(*place, content)
            if before.get(place) != digest:
                changed.append(Page(place, digest, bytes(content)))
        return changed, [place for place in before if place not in after], after


def page_digest(name: str, place: Place, content: Part) -> bytes:
    """The checksum of a page, which also says whose it is."""
    return digest_of(name, *place, content)


def sizes_of(parts: Sequence[Part]) -> bytes:
    """The lengths of the parts, from which `join` knows where each of them is."""
    return np.array([len(part) for part in parts], "<i8").tobytes()


def pages(parts: Sequence[Part]) -> Iterator[tuple[Place, Part]]:
    """The pages of an item, in the order of their places."""
    small = b"".join(part for part in parts if len(part) < PAGE)
    for number, segment in enumerate([small, *(part for part in parts if len(part) >= PAGE)]):
        view = memoryview(segment)
        for page, start in enumerate(range(0, len(view), PAGE)):
            yield (number, page), view[start : start + PAGE]


def join(name: str, sizes: bytes, stored: Iterable[tuple[Place, bytes]]) -> bytes:
    """The item, as `packing.pack` would have made it. `stored` are its pages by place. Raises `Damaged`."""
    lengths = np.frombuffer(sizes, "<i8").tolist()
    segments: dict[int, list[bytes]] = {}
    for (number, page), content in stored:
        if len(segments.setdefault(number, [])) != page:
            raise missing(name)
        segments[number].append(content)
    return b"".join(_parts(name, lengths, {number: b"".join(cut) for number, cut in segments.items()}))


def missing(name: str) -> Damaged:
    """What to raise where pages of an item are not there, or too many."""
    return Damaged(f"the state is damaged (item {name}: pages are missing): restore state.path from a copy")


def _parts(name: str, lengths: Sequence[int], segments: Mapping[int, bytes]) -> Iterator[bytes]:
    small = segments.get(0, b"")
    ends = accumulate((size for size in lengths if size < PAGE), initial=0)
    cuts = iter(list(pairwise(ends)))
    large = 0
    for size in lengths:
        if size >= PAGE:
            large += 1
            if len(segments.get(large, b"")) != size:
                raise missing(name)
            yield segments[large]
        else:
            start, end = next(cuts)
            if end > len(small):
                raise missing(name)
            yield small[start:end]
    if len(small) != sum(size for size in lengths if size < PAGE) or set(segments) - {0} != set(range(1, large + 1)):
        raise missing(name)
