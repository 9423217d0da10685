"""Decode: what is well formed becomes rows, what is not becomes a refusal, and neither stops the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.decode import Bounds, Decoded
from processors.profile.tokens import tokens_of
from processors.rows import AHEAD, BOOLEAN, MISSING, NUMBER, OTHER, TEXT, read_texts, text_hash
from tests.daemon.messages import START, decoded, decoder, label, nested, prediction, run, signal
from tests.integration.fleet import GARBAGE

MORE_GARBAGE: tuple[tuple[str, Any], ...] = (
    ("empty", b""),
    ("empty", b"\n\n"),
    ("not_json", b"\xef\xbb\xbf" + orjson.dumps(label())),
    ("not_json", b'{"type":"label","id":"x","model":"m","label":NaN}'),
    ("not_json", b'{"type":"label","id":"x","model":"m","label":Infinity}'),
    ("not_json", b'{"type":"label","id":"x","model":"m","label":1e999}'),
    ("not_json", b'{"type":"label","id":"\\ud800","model":"m","label":1}'),
    ("not_an_event", b"true"),
    ("not_an_event", [17]),
    ("not_an_event", [[label()]]),
    ("unknown_type", {"type": 1, "id": "x", "model": "m"}),
    ("unknown_type", {"type": ["label"], "id": "x", "model": "m"}),
    ("missing_type", {"type": None, "id": "x", "model": "m"}),
    ("bad_id", prediction(id="")),
    ("bad_id", prediction(id=None)),
    ("bad_id", prediction(id=1.5)),
    ("bad_id", prediction(id=True)),
    ("bad_id", prediction(id="i" * 1_025)),
    ("bad_model", prediction(model="")),
    ("bad_model", prediction(model={"name": "m"})),
    ("missing_model", signal(model=...)),
    ("bad_version", prediction(version="")),
    ("bad_version", prediction(version=2.5)),
    ("bad_version", signal(version=[1])),
    ("bad_prediction", prediction(prediction=None)),
    ("bad_label", label(label=None)),
    ("bad_label", label(label=[1])),
    ("bad_features", prediction(features="amount=3")),
    ("bad_features", prediction(features={f"f{n}": n for n in range(10_001)})),
    ("bad_proba", prediction(proba=[0.2, 0.8])),
    ("bad_proba", prediction(proba={"0": -0.1})),
    ("bad_proba", prediction(proba={"0": "0.1"})),
    ("bad_proba", prediction(proba={"0": True})),
    ("bad_proba", prediction(proba={"0": None})),
    ("bad_segment", prediction(segment="eu")),
    ("bad_segment", prediction(segment={"region": ["eu"]})),
    ("bad_attributions", prediction(attributions={"amount": "much"})),
    ("bad_attributions", prediction(attributions={"amount": None})),
    ("bad_score", prediction(score=True)),
    ("bad_latency_ms", prediction(latency_ms="3 ms")),
    ("missing_name", signal(name=...)),
    ("bad_name", signal(name="")),
    ("missing_value", signal(value=...)),
    ("bad_value", signal(value=None)),
    ("bad_value", signal(value=[1])),
    ("bad_ts", prediction(ts="")),
    ("bad_ts", prediction(ts=[1])),
    ("bad_ts", prediction(ts=True)),
    ("bad_ts", label(ts=-1)),
    ("bad_ts", label(ts="1969-12-31T23:59:59Z")),
    ("bad_ts", label(ts="2262-01-01T00:00:00Z")),
    ("bad_ts", signal(ts=9.3e18)),
    ("bad_ts", signal(ts="2026-02-30T00:00:00Z")),
    ("too_deep", prediction(features={"a": nested(31)})),
    ("too_deep", label(more=nested(32))),
    ("too_deep", b"[" * 100_000),
    ("too_deep", b'[{"type":"label","more":' + b"[" * 300 + b"]" * 300 + b"}]"),
    ("too_deep", b'{"type":"label","more":' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}"),
)
"""(reason, message) beside those that the tests on a real broker send."""


def rows(found: Decoded) -> int:
    """Rows of all kinds."""
    return len(found.predictions) + len(found.labels) + len(found.signals)


@pytest.mark.parametrize(("reason", "message"), [*GARBAGE, *MORE_GARBAGE])
def test_what_is_wrong_is_refused_with_its_reason(reason: str, message: Any) -> None:
    """A bad message is one refusal with a code and a detail for people, and no row; good ones around it stay."""
    found = decoded(prediction(id="before"), message, prediction(id="after"))
    assert [refusal.reason for refusal in found.refused] == [reason]
    assert found.refused[0].detail
    assert read_texts(found.predictions.id) == ["before", "after"]
    assert found.received == 3


def test_there_are_garbage_messages_of_at_least_twenty_five_kinds() -> None:
    """The tables above are the list of reasons that operators meet."""
    assert len({reason for reason, _ in (*GARBAGE, *MORE_GARBAGE)}) >= 25


def test_a_refusal_keeps_where_it_stood_and_its_bytes() -> None:
    """A dead letter leads back to partition, offset and index, and holds the original bytes, key and headers."""
    records = run([prediction(), b"{oops"])
    records.keys[1], records.headers[1] = b"k", [("trace", b"1")]
    (refusal,) = decoder().decode(records).refused
    assert (refusal.partition, refusal.offset, refusal.index) == (records.partition, 1, 0)
    assert (refusal.value, refusal.key, list(refusal.headers)) == (b"{oops", b"k", [("trace", b"1")])
    assert refusal.clock == START


@pytest.mark.parametrize("form", ["array", "lines"])
def test_one_bad_event_in_a_message_condemns_itself_alone(form: str) -> None:
    """Of many events in a message only the bad one is refused, with its own index and, of lines, its own bytes."""
    events = [orjson.dumps(prediction(id=f"r{n}")) for n in range(5)]
    events[1] = b'{"type":"prediction","id":"r1"}'
    events[3] = b'"stray"'
    if form == "lines":
        events[3] = b"{broken"
    found = decoded(b"[" + b",".join(events) + b"]" if form == "array" else b"\n".join(events))
    assert read_texts(found.predictions.id) == ["r0", "r2", "r4"]
    assert found.predictions.ref.index.tolist() == [0, 2, 4]
    reasons = ["missing_model", "not_an_event" if form == "array" else "not_json"]
    assert [(refusal.index, refusal.reason) for refusal in found.refused] == [(1, reasons[0]), (3, reasons[1])]
    assert [refusal.value for refusal in found.refused] == [events[1], events[3]]


@given(st.data())
def test_what_is_refused_of_an_array_is_cut_out_as_it_was_written(data: Any) -> None:
    """Digits beyond 64 bits, repeated names, escapes, brackets in texts, white space inside: all of it is kept."""
    ugly = (
        b'{"id": 123456789012345678901234567890}', b'{"a":1,"a":  2.50E+1}', b'"]},\\"[{,"', b"[]", b"{}", b"17",
        b'{"type":"label","id":"x","model":"m","label":{"]":["}"]}}', b"null", b'{"type":"\\u00e4"}', b'[[1],{"a":[]}]',
    )  # fmt: skip
    good = orjson.dumps(label())
    items = data.draw(st.lists(st.sampled_from([*ugly, good]), min_size=1, max_size=8))
    space = data.draw(st.sampled_from([b"", b" ", b"\n\t", b"\r\n  "]))
    message = space + b"[" + space + (space + b"," + space).join(items) + space + b"]" + space
    found = decoded(message)
    assert [refusal.value for refusal in found.refused] == [item for item in items if item != good]
    assert [refusal.index for refusal in found.refused] == [n for n, item in enumerate(items) if item != good]


def test_dead_letters_of_a_message_are_together_no_longer_than_it() -> None:
    """However many events of an array are refused, and for whatever: none carries the message as a whole."""
    deep = b'{"type":"label","more":' + b"[" * 400 + b"]" * 400 + b"}"
    message = b"[" + b",".join([deep] * 1_000) + b"]"
    found = decoded(message)
    assert {refusal.reason for refusal in found.refused} == {"too_deep"}
    assert sum(len(refusal.value) for refusal in found.refused) < len(message)


@pytest.mark.parametrize("event", [prediction(), label(), signal(), prediction(ts=None)])
def test_what_has_no_time_at_all_is_refused(event: dict[str, Any]) -> None:
    """Neither a `ts` nor a timestamp of its record: nobody knows in which pane it belongs. Others are not harmed."""
    found = decoder().decode(run([event, event | {"ts": START}, event], ms=[-1, -1, START // 1000]))
    assert [(refusal.offset, refusal.reason) for refusal in found.refused] == [(0, "no_time")]
    assert rows(found) == 2


def test_events_of_a_reference_need_no_time() -> None:
    """What normal looks like is asked of them, not when."""
    found = decoder(timeless=True).decode(run([prediction(), label()], ms=[-1, -1]))
    assert (rows(found), found.refused) == (2, [])


def test_a_first_record_that_is_ahead_of_the_present_tells_no_time() -> None:
    """What is believed of the partition later places events; before that an event from the future has no place."""
    year = 365 * 86_400_000
    ms = [START // 1000 + year, START // 1000, START // 1000 + year]
    found = decoder().decode(run([label(), label(id="y"), label(id="z")], ms=ms), START)
    assert [(refusal.offset, refusal.reason) for refusal in found.refused] == [(0, "no_time")]
    assert found.labels.time.tolist() == [START, START]
    assert found.labels.flags.tolist() == [0, AHEAD]


@pytest.mark.parametrize("ms", [-(2**63), -2, 2**63 - 1, 9_300_000_000_000])
def test_records_may_have_any_timestamp(ms: int) -> None:
    """Kafka takes 64 bits from any producer: before 1970 is none, after 2262 is ahead of the present."""
    subject = decoder()
    found = subject.decode(run([label(ts=START)] * 2, ms=[START // 1000, ms]), START)
    assert found.labels.time.tolist() == [START, START]
    assert subject._clocks.ahead == (ms > 0)


@pytest.mark.parametrize("way", [lambda number: number, str])
def test_whole_numbers_are_exact_classes_whatever_their_size(way: Any) -> None:
    """Neighbours beyond 2^53, which float64 takes for one number, are two classes; as numbers and as texts alike."""
    values = [2**53, 2**53 + 1, 2**60, 2**60 + 1, 2**60 + 2, -(2**63), -(2**63) + 1, 2**64 - 1, 2**64 - 2]
    both = decoded(*(label(label=way(value)) for value in values), *(label(label=str(value)) for value in values))
    tokens = tokens_of(both.labels.label).tolist()
    assert len(set(tokens)) == len(values)
    assert tokens[: len(values)] == tokens[len(values) :]
    assert decoded(label(label=float(2**60))).labels.label.same(both.labels.label.take(np.array([2]))).all()


@pytest.mark.parametrize("field", ["id", "model", "version"])
def test_ids_are_whole_numbers_of_64_bits_or_texts(field: str) -> None:
    """Beyond them JSON parsers round, and a rounded id would join what does not belong together: it is refused."""
    big = 2**64 - 1
    taken = decoded(prediction(**{field: big}), prediction(**{field: str(10**40)}), prediction(**{field: -(2**63)}))
    assert taken.refused == []
    (refused,) = decoded(orjson.dumps(prediction(**{field: 7})).replace(b"7", str(10**40).encode())).refused
    assert refused.reason == f"bad_{field}"
    assert str(10**40).encode() in refused.value


@pytest.mark.parametrize(
    ("reason", "event"),
    [
        ("bad_prediction", prediction(prediction="c" * 1_025)),
        ("bad_label", label(label="c" * 1_025)),
        ("bad_features", prediction(features={"n" * 1_025: 1})),
        ("bad_proba", prediction(proba={"c" * 1_025: 0.5})),
        ("bad_segment", prediction(segment={"n" * 1_025: 1})),
        ("bad_segment", prediction(segment={"region": "v" * 1_025})),
        ("bad_attributions", prediction(attributions={"n" * 1_025: 1})),
        ("bad_version", prediction(version="v" * 1_025)),
        ("bad_name", signal(name="n" * 1_025)),
    ],
)
def test_names_have_a_greatest_length(reason: str, event: dict[str, Any]) -> None:
    """What stands in alerts, tables and state for as long as a model lives can't be a novel."""
    found = decoded(prediction(), event, label(), signal())
    assert [refusal.reason for refusal in found.refused] == [reason]


