"""A Kafka source that tests poll themselves, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from daemon.records import Gap, Partition, Polled, Position, Run
from daemon.sources.kafka import KafkaSource

PATIENCE_S = 120.0


class Open(Protocol):
    """Opens a source of a topic, closed at the end of the test."""

    def __call__(
        self,
        topic: str,
        positions: Mapping[Partition, Position] | None = None,
        *,
        bootstrap: str | None = None,
        start_empty: bool = False,
        instance: str = "",
        **settings: Any,
    ) -> KafkaSource: ...


def options(transport: str, ours: Mapping[str, Any]) -> dict[str, Any]:
    """Options of kafka-python's consumer by the transport's own names."""
    if transport == "kafka-python":
        return dict(ours)
    renamed = {"metadata_max_age_ms": "topic_metadata_refresh_interval_ms"}
    return {renamed.get(name, name).replace("_", "."): value for name, value in ours.items()}


def poll_until(
    source: KafkaSource, enough: Callable[[list[Polled]], object], at_once: int = 1_000, max_wait_s: float = 0.3
) -> list[Polled]:
    """Poll until it is enough; raises `TimeoutError` if it never is."""
    polls: list[Polled] = []
    give_up = time.monotonic() + PATIENCE_S
    while not enough(polls):
        if time.monotonic() > give_up:
            raise TimeoutError(f"not enough came: {polls[-1:]}")
        polls.append(source.poll(max_wait_s, at_once))
    return polls


def runs(polls: list[Polled]) -> list[Run]:
    """All runs, in order."""
    return [run for polled in polls for run in polled.runs]


def offsets(polls: list[Polled], number: int = 0) -> list[int]:
    """All offsets of a partition, in order."""
    return [offset for run in runs(polls) if run.partition.number == number for offset in run.offsets]


def count(least: int) -> Callable[[list[Polled]], bool]:
    """Enough when so many records came."""
    return lambda polls: sum(map(len, polls)) >= least


def assigned(polls: list[Polled]) -> bool:
    """Enough when something was assigned."""
    return any(polled.assigned for polled in polls)


def caught_up(polls: list[Polled]) -> bool:
    """Enough when the last poll says that something is read to its end."""
    return bool(polls and polls[-1].caught_up)


def gaps(polls: list[Polled]) -> list[Gap]:
    """All gaps."""
    return [gap for polled in polls for gap in polled.gaps]
