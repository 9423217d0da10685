"""What is said, as messages; above all what must not be said."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from config import config_hash
from daemon.alerts.events import Events
from daemon.alerts.rules import Rules
from daemon.decode import Refusal
from daemon.envelopes import DeadLetter, parse_dead_letter
from daemon.records import Partition
from daemon.said import Said
from daemon.sinks.base import Message
from tests.daemon.messages import EVENTS, decoded, nested, prediction
from tests.integration.running import configured

SECRET = "4111-1111"  # noqa: S105 - nobody's


def letter(message: Any, redacted: tuple[str, ...] = ("card_*",)) -> DeadLetter:
    """The dead letter of a message that is refused, as it leaves."""
    (refusal,) = decoded(message).refused
    config = configured("{}")
    rules = Rules.configured(config)
    said = Said(Events.configured(config, rules.source, config_hash(config)), redacted)
    return parse_dead_letter(said.dead_letter(refusal).value or b"")


def bad(**fields: Any) -> dict[str, Any]:
    """A prediction that is refused for its score."""
    return prediction(score="high", **fields)


def test_a_dead_letter_holds_the_original_bytes() -> None:
    """Without redaction nothing is changed, not even white space."""
    original = b'  {"type" : "label" }  '
    assert letter(original, ()).value == original


@pytest.mark.parametrize(
    "message",
    [
        bad(features={"card_number": SECRET, "amount": 3}),
        bad(segment={"card_number": SECRET}),
        bad(features={"nested": [{"card_number": {"is": SECRET}}]}),
        bad(card_number=SECRET),
        prediction(attributions={"card_number": SECRET}),
        prediction(features=[{"card_number": SECRET}]),
        {"type": "guess", "card_number": SECRET},
        b'{"card_number": "' + SECRET.encode() + b'", oops',
        b'{"features":{"card_number":"' + SECRET.encode() + b'","more":' + b"[" * 400 + b"]" * 400 + b"}}",
        b'{"features":{"card_number":"' + SECRET.encode() + b'"}, "more":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    ],
)
def test_values_of_redacted_features_never_leave(message: Any) -> None:
    """Wherever in the event they stand, in the value or in the detail; what can't be read is withheld as a whole."""
    found = letter(message)
    assert SECRET not in (found.value or b"").decode()
    assert SECRET not in found.detail
    assert found.reason


def test_what_is_not_redacted_stays() -> None:
    """A redacted dead letter still tells what was wrong and where."""
    found = letter(bad(features={"card_number": SECRET, "amount": 3}))
    assert orjson.loads(found.value or b"")["features"] == {"card_number": "[redacted]", "amount": 3}
    assert (found.reason, found.topic, found.partition, found.offset) == ("bad_score", "events", 0, 0)


def test_a_repr_of_a_deep_value_is_short() -> None:
    """The detail is for people: a line, not a page."""
    refusal = decoded(prediction(prediction=nested(20) * 50)).refused[0]
    assert isinstance(refusal, Refusal)
    assert refusal.partition == EVENTS
    assert len(refusal.detail) < 200


def test_keys_and_headers_are_withheld_where_anything_is_redacted() -> None:
    """Nobody declared what they hold; only what says which event a replay is goes on, and a key that is an object."""
    headers = [("card", SECRET.encode()), ("vigil-ref", b"events:1:2:0"), ("vigil-ts", b"17")]

    def sent(key: bytes | None, patterns: tuple[str, ...]) -> tuple[Message, DeadLetter]:
        refusal = Refusal(Partition("events", 0), 7, 0, "bad_score", SECRET, key, b"{}", headers, timestamp=17)
        config = configured("{}")
        events = Events.configured(config, Rules.configured(config).source, config_hash(config))
        message = Said(events, patterns).dead_letter(refusal)
        return message, parse_dead_letter(message.value or b"")

    for key in (SECRET.encode(), b'{"card_number": "' + SECRET.encode() + b'"}', b"\xff"):
        message, found = sent(key, ("card_*",))
        assert SECRET.encode() not in (message.key or b"") + (message.value or b"")
        assert dict(found.headers) == {"card": b"[redacted]", "vigil-ref": b"events:1:2:0", "vigil-ts": b"17"}
        assert found.timestamp == 17
    message, found = sent(SECRET.encode(), ())
    assert message.key == found.key == SECRET.encode()
    assert list(found.headers) == headers