def test_a_feature_may_be_a_novel_but_only_its_beginning_is_kept() -> None:
    """Prompts and documents are features too; equal ones are equal, and other ones differ, wherever they differ."""
    novel = "It was a dark and stormy night. " * 2_000
    texts = [novel, novel + "x", novel, "x" + novel]
    found = decoded(*(prediction(features={"text": text}) for text in texts)).predictions
    bits = found.features.values.bits.tolist()
    assert (bits[0] == bits[2], len(set(bits))) == (True, 3)
    shown = [found.names.text(name) for name in bits]
    assert len(set(shown)) == 3
    assert max(map(len, shown)) <= 1_024
    assert shown[0].startswith("It was a dark")
    assert len(set(found.content.tolist())) == 3


@pytest.mark.parametrize(
    "name", ["a\x00b", "\x1f", " ", "\u202eevil", "\U0001f600" * 256, "\n", "..", "a/b", "'; DROP", "%s{0}"]
)
def test_names_may_be_ugly(name: str) -> None:
    """Any text of JSON names a model, an id, a class, a feature or a segment."""
    event = prediction(id=name, model=name, version=name, prediction=name, features={name: name}, segment={name: name})
    found = decoded(event).predictions
    assert read_texts(found.id) == [name]
    assert found.names.text(int(found.model[0])) == name


