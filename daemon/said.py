"""What is said, as messages: alerts, readings, dead letters, heartbeats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import orjson

from daemon.alerts.events import Events
from daemon.alerts.notice import Notice
from daemon.decode import Refusal
from daemon.decode.again import REF, TIMESTAMP
from daemon.envelopes import dead_letter, dead_letter_message, reading_message
from daemon.records import Partition
from daemon.redaction import REDACTED, redacted_finding, redacted_reading
from daemon.sinks.base import Message
from processors.base import Finding, Reading


@dataclass(frozen=True, slots=True)
class Said:
    """Builds messages. `redacted` names features (globs) whose values never leave."""

    events: Events
    redacted: Sequence[str] = ()

    def alert(self, notice: Notice) -> Message:
        """A notice as CloudEvent, or as the tombstone of an alert that is forgotten."""
        return self.events.message(notice)

    def finding(self, finding: Finding) -> Finding:
        """A finding as its alert may tell it, in messages and in the log."""
        return redacted_finding(finding, self.redacted)

    def reading(self, reading: Reading) -> Message:
        """A reading as CloudEvent."""
        return reading_message(redacted_reading(reading, self.redacted), self.events.source, self.events.config_hash)

    def heartbeat(self, *, watermark: int | None, lag: Mapping[Partition, int], firing: int, wall: float) -> Message:
        """A sign of life."""
        return self.events.heartbeat(int(wall * 1e6), watermark, lag, firing)

    def dead_letter(self, refusal: Refusal) -> Message:
        """A refused event with its original bytes; without the values of redacted features.

        Details quote what was found, keys and headers hold what nobody declared: where anything is redacted, details
        and headers are withheld, and so is a key that is no JSON object.
        """
        ref = (refusal.partition.topic, refusal.partition.number, refusal.offset, refusal.index)
        key, value, headers = refusal.key, refusal.value, tuple(refusal.headers)
        if self.redacted:
            key = self._without_secrets(key) if key is not None and key[:1] == b"{" else None
            value = self._without_secrets(value)
            headers = tuple((name, held if name in (REF, TIMESTAMP) else REDACTED.encode()) for name, held in headers)
        letter = dead_letter(
            ref, refusal.reason, self.why(refusal), key=key, value=value, headers=headers, timestamp=refusal.timestamp
        )
        return dead_letter_message(letter)

    def why(self, refusal: Refusal) -> str:
        """What is wrong with a refused event; withheld where anything is redacted, as it quotes what was found."""
        return REDACTED if self.redacted else refusal.detail

    def _without_secrets(self, value: bytes) -> bytes:
        """The event with redacted features blotted out; what can't be read or written as JSON is withheld."""
        try:
            event = orjson.loads(value)
            blot(event, self.redacted)
            return orjson.dumps(event)
        except (orjson.JSONDecodeError, orjson.JSONEncodeError, RecursionError):
            return REDACTED.encode()


def blot(tree: object, redacted: Sequence[str]) -> None:
    """Replace, at any depth, the values of keys that match a redacted name."""
    if isinstance(tree, dict):
        for key, item in tree.items():
            if any(fnmatchcase(key, pattern) for pattern in redacted):
                tree[key] = REDACTED
            else:
                blot(item, redacted)
    elif isinstance(tree, list):
        for item in tree:
            blot(item, redacted)
