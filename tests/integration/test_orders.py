"""Operators' orders through the command line and a real broker: what is said of them, and again by a replay."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson

from config import load
from daemon import app, dumping, exits
from tests.broker import Cluster
from tests.conftest import NewTopic
from tests.daemon.commands.vigild import vigild
from tests.integration.fleet import encoded, events
from tests.integration.running import everything_in, produce, replayed, run_until, said

SETTINGS = """
kafka:
  brokers: [{broker}]
  topics: [{events}]
  control: {orders}
  group: {events}
  alerts: {alerts}
  readings: {readings}
  dead_letters: {dead}
state: {{path: state}}
time: {{idle_after: 1s}}
http: {{port: null}}
"""


def test_orders_from_the_command_line_take_effect_once_and_again_in_a_replay(
    broker: Cluster, new_topic: NewTopic, tmp_path: Path, monkeypatch: Any
) -> None:
    """Acknowledge, silence, accept; what is wrong is refused at once, or a dead letter; the list says who did what."""
    monkeypatch.chdir(tmp_path)
    topics = {"events": new_topic("events", 2, **{"retention.ms": "-1"})}
    topics |= {name: new_topic(name) for name in ("orders", "alerts", "readings", "dead")}
    (tmp_path / "vigil.yaml").write_text(SETTINGS.format(broker=broker.bootstrap, **topics))
    config = load(Path("vigil.yaml"), {}, app.registry())
    rows = events(models=1, count=4_000, drift_at=2_400)
    produce(broker.bootstrap, [(topics["events"], n % 2, ms, encoded(event)) for n, (ms, event) in enumerate(rows)])
    run_until(config, lambda status: status.get("firing", 0) > 0 and not sum(status["lag"].values()))

    def alerts() -> list[dict[str, Any]]:
        return [a for a in said(everything_in(broker.bootstrap, topics["alerts"])) if a["type"] == "vigil.alert"]

    first = next(alert for alert in alerts() if not alert["segment"] and alert["monitor"] == "concept_drift")
    assert first["page"]
    listed = vigild("alert", "list", cwd=tmp_path)
    assert first["fingerprint"][:8] in listed.stdout
    for arguments in (
        ("ack", first["fingerprint"][:8], "--why", "on it", "--who", "ana"),
        ("silence", "--model", "other*", "--for", "2h", "--why", "migration", "--who", "bob", "--name", "s1"),
        ("ack", "0123456789ab", "--why", "mistyped", "--who", "ana"),
    ):
        done = vigild("alert", *arguments, cwd=tmp_path)
        assert done.returncode == exits.OK, done.stderr
    refused = vigild("alert", "ack", "all", "--why", "no", "--who", "ana", cwd=tmp_path)
    assert (refused.returncode, "alert" in refused.stderr) == (exits.USAGE, True)

    def carried_out(status: dict[str, Any]) -> bool:
        position = status.get("positions", {}).get(f"{topics['orders']}/0", 0)
        return position >= 3 and not status.get("orders", 1) and not status["outbox"]["dead_letters"]

    run_until(config, carried_out)
    told = [alert for alert in alerts() if alert["fingerprint"] == first["fingerprint"]]
    assert [alert["acknowledged"]["by"] for alert in told if alert["change"] == "acknowledged"] == ["ana"]
    letters = [orjson.loads(value or b"") for value in everything_in(broker.bootstrap, topics["dead"])]
    assert [(letter["reason"], letter["ref"]["topic"]) for letter in letters] == [("no_such_alert", topics["orders"])]
    found = json.loads(vigild("alert", "list", "--json", cwd=tmp_path).stdout)
    assert [(silence["name"], silence["who"]) for silence in found["silences"]] == [("s1", "bob")]
    assert [(order["order"], order["who"]) for order in found["orders"]] == [("acknowledge", "ana"), ("silence", "bob")]

    done = vigild("alert", "accept", first["incident"], "--why", "new prices", "--who", "ana", cwd=tmp_path)
    assert done.returncode == exits.OK, done.stderr
    run_until(config, lambda status: carried_out(status) and not status["firing"])
    assert alerts()[-1]["state"] == "accepted"
    dumping.dump(config, tmp_path / "dump.ndjson")
    again = replayed(config, [tmp_path / "dump.ndjson"], tmp_path / "again")
    sent = [v for v in everything_in(broker.bootstrap, topics["alerts"]) if v is not None and b"heartbeat" not in v]
    assert again["alerts"].splitlines() == sent