def test_tombstones_are_no_events() -> None:
    """A record without a value, as compaction leaves them, is neither row nor refusal."""
    found = decoded(None, prediction(), None)
    assert (found.received, rows(found), found.refused) == (1, 1, [])


def test_empty_arrays_and_blank_lines_hold_no_events() -> None:
    """An empty batch is no mistake."""
    found = decoded(
        b"[]", b'{"type":"label","id":"a","model":"m","label":1}\n\n{"type":"label","id":"b","model":"m","label":1}\n'
    )
    assert (found.received, read_texts(found.labels.id), found.labels.ref.index.tolist()) == (2, ["a", "b"], [0, 1])


def test_too_large_and_too_many_are_refused_as_a_whole() -> None:
    """Bounds hold before any event of the message is looked at."""
    bounds = Bounds(message_bytes=1_000, events=3)
    found = decoded(prediction(id="i" * 1_000), [label()] * 4, [label()] * 3, bounds=bounds)
    assert [refusal.reason for refusal in found.refused] == ["too_large", "too_many_events"]
    assert len(found.labels) == 3


@pytest.mark.parametrize("depth", [4, 32, 200])
def test_nesting_is_taken_down_to_the_limit_and_no_further(depth: int) -> None:
    """The event is the first level, its features the second; braces in texts don't count."""
    bounds = Bounds(depth=depth)
    assert not decoded(prediction(features={"a": nested(depth - 2)}), bounds=bounds).refused
    assert not decoded(prediction(features={"a": "{[" * 300}), bounds=bounds).refused
    for deeper in (prediction(features={"a": nested(depth - 1)}), [prediction(features={"a": nested(depth - 1)})]):
        assert [refusal.reason for refusal in decoded(deeper, bounds=bounds).refused] == ["too_deep"]


