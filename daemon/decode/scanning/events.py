"""One pass over the bytes of many messages, from JSON to columns, by a compiled loop.

It takes predictions and labels that nothing is wrong with, and that are written in an ordinary way. Whatever is not
(another kind of event, a mistake, an escaped character in a name, a name that stands twice, a number of thirty digits)
makes its whole message one that is not taken, and says nothing about why: the slow way decides, and finds the words.
So what is taken here must come out of the slow way the same; that is all that the tests ask.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from daemon.decode.scanning import times
from daemon.decode.scanning.compiling import compiled, inlined
from daemon.decode.scanning.syntax import (
    ARRAY,
    COMMA,
    END_ARRAY,
    END_OBJECT,
    NULL,
    OBJECT,
    QUOTE,
    TRUE,
    colon,
    literal,
    number,
    skip,
    space,
    text_end,
)  # fmt: skip
from daemon.decode.scanning.words import (
    AS_CLASS,
    AS_TEXT,
    FULL,
    LATEST,
    LAYOUT_BEGIN,
    PLACES,
    SCAN,
    is_word,
    layout_of,
    number_of,
)  # fmt: skip
from processors.rows import BOOLEAN, MISSING, NUMBER, OTHER, TEXT

PREDICTION, LABEL = range(2)
"""As in `daemon.decode.batch.KINDS`."""

# Columns of `Columns.whole`. The mappings have a layout and a size each.
KIND, MESSAGE, INDEX, TIME, ID_BEGIN, ID_END, MODEL, VERSION, CLASS_KIND, CLASS_WORD, LAYOUT = range(11)
MAPPINGS = ("features", "proba", "segment", "attributions")
_MAPPINGS = len(MAPPINGS)
SIZE = LAYOUT + _MAPPINGS
WIDTH = SIZE + _MAPPINGS
SCORE, LATENCY, CLASS = range(3)
"""Columns of `Columns.numbers`."""

_FEATURES, _PROBA, _SEGMENT, _ATTRIBUTIONS = range(4)
_TYPE, _ID, _TS, _MODEL, _VERSION, _PREDICTION, _LABEL, _SCORE, _LATENCY = range(4, 13)
_FIELDS = (*MAPPINGS, "type", "id", "ts", "model", "version", "prediction", "label", "score", "latency_ms")
_NAMES = np.zeros((len(_FIELDS), 12), np.uint8)
for _row, _name in enumerate(_FIELDS):
    _NAMES[_row, : len(_name)] = list(_name.encode())
_SIZES = np.array([len(field) for field in _FIELDS])
_LARGEST_EXACT = 2.0**53
_UNUSUAL = -1


class Limits(NamedTuple):
    """What an event may be at most, in bytes where others say characters."""

    text: int
    cells: int
    events: int
    deepest: int


class Columns(NamedTuple):
    """What is found: one row an event, one cell a named value."""

    whole: Any
    """int64 of shape (events, WIDTH)."""
    numbers: Any
    """float64 of shape (events, 3)."""
    kinds: Any
    """uint8 of shape (mappings, cells): the kind of each cell, its mapping's cells in order of the events."""
    values: Any
    """float64: a number, or the word of a text."""
    used: Any
    """int64: how many cells of each mapping there are, and how many there were before the message."""
    words: Any
    """int64: of the mapping that is being read, its names."""
    scratch: Any
    """One uint64."""


@compiled
def scan(
    data: Any, begins: Any, ends: Any, limits: Any, book: Any, letters: Any, taken: Any, whole: Any, numbers: Any,
    kinds: Any, values: Any, used: Any, words: Any, scratch: Any,
) -> int:  # fmt: skip
    """Read the messages data[begins[n]:ends[n]]; `taken[n]` says whether. Returns how many events; FULL if no room.

    A message is an event, or an array of them.
    """
    count = 0
    for message in range(len(begins)):
        at, end, first = begins[message], ends[message], count
        for field in range(_MAPPINGS):
            used[_MAPPINGS + field] = used[field]
        at = space(data, at, end)
        inside = at < end and data[at] == ARRAY
        more = at < end and (inside or data[at] == OBJECT)
        at = space(data, at + 1, end) if inside else at
        if inside and at < end and data[at] == END_ARRAY:
            more, at = False, at + 1
        elif not more:
            at = _UNUSUAL
        while more:
            if at >= end or data[at] != OBJECT or count - first >= limits.events:
                at = _UNUSUAL
                break
            at = _event(
                data, at, end, limits, book, letters, whole, numbers, kinds, values, used, words, scratch, count
            )
            if at < 0:
                break
            whole[count, MESSAGE], whole[count, INDEX] = message, count - first
            count += 1
            at = space(data, at, end)
            more = inside and at < end and data[at] == COMMA
            if more:
                at = space(data, at + 1, end)
            elif inside:
                at = at + 1 if at < end and data[at] == END_ARRAY else _UNUSUAL
        if at == FULL:
            return FULL
        taken[message] = at >= 0 and space(data, at, end) == end
        if not taken[message]:
            count = first
            for field in range(_MAPPINGS):
                used[field] = used[_MAPPINGS + field]
    return count


