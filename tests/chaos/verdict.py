"""The verdict: what left under fire, against one undisturbed pass over the same log.

The log is read by a consumer of the harness's own, which writes the dump that `vigild replay` passes over. Only the
explanations that were taken in come from the state (as `vigild dump` gives them out): which of them come in time is the
wall clock's decision, which no other pass could repeat. Every other decision of the wall clock would be a loss here:
the stream is such that none is called for.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from daemon.state.inspect import item, opened
from tests.chaos.arena import Arena
from tests.chaos.daemons import ROOT
from tests.chaos.moments import HEARTBEAT
from tests.chaos.topics import Reader
from tests.chaos.workload import PARTITIONS, Entry

LATENESS_US = PANE_US = 10_000_000
"""Of the configuration: its defaults."""
QUEUES = ("alerts", "readings", "dead_letters")


@dataclass(slots=True)
class Verdict:
    """What was compared, and every loss in a line."""

    losses: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    """What there was: records, events, and per queue messages with those that came more than once."""


def judge(arena: Arena) -> Verdict:
    """Compare, once the arena is finished."""
    verdict = Verdict(list(arena.losses))
    list(arena.moments.read())
    log = read_log(arena)
    entries = [arena.stream.by_key[record.key] for record in log]
    bad = refs(log, entries)
    verdict.counts |= {"records": len(log), "events": sum(e.events for e in entries), "refused": len(bad)}
    sent = {name: deduplicated(name, arena.moments.sent[name], verdict) for name in QUEUES}
    verdict.losses += differing("dead letters against bad events", bad, set(sent["dead_letters"]))
    verdict.losses += accounts(arena.state, entries, len(bad))
    dumped = controls(arena, log, verdict)
    closed = (max(entry.ms for entry in entries) * 1000 - LATENESS_US) // PANE_US * PANE_US
    write_dump(arena.folder / "log.ndjson", log, [*dumped, {"control": "closed", "until": closed}])
    replayed = replay(arena)
    for name in QUEUES:
        verdict.losses += same(name, sent[name], replayed[name])
    return verdict


def read_log(arena: Arena) -> list[Any]:
    """All records of the input, partition by partition."""
    reader = Reader(arena.bootstrap, {arena.topics["events"]: PARTITIONS})
    try:
        return sorted(reader.new(), key=lambda record: (record.partition, record.offset))
    finally:
        reader.close()


def refs(log: Sequence[Any], entries: Sequence[Entry]) -> set[str]:
    """Where each bad event stands."""
    return {
        _ref({"topic": record.topic, "partition": record.partition, "offset": record.offset, "index": index})
        for record, entry in zip(log, entries, strict=True)
        for index in entry.bad
    }


def deduplicated(
    name: str, sent: Sequence[tuple[bytes | None, bytes | None]], verdict: Verdict
) -> dict[str, bytes | None]:
    """Messages by what identifies them, in the order in which each came first; those that came again must be equal."""
    found: dict[str, bytes | None] = {}
    again = 0
    for key, value in sent:
        if value is not None and HEARTBEAT in value:
            continue
        identity = identified(key, value)
        if identity in found:
            again += 1
            if found[identity] != value:
                verdict.losses.append(f"{name}: {identity} came twice and differs")
        found.setdefault(identity, value)
    verdict.counts |= {name: len(found), f"{name} again": again}
    return found


def identified(key: bytes | None, value: bytes | None) -> str:
    """The id of an event, the ref of a dead letter, the key of a tombstone."""
    if value is None:
        return f"tombstone of {(key or b'').decode()}"
    said = orjson.loads(value)
    return str(said["id"]) if "id" in said else _ref(said["ref"])


def accounts(state: Path, entries: Iterable[Entry], refused: int) -> list[str]:
    """The accounts in the state against what was produced. The last record of each partition is never closed."""
    with opened(state) as (db, _, _):
        found: Mapping[str, int] = (item(db, "pipeline") or {}).get("accounts", {})
    expected = sum(entry.events for entry in entries) - PARTITIONS
    ends = sum(found.get(name, 0) for name in ("measured", "duplicate", "conflict", "refused", "shed", "pending"))
    wrong = []
    if not found.get("received", 0) == ends == expected:
        wrong.append(f"accounts: {expected} events were produced, {found.get('received')} received, {ends} accounted")
    if found.get("refused", 0) != refused:
        wrong.append(f"accounts: {refused} events were bad, {found.get('refused')} refused")
    return wrong


def controls(arena: Arena, log: Sequence[Any], verdict: Verdict) -> list[dict[str, Any]]:
    """The explanations that were taken in. What `vigild dump` says of the records must be the log."""
    output = _vigild("dump", "-c", arena.config)
    lines = list(map(orjson.loads, output.splitlines()))
    made = [line for line in lines if "control" in line]
    records = {(line["partition"], line["offset"]): line["value"] for line in lines if "control" not in line}
    own = {(record.partition, record.offset): _text(record.value) for record in log}
    if records != own:
        verdict.losses.append(f"vigild dump has {len(records)} records, the log {len(own)}, or they differ")
    idle = [line for line in made if line["control"] == "floor" and line["clock"]]
    if idle:
        verdict.losses.append(f"{len(idle)} partitions were taken for idle: {idle[0]}")
    explained = [line for line in made if line["control"] == "explained"]
    verdict.counts["explanations"] = len(explained)
    return [{"control": "explains"}, *explained]


def write_dump(path: Path, log: Sequence[Any], lines: Sequence[Mapping[str, Any]]) -> None:
    """The log in the format of docs/events.md, after some control lines."""
    with path.open("w") as output:
        for line in lines:
            output.write(json.dumps(line) + "\n")
        for record in _together(log):
            whole = {
                "topic": record.topic,
                "partition": record.partition,
                "offset": record.offset,
                "timestamp": record.timestamp,
                "key": _text(record.key),
                "headers": [],
                "value": _text(record.value),
            }
            output.write(json.dumps(whole) + "\n")


def _together(log: Sequence[Any]) -> list[Any]:
    """Partitions side by side, each in its order: one after the other all their panes would be open at a time."""
    latest: dict[int, int] = {}
    keyed = []
    for record in log:
        latest[record.partition] = max(latest.get(record.partition, 0), record.timestamp)
        keyed.append((latest[record.partition], record.partition, record.offset, record))
    return [record for *_, record in sorted(keyed, key=lambda each: each[:3])]


def replay(arena: Arena) -> dict[str, list[bytes]]:
    """What one undisturbed pass says, line by line."""
    paths = {name: arena.folder / f"{name}.replayed" for name in QUEUES}
    outputs = [argument for name, path in paths.items() for argument in (f"--{name.replace('_', '-')}", path)]
    _vigild("replay", "-c", arena.config, "--input", arena.folder / "log.ndjson", *outputs)
    return {name: path.read_bytes().splitlines() if path.exists() else [] for name, path in paths.items()}


def same(name: str, sent: Mapping[str, bytes | None], replayed: Sequence[bytes]) -> list[str]:
    """What left against what the undisturbed pass says: the same messages, equal to the byte, in the same order."""
    expected: dict[str, bytes | None] = {}
    for line in replayed:
        said = orjson.loads(line)
        tombstone = set(said) == {"key", "value"}
        key, value = (said["key"].encode(), None) if tombstone else (None, line)
        expected[identified(key, value)] = value
    losses = differing(f"{name} against the replay", set(expected), set(sent))
    unequal = [each for each in sent if each in expected and sent[each] != expected[each]]
    if unequal:
        losses.append(f"{name}: {len(unequal)} differ from the replay's, the first {unequal[0]}")
    if not losses and name != "dead_letters" and list(expected) != list(sent):
        losses.append(f"{name}: not in the order of the replay")
    return losses


def differing(what: str, expected: set[str], found: set[str]) -> list[str]:
    """How two sets differ, in at most two lines."""
    missing, more = sorted(expected - found), sorted(found - expected)
    lines = [f"{what}: {len(missing)} are missing, the first {missing[0]}"] if missing else []
    return lines + ([f"{what}: {len(more)} too many, the first {more[0]}"] if more else [])


def _vigild(*arguments: object) -> bytes:
    command = [sys.executable, "-m", "daemon", *map(str, arguments)]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=False, timeout=7_200
    )
    if done.returncode:
        raise RuntimeError(f"{arguments[0]} ended with {done.returncode}: {done.stderr[-2_000:].decode()}")
    return done.stdout


def _text(data: bytes | None) -> str | dict[str, str] | None:
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"b64": b64encode(data).decode()}


def _ref(ref: Mapping[str, Any]) -> str:
    return "{topic}/{partition}/{offset}/{index}".format(**ref)
