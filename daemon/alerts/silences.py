"""Silences: alerts that somebody holds back for a while, with who and why; once, or again and again.

They are judged in event time, as everything about alerts is, so that a replay holds back what the live run did.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, Self

from config.schema import Silence as Configured
from processors.base import Finding, Severity

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIELDS = ("who", "reason", "model", "version", "monitor", "series", "severity", "start", "end", "every", "name")


@dataclass(frozen=True, slots=True)
class Silence:
    """What is held back (globs; None: any), from when until when (event time; None: always), by whom and why."""

    who: str
    reason: str
    model: str | None = None
    version: str | None = None
    monitor: str | None = None
    series: str | None = None
    severity: Severity | None = None
    start: int | None = None
    end: int | None = None
    every: int | None = None
    """It comes again after this long, from `start` on: a maintenance window."""
    name: str = ""
    """Of one that an operator ordered, so that it can be lifted again."""

    @classmethod
    def configured(cls, silences: Iterable[Configured]) -> tuple[Self, ...]:
        """The silences of the configuration."""
        return tuple(
            cls(
                silence.who,
                silence.reason,
                start=_time(silence.from_),
                end=_time(silence.until),
                every=None if silence.every is None else int(silence.every),
                **dict(silence.match),
            )
            for silence in silences
        )

    def matches(self, finding: Finding, severity: Severity) -> bool:
        """Whether it means this alert, whenever that is."""
        return (
            self.severity in (None, severity)
            and _fits(self.model, finding.group.model)
            and _fits(self.version, finding.group.version)
            and _fits(self.monitor, finding.monitor)
            and _fits(self.series, finding.series)
        )

    def holds(self, time: int) -> bool:
        """Whether it is in force."""
        if self.start is not None and time < self.start:
            return False
        until = self.until(time)
        return until is None or time < until

    def until(self, time: int) -> int | None:
        """The end of the window that holds at `time`, or of the last one before it; None: it has no end."""
        if self.every is None or self.start is None or self.end is None:
            return self.end
        return self.end + max(time - self.start, 0) // self.every * self.every

    def tree(self) -> dict[str, Any]:
        """A tree that can be packed; `Silence(**tree)` leads back."""
        return {name: getattr(self, name) for name in _FIELDS}

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> Self:
        """What `tree` described."""
        return cls(**tree)


def silenced(silences: Iterable[Silence], finding: Finding, severity: Severity, time: int) -> Silence | None:
    """The first silence that holds this alert back now."""
    return next((s for s in silences if s.holds(time) and s.matches(finding, severity)), None)


def lifted_at(silences: Iterable[Silence], finding: Finding, severity: Severity, time: int) -> int | None:
    """When a silence that holds this alert back next ends; None if none does."""
    holding = [s.until(time) for s in silences if s.holds(time) and s.matches(finding, severity)]
    return min((end for end in holding if end is not None), default=None)


def _fits(glob: str | None, name: str) -> bool:
    return glob is None or fnmatchcase(name, glob)


def _time(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - _EPOCH) // _MICROSECOND
