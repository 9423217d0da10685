"""Dead letters come back: listed, corrected, sent once more, and counted once, whatever is killed meanwhile."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest
from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from daemon import exits
from daemon.envelopes import DeadLetter, dead_letter, dead_letter_message
from tests.broker import Cluster
from tests.conftest import NewTopic
from tests.daemon.commands.vigild import START_S, environment, events, parsed, start, vigild, write
from tests.forking import Process
from tests.integration.running import everything_in

HOUR_S = 3_600
DAY_S = 24 * HOUR_S
AGO_S = 30 * DAY_S
BEGIN_S = START_S - AGO_S
"""When the events on the broker began: long enough ago for two days to have passed since."""
PATIENCE_S = 150.0
FIX = """sed -e 's/"high"/0.75/'"""
"""Corrects what the tests below spoil."""


def spoilt(event: dict[str, Any]) -> dict[str, Any]:
    """A prediction that will be refused for its score."""
    return event | {"score": "high"}


def accounts(readings: Path) -> dict[str, float]:
    """The accounts, as they were read out last."""
    found = [each["data"] for each in parsed(readings.read_text()) if each["data"]["monitor"] == "accounts"]
    return {each["series"]: each["value"] for each in found if each["end"] == found[-1]["end"]}


def others(readings: Path) -> list[dict[str, Any]]:
    """What all readings but the accounts say."""
    said = [each["data"] for each in parsed(readings.read_text()) if each["data"]["monitor"] != "accounts"]
    return sorted(said, key=lambda each: json.dumps(each, sort_keys=True))


def test_offline_a_corrected_event_counts_as_if_it_had_been_right(tmp_path: Path) -> None:
    """Once, however many files it comes in: every reading is that of the stream in which nothing was wrong."""
    lines = list(islice(events(1_000), 2_000))
    bad = [place for place, event in enumerate(lines) if event["type"] == "prediction"][100:900:200]
    write(tmp_path / "events.ndjson", iter(lines))
    assert vigild("replay", "-i", "events.ndjson", "--readings", "right.ndjson", cwd=tmp_path).returncode == 0
    for place in bad:
        lines[place] = {**lines[place], "score": "high"}
    write(tmp_path / "events.ndjson", iter(lines))
    told = vigild("replay", "-i", "events.ndjson", "--dead-letters", "dead.ndjson", cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    listed = vigild("dlq", "list", "-i", "dead.ndjson", cwd=tmp_path)
    assert f"{len(bad)} dead letters: {len(bad)} bad_score" in listed.stdout, listed.stderr
    fixes = (("first.ndjson", "0.75"), ("second.ndjson", "0.11"))
    for name, score in fixes:
        fix = f"""sed -e 's/"high"/{score}/'"""
        told = vigild("dlq", "replay", "-i", "dead.ndjson", "--with", fix, "--output", name, cwd=tmp_path)
        assert told.returncode == 0, told.stderr
        assert told.stderr == f"{len(bad)} written to {name}\n"
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600, "it holds raw events"

    first = vigild("replay", "-i", "events.ndjson", "first.ndjson", "--readings", "once.ndjson", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    once = accounts(tmp_path / "once.ndjson")
    assert (once["received"], once["refused"], once["duplicate"]) == (len(lines) + len(bad), len(bad), 0)
    assert once["measured"] == len(lines)
    rightly = {(r["series"], r["end"]): r["n"] for r in others(tmp_path / "right.ndjson") if r["scope"] == "total"}
    found = {(r["series"], r["end"]): r["n"] for r in others(tmp_path / "once.ndjson") if r["scope"] == "total"}
    assert found == rightly

    names = [name for name, _ in fixes]
    vigild("replay", "-i", "events.ndjson", *names, "--readings", "twice.ndjson", cwd=tmp_path)
    twice = accounts(tmp_path / "twice.ndjson")
    assert twice == once | {"received": once["received"] + len(bad), "duplicate": len(bad)}


def test_what_can_not_be_sent_as_it_is_is_said(tmp_path: Path) -> None:
    """Each letter with what is wrong and what to do, exit code 65; the others are sent all the same."""
    events_file = tmp_path / "events.ndjson"
    lines = [json.dumps(spoilt(event)) for event in islice(events(2), 0, 4, 2)]
    events_file.write_text(
        "\n".join([*lines, '{"type":"signal","model":"m","name":"pin","value":"[redacted]"}']) + "\n"
    )
    vigild("replay", "-i", "events.ndjson", "--dead-letters", "dead.ndjson", cwd=tmp_path)
    letters = parsed((tmp_path / "dead.ndjson").read_text())
    letters[0]["truncated"] = True
    (tmp_path / "dead.ndjson").write_text("".join(json.dumps(letter) + "\n" for letter in letters))
    told = vigild("dlq", "replay", "-i", "dead.ndjson", "--dry-run", cwd=tmp_path)
    assert told.returncode == exits.DATA
    assert told.stdout == lines[1] + "\n"
    assert "events:0:0:0: only its beginning was kept" in told.stderr
    assert "events:0:2:0: values in it are [redacted]" in told.stderr
    assert "1 would be sent, 2 can't be" in told.stderr
    told = vigild("dlq", "replay", "-i", "dead.ndjson", "--with", "false", "--dry-run", cwd=tmp_path)
    assert told.returncode == exits.DATA
    assert "the command ended with 1" in told.stderr


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (["--reason", "bad_*"], {"0", "2"}),
        (["--reason", "not_json"], {"1"}),
        (["--ref", "events:0:2"], {"2"}),
        (["--ref", "events:*:1:0", "events:0:0:0"], {"0", "1"}),
        (["--since", "2026-11-22T00:00:01Z"], {"1", "2"}),
        (["--until", "2026-11-22T00:00:01Z"], {"0"}),
        (["--since", "2026-11-22T00:00:01Z", "--reason", "bad_score"], {"2"}),
    ],
)
def test_letters_are_chosen_by_reason_ref_and_time(tmp_path: Path, chosen: list[str], expected: set[str]) -> None:
    """All that fit every one of the filters; times are those of the records."""
    kinds = ("bad_score", "not_json", "bad_score")
    letters: list[dict[str, Any]] = [
        {
            "ref": {"topic": "events", "partition": 0, "offset": place, "index": 0},
            "timestamp": (START_S + place) * 1000, "reason": reason, "detail": "", "key": None, "value": "{}",
            "headers": [], "size": 2, "truncated": False, "sha256": "0" * 64,
        }
        for place, reason in enumerate(kinds)
    ]  # fmt: skip
    write(tmp_path / "dead.ndjson", iter(letters))
    listed = vigild("dlq", "list", "--json", "-i", "dead.ndjson", *chosen, cwd=tmp_path)
    assert {str(letter["ref"]["offset"]) for letter in parsed(listed.stdout)} == expected, listed.stderr


def test_a_line_that_is_no_dead_letter_is_named(tmp_path: Path) -> None:
    """File, line and exit code 65, and what stands around it is read; a file that is not there is 66."""
    letters = [json.loads(sent_as(letter(place))) for place in (0, 1, 1)]
    write(tmp_path / "dead.ndjson", iter([letters[0], {"some": "thing"}, *letters[1:]]))
    told = vigild("dlq", "list", "-i", "dead.ndjson", cwd=tmp_path)
    assert (told.returncode, told.stderr.startswith("dead.ndjson:2: not a dead letter")) == (exits.DATA, True), told
    assert told.stderr.endswith("\n1 came again, 1 can't be read\n")
    assert told.stdout.endswith("\n2 dead letters: 2 bad_score\n")
    told = vigild("dlq", "replay", "-i", "dead.ndjson", "--dry-run", cwd=tmp_path)
    assert (told.returncode, told.stdout) == (exits.DATA, "{0}\n{1}\n")
    assert told.stderr.endswith("\n2 would be sent, 1 came again, 1 can't be read\n")
    told = vigild("dlq", "list", "-i", "dead.ndjson", "none.ndjson", cwd=tmp_path)
    assert (told.returncode, told.stdout) == (exits.NO_INPUT, "")
    told = vigild("dlq", "list", "-i", "dead.ndjson", "--since", "yesterday", cwd=tmp_path)
    assert (told.returncode, "--since: 'yesterday' is no time" in told.stderr) == (exits.USAGE, True)


def letter(place: int, topic: str = "events", **more: Any) -> DeadLetter:
    """A dead letter of what stood at a place of a topic."""
    return dead_letter((topic, 0, place, 0), "bad_score", "", key=None, value=b"{%d}" % place, timestamp=place, **more)


def sent_as(dead: DeadLetter) -> bytes:
    """The bytes of a dead letter."""
    return dead_letter_message(dead).value or b""


def test_one_letter_that_can_t_be_sent_holds_up_no_other(broker: Cluster, new_topic: NewTopic, tmp_path: Path) -> None:
    """Nor does what is no letter; one that came twice is sent once, a header without a value with an empty one."""
    topic, out = new_topic("events", 1), {name: new_topic(name) for name in ("alerts", "readings", "dead")}
    configure(tmp_path, broker, topic, out)
    spoilt = letter(1, topic, headers=(("trace", None), ("x", b"1")))
    before = map(sent_as, (letter(0, topic), spoilt, letter(2, "no topic!"), letter(1, topic)))
    broker.produce(out["dead"], [*before, b"foreign", sent_as(letter(5, topic))])
    listed = vigild("dlq", "list", cwd=tmp_path)
    assert listed.returncode == exits.DATA
    assert listed.stdout.endswith("4 dead letters: 4 bad_score\n")
    assert f"{out['dead']}/0 at 4: not a dead letter" in listed.stderr
    told = vigild("dlq", "replay", cwd=tmp_path)
    assert told.returncode == exits.DATA
    assert "no topic!:0:2:0: " in told.stderr
    assert told.stderr.endswith("\n3 sent, 1 can't be, 1 came again, 1 can't be read\n")
    found = broker.consume(topic, 3)
    assert [record.value for record in found] == [b"{0}", b"{1}", b"{5}"]
    assert found[1].headers[:2] == [("trace", b""), ("x", b"1")]
    too_large = replace(letter(6, topic), value=b"x" * 2 * 2**20)
    (tmp_path / "large.ndjson").write_bytes(sent_as(too_large) + b"\n" + sent_as(letter(7, topic)))
    told = vigild("dlq", "replay", "-i", "large.ndjson", cwd=tmp_path)
    assert told.stderr.endswith("\n1 sent, 1 can't be\n")
    (tmp_path / "broken.ndjson.gz").write_bytes(gzip.compress(sent_as(letter(8, topic)))[:-5])
    told = vigild("dlq", "replay", "-i", "large.ndjson", "broken.ndjson.gz", cwd=tmp_path)
    assert told.returncode == exits.CONFIG
    assert "\n1 were sent, then: broken.ndjson.gz: can't be read" in f"\n{told.stderr}"


def test_what_only_the_brokers_refuse_for_its_size_is_named_and_kept_and_the_rest_is_sent(
    broker: Cluster, new_topic: NewTopic, tmp_path: Path
) -> None:
    """Exit code 65. Once the topic takes them, a replay of what was kept sends the missing ones and nothing else."""
    topic, out = new_topic("events", 1, **{"max.message.bytes": "10000"}), dict.fromkeys(("alerts", "readings", "dead"))
    configure(tmp_path, broker, topic, {name: new_topic(name) for name in out})
    large = {3: 40_000, 60: 20_000, 119: 300_000}
    values = [random.Random(place).randbytes(large.get(place, 300)).hex().encode() for place in range(120)]
    letters = [replace(letter(place, topic), value=value) for place, value in enumerate(values)]
    (tmp_path / "dead.ndjson").write_bytes(b"".join(sent_as(each) + b"\n" for each in letters))
    told = vigild("dlq", "replay", "-i", "dead.ndjson", "--unsent", "unsent.ndjson", cwd=tmp_path)
    assert told.returncode == exits.DATA
    assert told.stderr.endswith("\n117 sent, 3 can't be\n")
    for place in large:
        size = len(values[place])
        (line,) = [line for line in told.stderr.splitlines() if line.startswith(f"{topic}:0:{place}:0: ")]
        (said,) = re.findall(r": ([\d,]+) bytes are more than the brokers take: raise max.message.bytes of ", line)
        assert size <= int(said.replace(",", "")) < size + 200
    sent = [record.value for record in broker.records(topic)]
    assert sorted(sent) == sorted(value for place, value in enumerate(values) if place not in large), "each once"
    assert stat.S_IMODE((tmp_path / "unsent.ndjson").stat().st_mode) == 0o600

    with broker.admin() as admin:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"max.message.bytes": "100000"})])
    for expected, code, line in (
        ([3, 60], exits.DATA, "2 sent, 1 can't be"),
        ([], exits.DATA, "0 sent, 1 can't be"),
    ):
        told = vigild("dlq", "replay", "-i", "unsent.ndjson", "--unsent", "unsent.ndjson", cwd=tmp_path)
        assert (told.returncode, told.stderr.splitlines()[-1]) == (code, line)
        now = [record.value for record in broker.records(topic)]
        assert sorted(now[len(sent) :]) == sorted(values[place] for place in expected)
        sent = now
    (kept,) = parsed((tmp_path / "unsent.ndjson").read_text())
    assert kept["ref"]["offset"] == 119


@contextmanager
def daemon(folder: Path) -> Iterator[Process]:
    """A daemon, killed in the end."""
    process = start("run", cwd=folder, log=folder / "log")
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(folder: Path, enough: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Look at the state beside the running daemon until it is as it should be."""
    from daemon.state import NotThere, StateError
    from daemon.state.inspect import inspect

    give_up, found = time.monotonic() + PATIENCE_S, {}
    while time.monotonic() < give_up:
        try:
            found = inspect(folder / "state")
        except (NotThere, StateError):
            found = {}
        if found and found["watched"] and enough(found):
            return found
        time.sleep(0.2)
    raise AssertionError(f"never came so far: {found}: {(folder / 'log').read_text()[-3000:]}")


