"""Many messages in one blob: columns of bytes, so that a row of readings costs little more than its bytes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np
import orjson

from daemon.sinks.base import Message
from processors.packing import pack, unpack

_NONE = -1


def pack_messages(messages: Sequence[Message]) -> bytes:
    """The messages as one blob; the same bytes for the same messages."""
    headers = orjson.dumps([_spell(message.headers) for message in messages]) if _have_headers(messages) else b""
    return pack(
        {
            "keys": _join([message.key for message in messages]),
            "values": _join([message.value for message in messages]),
            "headers": headers,
        }
    )


def unpack_messages(blob: bytes) -> list[Message]:
    """The messages that `pack_messages` was given. Raises `processors.packing.PackingError`."""
    tree = unpack(blob)
    keys, values = _split(*tree["keys"]), _split(*tree["values"])
    if not tree["headers"]:
        return [Message(key, value) for key, value in zip(keys, values, strict=True)]
    headers = [_read(each) for each in orjson.loads(tree["headers"])]
    return [Message(*parts) for parts in zip(keys, values, headers, strict=True)]


def _have_headers(messages: Sequence[Message]) -> bool:
    return any(message.headers for message in messages)


def _join(parts: list[bytes | None]) -> list[object]:
    lengths = np.array([_NONE if part is None else len(part) for part in parts], np.int64)
    return [lengths, b"".join([part for part in parts if part])]


def _split(lengths: np.ndarray[tuple[int], np.dtype[np.int64]], content: bytes) -> list[bytes | None]:
    sizes = lengths.tolist()
    ends = accumulate((max(size, 0) for size in sizes), initial=0)
    return [
        None if size == _NONE else content[start:end] for size, (start, end) in zip(sizes, pairwise(ends), strict=True)
    ]


def _spell(headers: Sequence[tuple[str, bytes]]) -> list[list[str]]:
    """Header values as text in which each character is one byte, for JSON has no bytes."""
    return [[name, value.decode("latin-1")] for name, value in headers]


def _read(headers: list[list[str]]) -> tuple[tuple[str, bytes], ...]:
    return tuple((name, value.encode("latin-1")) for name, value in headers)
