"""Messages as lines of text, for files and terminals."""

from __future__ import annotations

import orjson

from daemon.sinks.base import Message


def line(message: Message) -> bytes:
    """One line: the value as it is if it is JSON on one line, and `{"key": ..., "value": ...}` otherwise.

    A tombstone is `{"key": ..., "value": null}`. Bytes that are no text have their replacements in it.
    """
    value = message.value
    if value is not None and b"\n" not in value and value[:1] in {b"{", b"["}:
        return value + b"\n"
    key = None if message.key is None else message.key.decode("utf-8", "replace")
    shown = None if value is None else value.decode("utf-8", "replace")
    return orjson.dumps({"key": key, "value": shown}) + b"\n"
