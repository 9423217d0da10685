"""Ordinary events are read by compiled loops, with the same result as all others."""

from __future__ import annotations

import math
import random
import struct
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.clocks import Clocks
from daemon.codecs.native import Native
from daemon.decode import Bounds, Decoded, Decoder
from daemon.decode.scanning import words as scanning_words
from daemon.decode.scanning.decimals import nearest
from daemon.decode.scanning.scanner import Scanner
from daemon.decode.scanning.syntax import number, skip
from daemon.records import Partition, Run
from processors.rows import Names, Table, read_texts
from tests.daemon.messages import SECOND, START, label, prediction, signal

texts = st.text(max_size=5) | st.sampled_from(["1", "1.0", "-0", "a", "nan", "é", "01", "x" * 1_025])
wholes = st.integers(-(2**64), 2**65) | st.integers(-5, 5) | st.just(2**53)
floats = st.floats(allow_nan=False, allow_infinity=False) | st.floats(0, 1).map(lambda x: round(x, 3))
plain = st.none() | st.booleans() | wholes | floats | texts
anything = st.recursive(plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3))
times = st.sampled_from(
    [
        START // 1000, START // 1_000_000, START // 1_000_000 + 0.25, START, START * 1000, -1, 9.3e18, None,
        "2026-11-22T03:00:00Z", "2026-11-22T03:00:00.123Z", "2024-02-29T23:59:59.123456+00:00", "2026-02-29T00:00:00Z",
        "2026-11-22t03:00:00z", "2026-11-22T03:00:00+01:00", "2026-11-22", "2262-01-01T00:00:00Z",
        "1970-01-01T00:00:00Z",
    ]
)  # fmt: skip
mappings = st.none() | anything | st.dictionaries(texts, plain, max_size=4)
fields = {
    "type": st.sampled_from(["prediction", "label", "signal"]) | anything,
    "id": texts | wholes | anything,
    "model": st.sampled_from(["m", "n"]) | anything,
    "version": texts | wholes,
    "ts": times | anything,
    "prediction": plain,
    "label": plain,
    "score": plain,
    "latency_ms": plain,
    "features": mappings,
    "proba": mappings | st.dictionaries(texts, st.floats(0, 1), max_size=3),
    "segment": mappings,
    "attributions": mappings | st.dictionaries(texts, floats, max_size=3),
    "trace": anything,
}
ordinary = {
    "id": "r-1", "model": "m", "version": "3", "ts": START // 1000, "prediction": 1, "label": 0, "score": 0.25,
    "features": {"amount": 12.5, "country": "CN", "new": True, "none": None},
    "segment": {"region": "eu"}, "proba": {"0": 0.75, "1": 0.25}, "attributions": {"amount": -0.1},
}  # fmt: skip


class Slow(Native):
    """The same codec, not known to be plain, so that nothing is scanned."""

    plain = False


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    """An ordinary event in any order, with some fields changed, left out or added."""
    kind = draw(st.sampled_from(["prediction", "label"]))
    event: dict[str, Any] = {"type": kind, **ordinary}
    del event["label" if kind == "prediction" else "prediction"]
    if kind == "label":
        event = {field: event[field] for field in ("type", "id", "model", "ts", "label")}
    for field in draw(st.lists(st.sampled_from(sorted(fields)), max_size=3)):
        if draw(st.booleans()):
            event.pop(field, None)
        else:
            event[field] = draw(fields[field])
    return {field: event[field] for field in draw(st.permutations(sorted(event)))}


@st.composite
def messages(draw: st.DrawFn) -> bytes | None:
    """An event or several as JSON, written in one of many ways, sometimes damaged."""
    if draw(st.integers(0, 30)) == 0:
        return draw(st.none() | st.binary(max_size=20))
    many = draw(st.just(None) | st.lists(events(), max_size=3))
    said: Any = draw(events()) if many is None else many
    try:
        found = orjson.dumps(said, option=draw(st.sampled_from([0, orjson.OPT_INDENT_2])))
    except TypeError:  # whole numbers beyond 64 bits, lone surrogates
        import json

        found = json.dumps(said, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 3)) == 0 and found:
        place = draw(st.integers(0, len(found) - 1))
        piece = draw(st.binary(max_size=2) | st.sampled_from([b'"', b"\\", b",", b"}", b"e5", b".", b"-", b" ", b"\n"]))
        found = found[:place] + piece + found[place + draw(st.integers(0, 2)) :]
    return found


