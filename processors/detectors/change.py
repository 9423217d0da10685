"""What a detector says when it changes its mind about a series."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

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
