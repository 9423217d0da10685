"""The published schemas: what the code produces and what the documentation shows are what they say."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from daemon.alerts.advice import ADVICE, AFTERWARDS
from daemon.alerts.events import Events, Owner
from daemon.alerts.life import Life
from daemon.alerts.rules import Rules
from daemon.clocks import Clocks
from daemon.codecs.native import Native
from daemon.decode import Bounds, Decoder
from daemon.envelopes import (
    Consumed,
    control_line,
    dead_letter,
    dead_letter_message,
    digest,
    dump_line,
    reading_message,
    shortened,
)
from daemon.records import Partition, Run
from daemon.stamps import microseconds
from processors.base import Reading
from processors.profile import GroupKey
from tests.daemon.alerts.findings import Step, any_rules, histories, run

DOCS = Path(__file__).parents[2] / "docs"
SCHEMAS = {path.stem: json.loads(path.read_text()) for path in sorted((DOCS / "schemas").glob("*.json"))}
REGISTRY: Any = Registry().with_resources([(s["$id"], Resource.from_contents(s)) for s in SCHEMAS.values()])
EVENTS = Events("vigil/test", "c0ffee", lambda _model: Owner("ana", {"team": "risk"}))
ANY_BYTES = st.none() | st.binary(max_size=20) | st.text(max_size=8).map(str.encode)
HEADERS = st.lists(st.tuples(st.text(max_size=5), ANY_BYTES), max_size=2)


@cache
def schema(name: str) -> Any:
    """A validator of one of the schemas."""
    return Draft202012Validator(SCHEMAS[name], registry=REGISTRY, format_checker=Draft202012Validator.FORMAT_CHECKER)


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_schema_is_one(name: str) -> None:
    """Valid by the standard's own schema, under a name that is its file's."""
    Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["$id"] == f"urn:vigil:schema:{name}"


@settings(max_examples=60, deadline=None)
@given(any_rules(), histories())
def test_every_alert_that_is_sent_is_valid(life_rules: Rules, history: list[Step]) -> None:
    """Whatever happens to it: firing, explained, inhibited, resolved, retired."""
    life = Life(life_rules)
    for step in history:
        for message in EVENTS.messages(run(life, step)):
            if message.value is not None:
                schema("alert").validate(orjson.loads(message.value))


def test_every_action_has_its_advice_in_the_schema() -> None:
    """The list of actions is the code's."""
    assert set(SCHEMAS["alert"]["properties"]["data"]["properties"]["action"]["enum"]) == set(ADVICE)


@pytest.mark.parametrize("watermark", [None, 1_774_148_400_000_000])
def test_a_heartbeat_is_valid(watermark: int | None) -> None:
    """With and without a watermark."""
    message = EVENTS.heartbeat(1_774_148_400_123_456, watermark, {Partition("events", 0): 3}, 1)
    schema("heartbeat").validate(orjson.loads(message.value or b""))


NUMBERS = st.none() | st.floats()
DETAILS = st.dictionaries(st.text(max_size=5), st.floats() | st.integers() | st.text(max_size=5), max_size=3)
READINGS = st.builds(
    Reading,
    monitor=st.just("performance"),
    series=st.text(max_size=5),
    group=st.sampled_from([GroupKey("fraud", "3"), GroupKey("fraud", "", "region", "eu")]),
    value=NUMBERS,
    n=st.integers(0, 2**53),
    start=st.just(0),
    end=st.just(10_000_000),
    scope=st.sampled_from(["window", "cohort", "total"]),
    feature=st.none() | st.text(max_size=5),
    low=NUMBERS,
    high=NUMBERS,
    reference=NUMBERS,
    coverage=st.none() | st.floats(0, 1),
    details=DETAILS,
)


@given(READINGS)
def test_every_reading_that_is_sent_is_valid(reading: Reading) -> None:
    """Undefined values, open intervals and any details included."""
    schema("reading").validate(orjson.loads(reading_message(reading, "vigil/test", "c").value or b""))


@given(ANY_BYTES, ANY_BYTES, HEADERS, st.none() | st.integers(0, 9), st.integers(0, 9))
def test_every_dead_letter_is_valid(
    key: bytes | None, value: bytes | None, headers: Any, most: int | None, short: int
) -> None:
    """Any bytes, whole, truncated, or shortened because the broker refused it."""
    letter = dead_letter(("t", 0, 5, 1), "not_json", "d", key=key, value=value, headers=headers, most=most)
    message = dead_letter_message(letter)
    schema("dead-letter").validate(orjson.loads(message.value or b""))
    for each in (shortened(message), shortened(message, short)):
        schema("dead-letter").validate(orjson.loads(each.value or b""))


@given(ANY_BYTES, ANY_BYTES, HEADERS)
def test_every_line_of_a_dump_is_valid(key: bytes | None, value: bytes | None, headers: Any) -> None:
    """Records and control lines."""
    schema("dump").validate(orjson.loads(dump_line(Consumed("t", 0, 5, -1, key, value, tuple(headers)))))
    schema("dump").validate(orjson.loads(control_line("closed", {"until": 5})))


