"""What leaves Vigil and what a dump keeps: bytes that lead back to what they were made from."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.envelopes import (
    LARGEST_VALUE,
    MOST_ITEMS,
    Consumed,
    canonical,
    cloud_event,
    control_line,
    dead_letter,
    dead_letter_message,
    dump_line,
    looks_like_dump,
    parse_dead_letter,
    parse_dump_line,
    plain,
    reading_message,
    shortened,
    subject_of,
)
from processors.base import Reading
from processors.profile import GroupKey

ANY_BYTES = st.none() | st.binary(max_size=40) | st.text(max_size=20).map(str.encode)
HEADERS = st.lists(st.tuples(st.text(max_size=8), ANY_BYTES), max_size=3).map(tuple)
OFFSETS = st.integers(0, 2**63 - 1)
HOUR = 3_600_000_000


@given(OFFSETS, st.integers(-1, 2**62), ANY_BYTES, ANY_BYTES, HEADERS)
def test_a_dump_gives_every_record_back_byte_for_byte(
    offset: int, timestamp: int, key: bytes | None, value: bytes | None, headers: Any
) -> None:
    """Invalid UTF-8, empty and absent keys, values and headers all survive; a line never contains a line's end."""
    record = Consumed("events", 3, offset, timestamp, key, value, headers)
    line = dump_line(record)
    assert parse_dump_line(line) == record
    assert b"\n" not in line
    assert looks_like_dump(line)


@given(OFFSETS, ANY_BYTES, ANY_BYTES, HEADERS)
def test_a_dead_letter_gives_the_original_back(
    offset: int, key: bytes | None, value: bytes | None, headers: Any
) -> None:
    """Original bytes, key and headers, whatever they are; size and sha256 are of the original value."""
    letter = dead_letter(("t", 0, offset, 7), "not_json", "detail", key=key, value=value, headers=headers)
    assert parse_dead_letter(dead_letter_message(letter).value or b"") == letter
    assert (letter.key, letter.value, letter.headers) == (key, value, headers)
    assert letter.sha256 == hashlib.sha256(value or b"").hexdigest()
    assert not letter.truncated


@given(st.binary(max_size=60), st.integers(0, 60))
def test_a_truncated_dead_letter_says_so_and_keeps_the_hash_of_the_whole(value: bytes, most: int) -> None:
    """Cutting may split a UTF-8 character; the beginning is kept exactly all the same."""
    letter = dead_letter(("t", 0, 1, 0), "too_large", "", key=None, value=value, most=most)
    again = parse_dead_letter(dead_letter_message(letter).value or b"")
    assert again.value == value[:most]
    assert (again.size, again.truncated) == (len(value), len(value) > most)
    assert again.sha256 == hashlib.sha256(value).hexdigest()


def test_what_the_broker_refuses_is_shortened_and_still_names_the_original() -> None:
    """ref, reason, sha256 and the first 64 KiB stay; headers and a giant key go."""
    value = "é".encode() * LARGEST_VALUE
    letter = dead_letter(("t", 1, 2, 3), "conflict", "d", key=b"k" * 100_000, value=value, headers=[("h", b"x" * 9)])
    short = shortened(dead_letter_message(letter))
    again = parse_dead_letter(short.value or b"")
    assert short.size < 2 * LARGEST_VALUE
    assert again.value == value[:LARGEST_VALUE]
    assert again.key is None
    assert again.truncated
    assert (again.offset, again.reason, again.size, again.sha256) == (2, "conflict", letter.size, letter.sha256)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"reason": 5}, {"size": "2"}, {"truncated": 0}, {"timestamp": "soon"}, {"timestamp": 2**63}, {"value": []},
        {"value_b64": "?"}, {"headers": [[1, "x"]]}, {"headers": [["x"]]}, {"headers": None}, {"ref": "t:0:1:0"},
        {"ref": {"topic": "t", "partition": 0, "offset": None, "index": 0}},
    ],
)  # fmt: skip
def test_what_only_looks_like_a_dead_letter_is_none(spoilt: dict[str, Any]) -> None:
    """A field of another type is a ValueError here, not trouble later."""
    letter = dead_letter(("t", 0, 1, 0), "not_json", "", key=None, value=b"{", timestamp=5)
    body = orjson.loads(dead_letter_message(letter).value or b"")
    assert parse_dead_letter(orjson.dumps(body)) == letter
    with pytest.raises(ValueError, match="not a dead letter"):
        parse_dead_letter(orjson.dumps(body | spoilt))


