"""Native JSON: one event, an array of events, or one event a line."""

from __future__ import annotations

from typing import Any

import orjson

from daemon.codecs.base import Codec, Event, Refused

_SHOWN = 80


class Native(Codec):
    """The events of docs/events.md as JSON."""

    name = "native"

    def events(self, value: bytes, headers: Any) -> list[tuple[Event | Refused, bytes]]:
        """See `Codec.events`. A message that is one JSON document is read as such, before it is tried line by line."""
        try:
            parsed = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            return self._lines(value, error)
        if isinstance(parsed, dict):
            return [(parsed, value)]
        if isinstance(parsed, list):
            return [_with_bytes(item, value) for item in parsed]
        raise Refused("not_an_event", f"expected an object or an array of objects, found {_named(parsed)}")

    def _lines(self, value: bytes, error: orjson.JSONDecodeError) -> list[tuple[Event | Refused, bytes]]:
        lines = [line for line in value.splitlines() if line.strip()]
        if len(lines) < 2 or not lines[0].lstrip().startswith(b"{"):
            raise _unreadable(value, error)
        return [(_parse(line), line) for line in lines]


def _with_bytes(item: Any, message: bytes) -> tuple[Event | Refused, bytes]:
    """An item of an array with bytes of its own; with the whole message's where it is nested too deep to be written."""
    try:
        return _event(item), orjson.dumps(item)
    except orjson.JSONEncodeError:
        return Refused("too_deep", "nested deeper than the JSON parser goes"), message


def _parse(line: bytes) -> Event | Refused:
    try:
        return _event(orjson.loads(line))
    except orjson.JSONDecodeError as error:
        return _unreadable(line, error)


def _event(item: Any) -> Event | Refused:
    return item if isinstance(item, dict) else Refused("not_an_event", f"expected an object, found {_named(item)}")


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
