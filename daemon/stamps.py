"""Event times: RFC 3339 or epoch seconds, milliseconds, microseconds or nanoseconds, to int64 microseconds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import numpy as np

from processors.rows import Bools, Longs

ABSENT = -1
"""Stands for an event without a time of its own."""
INVALID = -2

LATEST_US = 9_214_646_400_000_000
"""2262-01-01, the last year that 64-bit nanoseconds hold."""
_SHAPES = {len(shape): shape for shape in (b"0000-00-00T00:00:00" + part + b"Z" for part in (b"", b".000", b".000000"))}
_DIGITS_TO_0 = bytes.maketrans(b"123456789", b"000000000")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = ((1e11, 1_000_000.0), (1e14, 1_000.0), (1e17, 1.0), (9.3e18, 0.001))


def microseconds(values: list[Any]) -> Longs:
    """Each value as microseconds since 1970; ABSENT for null, INVALID for what is no time from 1970 to 2262.

    A number is read by its size: below 1e11 seconds, below 1e14 milliseconds, below 1e17 microseconds, else
    nanoseconds. A text without an offset is taken as UTC.
    """
    types = set(map(type, values))
    if types == {str}:
        fast = _uniform(values)
        if fast is not None:
            return fast
    if types == {type(None)}:
        return np.full(len(values), ABSENT, np.int64)
    if types == {int} and (fast := _milliseconds(values)) is not None:
        return fast
    return np.array([_one(value) for value in values], np.int64)


def of_records(timestamps: Sequence[int]) -> Longs:
    """Records' timestamps (ms) as microseconds; ABSENT where there is none, those after 2262 as 2262."""
    ms = np.array(timestamps, np.int64)
    return np.where(ms < 0, ABSENT, np.minimum(ms, LATEST_US // 1000) * 1000)


@lru_cache(maxsize=4096)
def rfc3339(time_us: int) -> str:
    """The time as text, UTC, with as many decimals as it needs (none, 3 or 6). What leaves together has few times."""
    whole, rest = divmod(time_us, 1_000_000)
    text = str(np.datetime64(whole, "s"))
    if not rest:
        return text + "Z"
    return f"{text}.{rest // 1000:03d}Z" if rest % 1000 == 0 else f"{text}.{rest:06d}Z"


def _uniform(values: list[str]) -> Longs | None:
    """The quick way for texts that all look like 2026-11-22T03:00:00[.123[456]]Z; None if they don't."""
    lengths = set(map(len, values))
    if len(lengths) > 1 or not lengths <= _SHAPES.keys():
        return None
    shape = "".join(values).encode("utf-8", "surrogatepass").translate(_DIGITS_TO_0)
    if shape != _SHAPES[lengths.pop()] * len(values):
        return None
    try:
        times = np.array([v[:-1] for v in values], "datetime64[us]").view(np.int64)
    except ValueError:
        return None
    return np.where(_sane(times), times, INVALID)


def _milliseconds(values: list[int]) -> Longs | None:
    """The quick way for whole milliseconds, which most producers send; None if they aren't all."""
    if min(values) < _UNITS[0][0] or max(values) >= min(_UNITS[1][0], LATEST_US // 1000):
        return None
    return np.array(values, np.int64) * 1000


def _one(value: Any) -> int:
    if value is None:
        return ABSENT
    if type(value) is str:
        return _text(value)
    if type(value) in (int, float):
        return _epoch(value)
    return INVALID


def _text(value: str) -> int:
    try:
        moment = datetime.fromisoformat(value.upper())
    except ValueError:
        return INVALID
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    elapsed = moment - _EPOCH
    time = (elapsed.days * 86_400 + elapsed.seconds) * 1_000_000 + elapsed.microseconds
    return time if 0 <= time < LATEST_US and len(value) > 10 else INVALID


def _epoch(value: float) -> int:
    for below, factor in _UNITS:
        if 0 <= value < below:
            time = value * int(factor) if factor >= 1 else value // 1000
            return round(time) if time < LATEST_US else INVALID
    return INVALID


def _sane(times: Longs) -> Bools:
    return (times >= 0) & (times < LATEST_US)
