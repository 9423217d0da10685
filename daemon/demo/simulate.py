"""`vigild simulate`: the same fleet in real time, into the Kafka of a configuration; for trying a deployment."""

from __future__ import annotations

import heapq
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from daemon import exits
from daemon.demo.fleet import Fleet
from daemon.demo.story import SECOND, every_hour
from daemon.demo.training import require_libraries, train
from daemon.demo.worlds import WORLDS
from daemon.sinks.base import Message, Sink, SinkError

if TYPE_CHECKING:
    from config import Config
    from config.streams import Kafka

log = structlog.get_logger("vigil.simulate")

_RETRY_S = 2.0
_PATIENCE_S = 30.0
"""What was to be predicted longer ago than this, while there was no broker, never was."""
_TOLD_EVERY = 60
"""Slices between two lines of the log."""

Slice = tuple[list[Message], list[Message]]
"""Predictions and labels whose time has come."""


def simulate(config: Config, *, rate: float, seconds: float | None = None, seed: int = 0) -> int:
    """Send events until SIGTERM or Ctrl-C, or for so many seconds; returns the exit code.

    `rate` is predictions per second, of the whole fleet. Things go wrong every hour, from its ninth minute on.
    """
    from daemon import telemetry
    from daemon.commands.signals import Signals

    require_libraries()
    if config.kafka is None:
        raise exits.Ended(exits.CONFIG, "there are no brokers to send to: add the section kafka:")
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # small models: more threads only wait for one another
    telemetry.configure(config.log.level, config.log.format)
    with ExitStack() as stack:
        signals = stack.enter_context(Signals())
        models = train(WORLDS, Path(stack.enter_context(tempfile.TemporaryDirectory())), seed)
        end = time.monotonic() + (seconds if seconds is not None else float("inf"))
        predictions, labels = topics_of(config.kafka)
        log.info("simulation starts", predictions=predictions, labels=labels, per_second=rate)
        sinks = [_sink(config, topic, stack) for topic in (predictions, labels)]
        now = int(time.time()) * SECOND
        live = LiveStream(Fleet(models, every_hour(now, rate / len(models)), seed), now)
        _send(live, sinks, lambda: signals.stopping() or time.monotonic() >= end)
    return exits.OK


def topics_of(kafka: Kafka) -> tuple[str, str]:
    """The topics for predictions and for labels: those whose names say so, else the first and the last."""
    names = [topic.name for topic in kafka.topics]
    predictions = next((name for name in names if "prediction" in name), names[0])
    return predictions, next((name for name in names if "label" in name), names[-1])


class LiveStream:
    """The fleet's events as time goes on: each call answers with what has become due since the one before."""

    def __init__(self, fleet: Fleet, start: int) -> None:
        self._fleet = fleet
        self._until = start
        self._due: list[tuple[int, bytes]] = []

    def until(self, now: int) -> Slice:
        """Predictions of whole seconds, and labels, up to now (microseconds)."""
        predictions: list[tuple[int, bytes]] = []
        while self._until + SECOND <= now:
            for events in self._fleet.between(self._until, self._until + SECOND).values():
                predictions += events.predictions
                for label in events.labels:
                    heapq.heappush(self._due, label)
            self._until += SECOND
        labels = []
        while self._due and self._due[0][0] < self._until:
            labels.append(heapq.heappop(self._due))
        return _messages(sorted(predictions)), _messages(labels)

    def skip_to(self, now: int) -> None:
        """Let time pass without predictions: nobody could have taken them."""
        self._until = max(self._until, now // SECOND * SECOND)


def _messages(events: list[tuple[int, bytes]]) -> list[Message]:
    return [Message(None, line) for _, line in events]


def _sink(config: Config, topic: str, stack: ExitStack) -> Sink:
    from config.streams import KafkaSink as Settings
    from daemon.sinks.base import Surroundings
    from daemon.sinks.kafka import KafkaSink

    assert config.kafka is not None  # noqa: S101 - the caller made sure
    sink = KafkaSink(Settings(topic=topic), Surroundings(config.kafka.client_options() | config.kafka.producer))
    stack.callback(sink.close)
    return sink


def _send(live: LiveStream, sinks: list[Sink], over: Callable[[], bool]) -> None:
    """Once a second, what has become due."""
    count = turns = 0
    while not over():
        time.sleep(1 - time.time() % 1)
        slices = live.until(time.time_ns() // 1000)
        for sink, messages in zip(sinks, slices, strict=True):
            count += _delivered(sink, messages, over)
        live.skip_to(int((time.time() - _PATIENCE_S) * SECOND))
        turns += 1
        if turns % _TOLD_EVERY == 0:
            log.info("simulated", events=count)


def _delivered(sink: Sink, messages: list[Message], over: Callable[[], bool]) -> int:
    """Send until all are acknowledged, or until it is over; says how many were. While there is no broker, wait."""
    safe, sent = 0, 0
    while safe < len(messages) and not over():
        try:
            sink.send(messages[sent:])
            sent = len(messages)
            safe += sink.flush(_RETRY_S)
        except SinkError as error:  # it has forgotten what was not acknowledged
            log.warning("nothing can be sent", reason=str(error))
            sent = safe
            time.sleep(_RETRY_S)
    return safe
