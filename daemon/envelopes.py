"""The JSON in which things leave Vigil and in which a dump keeps what came in.

Everything here turns plain values into bytes and back, and the same values always into the same bytes. The formats are
published in docs/schemas and shown in docs/events.md.
"""

from __future__ import annotations

import math
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b, sha256
from typing import Any

import numpy as np
import orjson

from daemon.sinks.base import Message
from daemon.stamps import rfc3339
from processors.base import Reading
from processors.profile import GroupKey

LARGEST_VALUE = 64 * 2**10
"""Bytes of the original that a shortened dead letter keeps."""
SHORTEST = 200
"""Bytes of the key and characters of the detail that it keeps however short it is to be."""
MOST_ITEMS = 50
"""Items of a list or object in evidence and details; what is beyond them is left out."""
LONGEST_TEXT = 1_000
_DEEPEST = 6
_NO_TIME_MS = 2**53
_TRUTHS, _INTEGERS, _FLOATS = (bool, np.bool_), (int, np.integer), (float, np.floating)
_SCALARS = (*_FLOATS, *_INTEGERS, *_TRUTHS, str)

CLOUD_EVENT_HEADERS = (("content-type", b"application/cloudevents+json; charset=UTF-8"),)
"""What CloudEvents' Kafka binding asks of a message that is an event as a whole (structured mode)."""

Headers = Sequence[tuple[str, bytes | None]]


def canonical(tree: Any) -> bytes:
    """JSON with sorted keys: the same bytes for the same content. NaN and infinities become null."""
    return orjson.dumps(tree, option=orjson.OPT_SORT_KEYS | orjson.OPT_SERIALIZE_NUMPY)


def in_order(tree: Any) -> bytes:
    """`canonical` of a tree whose keys ascend already: sorting them is most of the work."""
    return orjson.dumps(tree, option=orjson.OPT_SERIALIZE_NUMPY)


def digest(tree: Any) -> str:
    """A name for what a tree says: 32 hexadecimal digits (BLAKE2b), the same in every process and release."""
    return _digest(canonical(tree))


def _digest(said: bytes) -> str:
    return blake2b(said, digest_size=16).hexdigest()


def plain(value: Any, depth: int = 0) -> Any:
    """A value as JSON has it, bounded: numpy's types as Python's, what is not finite as None, keys as texts."""
    if type(value) is float:  # by far the most
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, _SCALARS):
        return _plain_scalar(value)
    if depth >= _DEEPEST:
        return None
    if isinstance(value, Mapping):
        kept = sorted((text(str(key)), item) for key, item in list(value.items())[:MOST_ITEMS])
        return {key: plain(item, depth + 1) for key, item in kept}
    if isinstance(value, set | frozenset):
        value = sorted(value, key=repr)
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(item, depth + 1) for item in value[:MOST_ITEMS]]
    return text(str(value))


def _plain_scalar(value: Any) -> Any:
    if isinstance(value, _FLOATS):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, _TRUTHS):
        return value if value is None else bool(value)
    if isinstance(value, _INTEGERS):
        number = int(value)
        return number if -(2**63) <= number < 2**64 else str(number)
    return text(value)


def text(value: str) -> str:
    """A text that JSON can carry: no lone surrogates, at most `LONGEST_TEXT` characters."""
    if value.isascii() and len(value) <= LONGEST_TEXT:
        return value
    return value[:LONGEST_TEXT].encode("utf-8", "replace").decode()


def cloud_event(kind: str, data: Mapping[str, Any], *, source: str, event_id: str, subject: str, time: int) -> bytes:
    """A CloudEvents 1.0 event in its JSON format. `time` in microseconds; `subject` is left out if empty."""
    event = {
        "data": data,
        "datacontenttype": "application/json",
        "id": event_id,
        "source": source,
        "specversion": "1.0",
    }
    if subject:
        event["subject"] = subject
    event |= {"time": rfc3339(time), "type": kind}
    return canonical(event)


def subject_of(group: GroupKey) -> str:
    """What an event is about: `model/version`, without a version the model alone."""
    return f"{group.model}/{group.version}" if group.version else group.model


def segment_of(group: GroupKey) -> dict[str, str]:
    """The group's segment as an object: `{}` for all rows of a version."""
    return {group.segment: group.value} if group.segment else {}