def test_whole_numbers_serve_as_names() -> None:
    """Ids, models and versions may be integers; they are the texts that they read as."""
    numbers, texts = (
        decoded(prediction(id=i, model=m, version=v)).predictions for i, m, v in ((17, 4, 3), ("17", "4", "3"))
    )
    assert read_texts(numbers.id) == read_texts(texts.id) == ["17"]
    for column in ("key", "model", "version"):
        assert getattr(numbers, column).tolist() == getattr(texts, column).tolist()


def test_a_label_has_the_key_of_its_prediction() -> None:
    """The join key is a hash of (model, id): equal for equal pairs, different where either differs."""
    found = decoded(
        prediction(), prediction(version="2"), label(), label(id="y"), label(model="n"), prediction(id="y", model="n")
    )
    keys = found.predictions.key.tolist(), found.labels.key.tolist()
    assert keys[0][0] == keys[0][1] == keys[1][0]
    assert len({*keys[0], *keys[1]}) == 4


def test_ways_to_write_a_class_are_one_class() -> None:
    """1, "1", 1.0, "1.0" and true are the number 1; 0, -0.0 and false are 0; other texts stay texts."""
    ones = decoded(*(label(label=value) for value in (1, "1", 1.0, "1.0", "1e0", True))).labels.label
    zeros = decoded(*(label(label=value) for value in (0, "0", -0.0, "-0", False))).labels.label
    texts = decoded(*(label(label=value) for value in ("yes", "nan", "inf", "1_0", ""))).labels
    assert len(set(tokens_of(ones).tolist())) == len(set(tokens_of(zeros).tolist())) == 1
    assert (ones.kind == NUMBER).all()
    assert ones.numbers().tolist() == [1.0] * 6
    assert zeros.numbers().tolist() == [0.0] * 5
    assert (texts.label.kind == TEXT).all()
    assert [texts.names.text(bits) for bits in texts.label.bits.tolist()] == ["yes", "nan", "inf", "1_0", ""]


