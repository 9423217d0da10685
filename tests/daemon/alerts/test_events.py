"""Alerts and heartbeats as CloudEvents."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings

from config import parse
from daemon.alerts.advice import ADVICE
from daemon.alerts.events import Events
from daemon.alerts.life import Life
from daemon.alerts.rules import Rules
from daemon.alerts.silences import Silence
from daemon.records import Partition
from processors.profile import GroupKey
from tests.daemon.alerts.findings import HOUR, PANE, Step, any_rules, finding, histories, rules, run

START = 1_774_148_400_000_000
CONFIG = """
kafka: {brokers: "b:9092", topics: events, group: fleet}
alerts:
  routing: {team: platform, tier: "1"}
  renotify: 2h
  silences:
    - {match: {model: "test-*"}, from: 2026-03-22T03:00:00Z, until: 2026-03-22T04:00:00Z, reason: trials, who: ana}
models:
  fraud: {owner: risk@example.com, routing: {team: risk}}
"""


@pytest.fixture(scope="module")
def events() -> Events:
    """As the configuration above says."""
    config = parse(CONFIG, {})
    return Events.configured(config, Rules.configured(config).source, "c0ffee")


def _event(value: bytes | None) -> dict[str, Any]:
    return dict(json.loads(value or b""))


def test_an_alert_is_the_event_of_the_design(events: Events) -> None:
    """Attributes, times in RFC 3339, the pane's end as `time`, the fingerprint as key, labels merged."""
    found = finding(since=START - HOUR, low=0.19, high=0.23, reference=0.12, evidence={"examples": ["r-17"]})
    (notice,) = Life(rules(renotify=4 * HOUR)).close(START, [found])
    message = events.message(notice)
    event = _event(message.value)
    data = event.pop("data")
    assert message.key == notice.fingerprint.encode()
    assert event == {
        "specversion": "1.0", "id": notice.id, "source": "vigil/fleet", "type": "vigil.alert", "subject": "fraud/3",
        "time": "2026-03-22T03:00:00Z", "datacontenttype": "application/json",
    }  # fmt: skip
    assert (data["state"], data["sequence"], data["since"]) == ("firing", 1, "2026-03-22T02:00:00Z")
    assert data["valid_until"] == "2026-03-22T15:00:00Z"
    assert (data["interval"], data["reference"], data["segment"]) == ([0.19, 0.23], 0.12, {})
    assert (data["labels"], data["owner"]) == ({"team": "risk", "tier": "1"}, "risk@example.com")
    assert (data["action"], data["advice"]) == ("retrain", ADVICE["retrain"])
    assert data["config_hash"] == "c0ffee"


def test_an_end_says_when_and_how_long_and_is_valid_for_ever(events: Events) -> None:
    """`ended` and `duration_s` from the onset; no `valid_until`."""
    life = Life(rules())
    life.close(START, [finding(since=START - HOUR, group=GroupKey("fraud", "3", "region", "eu"))])
    (notice,) = life.close(START + PANE, [finding("recovered", group=GroupKey("fraud", "3", "region", "eu"))])
    data = _event(events.message(notice).value)["data"]
    assert (data["state"], data["ended"], data["duration_s"]) == ("resolved", "2026-03-22T03:00:10Z", 3610.0)
    assert data["segment"] == {"region": "eu"}
    assert "valid_until" not in data


def test_what_is_forgotten_is_a_tombstone_and_what_is_held_back_does_not_leave(events: Events) -> None:
    """A compacted topic drops the key; a silenced alert leaves no trace in it."""
    life = Life(rules(keep=HOUR))
    notices = life.close(START, [finding()]) + life.close(START + PANE, [finding("recovered")])
    tombstone = events.messages(notices + life.close(START + 2 * HOUR))[-1]
    assert tombstone == (notices[0].fingerprint.encode(), None, ())
    quiet = Life(rules(silences=(Silence("ana", "trials"),)))
    assert events.messages(quiet.close(START, [finding()])) == []


def test_the_configuration_sets_the_rules() -> None:
    """Lengths, source and silences come from the section `alerts`."""
    configured = Rules.configured(parse(CONFIG, {}))
    assert (configured.source, configured.renotify, configured.min_hold) == ("vigil/fleet", 2 * HOUR, 300_000_000)
    trial = finding(group=GroupKey("test-7", "1"))
    assert [notice.held for notice in Life(configured).close(START, [trial, finding()])] == ["", "silenced"]


def test_a_heartbeat_says_how_far_vigil_has_read(events: Events) -> None:
    """Watermark, lag by partition and how many alerts fire; its key is the source."""
    message = events.heartbeat(START, START - PANE, {Partition("events", 0): 7}, firing=2)
    event = _event(message.value)
    assert message.key == b"vigil/fleet"
    assert event["type"] == "vigil.heartbeat"
    assert event["data"] == {
        "watermark": "2026-03-22T02:59:50Z", "lag": {"events/0": 7}, "firing": 2, "config_hash": "c0ffee"
    }  # fmt: skip
    assert _event(events.heartbeat(START, None, {}, 0).value)["data"]["watermark"] is None


@settings(max_examples=50, deadline=None)
@given(any_rules(), histories())
def test_the_same_history_is_the_same_bytes(events: Events, life_rules: Rules, history: list[Step]) -> None:
    """Replayed, every event is byte-equal; no NaN gets in (JSON has none)."""
    first, second = (
        [message for step in history for message in events.messages(run(life, step))]
        for life in (Life(life_rules), Life(life_rules))
    )
    assert first == second
    for message in first:
        assert message.value is None or b"NaN" not in message.value
