"""The contract of a source, and how one becomes known.

A source is one file in this folder: a class with a `name`, its `Settings`, and the methods below. Importing the folder
registers it; it is then chosen in the configuration as `source: {name: settings}`. Kafka and files have sections of
their own. How events are written is what the settings say, if they have a field `codec`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any, ClassVar

from pydantic import BaseModel

from daemon.records import Partition, Polled, Position

PATIENCE_S = 30.0
"""How long a command waits for a source that does not answer. A daemon waits for ever."""
MOST_BYTES = 8 * 2**20
"""About so many bytes of values come with a poll, or one record: the loop looks up from its work in between."""


class SourceError(Exception):
    """The source can't be read, and waiting won't help. One line that says what to do; ends the process."""

    exit_code: ClassVar[int] = 78


class NotInstalled(SourceError):
    """A library that the source needs is not there."""

    exit_code: ClassVar[int] = 69


class Unreachable(SourceError):
    """Nobody answers where the source should be."""

    exit_code: ClassVar[int] = 69


class StateMissing(SourceError):
    """The consumer group has offsets, but the state doesn't know their partitions: it was lost, or is another's."""


def _nowhere() -> Mapping[Partition, Position]:
    return {}


@dataclass(frozen=True, slots=True)
class Opening:
    """What a source is opened with beside its settings.

    `positions` answers with the committed positions; it is asked at each assignment, on the thread that polls.
    With `start_empty` offsets of the consumer group without a position don't matter. `message_bytes` is the largest
    value that anybody will take: of a longer one a source may hand out just the first `message_bytes` + 1 bytes.
    `instance` names this state directory, for ever: a consumer group then knows a restarted daemon again at once
    instead of waiting for its predecessor to come back. A source that nobody answers for `patience_s` raises
    `Unreachable`; once somebody did it waits for ever. `outputs` are the topics that sinks will write to, each with the
    setting that names it.
    """

    positions: Callable[[], Mapping[Partition, Position]] = _nowhere
    start_empty: bool = False
    message_bytes: int = 10 * 2**20
    instance: str = ""
    patience_s: float = inf
    outputs: Mapping[str, str] = field(default_factory=dict)


class Source(ABC):
    """Partitions of records, read in order from where the state says. Not thread-safe: one thread calls all."""

    name: ClassVar[str]
    Settings: ClassVar[type[BaseModel]]

    @abstractmethod
    def __init__(self, settings: Any, opening: Opening) -> None: ...

    @abstractmethod
    def poll(self, max_wait_s: float, max_records: int) -> Polled:
        """Wait for records, at most `max_wait_s`; hand out at most `max_records`, of no paused partition.

        Raises `SourceError` where waiting can't help. What may heal (no broker, no leader, a cut connection) is
        logged and tried again by later polls.
        """

    @abstractmethod
    def seek(self, positions: Mapping[Partition, Position]) -> None:
        """Go on from these positions; those of partitions that aren't assigned are ignored."""

    @abstractmethod
    def positions(self) -> dict[Partition, Position]:
        """Where each assigned partition goes on after what was handed out: what the next commit stores."""

    @abstractmethod
    def pause(self, partitions: Collection[Partition]) -> None:
        """Hand out nothing more of these until they are resumed. Unassigned ones are ignored."""

    @abstractmethod
    def resume(self, partitions: Collection[Partition]) -> None:
        """Go on with these."""

    @property
    @abstractmethod
    def paused(self) -> frozenset[Partition]:
        """The assigned partitions that are paused."""

    @property
    def reachable(self) -> bool:
        """Whether what is read answers, as far as that is known: False while there is no broker."""
        return True

    def vouch(self) -> bool:
        """Whether all that was handed out is surely of the partitions that it was said to be of.

        Asked before each commit: if not, nothing may be committed, and the next polls say what was lost, if anything.
        """
        return True

    def commit(self, positions: Mapping[Partition, Position]) -> None:
        """Tell whoever measures lag how far the state has come. Never raises: the truth is in the state."""
        return

    @abstractmethod
    def close(self) -> None:
        """Let go of everything. Never raises."""