def interval_of(low: float | None, high: float | None) -> list[float | None] | None:
    """`[low, high]`; None where neither bound is known."""
    return None if low is None and high is None else [low, high]


_READING = (
    b'{"data":%b,"datacontenttype":"application/json","id":"%b","source":%b,"specversion":"1.0"%b,'
    b'"time":"%b","type":"vigil.reading"}'
)
"""What `cloud_event` writes, for readings are most of what leaves."""


def _number(value: Any) -> Any:
    """`plain` of a number, or of none."""
    if type(value) is float:
        return value if math.isfinite(value) else None
    return None if value is None else plain(value)


@lru_cache(maxsize=8_192)
def _about(model: str, version: str) -> tuple[bytes, bytes]:
    """The key of a version's readings, and their subject as a part of JSON."""
    subject = subject_of(GroupKey(model, version))
    return subject.encode(), b',"subject":' + orjson.dumps(subject) if subject else b""


@lru_cache(maxsize=16)
def _quoted(said: str) -> bytes:
    return orjson.dumps(said)


def reading_message(reading: Reading, source: str, config_hash: str) -> Message:
    """A reading as CloudEvent; keyed by `model/version`, so that a version's readings stay in order.

    The id is a hash of what it says: the same reading, sent again, has the same id.
    """
    group = reading.group
    data = {
        "config_hash": config_hash,
        "coverage": _number(reading.coverage),
        "details": plain(reading.details) if reading.details else {},
        "end": rfc3339(reading.end),
        "feature": reading.feature,
        "interval": interval_of(_number(reading.low), _number(reading.high)),
        "model": group.model,
        "monitor": reading.monitor,
        "n": int(reading.n),
        "reference": _number(reading.reference),
        "reference_id": reading.reference_id,
        "scope": reading.scope,
        "segment": segment_of(group),
        "series": reading.series,
        "start": rfc3339(reading.start),
        "value": _number(reading.value),
        "version": group.version,
    }
    said, (key, about) = in_order(data), _about(group.model, group.version)
    event = _READING % (said, _digest(said).encode(), _quoted(source), about, rfc3339(reading.end).encode())
    return Message(key, event, CLOUD_EVENT_HEADERS)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that was refused: where it stood, why, and its original bytes.

    `size` and `sha256` are of the whole original value, also where only its beginning is kept (`truncated`).
    """

    topic: str
    partition: int
    offset: int
    index: int
    reason: str
    detail: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    size: int
    sha256: str
    truncated: bool = False
    timestamp: int = -1
    """Of the record, in milliseconds; -1 for none."""


def dead_letter(
    ref: tuple[str, int, int, int],
    reason: str,
    detail: str,
    *,
    key: bytes | None,
    value: bytes | None,
    headers: Headers = (),
    most: int | None = None,
    timestamp: int = -1,
) -> DeadLetter:
    """A dead letter for what stood at `ref` (topic, partition, offset, index); keeps `most` bytes of it, or all."""
    kept = value if value is None or most is None else value[:most]
    size, whole = len(value or b""), sha256(value or b"").hexdigest()
    truncated = kept is not None and len(kept) < size
    return DeadLetter(*ref, reason, text(detail), key, kept, tuple(headers), size, whole, truncated, timestamp)


def dead_letter_message(letter: DeadLetter) -> Message:
    """The dead letter as it is sent, under the key of the original."""
    ref = {"topic": letter.topic, "partition": letter.partition, "offset": letter.offset, "index": letter.index}
    body = {
        "ref": ref,
        "timestamp": letter.timestamp if letter.timestamp >= 0 else None,
        "reason": letter.reason,
        "detail": letter.detail,
        **_named("key", letter.key),
        **_named("value", letter.value),
        "headers": _headers(letter.headers),
        "size": letter.size,
        "truncated": letter.truncated,
        "sha256": letter.sha256,
    }
    return Message(letter.key, orjson.dumps(body))


def shortened(message: Message, most: int = LARGEST_VALUE) -> Message:
    """A dead letter that the broker refused as too large, with the first `most` bytes of the original and no headers.

    Its key leaves as well if it alone is larger than that, and its detail is cut. Raises ValueError if it is none.
    """
    letter = parse_dead_letter(message.value or b"")
    room = max(most, SHORTEST)
    key = None if letter.key is not None and len(letter.key) > room else letter.key
    value = letter.value if letter.value is None else letter.value[:most]
    cut = letter.truncated or len(value or b"") < len(letter.value or b"")
    detail = letter.detail[:room]
    return dead_letter_message(replace(letter, key=key, value=value, detail=detail, headers=(), truncated=cut))


def parse_dead_letter(data: bytes) -> DeadLetter:
    """The dead letter that was sent as these bytes. Raises ValueError if they are none."""
    try:
        body = orjson.loads(data)
        ref = body["ref"]
        letter = DeadLetter(
            ref["topic"], ref["partition"], ref["offset"], ref["index"], body["reason"], body["detail"],
            _unnamed("key", body), _unnamed("value", body), _unheaders(body["headers"]),
            body["size"], body["sha256"], body["truncated"], -1 if body.get("timestamp") is None else body["timestamp"],
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not a dead letter: {error}") from error
    texts = (letter.topic, letter.reason, letter.detail, letter.sha256, *(name for name, _ in letter.headers))
    numbers = (letter.partition, letter.offset, letter.index, letter.size, letter.timestamp)
    if {*map(type, texts)} != {str} or {*map(type, numbers)} != {int} or type(letter.truncated) is not bool:
        raise ValueError("not a dead letter: a field is of another type than it should be")
    if letter.timestamp >= _NO_TIME_MS:
        raise ValueError(f"not a dead letter: {letter.timestamp} is no time")
    return letter


@dataclass(frozen=True, slots=True)
class Consumed:
    """One record as it was read. `timestamp` in milliseconds, -1 for none; a value of None is a tombstone."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


