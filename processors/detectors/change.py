"""What a detector says when it changes its mind about a series."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from processors.base import Action, Finding, Severity
from processors.profile import GroupKey
from processors.rows import Floats


@dataclass(frozen=True, slots=True)
class Change:
    """One series went bad, is still bad, or is well again.

    `value` with its interval `low` to `high` and sample size `n` describes the series since the estimated onset
    `since` (for `recovered`: since it came back; `since` is then still the onset of what ended). Times are
    microseconds. `log_evidence` is the natural logarithm of the evidence relative to what was needed.
    """

    key: int
    kind: Literal["fired", "updated", "recovered"]
    direction: Literal["up", "down"]
    value: float
    reference: float
    low: float
    high: float
    n: int
    since: int
    provisional: bool
    log_evidence: float
    onset: tuple[int, int] | None = None
    """Bounds of `since`."""
    counts: Floats | None = field(default=None, compare=False)
    """Counts by bin since the onset; histograms only."""

    def finding(
        self,
        monitor: str,
        series: str,
        group: GroupKey,
        summary: str,
        *,
        feature: str | None = None,
        severity: Severity = "warning",
        action: Action = "none",
        evidence: Mapping[str, Any] | None = None,
        reason: str = "",
        lag: int = 0,
    ) -> Finding:
        """What a monitor says of this change: its numbers, and what only the monitor knows, as in `Finding`."""
        return Finding(
            kind=self.kind,
            monitor=monitor,
            series=series,
            group=group,
            since=self.since,
            value=self.value,
            n=self.n,
            summary=summary,
            feature=feature,
            reference=self.reference,
            low=self.low,
            high=self.high,
            severity=severity,
            action=action,
            provisional=self.provisional,
            evidence=evidence or {},
            onset=self.onset,
            reason=reason,
            lag=lag,
        )