def test_a_control_line_keeps_its_fields_and_is_no_record() -> None:
    """A dump's decisions are told apart from its records by `control`."""
    line = control_line("closed", {"end": 10})
    assert parse_dump_line(line) == {"control": "closed", "end": 10}
    assert looks_like_dump(line)


@pytest.mark.parametrize("line", [b"", b"[1]", b"3", b'"x"', b"{", b'{"type":"prediction"}', b'{"topic":"t"}', b"null"])
def test_other_lines_are_refused_with_a_value_error(line: bytes) -> None:
    """Nothing but ValueError leaves the parsers, whatever the line holds."""
    assert not looks_like_dump(line)
    with pytest.raises(ValueError, match="not a"):
        parse_dump_line(line)
    with pytest.raises(ValueError, match="not a"):
        parse_dead_letter(line)


def _nested(depth: int) -> Any:
    return [_nested(depth - 1)] if depth else 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), None),
        (float("-inf"), None),
        (np.float64("inf"), None),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.array([1.0, np.nan]), [1.0, None]),
        ({2: (1, 2)}, {"2": [1, 2]}),
        (2**70, str(2**70)),
        ("\ud800", "?"),
        ({"b", "a"}, ["a", "b"]),
        (list(range(1000)), list(range(MOST_ITEMS))),
        ("x" * 10_000, "x" * 1_000),
        (_nested(9), [[[[[[None]]]]]]),
    ],
)
def test_evidence_becomes_plain_bounded_json(value: Any, expected: Any) -> None:
    """No NaN, no infinity, no numpy, no unbounded text, list or depth reaches an event."""
    assert plain(value) == expected


def _reading(**changes: Any) -> Reading:
    fields: dict[str, Any] = {
        "monitor": "performance", "series": "accuracy", "group": GroupKey("fraud", "3", "region", "eu"),
        "value": 0.1 + 0.2, "n": 1840, "start": 0, "end": HOUR, "low": float("nan"), "high": 0.9,
        "details": {"revision": np.int64(2)},
    }  # fmt: skip
    return Reading(**(fields | changes))


def test_a_reading_leaves_as_an_event_with_full_precision() -> None:
    """Floats are not rounded; what is not a number is null; the key is the version."""
    message = reading_message(_reading(), "vigil/g", "c0ffee")
    event = json.loads(message.value or b"")
    assert message.key == b"fraud/3"
    assert event["data"]["value"] == 0.1 + 0.2
    assert event["data"]["interval"] == [None, 0.9]
    assert event["data"]["segment"] == {"region": "eu"}
    assert event["data"]["details"] == {"revision": 2}
    assert event["time"] == "1970-01-01T01:00:00Z"


@given(st.dictionaries(st.text(max_size=5), st.floats() | st.dictionaries(st.text(max_size=3), st.none(), max_size=3)))
def test_the_keys_of_a_reading_ascend(details: dict[str, Any]) -> None:
    """So the same reading is the same bytes, whatever order its details were put in."""
    value = reading_message(_reading(details=details), "vigil/g", "c").value or b""
    assert value == canonical(orjson.loads(value))


@given(st.text(max_size=5), st.text(max_size=5), st.text(min_size=1, max_size=5), st.none() | st.floats())
def test_a_reading_is_written_as_every_event_is(model: str, version: str, source: str, bound: float | None) -> None:
    """Whatever has to be escaped in names, and whatever is not a number; an interval without bounds is none."""
    group = GroupKey(model, version)
    value = reading_message(_reading(group=group, low=bound, high=None, value=bound), source, "c").value or b""
    said = orjson.loads(value)
    subject = subject_of(group)
    event = cloud_event("vigil.reading", said["data"], source=source, event_id=said["id"], subject=subject, time=HOUR)
    assert value == event
    assert (said["data"]["value"], said["data"]["interval"]) == (
        (bound, [bound, None]) if known(bound) else (None, None)
    )


def known(number: float | None) -> bool:
    """Can JSON say it?"""
    return number is not None and math.isfinite(number)


def test_the_id_of_a_reading_is_a_hash_of_what_it_says() -> None:
    """Made again it is the same event; another revision is another."""
    first, again = (reading_message(_reading(), "vigil/g", "c") for _ in range(2))
    other = reading_message(_reading(details={"revision": 3}), "vigil/g", "c")
    assert first == again
    assert json.loads(first.value or b"")["id"] != json.loads(other.value or b"")["id"]
