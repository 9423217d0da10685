"""Messages and runs of records for tests of what is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from daemon.clocks import Clocks
from daemon.codecs.native import Native
from daemon.decode import Bounds, Decoded, Decoder
from daemon.records import Partition, Run

SECOND = 1_000_000
START = 1_790_000_000 * SECOND
"""A Monday in September 2026, in microseconds."""
EVENTS = Partition("events", 0)


def run(
    values: Sequence[Any], *, ms: Sequence[int] | None = None, partition: Partition = EVENTS, first: int = 0
) -> Run:
    """Records of one partition: bytes as they are, anything else as JSON; `ms` are the records' own timestamps."""
    size = len(values)
    messages = [value if value is None or isinstance(value, bytes) else orjson.dumps(value) for value in values]
    stamps = list(ms) if ms is not None else [START // 1000] * size
    return Run(partition, list(range(first, first + size)), stamps, [None] * size, messages, [()] * size)


def decoder(bounds: Bounds | None = None, **options: Any) -> Decoder:
    """A decoder of native events, with clocks of its own."""
    return Decoder({}, Native(), Clocks(10 * SECOND, 300 * SECOND), bounds or Bounds(), **options)


def decoded(*values: Any, bounds: Bounds | None = None) -> Decoded:
    """What becomes of messages."""
    return decoder(bounds).decode(run(values))


def prediction(**changes: Any) -> dict[str, Any]:
    """A prediction, with other fields or none (`...`) in place of its own."""
    return _changed({"type": "prediction", "id": "x", "model": "m", "prediction": 1}, changes)


def label(**changes: Any) -> dict[str, Any]:
    """A label."""
    return _changed({"type": "label", "id": "x", "model": "m", "label": 1}, changes)


def signal(**changes: Any) -> dict[str, Any]:
    """A signal."""
    return _changed({"type": "signal", "model": "m", "name": "loss", "value": 0.5}, changes)


def nested(depth: int) -> list[Any]:
    """So many arrays in each other."""
    found: list[Any] = []
    for _ in range(depth - 1):
        found = [found]
    return found


def _changed(event: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (event | changes).items() if value is not ...}
