"""What decoding gives: rows by kind, and refusals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from daemon.decode.again import Again, none
from daemon.records import Partition
from processors.rows import Labels, Predictions, Signals


@dataclass(frozen=True, slots=True)
class Refusal:
    """A bad event or message: where it stood, why it was refused, and its original bytes."""

    partition: Partition
    offset: int
    index: int
    reason: str
    detail: str
    key: bytes | None
    value: bytes
    headers: Any
    clock: int = 0
    """Clock of its partition when it was read: the time at which it is accounted for."""
    timestamp: int = -1
    """Of the record, in milliseconds; -1 for none."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """One run's rows by kind, and what was refused. `received` = rows + refusals."""

    predictions: Predictions
    labels: Labels
    signals: Signals
    refused: list[Refusal]
    received: int
    again: Again = field(default_factory=none)
    """Which of its records bring an event once more."""

    @classmethod
    def concat(cls, parts: Sequence[Decoded]) -> Decoded:
        """What was decoded, one part after the other. Raises `ValueError` without any."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            Predictions.concat([part.predictions for part in parts]),
            Labels.concat([part.labels for part in parts]),
            Signals.concat([part.signals for part in parts]),
            [refusal for part in parts for refusal in part.refused],
            sum(part.received for part in parts),
            Again.concat([part.again for part in parts]),
        )
