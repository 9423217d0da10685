"""What leaves is sent in order, at least once, and one queue's trouble is not another's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.backoff import Backoff
from daemon.sinks import Message, Sink, SinkError, Surroundings
from daemon.state import Bound, Outbox, Store
from daemon.state import outbox as outbox_module
from daemon.state.outbox import ROW_BYTES, ROW_MESSAGES, _rows

ROOT = Path(__file__).parents[3]


class Recorder(Sink):
    """A sink in memory that can be down, slow (acknowledges so many a flush), and tells what it was given."""

    name = "recorder"

    def __init__(self, *, down: bool = False, most: int = 10**9) -> None:
        self.given: list[Message] = []
        self.down = down
        self.most = most
        self._open = 0

    def send(self, messages: Sequence[Message]) -> None:
        self.given += messages
        self._open += len(messages)

    def flush(self, max_wait_s: float) -> int:
        if self.down:
            self._open = 0
            raise SinkError("it is down")
        done = min(self._open, self.most)
        self._open -= done
        return done


def messages(count: int, start: int = 0) -> list[Message]:
    """Messages that tell their number."""
    return [Message(b"k", b"%d" % number) for number in range(start, start + count)]


def queue(outbox: Outbox, store: Store, **given: Sequence[Message]) -> None:
    """Add messages and commit."""
    for name, some in given.items():
        outbox.add(name, some)
    with store.commit() as commit:
        outbox.stage(commit)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A new state."""
    with Store.open(tmp_path) as opened:
        yield opened


def test_messages_leave_in_order_after_their_commit(store: Store) -> None:
    """Nothing is sent before it is durable; then everything is, once, in the order in which it was added."""
    sink = Recorder()
    outbox = Outbox(store, {"readings": [sink]})
    outbox.add("readings", messages(1_500))
    assert outbox.deliver(0) == 0
    assert sink.given == []
    queue(outbox, store, readings=messages(1_000, 1_500))
    assert outbox.drain(5)
    assert sink.given == messages(2_500)
    assert list(store.queued()) == []
    assert outbox.sizes()["readings"] == (0, 0)


def test_what_was_not_acknowledged_is_sent_again_by_the_next_process(store: Store) -> None:
    """A new outbox on the same state sends the same messages, in the same order."""
    queue(Outbox(store, {"alerts": [Recorder(down=True)]}), store, alerts=messages(5))
    sink = Recorder()
    again = Outbox(store, {"alerts": [sink]})
    assert again.sizes()["alerts"][0] == 5
    assert again.drain(5)
    assert sink.given == messages(5)


def test_a_sink_that_is_down_holds_up_its_own_queue_only(store: Store) -> None:
    """Readings and dead letters leave while alerts can't, and the other way round."""
    alerts, readings, letters = Recorder(down=True), Recorder(), Recorder()
    outbox = Outbox(store, {"alerts": [alerts], "readings": [readings], "dead_letters": [letters]})
    for turn in range(3):
        queue(outbox, store, alerts=messages(1, turn), readings=messages(1, turn), dead_letters=messages(1, turn))
        outbox.deliver(0)
    assert readings.given == letters.given == messages(3)
    assert outbox.sizes()["alerts"][0] == 3


