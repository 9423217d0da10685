"""Partitions that bring nothing: when they hold others back, when not, and how a replay knows it again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest

from config import Config
from daemon import app, dumping, reading
from daemon.pipeline import Pipeline
from daemon.records import Partition, Polled
from daemon.state.store import Store
from tests.daemon.messages import SECOND, START
from tests.daemon.scripted import OUTPUTS, Logs, Scripted, living, logs_of, spoken
from tests.integration.fleet import GARBAGE, encoded, events
from tests.integration.running import configured, replayed

A, B = Partition("events", 0), Partition("events", 1)
YEAR_MS = 365 * 86_400_000
FLEET = [(ms - 1_790_000_000_000 + START // 1000, event) for ms, event in events(models=2, count=4_000, seed=3)]


class World:
    """A live pipeline over scripted partitions, with a clock that a test turns."""

    def __init__(self, folder: Path, logs: Logs) -> None:
        self.now = 1_000.0
        self.logs = logs
        self._folder = folder
        self.config: Config = configured(
            f"window: {{events: 100}}\nstate: {{path: {folder / 'state'}}}\ntime: {{max_skew: 1m, idle_after: 30s}}\n"
        )
        self._store = Store.open(self.config.state.path)
        self.pipeline = self._built()

    def _built(self) -> Pipeline:
        self.wall = START / 1e6 + 10_000
        clocks = {"now": lambda: self.now, "wall": lambda: self.wall}
        return living(self.config, self._store, self.logs, self._folder, **clocks)

    def restart(self) -> None:
        """A new process on the same state."""
        self.pipeline.run(lambda: True)
        self.pipeline = self._built()

    def close(self) -> None:
        """Let go of the state."""
        self._store.close()

    def steps(self, count: int = 8, seconds: float = 0.0) -> None:
        """Passes of the loop, so much time apart."""
        for _ in range(count):
            self.now += seconds
            self.pipeline.step()

    @property
    def closed_until(self) -> float:
        """Seconds since the beginning."""
        return max(0.0, (self.pipeline.closed_until - START) / SECOND)

    def outputs(self) -> dict[str, list[bytes]]:
        """What was said, without signs of life."""
        return spoken(self._folder)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Two empty partitions."""
    found = World(tmp_path, logs_of(A, B))
    yield found
    found.close()


def put(logs: Logs, partition: Partition, since: float, until: float, *, late_s: float = 0.0) -> None:
    """Events of these seconds, with records' timestamps; `late_s` later than the events' own."""
    for ms, event in FLEET:
        second = ms / 1000 - START / SECOND
        if since <= second < until:
            logs.records[partition].append((ms + int(late_s * 1000), encoded(event)))


def test_an_empty_partition_holds_panes_open_until_it_has_been_empty_for_long(world: World) -> None:
    """Others are read meanwhile, however far they get; nothing is closed before the time is over."""
    put(world.logs, A, 0, 300)
    world.steps()
    assert world.pipeline.parts.source.positions()[A].next_offset == len(world.logs.records[A])
    world.steps(seconds=3)
    assert world.closed_until == 0
    world.steps(seconds=3)
    assert world.closed_until >= 280


def test_a_partition_that_does_not_answer_holds_panes_open_for_ever(world: World) -> None:
    """Only a successful answer says that there is nothing; and silence in between begins the wait anew."""
    world.logs.silent.add(B)
    put(world.logs, A, 0, 50)
    world.steps(seconds=20)
    assert world.closed_until == 0
    world.logs.silent.clear()
    world.steps(2, seconds=10)
    world.logs.silent.add(B)
    world.steps(2, seconds=10)
    world.logs.silent.clear()
    world.steps(3, seconds=10)
    assert world.closed_until == 0
    world.steps(2, seconds=10)
    assert world.closed_until >= 30


def test_a_partition_far_ahead_waits_for_one_that_has_records(world: World) -> None:
    """What is open is bounded by `max_skew`, wherever the slow one's records come from."""
    put(world.logs, A, 0, 400)
    put(world.logs, B, 0, 20)
    world.logs.silent.add(B)
    world.steps()
    ahead = len(world.logs.records[A])
    assert world.pipeline.parts.source.positions()[A].next_offset < ahead
    world.logs.silent.clear()
    world.steps()
    assert world.pipeline.parts.source.positions()[A].next_offset < ahead
    put(world.logs, B, 20, 400)
    world.steps(30)
    assert world.pipeline.parts.source.positions()[A].next_offset == ahead


