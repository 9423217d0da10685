"""Event times as in `daemon.stamps`, by compiled loops: the common ways to write them."""

from __future__ import annotations

from typing import Any

import numpy as np

from daemon.decode.scanning.compiling import compiled, inlined
from daemon.stamps import LATEST_US

NONE = -1
_MONTHS = np.array([0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365])
"""Days before each month."""
_SHAPE = np.frombuffer(b"0000-00-00T00:00:00", np.uint8)
_0, _POINT = 0x30, 0x2E


@inlined
def of_whole(value: int) -> int:
    """Microseconds of epoch seconds, milliseconds, microseconds or nanoseconds; NONE for what is no time."""
    if value < 0:
        return NONE
    if value < 10**11:
        time = value * 1_000_000
    elif value < 10**14:
        time = value * 1_000
    elif value < 10**17:
        time = value
    else:
        time = value // 1_000
    return time if time < LATEST_US else NONE


@inlined
def of_seconds(value: float) -> Any:
    """Microseconds of epoch seconds with decimals; NONE for other units."""
    if not 0 <= value < 1e11:
        return NONE
    time = np.int64(np.rint(value * 1e6))
    return time if time < LATEST_US else NONE


@compiled
def of_text(data: Any, begin: int, end: int) -> int:
    """Microseconds of 2026-11-22T03:00:00[.123[456]] in UTC (Z, +00:00); NONE for another way to write one."""
    if end - begin < len(_SHAPE) + 1:
        return NONE
    for place in range(len(_SHAPE)):
        byte = data[begin + place]
        digit = _0 <= byte <= _0 + 9
        if digit != (_SHAPE[place] == _0) or (not digit and byte != _SHAPE[place]):
            return NONE
    at, micros, digits = begin + len(_SHAPE), 0, 0
    if data[at] == _POINT:
        at += 1
        while at < end and _0 <= data[at] <= _0 + 9 and digits < 7:
            micros = micros * 10 + data[at] - _0
            digits += 1
            at += 1
        if digits == 3:
            micros *= 1_000
        elif digits != 6:
            return NONE
    if not _is_utc(data, at, end):
        return NONE
    year = _two(data, begin) * 100 + _two(data, begin + 2)
    month, day = _two(data, begin + 5), _two(data, begin + 8)
    hour, minute, second = _two(data, begin + 11), _two(data, begin + 14), _two(data, begin + 17)
    if year < 1970 or not 1 <= month <= 12 or hour > 23 or minute > 59 or second > 59:
        return NONE
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    length = _MONTHS[month] - _MONTHS[month - 1] + (leap and month == 2)
    if not 1 <= day <= length:
        return NONE
    before = year - 1
    days = (year - 1970) * 365 + before // 4 - before // 100 + before // 400 - 477
    days += _MONTHS[month - 1] + (leap and month > 2) + day - 1
    time = (((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000 + micros
    return time if time < LATEST_US else NONE


@inlined
def _two(data: Any, at: int) -> Any:
    return (data[at] - _0) * 10 + data[at + 1] - _0


@inlined
def _is_utc(data: Any, at: int, end: int) -> Any:
    if end - at == 1:
        return data[at] == 0x5A
    if end - at != 6 or data[at] != 0x2B or data[at + 3] != 0x3A:
        return False
    return data[at + 1] == _0 and data[at + 2] == _0 and data[at + 4] == _0 and data[at + 5] == _0