def test_feature_values_of_any_kind_are_taken() -> None:
    """Numbers, texts, booleans, null, arrays and objects; a feature is not refused for what it holds."""
    values = {"a": 1.5, "b": "CN", "c": True, "d": None, "e": [1, [2]], "f": {"g": 1}}
    text = orjson.dumps(prediction(features=values)).replace(b'"g":1}', b'"g":1},"h":10000000000000000000000000')
    features = decoded(text).predictions.features
    assert features.values.kind.tolist() == [NUMBER, TEXT, BOOLEAN, MISSING, OTHER, OTHER, NUMBER]
    assert features.values.numbers()[[0, 2, 6]].tolist() == [1.5, 1.0, 1e25]


def test_of_a_name_that_stands_twice_the_last_value_holds() -> None:
    """Duplicate keys of an object are no error in JSON; here as in Python the last one holds."""
    found = decoded(b'{"type":"label","id":"x","id":"y","model":"m","label":0,"label":1}')
    assert (read_texts(found.labels.id), found.labels.label.numbers().tolist()) == (["y"], [1.0])


def test_absent_and_null_are_the_same_where_a_field_is_optional() -> None:
    """A server that writes every field, null where it has nothing, is understood."""
    optional = ("version", "ts", "features", "score", "proba", "segment", "latency_ms", "attributions")
    found = decoded(prediction(), prediction(**dict.fromkeys(optional))).predictions
    assert len(set(found.content.tolist())) == 1
    assert np.isnan(found.score).all()
    assert np.isnan(found.latency_ms).all()
    assert found.version.tolist() == [text_hash("")] * 2