def dump_line(record: Consumed) -> bytes:
    """A line of a dump, without its end."""
    return orjson.dumps(
        {
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "timestamp": record.timestamp,
            "key": _carried(record.key),
            "headers": _headers(record.headers),
            "value": _carried(record.value),
        }
    )


def control_line(kind: str, fields: Mapping[str, Any]) -> bytes:
    """A line of a dump that says what was decided, not what was read: `floor`, `closed`, `explained`, `gap`"""
    return orjson.dumps({"control": kind, **fields})


def parse_dump_line(line: bytes) -> Consumed | dict[str, Any]:
    """A record, or the fields of a control line (with `control`). Raises ValueError if the line is neither."""
    try:
        body = orjson.loads(line)
        if "control" in body:
            return dict(body)
        return Consumed(
            body["topic"], body["partition"], body["offset"], body["timestamp"],
            _original(body["key"]), _original(body["value"]), _unheaders(body["headers"]),
        )  # fmt: skip
    except (KeyError, TypeError, AttributeError, orjson.JSONDecodeError) as error:
        raise ValueError(f"not a line of a dump: {error}") from error


def looks_like_dump(line: bytes) -> bool:
    """Whether a file that begins with this line is a dump; else it is plain events."""
    try:
        body = orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return isinstance(body, dict) and ("control" in body or {"topic", "partition", "offset", "value"} <= body.keys())


def _carried(data: bytes | None) -> str | dict[str, str] | None:
    """Bytes in JSON: as text where they are UTF-8, else in base 64; both lead back to the same bytes."""
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"b64": b64encode(data).decode()}


def _original(carried: str | dict[str, str] | None) -> bytes | None:
    if carried is None:
        return None
    return carried.encode() if isinstance(carried, str) else b64decode(carried["b64"], validate=True)


def _named(name: str, data: bytes | None) -> dict[str, str | None]:
    carried = _carried(data)
    return {f"{name}_b64": carried["b64"]} if isinstance(carried, dict) else {name: carried}


def _unnamed(name: str, body: Mapping[str, Any]) -> bytes | None:
    encoded = body.get(f"{name}_b64")
    return _original(body[name]) if encoded is None else b64decode(encoded, validate=True)


def _headers(headers: Headers) -> list[list[Any]]:
    return [[name, _carried(value)] for name, value in headers]


def _unheaders(headers: list[list[Any]]) -> tuple[tuple[str, bytes | None], ...]:
    return tuple((name, _original(value)) for name, value in headers)