@inlined
def _event(
    data: Any, at: int, end: int, limits: Any, book: Any, letters: Any, whole: Any, numbers: Any, kinds: Any,
    values: Any, used: Any, words: Any, scratch: Any, row: int,
) -> int:  # fmt: skip
    """Read an event into a row; returns the place after it."""
    whole[row, TIME], whole[row, KIND], whole[row, VERSION] = times.NONE, -1, 0
    for column in range(LAYOUT, WIDTH):
        whole[row, column] = 0
    numbers[row, SCORE] = numbers[row, LATENCY] = np.nan
    seen, going = 0, True
    at = space(data, at + 1, end)
    while going:
        if at >= end or data[at] != QUOTE:
            return _UNUSUAL
        begin = at + 1
        at = text_end(data, begin, end, False)
        if at < 0:
            return _UNUSUAL
        field = _field(data, begin, at)
        at = colon(data, at + 1, end)
        if at < 0 or (field >= 0 and seen >> field & 1):
            return _UNUSUAL
        if field < 0:
            at = skip(data, at, end, limits.deepest, scratch)
        elif field < _MAPPINGS:
            at = _mapping(data, at, end, limits, book, letters, whole, kinds, values, used, words, scratch, row, field)
        else:
            at = _value(data, at, end, limits, book, letters, whole, numbers, scratch, row, field)
        if at < 0:
            return at
        if field >= 0:
            seen |= 1 << field
        at = space(data, at, end)
        if at >= end:
            return _UNUSUAL
        if data[at] == END_OBJECT:
            going = False
        elif data[at] == COMMA:
            at = space(data, at + 1, end)
        else:
            return _UNUSUAL
    return at + 1 if _complete(book, whole, row, seen) else _UNUSUAL


@compiled
def _field(data: Any, begin: int, end: int) -> int:
    """Which of the fields that matter has this name?"""
    for field in range(len(_SIZES)):
        if _SIZES[field] == end - begin:
            place = 0
            while place < end - begin and _NAMES[field, place] == data[begin + place]:
                place += 1
            if place == end - begin:
                return field
    return -1


@inlined
def _complete(book: Any, whole: Any, row: int, seen: int) -> bool:
    """Is it a prediction or a label with all that it needs, and nothing of the other? Notes the words it used."""
    needed = 1 << _TYPE | 1 << _ID | 1 << _MODEL
    if seen & needed != needed:
        return False
    if whole[row, KIND] == LABEL:
        if seen >> _LABEL & 1 == 0 or seen & (1 << _PREDICTION | 15):
            return False
    elif whole[row, KIND] == PREDICTION:
        if seen >> _PREDICTION & 1 == 0 or seen >> _LABEL & 1:
            return False
        book[AS_TEXT + whole[row, VERSION]] = book[SCAN]
    else:
        return False
    book[AS_TEXT + whole[row, MODEL]] = book[SCAN]
    if whole[row, CLASS_KIND] == TEXT:
        book[AS_CLASS + whole[row, CLASS_WORD]] = book[SCAN]
    return True


@inlined
def _value(
    data: Any, at: int, end: int, limits: Any, book: Any, letters: Any, whole: Any, numbers: Any, scratch: Any,
    row: int, field: int,
) -> int:  # fmt: skip
    """Read a field that is no mapping."""
    begin = at
    if data[at] == QUOTE:
        begin = at + 1
        at = text_end(data, begin, end, False)
        if at < 0 or at - begin > limits.text:
            return _UNUSUAL
        fault = _take_text(data, begin, at, book, letters, whole, row, field)
        return fault or at + 1
    if data[at] == 0x2D or 0x30 <= data[at] <= 0x39:
        at, is_whole, exact, value = number(data, at, end, scratch)
        if at < 0:
            return at
        fault = _take_number(data, begin, at, book, letters, whole, numbers, row, field, is_whole, exact, value)
        return fault or at
    at, which = literal(data, at, end)
    if at < 0:
        return _UNUSUAL
    if field == _PREDICTION or field == _LABEL:
        if which == NULL:
            return _UNUSUAL
        whole[row, CLASS_KIND], numbers[row, CLASS] = NUMBER, which == TRUE
        return at
    optional = field == _VERSION or field == _TS or field == _SCORE or field == _LATENCY
    return at if which == NULL and optional else _UNUSUAL


@inlined
def _take_text(data: Any, begin: int, end: int, book: Any, letters: Any, whole: Any, row: int, field: int) -> Any:
    """A field that is a text; what is wrong with it, if anything."""
    if field == _TYPE:
        named = _field(data, begin, end)
        whole[row, KIND] = PREDICTION if named == _PREDICTION else LABEL if named == _LABEL else -1
        return 0 if whole[row, KIND] >= 0 else _UNUSUAL
    if field == _TS:
        whole[row, TIME] = times.of_text(data, begin, end)
        return 0 if whole[row, TIME] >= 0 else _UNUSUAL
    if field == _SCORE or field == _LATENCY:
        return _UNUSUAL
    if field == _ID:
        whole[row, ID_BEGIN], whole[row, ID_END] = begin, end
        return 0 if end > begin else _UNUSUAL
    word = number_of(book, letters, data, begin, end)
    if word < 0:
        return word
    if field == _MODEL or field == _VERSION:
        whole[row, MODEL if field == _MODEL else VERSION] = word
        return 0 if end > begin else _UNUSUAL
    whole[row, CLASS_KIND], whole[row, CLASS_WORD] = TEXT, word
    return 0


