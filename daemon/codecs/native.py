"""Native JSON: one event, an array of events, or one event a line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from daemon.codecs.base import Codec, Event, Refused

_SHOWN = 80
_MARKS = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{},]')
"""Texts, which may hold what looks like a bracket, and what divides a JSON array."""
_SPACE = b" \t\r\n"


class Native(Codec):
    """The events of docs/events.md as JSON."""

    name = "native"
    plain = True

    def events(self, value: bytes, headers: Any) -> Sequence[Event | Refused]:
        """See `Codec.events`. A message that is one JSON document is read as such, before it is tried line by line."""
        try:
            parsed = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            lines = _lines(value)
            if not lines:
                raise _unreadable(value, error) from None
            return [_parse(line) for line in lines]
        if type(parsed) is dict:
            return (parsed,)
        if type(parsed) is list:
            return parsed if set(map(type, parsed)) == {dict} else [_event(item) for item in parsed]
        raise Refused("not_an_event", f"expected an object or an array of objects, found {_named(parsed)}")

    def singles(self, values: Sequence[bytes]) -> list[Any] | None:
        """See `Codec.singles`. A look at how they begin spares messages of several events a second reading."""
        if values[0][:1] != b"{":
            return None
        try:
            events = list(map(orjson.loads, values))
        except orjson.JSONDecodeError:
            return None
        return events if set(map(type, events)) == {dict} else None

    def pieces(self, value: bytes, headers: Any) -> Sequence[bytes]:
        """See `Codec.pieces`. The items of an array are cut out of it as they were written."""
        begins = value.lstrip(_SPACE)[:1]
        if begins == b"[":
            return list(_items(value))
        lines = _lines(value)
        return lines if begins == b"{" and len(lines) > 1 and not _is_json(value) else [value]


def _lines(value: bytes) -> list[bytes]:
    """The lines of a message of several events; none if it isn't one."""
    lines = [line for line in value.splitlines() if line.strip()]
    return lines if len(lines) > 1 and lines[0].lstrip().startswith(b"{") else []


def _items(value: bytes) -> Iterator[bytes]:
    """The items of a JSON array that was parsed already."""
    depth, start = 0, 0
    for mark in _MARKS.finditer(value):
        sign = mark[0]
        if sign in (b"[", b"{"):
            depth += 1
            start = mark.end() if depth == 1 else start
        elif sign == b"," and depth == 1:
            yield value[start : mark.start()].strip(_SPACE)
            start = mark.end()
        elif sign in (b"]", b"}"):
            depth -= 1
            if not depth and (last := value[start : mark.start()].strip(_SPACE)):
                yield last


def _is_json(value: bytes) -> bool:
    try:
        orjson.loads(value)
    except orjson.JSONDecodeError:
        return False
    return True


def _parse(line: bytes) -> Event | Refused:
    try:
        return _event(orjson.loads(line))
    except orjson.JSONDecodeError as error:
        return _unreadable(line, error)


def _event(item: Any) -> Event | Refused:
    return item if type(item) is dict else Refused("not_an_event", f"expected an object, found {_named(item)}")


def _unreadable(value: bytes, error: orjson.JSONDecodeError) -> Refused:
    if not value.strip():
        return Refused("empty", "the message is empty")
    try:
        value.decode()
    except UnicodeDecodeError as decode_error:
        return Refused("not_utf8", f"byte {decode_error.start} is not UTF-8")
    if "depth" in str(error) or "recursion" in str(error):
        return Refused("too_deep", "nested deeper than the JSON parser goes")
    return Refused("not_json", f"{error.msg} at character {error.pos}: {value[:_SHOWN].decode(errors='replace')}")


def _named(item: Any) -> str:
    return {list: "an array", str: "a string", type(None): "null", bool: "a boolean"}.get(type(item), "a number")