def read_to(ends: dict[int, int]) -> Callable[[dict[str, Any]], bool]:
    """Whether so much was read of each partition."""
    return lambda found: {number: at for _, number, at, _ in found["positions"]} == ends


def send(broker: Cluster, topic: str, records: Sequence[tuple[int, dict[str, Any]]]) -> None:
    """Send (time in ms, event), each id to its own partition, with a header without a value."""
    producer = confluent_kafka.Producer({"bootstrap.servers": broker.bootstrap})
    for ms, event in records:
        key, value = event["id"].encode(), json.dumps(event).encode()
        number = int(event["id"].rpartition("-")[2]) % 2
        producer.produce(topic, value, key, number, timestamp=ms, headers=[("trace", None)])
    assert producer.flush(PATIENCE_S) == 0


def ends_of(broker: Cluster, topic: str) -> dict[int, int]:
    """How many records each partition has."""
    with broker.consumer() as consumer:
        found = consumer.end_offsets([TopicPartition(topic, number) for number in range(2)])
    return {partition.partition: end for partition, end in found.items()}


def configure(folder: Path, broker: Cluster, topic: str, out: dict[str, str]) -> None:
    """A daemon that reads a topic and writes to those in `out`."""
    (folder / "vigil.yaml").write_text(
        f"""
kafka:
  brokers: ["{broker.bootstrap}"]
  topics: [{topic}]
  group: {topic}
  alerts: {out["alerts"]}
  readings: {out["readings"]}
  dead_letters: {out["dead"]}
state: {{path: state, commit_interval: {{min: 200ms, max: 500ms}}}}
time: {{idle_after: 1h}}
http: {{port: null}}
"""
    )