def test_a_sink_that_comes_back_gets_everything_in_order(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failure all that was unacknowledged is sent again, before anything newer."""
    monkeypatch.setattr(Backoff, "failed", lambda _: None)
    sink = Recorder(down=True)
    outbox = Outbox(store, {"alerts": [sink]})
    queue(outbox, store, alerts=messages(3))
    assert outbox.deliver(0) == 0
    sink.down, sink.given = False, []
    queue(outbox, store, alerts=messages(2, 3))
    assert outbox.drain(5)
    assert sink.given == messages(5)


def test_a_row_is_forgotten_when_all_of_it_is_acknowledged_by_all(store: Store) -> None:
    """Half a row, or one of two sinks, is not enough."""
    fast, slow = Recorder(), Recorder(most=2)
    outbox = Outbox(store, {"alerts": [fast, slow]})
    queue(outbox, store, alerts=messages(3))
    assert outbox.deliver(0) == 0
    assert [row.messages for row in store.queued()] == [3]
    assert outbox.deliver(0) == 3
    assert fast.given == slow.given == messages(3)


def test_a_sink_is_not_given_more_than_it_can_hold(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is unacknowledged in a sink is bounded, however long the queue is."""
    monkeypatch.setattr(outbox_module, "FLIGHT_MESSAGES", 2 * ROW_MESSAGES)
    sink = Recorder(most=0)
    outbox = Outbox(store, {"readings": [sink]})
    queue(outbox, store, readings=messages(10 * ROW_MESSAGES))
    for _ in range(3):
        outbox.deliver(0)
    assert len(sink.given) == 2 * ROW_MESSAGES


def test_a_full_queue_says_so(store: Store) -> None:
    """At its bound in messages or bytes a queue asks for input to pause, until it has drained."""
    sink = Recorder(most=0)
    bounds = {"readings": Bound(3, 10**6), "alerts": Bound(10**6, 50)}
    outbox = Outbox(store, {"readings": [sink], "alerts": [Recorder(most=0)]}, bounds)
    assert outbox.full() == ()
    outbox.add("readings", messages(2))
    assert outbox.full() == ()
    outbox.add("readings", messages(1))
    assert outbox.full() == ("readings",)
    queue(outbox, store)
    assert outbox.full() == ("readings",)
    sink.most = 10
    assert outbox.deliver(0) == 3
    assert outbox.full() == ()
    outbox.add("alerts", [Message(b"k", bytes(50))])
    assert outbox.full() == ("alerts",)


def test_a_queue_without_sinks_throws_away(store: Store) -> None:
    """`sinks.readings: []` stores nothing, and what was queued when there was a sink is dropped."""
    queue(Outbox(store, {"readings": [Recorder(most=0)]}), store, readings=messages(3))
    outbox = Outbox(store, {"readings": []})
    queue(outbox, store, readings=messages(5))
    assert outbox.deliver(0) == 3
    assert list(store.queued()) == []


@given(st.lists(st.binary(max_size=40).map(lambda value: Message(None, value)), max_size=60), st.integers(1, 7))
def test_rows_keep_every_message_and_their_bounds(given_messages: list[Message], most: int) -> None:
    """Cutting into rows loses and reorders nothing; a row is within its bounds unless one message alone is larger."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outbox_module, "ROW_MESSAGES", most)
        patch.setattr(outbox_module, "ROW_BYTES", 64)
        rows = list(_rows(given_messages))
    assert [each for row in rows for each in row] == given_messages
    assert all(0 < len(row) <= most for row in rows)
    assert all(sum(each.size for each in row) <= 64 or len(row) == 1 for row in rows)
    assert ROW_BYTES > 64


SENDER = """
import sys
from pathlib import Path
from config.streams import FileSink as Settings
from daemon.sinks import Message, Surroundings
from daemon.sinks.file import FileSink
from daemon.state import Outbox, Store

directory = Path(sys.argv[1])
with Store.open(directory / "state") as store:
    outbox = Outbox(store, {"alerts": [FileSink(Settings(path=directory / "alerts.ndjson"), Surroundings())]})
    for turn in range(len(sys.argv) > 2 and 3):
        outbox.add("alerts", [Message(b"k", b'{"turn":%d,"n":%d}' % (turn, n)) for n in range(3)])
        with store.commit() as commit:
            outbox.stage(commit)
        outbox.drain(5)
    outbox.drain(5)
"""


@pytest.mark.parametrize("step", ["2:2", "3:2", "4:2", "5:2"])
def test_a_kill_between_commit_and_mark_repeats_but_loses_nothing(tmp_path: Path, step: str) -> None:
    """Killed before, between or after sending, the next process leaves every committed message, byte for byte."""

    def send(*more: str, **environment: str) -> int:
        command = [sys.executable, "-c", SENDER, str(tmp_path), *more]
        return subprocess.run(command, cwd=ROOT, env=os.environ | environment, check=False).returncode

    assert send("add", VIGIL_STOP_AT=step) == -signal.SIGKILL
    assert send() == 0
    lines = (tmp_path / "alerts.ndjson").read_bytes().splitlines()
    turns = 1 if step == "2:2" else 2
    expected = [b'{"turn":%d,"n":%d}' % (turn, n) for turn in range(turns) for n in range(3)]
    assert list(dict.fromkeys(lines)) == expected
    assert len(lines) == len(expected) + (3 if step == "4:2" else 0)


def test_surroundings_name_no_broker_by_default() -> None:
    """A sink can be opened where no Kafka is configured."""
    assert Surroundings().kafka == {}