def test_content_tells_a_repetition_from_a_contradiction() -> None:
    """Equal events have equal content wherever they stand; another value, score, time or feature makes another."""
    one = prediction(ts=START, score=0.5, features={"a": 1, "b": "x"})
    others: list[dict[str, Any]] = [
        {"prediction": 2}, {"score": 0.25}, {"ts": START + 1}, {"features": {"a": 2, "b": "x"}},
        {"features": {"a": 1, "b": "y"}}, {"features": {"a": 1, "c": "x"}}, {"features": {"a": "x", "b": 1}},
    ]  # fmt: skip
    first = decoded(one).predictions.content[0]
    among = decoded(prediction(features={"z": 9}), *(one | other for other in others), one).predictions.content
    assert among[-1] == first
    assert len(set(among.tolist())) == len(others) + 2


def test_content_does_not_depend_on_what_stands_beside() -> None:
    """The same event, alone or among others with features or without, is the same event. (Found by fuzzing.)"""
    bare, full = prediction(ts=START), prediction(ts=START, features={"a": 1})
    alone = [decoded(event).predictions.content[0] for event in (bare, full)]
    assert decoded(bare, full).predictions.content.tolist() == alone
    assert decoded(full, bare, bare).predictions.content.tolist() == [alone[1], alone[0], alone[0]]


def test_features_can_serve_as_segments() -> None:
    """Names that the configuration lifts become segments; a segment of the event itself goes first."""
    found = decoder(lifted={"m": ("country", "absent")}).decode(
        run([prediction(features={"country": "CN"}), prediction(features={"country": "CN"}, segment={"country": "DE"})])
    )
    segments = found.predictions.segments
    names = found.predictions.names
    assert [names.layouts[layout] for layout in segments.layout.tolist()] == [("country",)] * 2
    assert [names.text(bits) for bits in segments.values.bits.tolist()] == ["CN", "DE"]


@given(st.lists(st.none() | st.binary(max_size=60), max_size=8))
def test_bytes_of_any_kind_are_taken_in(values: list[bytes | None]) -> None:
    """Nothing that a record may hold raises, and what was received is what became rows or refusals."""
    found = decoder().decode(run(values))
    assert found.received == rows(found) + len(found.refused)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
FIELDS = ("id", "model", "version", "ts", "prediction", "label", "features", "score", "proba", "segment", "latency_ms",
          "attributions", "name", "value")  # fmt: skip
EVENT = st.fixed_dictionaries(
    {"type": st.sampled_from(["prediction", "label", "signal"])}, optional=dict.fromkeys(FIELDS, JSON)
)


@given(st.lists(EVENT | JSON | st.lists(EVENT, max_size=3), max_size=6), st.integers(0, 6))
def test_json_of_any_kind_is_taken_in_whatever_the_batch(values: list[Any], cut: int) -> None:
    """Any values in any fields: each event is one row or one refusal, the same ones however the run is cut."""
    whole = decoder().decode(run(values))
    assert whole.received == rows(whole) + len(whole.refused)
    assert whole.received == sum(len(value) if isinstance(value, list) else value is not None for value in values)
    halves = decoder()
    parts = [halves.decode(run(values[:cut])), halves.decode(run(values[cut:], first=cut))]
    for kind in ("predictions", "labels", "signals"):
        rejoined = [list(zip(*(column for column in _columns(getattr(part, kind))), strict=True)) for part in parts]
        assert rejoined[0] + rejoined[1] == list(zip(*_columns(getattr(whole, kind)), strict=True))
    assert [r.reason for part in parts for r in part.refused] == [r.reason for r in whole.refused]


def _columns(table: Any) -> list[Any]:
    """What can be compared of a table, column by column."""
    names = [name for name in ("time", "ts", "key", "content", "model", "name") if hasattr(table, name)]
    return [table.ref.offset.tolist(), table.ref.index.tolist(), *(getattr(table, name).tolist() for name in names)]