def sent_until_killed(broker: Cluster, topic: str, folder: Path) -> int:
    """Kill a replay once it has sent three letters or more; how many it has."""
    before = sum(ends_of(broker, topic).values())
    command = [sys.executable, "-m", "daemon", "dlq", "replay", "--with", f"sleep 0.05; {FIX}"]
    with subprocess.Popen(command, cwd=folder, env=environment(), stderr=subprocess.DEVNULL) as replaying:
        while sum(ends_of(broker, topic).values()) < before + 3:
            assert replaying.poll() is None, "it was to be killed in the middle"
        os.kill(replaying.pid, signal.SIGKILL)
    return sum(ends_of(broker, topic).values()) - before


def cohorts_of(broker: Cluster, topic: str, series: str) -> list[dict[str, Any]]:
    """The readings of cohorts in a topic."""
    said = [each["data"] for each in map(json.loads, filter(None, everything_in(broker.bootstrap, topic)))]
    return [each for each in said if each["scope"] == "cohort" and each["series"] == series]


def test_a_replay_on_the_broker_counts_once_whatever_is_killed(
    broker: Cluster, new_topic: NewTopic, tmp_path: Path
) -> None:
    """The replay is killed in the middle and run again, the daemon is killed over it, and all is replayed once more.

    Every event is accounted for, each corrected one counts once, and predictions of two days before enter the cohort of
    their own hour with the labels that had waited for them.
    """
    topic = new_topic("events", 2, **{"retention.ms": "-1"})
    out = {name: new_topic(name) for name in ("alerts", "readings", "dead")}
    configure(tmp_path, broker, topic, out)
    rows = [(int((event["ts"] - AGO_S) * 1000), event | {"ts": event["ts"] - AGO_S}) for event in events(1_200)]
    bad = [event["id"] for _, event in rows if event["type"] == "prediction"][:1_000:5]
    at_first = [
        (ms, spoilt(event) if event["type"] == "prediction" and event["id"] in bad else event) for ms, event in rows
    ]
    send(broker, topic, at_first)
    later = [
        ((BEGIN_S + 2 * DAY_S + second) * 1000, {"type": "label", "id": f"tick-{second}", "model": "fraud", "label": 1})
        for second in (*range(20), *range(HOUR_S, HOUR_S + 60, 3))
    ]
    with daemon(tmp_path):
        wait_for(tmp_path, read_to(ends_of(broker, topic)))
        send(broker, topic, later[:20])
        wait_for(tmp_path, read_to(ends_of(broker, topic)))
        give_up = time.monotonic() + PATIENCE_S
        while len(everything_in(broker.bootstrap, out["dead"])) < len(bad):
            assert time.monotonic() < give_up, "dead letters never arrived"
        sent = sent_until_killed(broker, topic, tmp_path)
        assert 0 < sent < len(bad)
    with daemon(tmp_path):
        told = vigild("dlq", "replay", "--with", FIX, cwd=tmp_path)
        assert (told.returncode, told.stderr.splitlines()[-1]) == (0, f"{len(bad)} sent")
    with daemon(tmp_path) as process:
        listed = vigild("dlq", "list", "--json", cwd=tmp_path)
        (tmp_path / "edited.ndjson").write_text(listed.stdout.replace('\\"high\\"', "0.25"))
        told = vigild("dlq", "replay", "-i", "edited.ndjson", cwd=tmp_path)
        assert (told.returncode, told.stderr.splitlines()[-1]) == (0, f"{len(bad)} sent")
        send(broker, topic, later[20:])
        until = (BEGIN_S + 2 * DAY_S + HOUR_S + 20) * 1_000_000
        ends = ends_of(broker, topic)
        wait_for(tmp_path, lambda found: read_to(ends)(found) and found["watched"]["closed_until"] >= until)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0

    found = wait_for(tmp_path, bool)["watched"]["accounts"]
    assert found["refused"] == len(bad)
    assert found["duplicate"] == sent + len(bad), "what the killed replay had sent, and all of the last one"
    still_open = len([1 for ms, _ in later if ms * 1000 >= until - 20_000_000])
    assert found["received"] >= sum(ends.values()) - still_open
    assert found["received"] == sum(
        found[name] for name in ("measured", "duplicate", "conflict", "refused", "shed", "pending")
    )
    assert found["measured"] == len(rows), "every prediction met its label, the corrected ones those that had waited"
    cohorts = cohorts_of(broker, out["readings"], "accuracy")
    assert cohorts, "cohorts were read"
    assert {each["start"][:13] for each in cohorts} == {"2026-10-23T00"}
    assert max(each["n"] for each in cohorts) == len(rows) // 2
