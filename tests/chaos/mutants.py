"""Daemons with a mistake in them: `python -m tests.chaos.mutants <mistake> run -c vigil.yaml`.

Each mistake is one that a hurried change could make, put in from outside: Vigil's own code has no switch for it. The
harness is worth what it catches of these.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from daemon.__main__ import main
from daemon.app import Live, _sinks
from daemon.checkpoint import Durable
from daemon.intake import Intake
from daemon.parts import DEAD_LETTERS
from daemon.records import Polled
from daemon.sinks.base import Message, Sink
from daemon.state.commit import Commit
from daemon.state.errors import StateError
from daemon.state.outbox import _Route
from daemon.state.steps import Step
from daemon.state.store import Store

MISTAKES: dict[str, Callable[[], None]] = {}


def mistake(make: Callable[[], None]) -> Callable[[], None]:
    """Make it known by its name."""
    MISTAKES[make.__name__] = make
    return make


def put(owner: type, name: str, method: Callable[..., Any]) -> None:
    """A method in place of another."""
    setattr(owner, name, method)


class _Straight:
    """Sinks of the daemon's configuration beside the outbox: sends and waits."""

    def __init__(self) -> None:
        self._config: Any = None
        self._opened: dict[str, list[Sink]] = {}
        build = Live._build

        def remember(live: Live) -> Any:
            self._config = live._config
            return build(live)

        put(Live, "_build", remember)

    def send(self, queue: str, messages: Sequence[Message]) -> None:
        """These, at once."""
        if queue not in self._opened:
            self._opened[queue] = _sinks(self._config, self._config.outputs[queue])
        for sink in self._opened[queue] if messages else ():
            sink.send(messages)
            sink.flush(5.0)


@mistake
def offsets_told_before_the_commit() -> None:
    """Kafka is told the offsets, then the state is written."""
    commit = Durable.commit

    def mutant(durable: Durable, pipeline: Any, positions: Any, controls: Any) -> None:
        durable._source.commit(positions)
        time.sleep(0.3)
        commit(durable, pipeline, positions, controls)

    put(Durable, "commit", mutant)


@mistake
def positions_committed_before_the_state() -> None:
    """Positions are durable in a transaction of their own, before what was learnt from the records below them."""
    commit = Durable.commit

    def mutant(durable: Durable, pipeline: Any, positions: Any, controls: Any) -> None:
        durable._settle(None)
        early = durable._store.stage()
        early.positions(positions)
        durable._store.write(early)
        commit(durable, pipeline, positions, controls)

    put(Durable, "commit", mutant)


@mistake
def dead_letters_sent_at_once() -> None:
    """Dead letters leave when their events are refused, not when that is committed."""
    straight, add = _Straight(), Durable.add

    def mutant(durable: Durable, queue: str, messages: Sequence[Message]) -> None:
        if queue == DEAD_LETTERS:
            straight.send(queue, messages)
        else:
            add(durable, queue, messages)

    put(Durable, "add", mutant)


@mistake
def dead_letters_sent_from_memory() -> None:
    """Dead letters wait for the commit in memory instead of in it."""
    straight, add, commit, deliver = _Straight(), Durable.add, Durable.commit, Durable.deliver
    collected: list[Message] = []
    waiting: list[Message] = []

    def collect(durable: Durable, queue: str, messages: Sequence[Message]) -> None:
        if queue == DEAD_LETTERS:
            collected.extend(messages)
        else:
            add(durable, queue, messages)

    def stage(durable: Durable, pipeline: Any, positions: Any, controls: Any) -> None:
        commit(durable, pipeline, positions, controls)
        waiting.extend(collected)
        collected.clear()

    def send(durable: Durable, max_wait_s: float) -> None:
        deliver(durable, max_wait_s)
        if waiting and durable._settle(None):
            straight.send(DEAD_LETTERS, waiting)
            waiting.clear()

    put(Durable, "add", collect)
    put(Durable, "commit", stage)
    put(Durable, "deliver", send)


@mistake
def outbox_sent_before_the_commit() -> None:
    """What is to leave leaves, then it is written down."""
    straight, commit = _Straight(), Durable.commit

    def mutant(durable: Durable, pipeline: Any, positions: Any, controls: Any) -> None:
        for name, queue in durable._outbox._queues.items():
            straight.send(name, queue._collected)
        commit(durable, pipeline, positions, controls)

    put(Durable, "commit", mutant)


@mistake
def memory_kept_after_a_failed_commit() -> None:
    """A commit that can't be written is shrugged at: the next one will do."""
    transact = Store._transact

    def mutant(store: Store, commit: Commit, *steps: Step) -> None:
        with suppress(StateError):
            transact(store, commit, *steps)

    put(Store, "_transact", mutant)


@mistake
def marked_before_it_was_acknowledged() -> None:
    """What was handed to the sink counts as sent."""
    send = _Route.send

    def hasty(route: _Route, rows: Any, store: Store) -> None:
        send(route, rows, store)
        route.acknowledged = route._sent

    put(_Route, "send", hasty)


@mistake
def memory_kept_after_partitions_were_lost() -> None:
    """Partitions that come back are read again from the last commit, on top of what memory has of them."""
    take = Intake.take

    def mutant(intake: Intake, polled: Polled, closed_until: int, asked: float) -> None:
        polled.revoked = ()
        take(intake, polled, closed_until, asked)

    put(Intake, "take", mutant)


def run(arguments: Sequence[str], mistakes: Mapping[str, Callable[[], None]] = MISTAKES) -> int:
    """Make the mistake, then be the daemon."""
    mistakes[arguments[0]]()
    return main(list(arguments[1:]))


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
