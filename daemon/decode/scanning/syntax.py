"""JSON by compiled loops: strict where orjson is strict, and at a loss (-1) wherever a text or number is unusual.

Every function takes bytes and a place in them, and returns the place after what it read, or -1. RFC 8259.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from daemon.decode.scanning.compiling import compiled, inlined
from daemon.decode.scanning.decimals import MOST_DIGITS, nearest

QUOTE, BACKSLASH, COMMA, COLON = 0x22, 0x5C, 0x2C, 0x3A
OBJECT, END_OBJECT, ARRAY, END_ARRAY = 0x7B, 0x7D, 0x5B, 0x5D
_MINUS, _PLUS, _POINT, _0, _9 = 0x2D, 0x2B, 0x2E, 0x30, 0x39
_ESCAPED = np.zeros(256, np.bool_)
_ESCAPED[list(b'"\\/bfnrt')] = True
NULL, FALSE, TRUE = range(3)
_LITERALS = np.array([list(word) for word in (b"null ", b"false", b"true ")], np.uint8)
_SIZES = np.array([4, 5, 4])
_SHORT, _BLOCK = 24, 32
"""Bytes after which a text is looked at in blocks, and how large they are."""
_LONGEST_EXPONENT = 4
"""Digits of one."""


@compiled
def space(data: Any, at: int, end: int) -> int:
    """After white space."""
    while at < end and (data[at] == 0x20 or data[at] == 0x0A or data[at] == 0x0D or data[at] == 0x09):
        at += 1
    return at


@compiled
def text_end(data: Any, at: int, end: int, escapes: bool) -> int:
    """The closing quote of a text whose first byte is at `at`; -1 for one that is not UTF-8, or has other escapes.

    `escapes`: whether any are let through, but for numbered characters; then its content can't matter.
    """
    begin, high, block = at, False, at + _SHORT
    while at < end and data[at] != QUOTE:
        if at >= block and at + _BLOCK <= end:
            if _is_plain(data, at):
                at += _BLOCK
                continue
            block = at + _BLOCK
        if data[at] < 0x20 or data[at] == BACKSLASH:
            if not escapes or data[at] < 0x20:
                return -1
            at += 1
            if at >= end or not _ESCAPED[data[at]]:
                return -1
        high |= data[at] > 0x7F
        at += 1
    if at >= end or (high and not _utf8(data, begin, at)):
        return -1
    return at


@inlined
def _is_plain(data: Any, at: int) -> bool:
    """Are the next `_BLOCK` bytes ASCII, without quotes, escapes and control characters? Looked at all together."""
    first, odd = np.uint64(at), False
    for place in range(_BLOCK):
        byte = data[first + np.uint64(place)]
        odd |= (byte < 0x20) | (byte > 0x7F) | (byte == QUOTE) | (byte == BACKSLASH)
    return not odd


@compiled
def _utf8(data: Any, at: int, end: int) -> bool:
    """Are these bytes UTF-8? (RFC 3629: the shortest form, and no surrogates.)"""
    while at < end:
        first = data[at]
        if first < 0x80:
            at += 1
            continue
        more = 1 if 0xC2 <= first <= 0xDF else 2 if 0xE0 <= first <= 0xEF else 3 if 0xF0 <= first <= 0xF4 else 9
        if at + more >= end:
            return False
        least = 0xA0 if first == 0xE0 else 0x90 if first == 0xF0 else 0x80
        greatest = 0x9F if first == 0xED else 0x8F if first == 0xF4 else 0xBF
        if data[at + 1] < least or data[at + 1] > greatest:
            return False
        for place in range(at + 2, at + more + 1):
            if data[place] < 0x80 or data[place] > 0xBF:
                return False
        at += more + 1
    return True


@compiled
def number(data: Any, at: int, end: int, scratch: Any) -> Any:
    """(place, is it written as a whole number, it as one, it as a float64); the place is -1 for -0 and long numbers."""
    negative = data[at] == _MINUS
    at += negative
    begin, mantissa, power, point = at, np.uint64(0), 0, -1
    while at < end:
        digit = np.uint64(data[at]) - np.uint64(_0)
        if digit <= np.uint64(9):
            mantissa = mantissa * np.uint64(10) + digit
        elif data[at] == _POINT and point < 0:
            point = at
        else:
            break
        at += 1
    whole = point < 0
    before = at - begin if whole else point - begin
    if before == 0 or at == point + 1 or (data[begin] == _0 and before > 1):
        return -1, False, 0, 0.0
    if at - begin > MOST_DIGITS:  # and maybe a point, and zeros that don't count
        first = begin
        while first < at and (data[first] == _0 or data[first] == _POINT):
            first += 1
        if at - first - (first <= point) > MOST_DIGITS:
            return -1, False, 0, 0.0
    if not whole:
        power = point + 1 - at
    if at < end and (data[at] | 0x20) == 0x65:
        whole = False
        at, exponent = _exponent(data, at + 1, end)
        power += exponent
        if at < 0:
            return -1, False, 0, 0.0
    if (negative and mantissa == np.uint64(0)) or mantissa >> np.uint64(63) > np.uint64(0):
        return -1, False, 0, 0.0
    value = 0.0 if mantissa == np.uint64(0) else nearest(mantissa, power, scratch)
    if np.isnan(value):
        return -1, False, 0, 0.0
    if negative:
        return at, whole, -np.int64(mantissa), -value
    return at, whole, np.int64(mantissa), value


@inlined
def _exponent(data: Any, at: int, end: int) -> Any:
    """(place, exponent) after the e."""
    negative = at < end and data[at] == _MINUS
    if at < end and (data[at] == _MINUS or data[at] == _PLUS):
        at += 1
    begin, found = at, 0
    while at < end and _0 <= data[at] <= _9:
        found = found * 10 + data[at] - _0
        at += 1
        if at - begin > _LONGEST_EXPONENT:
            return -1, 0
    if at == begin:
        return -1, 0
    return at, -found if negative else found


@compiled
def literal(data: Any, at: int, end: int) -> Any:
    """(place, which): NULL, FALSE or TRUE."""
    for which in range(len(_SIZES)):
        place = 0
        while place < _SIZES[which] and at + place < end and data[at + place] == _LITERALS[which, place]:
            place += 1
        if place == _SIZES[which]:
            return at + place, which
    return -1, -1


@inlined
def colon(data: Any, at: int, end: int) -> int:
    """After the colon that follows, and white space around it."""
    at = space(data, at, end)
    if at >= end or data[at] != COLON:
        return -1
    at = space(data, at + 1, end)
    return at if at < end else -1


@compiled
def skip(data: Any, at: int, end: int, deepest: int, scratch: Any) -> int:
    """After any value, which is nested at most so deep."""
    stack, depth = np.uint64(0), 0  # the last bit: whether the innermost one is an object
    while True:
        opened = False
        if at >= end:
            return -1
        if data[at] == OBJECT or data[at] == ARRAY:
            is_object = data[at] == OBJECT
            depth += 1
            if depth > deepest:
                return -1
            stack = stack << np.uint64(1) | np.uint64(is_object)
            at = space(data, at + 1, end)
            opened = not (at < end and data[at] == (END_OBJECT if is_object else END_ARRAY))
        elif data[at] == QUOTE:
            at = text_end(data, at + 1, end, True)
            at += at >= 0
        elif data[at] == _MINUS or _0 <= data[at] <= _9:
            at = number(data, at, end, scratch)[0]
        else:
            at = literal(data, at, end)[0]
        while not opened:  # a value is complete, or an empty one about to be
            if at < 0 or depth == 0:
                return at
            at = space(data, at, end)
            if at >= end:
                return -1
            if data[at] == COMMA:
                at = space(data, at + 1, end)
                opened = True
            elif data[at] == (END_OBJECT if stack & np.uint64(1) else END_ARRAY):
                stack, depth, at = stack >> np.uint64(1), depth - 1, at + 1
            else:
                return -1
        if stack & np.uint64(1):
            if at >= end or data[at] != QUOTE:
                return -1
            at = text_end(data, at + 1, end, True)
            if at >= 0:
                at = colon(data, at + 1, end)
            if at < 0:
                return -1
