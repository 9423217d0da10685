"""What a pipeline is made of, and what it asks of those parts. `daemon.app` puts them together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from daemon.alerts.life import Life
from daemon.alerts.notice import Notice
from daemon.clocks import Clocks
from daemon.decode import Decoder, Refusal
from daemon.explain.explainer import Explainer
from daemon.ledger.ledger import Ledger
from daemon.records import Partition, Position
from daemon.sinks.base import Message
from daemon.sources.base import Source
from daemon.watch import Watch
from processors.base import Finding, Reading

if TYPE_CHECKING:
    from daemon.pipeline import Pipeline

ALERTS, READINGS, DEAD_LETTERS = "alerts", "readings", "dead_letters"


class Checkpoint(Protocol):
    """What makes progress durable and sends what leaves: the state and its outbox, or in a replay just the sinks."""

    def add(self, queue: str, messages: Sequence[Message]) -> None:
        """Queue messages; they leave after the next commit."""

    def due(self) -> bool:
        """Is it time for a commit?"""

    def commit(
        self, pipeline: Pipeline, positions: Mapping[Partition, Position], controls: list[dict[str, Any]]
    ) -> None:
        """Make everything so far durable. Raises if it can't: the process must then end."""

    def deliver(self, max_wait_s: float) -> None:
        """Send what was committed; failures are logged and tried again."""

    def pressure(self) -> bool:
        """Is a queue full, or much too much waiting for a commit? Then nothing more is read."""

    def full(self) -> tuple[str, ...]:
        """The queues that are full."""

    def queued(self) -> dict[str, int]:
        """Messages that wait, by queue."""

    def close(self) -> None:
        """Let go of the sinks. What was committed and not delivered stays for the next start."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Times of the loop, microseconds unless named otherwise."""

    pane_us: int
    lateness_us: int
    max_skew_us: int
    idle_after_s: float
    heartbeat_s: float
    account_span_us: int
    """How often the accounts are read out, in event time."""
    behind_us: int
    """Further behind the wall clock than this it is catching up."""
    max_wait_s: float = 0.5
    max_records: int = 8_192
    """Read at once: fewer cost more each, more hold up what the loop does besides."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that a pipeline is made of."""

    source: Source
    clocks: Clocks
    decoder: Decoder
    ledger: Ledger
    watch: Watch
    life: Life
    explainer: Explainer | None
    checkpoint: Checkpoint
    timing: Timing
    say: Messages
    wall: Callable[[], float] | None
    """The wall clock in seconds; None in a replay, where there is no present."""
    now: Callable[[], float]
    """Seconds of a clock that only goes forward, for waiting times."""
    on_decoded: Callable[[Any], None]
    on_notice: Callable[[Notice], None]
    control_topic: str | None = None
    """Where operators' orders come from."""

    def cut_off(self) -> dict[str, int]:
        """What was left out at the limits, by kind."""
        return {**self.watch.profile.cut_off, **self.ledger.cut_off}


class Messages(Protocol):
    """Turns what is said into messages."""

    def finding(self, finding: Finding) -> Finding: ...

    def alert(self, notice: Notice) -> Message: ...

    def reading(self, reading: Reading) -> Message: ...

    def dead_letter(self, refusal: Refusal) -> Message: ...

    def why(self, refusal: Refusal) -> str: ...

    def heartbeat(
        self, *, watermark: int | None, lag: Mapping[Partition, int], firing: int, wall: float
    ) -> Message: ...