@inlined
def _take_number(
    data: Any, begin: int, end: int, book: Any, letters: Any, whole: Any, numbers: Any, row: int, field: int,
    is_whole: bool, exact: int, value: float,
) -> Any:  # fmt: skip
    """A field that is a number; what is wrong with it, if anything. Whole ones serve as names, as they are written."""
    if field == _PREDICTION or field == _LABEL:
        whole[row, CLASS_KIND], numbers[row, CLASS] = NUMBER, value
        return 0 if not is_whole or abs(value) < _LARGEST_EXACT else _UNUSUAL
    if field == _SCORE or field == _LATENCY:
        numbers[row, SCORE if field == _SCORE else LATENCY] = value
        return 0
    if field == _TS:
        whole[row, TIME] = times.of_whole(exact) if is_whole else times.of_seconds(value)
        return 0 if whole[row, TIME] >= 0 else _UNUSUAL
    if not is_whole or field == _TYPE:
        return _UNUSUAL
    if field == _ID:
        whole[row, ID_BEGIN], whole[row, ID_END] = begin, end
        return 0
    word = number_of(book, letters, data, begin, end)
    whole[row, MODEL if field == _MODEL else VERSION] = word
    return min(0, word)


@inlined
def _mapping(
    data: Any, at: int, end: int, limits: Any, book: Any, letters: Any, whole: Any, kinds: Any, values: Any, used: Any,
    words: Any, scratch: Any, row: int, field: int,
) -> Any:  # fmt: skip
    """Read a mapping of names to plain values into cells."""
    if data[at] != OBJECT:
        at, which = literal(data, at, end)
        return at if which == NULL else _UNUSUAL
    likely = book[LATEST + field]
    first = PLACES + book[LAYOUT_BEGIN + likely]
    expected = PLACES + book[LAYOUT_BEGIN + likely + 1] - first
    size, as_expected = 0, True
    at = space(data, at + 1, end)
    if at < end and data[at] == END_OBJECT:
        return at + 1
    while True:
        if at >= end or data[at] != QUOTE or size >= limits.cells:
            return _UNUSUAL
        begin = at + 1
        at = text_end(data, begin, end, False)
        if at < 0 or at - begin > limits.text:
            return _UNUSUAL
        if size < expected and is_word(book, letters, book[first + size], data, begin, at):
            word = book[first + size]
        else:
            word, as_expected = number_of(book, letters, data, begin, at), False
            if word < 0:
                return word
        words[size] = word
        at = colon(data, at + 1, end)
        if at < 0:
            return _UNUSUAL
        at = _cell(data, at, end, limits, book, letters, kinds, values, used, scratch, field)
        if at < 0:
            return at
        size += 1
        at = space(data, at, end)
        if at >= end:
            return _UNUSUAL
        if data[at] == END_OBJECT:
            break
        if data[at] != COMMA:
            return _UNUSUAL
        at = space(data, at + 1, end)
    if not as_expected or size != expected:
        likely = layout_of(book, words, size)
        if likely < 0:
            return likely
        book[LATEST + field] = likely
    whole[row, LAYOUT + field], whole[row, SIZE + field] = likely, size
    return at + 1


@inlined
def _cell(
    data: Any, at: int, end: int, limits: Any, book: Any, letters: Any, kinds: Any, values: Any, used: Any,
    scratch: Any, field: int,
) -> Any:  # fmt: skip
    """Read the value of a name into the next cell of its mapping."""
    cell = used[field]
    used[field] = cell + 1
    if data[at] == 0x2D or 0x30 <= data[at] <= 0x39:
        at, _, _, value = number(data, at, end, scratch)
        kinds[field, cell], values[field, cell] = NUMBER, value
        if field == _PROBA and not 0 <= value <= 1:
            return _UNUSUAL
        return at
    if field == _PROBA or field == _ATTRIBUTIONS:
        return _UNUSUAL
    if data[at] == QUOTE:
        begin = at + 1
        at = text_end(data, begin, end, False)
        if at < 0 or at - begin > limits.text:
            return _UNUSUAL
        word = number_of(book, letters, data, begin, at)
        if word < 0:
            return word
        book[AS_TEXT + word] = book[SCAN]
        kinds[field, cell], values[field, cell] = TEXT, word
        return at + 1
    if data[at] == OBJECT or data[at] == ARRAY:
        kinds[field, cell], values[field, cell] = OTHER, 0.0
        return skip(data, at, end, limits.deepest, scratch) if field == _FEATURES else _UNUSUAL
    at, which = literal(data, at, end)
    kinds[field, cell] = MISSING if which == NULL else BOOLEAN
    values[field, cell] = which == TRUE
    return at