PREDICTION = {"type": "prediction", "id": "r-1", "model": "m", "prediction": 1}
LABEL = {"type": "label", "id": "r-1", "model": "m", "label": "yes"}
SIGNAL = {"type": "signal", "model": "m", "name": "loss", "value": 0.5}
GOOD: list[Any] = [
    PREDICTION,
    LABEL,
    SIGNAL,
    PREDICTION | {"id": 7, "model": 5, "version": 3, "ts": 1774148400, "prediction": "spam", "extra": [1]},
    PREDICTION | {"ts": "2026-11-22T03:00:00.123Z", "features": {"a": 1, "b": None, "c": [1]}, "score": 0.5},
    PREDICTION | {"proba": {"0": 0, "1": 1.0}, "segment": {"r": "eu", "n": 3, "x": None}, "latency_ms": 3},
    PREDICTION | {"version": None, "ts": None, "features": None, "proba": None, "segment": None, "score": None},
    PREDICTION | {"attributions": {"a": -0.5}, "prediction": True},
    LABEL | {"label": 0, "ts": 1774148400123},
]
BAD: list[Any] = [
    3,
    "text",
    {},
    {**PREDICTION, "type": "event"},
    {key: value for key, value in PREDICTION.items() if key != "id"},
    {key: value for key, value in PREDICTION.items() if key != "prediction"},
    PREDICTION | {"id": ""},
    PREDICTION | {"id": None},
    PREDICTION | {"id": 1.5},
    PREDICTION | {"id": "x" * 1025},
    PREDICTION | {"model": ["m"]},
    PREDICTION | {"version": ""},
    PREDICTION | {"version": {}},
    PREDICTION | {"prediction": None},
    PREDICTION | {"prediction": [1]},
    PREDICTION | {"ts": "yesterday"},
    PREDICTION | {"ts": -5},
    PREDICTION | {"ts": True},
    PREDICTION | {"features": [1]},
    PREDICTION | {"proba": {"0": 1.5}},
    PREDICTION | {"proba": {"0": "high"}},
    PREDICTION | {"segment": {"r": ["eu"]}},
    PREDICTION | {"attributions": {"a": None}},
    PREDICTION | {"score": "high"},
    PREDICTION | {"latency_ms": True},
    {key: value for key, value in LABEL.items() if key != "label"},
    LABEL | {"label": {}},
    SIGNAL | {"value": None},
    SIGNAL | {"value": "1"},
    {key: value for key, value in SIGNAL.items() if key != "name"},
]


def _taken(events: list[Any]) -> int:
    """How many of these events, in one message, the decoder takes."""
    data = orjson.dumps(events)
    decoder = Decoder({}, Native(), Clocks(10_000_000, 300_000_000), Bounds())
    decoded = decoder.decode(Run(Partition("t", 0), [0], [1_774_148_400_000], [None], [data], [()]))
    return len(decoded.predictions) + len(decoded.labels) + len(decoded.signals)


@pytest.mark.parametrize("event", GOOD, ids=lambda event: json.dumps(event)[:60])
def test_what_the_schema_allows_is_taken(event: Any) -> None:
    """Schema and decoder agree on what an event is."""
    schema("event").validate(event)
    schema("message").validate([event, event])
    assert _taken([event]) == 1


@pytest.mark.parametrize("event", BAD, ids=lambda event: json.dumps(event)[:60])
def test_what_the_schema_forbids_is_refused(event: Any) -> None:
    """The other way round; and one bad event in a message condemns itself alone."""
    assert not schema("event").is_valid(event)
    assert not schema("message").is_valid([PREDICTION, event])
    assert _taken([PREDICTION, event]) == 1


def _examples(page: str) -> list[Any]:
    """The JSON in a page: of each block one document, or one a line."""
    found = []
    for block in re.findall(r"```json\n(.*?)```", (DOCS / page).read_text(), re.DOTALL):
        try:
            found.append(json.loads(block))
        except json.JSONDecodeError:
            found += [json.loads(line) for line in block.splitlines() if line.strip()]
    return found


def _kind(example: Any) -> str:
    if isinstance(example, list):
        return "message"
    if "specversion" in example:
        return str(example["type"]).removeprefix("vigil.")
    if "ref" in example:
        return "dead-letter"
    return "dump" if "control" in example or "timestamp" in example else "event"


@pytest.mark.parametrize("page", ["events.md", "alerts.md", "alert-examples.md"])
def test_the_examples_in_the_documentation_are_valid(page: str) -> None:
    """Each by the schema of its kind."""
    for example in _examples(page):
        schema(_kind(example)).validate(example)


def test_the_documentation_shows_each_kind() -> None:
    """One real example of everything that has a schema, and of every end of an alert."""
    examples = _examples("events.md") + _examples("alerts.md")
    assert {_kind(example) for example in examples} == set(SCHEMAS)
    assert {example["type"] for example in examples if _kind(example) == "event"} == {"prediction", "label", "signal"}
    states = {example["data"]["state"] for example in examples if _kind(example) == "alert"}
    assert states == {"firing", "resolved", "retired", "superseded"}


def test_the_alerts_in_the_documentation_carry_their_true_names() -> None:
    """Fingerprint, id and advice are those that the code gives to such an alert."""
    for event in [example for example in _examples("alerts.md") if _kind(example) == "alert"]:
        data, time = event["data"], int(microseconds([event["time"]])[0])
        about = [event["source"], *(data[name] for name in ("monitor", "series", "model", "version"))]
        assert data["fingerprint"] == digest([*about, "", "", data["feature"]])
        assert event["id"] == digest([data["fingerprint"], data["sequence"], time])
        if data["state"] == "firing":
            assert data["advice"] == ADVICE[data["action"]]
        else:
            assert data["action"] == "none"
            assert data["advice"].startswith(
                AFTERWARDS[data["state"]] + (" It was expl" if "inhibited_by" in data else " While")
            )


def test_the_documentation_says_what_is_advised_word_for_word() -> None:
    """The reason of each action, and how the advice of each end begins."""
    page = (DOCS / "alerts.md").read_text()
    for name, words in [*ADVICE.items(), *AFTERWARDS.items()]:
        assert f"| `{name}` | {words} |" in page