def read(sent: list[bytes | None], codec: Native, **options: Any) -> Decoded:
    """The messages through a decoder of their own, as records with a timestamp each but for some."""
    times = [-1 if n % 5 == 3 else START // 1000 + 1_000 * n for n in range(len(sent))]
    run = Run(Partition("events", 0), list(range(7, 7 + len(sent))), times, [None] * len(sent), sent, [()] * len(sent))
    return Decoder({}, codec, Clocks(10 * SECOND, 300 * SECOND), Bounds(depth=9), **options).decode(run, START)


def told(found: Decoded) -> list[Any]:
    """All columns and refusals, comparable."""
    tables = [found.predictions, found.labels, found.signals]
    return [*(columns(table) for table in tables), found.refused, found.received]


def columns(table: Table) -> dict[str, Any]:
    """A table's columns as lists; floats by their bits."""
    found: dict[str, Any] = {}
    for name in table._columns():
        column = getattr(table, name)
        if isinstance(column, Table):
            found[name] = columns(column)
        elif name == "id":  # UTF-8 where nobody asked for texts
            found[name] = read_texts(column)
        elif not isinstance(column, Names):
            found[name] = (column.view(np.int64) if column.dtype == np.float64 else column).tolist()
            found[f"{name} type"] = column.dtype
    return found


@given(st.lists(messages(), max_size=6), st.booleans())
def test_scanned_or_not_the_rows_are_the_same(sent: list[bytes | None], lifts: bool) -> None:
    """Whatever the messages are: every column, every refusal and its words, and all names that rows need."""
    options = {"lifted": {"m": ("amount", "region", "country")}} if lifts else {}
    scanned, slow = read(sent, Native(), **options), read(sent, Slow(), **options)
    assert told(scanned) == told(slow)
    for ours, theirs in ((scanned.predictions, slow.predictions), (scanned.labels, slow.labels)):
        assert ours.names.texts.items() >= theirs.names.texts.items()
        assert ours.names.layouts.items() | {(0, ())} >= theirs.names.layouts.items()


def test_ordinary_events_are_scanned() -> None:
    """The test above would pass if nothing were."""
    known = [
        prediction(**ordinary | {"label": ...}),
        label(id="r-1", label="yes"),
        [label(), prediction(ts="2026-11-22T03:00:00Z")],
    ]
    odd = [signal(), b"{", prediction(id="\u0001")]
    sent = [each if isinstance(each, bytes) else orjson.dumps(each) for each in (*known, *odd)]
    found = Scanner(Bounds()).scan(sent, Names())
    assert found.taken.tolist() == [True] * len(known) + [False] * len(odd)
    assert found.events.id.tolist() == [b"r-1", b"r-1", b"x", b"x"]


def test_words_begin_anew_when_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """And rows are still right; a batch that alone has too many words goes the other way."""
    scanner = Scanner(Bounds())
    most = scanning_words._WORDS
    sent = [orjson.dumps(prediction(id=n, features={"name": f"word {n}"})) for n in range(most // 2 + 100)]
    taken = [scanner.scan(sent[first:], Names()).taken for first in (0, 0)]
    other = [orjson.dumps(prediction(id=n, features={"name": f"other {n}"})) for n in range(most // 2 + 100)]
    found = scanner.scan(other, names := Names())
    assert taken[0].all()
    assert taken[1].all()
    assert found.taken.all()
    cells = found.events.features
    assert [names.text(bits) for bits in cells.values.bits[:3].tolist()] == ["other 0", "other 1", "other 2"]
    assert not scanner.scan([*sent, *other], Names()).taken.any()
    assert scanner.scan(sent[:3], Names()).taken.all()


def test_numbers_are_rounded_as_python_rounds_them() -> None:
    """Short, long, halfway and extreme decimals: the same bits, or left alone; of printed floats hardly any."""
    chance, scratch = random.Random(3), np.zeros(1, np.uint64)
    written = [repr(struct.unpack("<d", struct.pack("<Q", chance.getrandbits(63)))[0]) for _ in range(20_000)]
    written += [f"{chance.gauss(0, 1):.{chance.randrange(1, 18)}f}" for _ in range(20_000)]
    written += [
        f"{chance.randrange(10 ** chance.randrange(1, 20))}e{chance.randrange(-330, 310)}" for _ in range(20_000)
    ]
    written += [str(2**53 + chance.randrange(2**11)) + ".5" for _ in range(5_000)]
    written += [f"{chance.randrange(2**52, 2**53)}.5" for _ in range(5_000)]
    left = 0
    for row, text in enumerate(written):
        if not math.isfinite(float(text)):
            continue
        data = np.frombuffer(text.encode(), np.uint8)
        at, _, _, value = number(data, 0, len(data), scratch)
        left += at < 0 and row < 20_000
        assert at < 0 or (at == len(text) and value.hex() == float(text).hex()), text
    assert left < 100


def test_every_power_of_ten_is_right() -> None:
    """Its table is computed: the greatest and the least mantissa, and what is near them."""
    scratch = np.zeros(1, np.uint64)
    for power in range(-345, 310):
        for mantissa in (1, 3, 2**53 + 1, 2**63 + 1, 2**64 - 1, 10**19 - 1):
            value = nearest(np.uint64(mantissa), power, scratch)
            assert math.isnan(value) or value == float(f"{mantissa}e{power}")


@given(anything, st.binary(max_size=3), st.data())
def test_what_is_skipped_is_json(value: Any, piece: bytes, data: st.DataObject) -> None:
    """Nothing that orjson refuses is passed over, however it is damaged."""
    try:
        said = bytearray(orjson.dumps(value))
    except TypeError:
        return
    place = data.draw(st.integers(0, len(said) - 1))
    said[place : place + data.draw(st.integers(0, 2))] = piece
    if not said:
        return
    end = skip(np.frombuffer(bytes(said), np.uint8), 0, len(said), 30, np.zeros(1, np.uint64))
    if end >= 0:
        orjson.loads(said[:end])
