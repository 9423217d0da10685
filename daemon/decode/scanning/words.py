"""Texts that occur again and again (models, feature names, categories) and their sequences, by number.

A compiled loop finds and adds them; Python gives each its hash when it is first seen. Bounded: when a table is full,
all of them begin anew.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from daemon.decode.scanning.compiling import compiled, inlined
from processors.profile.tokens import canonical
from processors.rows import NUMBER, TEXT, Bools, Bytes, Hashes, Longs, Names, text_hash

FULL = -2
"""In place of a number: there is no room."""
_WORDS, _LETTERS = 2**16, 2**22
_LAYOUTS, _PLACES = 2**12, 2**18
_PROBES = 64

# Where things stand in a book, which is one array of int64: compiled loops are quick while they are handed few arrays.
WORDS, LAYOUTS, SCAN = range(3)
"""How many words and layouts there are, and the number of the running scan."""
LATEST = 3
"""The layout that each mapping had last, which is likely to come again."""
SLOTS = 16
"""1 + the number of the word with such a hash; 0 where there is none."""
BEGIN = SLOTS + 2 * _WORDS
"""Where each word begins in the letters, and where the last one ends."""
AS_TEXT, AS_CLASS = BEGIN + _WORDS + 1, BEGIN + 2 * _WORDS + 1
"""The last scan in which each word was met as a text, and as a class."""
LAYOUT_SLOTS = AS_CLASS + _WORDS
LAYOUT_BEGIN = LAYOUT_SLOTS + 2 * _LAYOUTS
PLACES = LAYOUT_BEGIN + _LAYOUTS + 1
"""The words of all layouts, one after the other."""
_ALL = PLACES + _PLACES
_BASIS, _PRIME = 14695981039346656037, 1099511628211
"""Of the hash FNV-1a."""


class Words:
    """The tables, and what Python knows of each word and layout by its number."""

    def __init__(self) -> None:
        self._scan = 0
        self.clear()

    def clear(self) -> None:
        """Forget all but the empty word and the empty layout, which have the number 0."""
        self.book: Longs = np.zeros(_ALL, np.int64)
        self.letters: Bytes = np.zeros(_LETTERS, np.uint8)
        number_of(self.book, self.letters, self.letters, 0, 0)
        layout_of(self.book, np.zeros(0, np.int64), 0)
        self._texts: list[str] = []
        self._layouts: list[tuple[str, ...]] = []
        self.hashes: Hashes = np.zeros(_WORDS, np.uint64)
        self.class_kinds: Bytes = np.zeros(_WORDS, np.uint8)
        self.class_bits: Hashes = np.zeros(_WORDS, np.uint64)
        self.layouts: Hashes = np.zeros(_LAYOUTS, np.uint64)
        self.repeats: Bools = np.zeros(_LAYOUTS, np.bool_)
        """Layouts in which a name stands twice."""
        self.learn()

    def begin(self) -> None:
        """A scan begins."""
        self._scan += 1
        self.book[SCAN] = self._scan

    def learn(self) -> None:
        """Give what the last scan added its hashes."""
        book, known = self.book, len(self._texts)
        cuts = book[BEGIN + known : BEGIN + int(book[WORDS]) + 1].tolist()
        for number, (begin, end) in enumerate(pairwise(cuts), known):
            text = self.letters[begin:end].tobytes().decode()
            self._texts.append(text)
            self.hashes[number] = text_hash(text)
            self._learn_class(number, text)
        known = len(self._layouts)
        cuts = book[LAYOUT_BEGIN + known : LAYOUT_BEGIN + int(book[LAYOUTS]) + 1].tolist()
        for number, (begin, end) in enumerate(pairwise(cuts), known):
            layout = tuple(self._texts[word] for word in book[PLACES + begin : PLACES + end].tolist())
            self._layouts.append(layout)
            self.layouts[number] = text_hash("\x1f".join(f"{len(name)}:{name}" for name in layout)) if layout else 0
            self.repeats[number] = len(set(layout)) < len(layout)

    def tell(self, names: Names, layouts: Any) -> None:
        """Tell `names` the texts that the last scan met as texts or classes, and these layouts."""
        book, count = self.book, len(self._texts)
        as_text, as_class = (book[place : place + count] == self._scan for place in (AS_TEXT, AS_CLASS))
        spoken = as_text | as_class & (self.class_kinds[:count] == TEXT)
        for number in np.flatnonzero(spoken).tolist():
            names.texts[int(self.hashes[number])] = self._texts[number]
        for number in layouts:
            names.layouts[int(self.layouts[number])] = self._layouts[number]

    def layout(self, number: int) -> tuple[str, ...]:
        """The names of a layout."""
        return self._layouts[number]

    def _learn_class(self, number: int, text: str) -> None:
        value = canonical(text)
        if isinstance(value, str):  # its own digits, where it is a whole number that no float is
            self.class_kinds[number], self.class_bits[number] = TEXT, text_hash(value)
        else:
            self.class_kinds[number], self.class_bits[number] = NUMBER, np.float64(value).view(np.uint64)


@compiled
def number_of(book: Any, letters: Any, data: Any, begin: int, end: int) -> Any:
    """The number of the word that stands there in `data`, a new one if need be; FULL if there is no room."""
    slot = _slot(data, begin, end, 2 * _WORDS)
    for _ in range(_PROBES):
        found = book[SLOTS + slot] - 1
        if found < 0:
            found = book[WORDS]
            start = book[BEGIN + found]
            if found >= _WORDS or start + end - begin > _LETTERS:
                return FULL
            for place in range(end - begin):
                letters[start + place] = data[begin + place]
            book[BEGIN + found + 1] = start + end - begin
            book[SLOTS + slot] = book[WORDS] = found + 1
            return found
        if is_word(book, letters, found, data, begin, end):
            return found
        slot = (slot + 1) & 2 * _WORDS - 1
    return FULL


@compiled
def is_word(book: Any, letters: Any, number: int, data: Any, begin: int, end: int) -> bool:
    """Does this word stand there?"""
    start = book[BEGIN + number]
    if book[BEGIN + number + 1] - start != end - begin:
        return False
    for place in range(end - begin):
        if letters[start + place] != data[begin + place]:
            return False
    return True


@compiled
def layout_of(book: Any, words: Any, size: int) -> Any:
    """The number of the layout of the first `size` of these words, a new one if need be; FULL without room."""
    slot = _slot(words, 0, size, 2 * _LAYOUTS)
    for _ in range(_PROBES):
        found = book[LAYOUT_SLOTS + slot] - 1
        if found < 0:
            found = book[LAYOUTS]
            start = book[LAYOUT_BEGIN + found]
            if found >= _LAYOUTS or start + size > _PLACES:
                return FULL
            for place in range(size):
                book[PLACES + start + place] = words[place]
            book[LAYOUT_BEGIN + found + 1] = start + size
            book[LAYOUT_SLOTS + slot] = book[LAYOUTS] = found + 1
            return found
        start = PLACES + book[LAYOUT_BEGIN + found]
        if PLACES + book[LAYOUT_BEGIN + found + 1] - start == size:
            place = 0
            while place < size and book[start + place] == words[place]:
                place += 1
            if place == size:
                return found
        slot = (slot + 1) & 2 * _LAYOUTS - 1
    return FULL


@inlined
def _slot(parts: Any, begin: int, end: int, slots: int) -> Any:
    """Which of so many slots (a power of two) to look at first for these letters, or words of a layout."""
    mixed = np.uint64(_BASIS)
    for place in range(begin, end):
        mixed = (mixed ^ np.uint64(parts[place])) * np.uint64(_PRIME)
    return np.int64((mixed ^ mixed >> np.uint64(29)) & np.uint64(slots - 1))