def test_a_partition_that_comes_back_begins_where_panes_are_open(world: World) -> None:
    """Its old events are late, placed at the edge and counted: none enters a closed pane, none is lost."""
    put(world.logs, A, 0, 100)
    world.steps(seconds=10)
    closed = world.pipeline.closed_until
    put(world.logs, B, 5, 30)
    world.steps(1)
    assert world.pipeline.parts.clocks.of(B) == closed + 10 * SECOND
    assert world.pipeline.parts.ledger.open_rows() >= len(world.logs.records[B])
    assert min(world.pipeline.parts.ledger.open) >= closed


def test_time_goes_on_when_everything_is_quiet(world: World) -> None:
    """With all partitions idle the last panes close by the wall clock, and what was said of them leaves."""
    put(world.logs, A, 0, 100)
    world.steps(seconds=5)
    world.steps(20, seconds=10)
    assert world.pipeline.parts.ledger.open_rows() == 0
    assert world.closed_until >= 100
    before = world.closed_until
    world.restart()
    put(world.logs, A, 101, 110)
    world.steps(1)
    assert world.pipeline.parts.clocks.of(A) >= world.pipeline.closed_until + 10 * SECOND
    world.steps(10, seconds=10)
    assert world.closed_until > before


def test_a_process_that_was_stopped_takes_nobody_for_idle(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it had heard is old when it goes on: records may have come meanwhile, and they count as they are."""
    put(world.logs, A, 0, 60)
    world.steps(seconds=3)
    source = world.pipeline.parts.source
    poll = source.poll

    def stopped_after(max_wait_s: float, max_records: int) -> Polled:
        polled = poll(max_wait_s, max_records)
        world.now += 1_000
        return polled

    with monkeypatch.context() as patch:
        patch.setattr(source, "poll", stopped_after)
        world.steps(1)
    assert world.closed_until == 0
    put(world.logs, B, 0, 60)
    world.steps()
    assert world.pipeline.parts.clocks.of(B) < START + 61 * SECOND
    assert world.pipeline.parts.ledger.open_rows() + world.pipeline.accounts["received"] == sum(
        map(len, world.logs.records.values())
    )


def test_time_stands_while_nobody_answers(world: World) -> None:
    """Silence is what was heard; without brokers there may be anything."""
    put(world.logs, A, 0, 100)
    world.steps(seconds=5)
    before = world.closed_until
    world.logs.silent.update({A, B})
    world.steps(20, seconds=100)
    assert world.closed_until == before
    world.logs.silent.clear()
    world.steps(10, seconds=10)
    assert world.closed_until > before


def test_a_replay_knows_again_what_the_wall_clock_decided(world: World, tmp_path: Path, monkeypatch: Any) -> None:
    """Idle partitions, late comers, times in the future, quiet hours, restarts: a replay says the same to the byte."""
    logs = world.logs
    put(logs, A, 0, 100)
    world.steps(seconds=10)
    put(logs, B, 5, 60, late_s=2)
    logs.records[B].append((START // 1000 + 70_000, GARBAGE[0][1]))
    world.steps()
    put(logs, A, 100, 160)
    world.steps(seconds=12)
    world.restart()
    put(logs, A, 160, 200)
    logs.records[A] += [(START // 1000 + 10**8, value) for _, value in logs.records[A][-300::100]]
    put(logs, B, 60, 90)
    world.steps()
    assert world.pipeline.parts.clocks.ahead == 3
    put(logs, A, 200, 260)
    put(logs, B, 230, 300)
    world.steps(seconds=8)
    ahead_by_a_year(logs, B, 300, 305)
    world.steps(seconds=12)
    put(logs, A, 260, 290)
    ahead_by_a_year(logs, B, 305, 310)
    world.steps()
    put(logs, A, 290, 320)
    ahead_by_a_year(logs, B, 310, 315)
    world.steps(seconds=8)
    world.restart()
    expected = world.outputs()
    assert len(expected["readings"]) > 50
    monkeypatch.setattr(dumping, "_reader", lambda _: Scripted(logs))
    dumping.dump(world.config, tmp_path / "dump.ndjson")
    lines = [orjson.loads(line) for line in (tmp_path / "dump.ndjson").read_bytes().splitlines()]
    assert sum(line.get("control") == "floor" and line["clock"] > 0 for line in lines) >= 2
    again = replayed(world.config, [tmp_path / "dump.ndjson"], tmp_path / "again")
    assert again["readings"].splitlines() == expected["readings"]
    assert again["alerts"].splitlines() == expected["alerts"]
    assert sorted(again["dead_letters"].splitlines()) == sorted(expected["dead_letters"])


def ahead_by_a_year(logs: Logs, partition: Partition, since: float, until: float) -> None:
    """Events of these seconds whose producer's clock is a year ahead, in the records' timestamps too."""
    for ms, event in FLEET:
        second = ms / 1000 - START / SECOND
        if since <= second < until:
            ahead = event | {"id": f"ahead-{event['id']}", "ts": event["ts"] + YEAR_MS}
            logs.records[partition].append((ms + YEAR_MS, encoded(ahead)))


def test_a_clock_that_is_a_year_ahead_neither_drags_nor_holds_the_others(world: World, tmp_path: Path) -> None:
    """Its events are placed where the others are, flagged and counted; each is in one account, and panes go on."""
    put(world.logs, A, 0, 200)
    ahead_by_a_year(world.logs, B, 0, 10)
    world.steps(seconds=3)
    assert world.closed_until == 0, "it may yet say what time it is"
    assert world.pipeline.status()["refused"]["no_time"] == len(world.logs.records[B])
    world.steps(seconds=4)
    ahead_by_a_year(world.logs, B, 10, 20)
    put(world.logs, A, 200, 220)
    world.steps(seconds=1)
    put(world.logs, A, 220, 240)
    world.steps(seconds=1)
    assert 200 <= world.closed_until <= 200 + 8 * (4 + 1), "not dragged, not held: no further than the present"
    assert world.pipeline.parts.clocks.ahead == len(world.logs.records[B])
    world.steps(20, seconds=10)
    assert world.pipeline.accounts["received"] == sum(map(len, world.logs.records.values()))
    assert world.pipeline.parts.clocks.of(B) < START + 400 * SECOND


def test_years_between_two_events_cost_nothing(tmp_path: Path) -> None:
    """From 1970 to today and on to 2261: no pane, window or notice is worked through for the time between."""
    stream = [FLEET[0][1] | {"id": "first", "ts": 0}, *(event for _, event in FLEET[:2_000])]
    stream += [FLEET[0][1] | {"id": "last", "ts": "2261-12-31T00:00:00Z"}, FLEET[2_000][1]]
    (tmp_path / "events.ndjson").write_bytes(b"\n".join(map(encoded, stream)))
    said = replayed(configured("window: {events: 100}\n"), [tmp_path / "events.ndjson"], tmp_path / "out")
    readings = [orjson.loads(line)["data"] for line in said["readings"].splitlines()]
    received = [reading["value"] for reading in readings if reading["series"] == "received"]
    assert received[-1] == len(stream)
    assert len(received) < 50
    assert len(said["alerts"].splitlines()) < 200


def test_when_every_clock_is_ahead_time_is_the_present(tmp_path: Path) -> None:
    """With nobody to say what time it is, events are placed at the wall clock, and panes close by it."""
    logs = logs_of(B)
    world = World(tmp_path, logs)
    ahead_by_a_year(logs, B, 0, 1)
    world.steps(seconds=10)
    ahead_by_a_year(logs, B, 1, 20)
    world.steps(2, seconds=1)
    assert world.pipeline.parts.clocks.of(B) == int(world.wall * 1e6)
    world.steps(20, seconds=10)
    assert world.pipeline.parts.ledger.open_rows() == 0
    assert world.pipeline.accounts["received"] == len(logs.records[B])
    world.close()


def test_a_partition_that_was_lost_holds_nobody_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left goes on from the last commit, or from where it began, by the clocks of what is left."""
    logs = logs_of(A, B)
    put(logs, A, 0, 100)
    put(logs, B, 0, 20)
    monkeypatch.setattr(reading, "source", lambda _, store, **__: Scripted(logs, store.positions()))
    outputs = "".join(f"  {name}: {{file: {tmp_path / name}}}\n" for name in OUTPUTS)
    interval = "commit_interval: {min: 1h, max: 1h}"
    config = configured(f"state: {{path: {tmp_path / 'state'}, {interval}}}\nsinks:\n{outputs}")
    made = 0

    def stop() -> bool:
        nonlocal made
        made += 1
        if made == 10:
            assert live.status()["watermark"] < START + 20 * SECOND
            logs.lost.add(B)
        return made == 20

    with closing(app.live(config, on_notice=lambda _: None)) as live:
        live.run(stop)
        assert live.status()["watermark"] >= START + 85 * SECOND
        received = live.status()["accounts"]["received"]
        assert received + live.status()["open_rows"] == len(logs.records[A])
    assert live.status()["positions"] == {str(A): len(logs.records[A])}
    logs.lost.clear()
    logs.records.pop(B)
    with closing(app.live(config, on_notice=lambda _: None)) as live:
        live.run(lambda: live.status()["ready"])
        assert live.status()["watermark"] >= START + 85 * SECOND
        assert live.status()["accounts"]["received"] == received
