"""What is said of estimates: readings, their errors, and the sentence of an alert."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from processors.base import Finding, Judging, Reading
from processors.detectors.change import Change
from processors.estimation.expected import Estimates
from processors.estimation.measures import BINARY_MEASURES, MACRO_MEASURES
from processors.profile import BINARY, Profile
from processors.rows import Floats
from processors.wording import basis, model_words, percent


@dataclass(frozen=True, slots=True)
class Said:
    """A window of predictions, for its readings; `why` it may be off, if it may."""

    context: Judging
    monitor: str
    group: int
    start: int
    end: int
    n: int
    why: str = ""
    coverage: float | None = None

    def reading(
        self, series: str, value: Any, bounds: tuple[Any, Any] | None = None, details: Mapping[str, Any] | None = None
    ) -> Reading:
        """One series; what is not a finite number is undefined."""
        known = isfinite(value)
        low, high = (None, None) if bounds is None or not known else (_finite(bounds[0]), _finite(bounds[1]))
        return Reading(
            self.monitor,
            series,
            self.context.profile.groups[self.group],
            float(value) if known else None,
            self.n,
            self.start,
            self.end,
            low=low,
            high=high,
            coverage=self.coverage,
            details=details or {},
        )


def estimates(said: Said, found: Estimates, at: int, labels: int) -> list[Reading]:
    """Readings of one window's estimates, which rest on so many labels."""
    details: dict[str, Any] = {"labels": labels, "reliable": not said.why} | ({"why": said.why} if said.why else {})
    names = BINARY_MEASURES if found.binary[at] else MACRO_MEASURES
    rows = found.measures
    readings = [
        said.reading(f"estimated_{name}", rows.value[at, place], (rows.low[at, place], rows.high[at, place]), details)
        for place, name in enumerate(names)
    ]
    return [*readings, said.reading("estimate_support", found.support[at], None, details)]


def errors(said: Said, estimate: Mapping[str, Floats], realised: Floats) -> list[Reading]:
    """Estimated minus realised, with how far off the estimate allowed for (its interval, around 0)."""
    binary = said.context.profile.task(said.group) == BINARY
    readings = []
    for place, name in enumerate(BINARY_MEASURES if binary else MACRO_MEASURES):
        value, low, high = (float(estimate[part][place]) for part in ("value", "low", "high"))
        truth = float(realised[place])
        if not np.isfinite([value, truth]).all():
            continue
        details = {"estimated": value, "realised": truth}
        bounds = (value - high, value - low)
        readings.append(said.reading(f"estimation_error_{name}", value - truth, bounds, details))
    return readings


def alert(monitor: str, change: Change, profile: Profile, why: str) -> Finding:
    """A change of the expected error rate. An estimate that may be off is told for information only."""
    return Finding(
        kind=change.kind,
        monitor=monitor,
        series="estimated_error_rate",
        group=profile.groups[change.key],
        since=change.since,
        value=change.value,
        n=change.n,
        summary=_sentence(change, profile, why),
        reference=change.reference,
        low=change.low,
        high=change.high,
        severity="info" if why else "warning",
        action="none",
        provisional=change.provisional,
        evidence={"reliable": not why} | ({"why": why} if why else {}),
    )


def _sentence(change: Change, profile: Profile, why: str) -> str:
    subject = f"{model_words(profile.groups[change.key])}: the error rate expected from its scores"
    if change.kind == "recovered":
        usual = percent(change.reference)
        return f"{subject} is back at {percent(change.value)} ({change.n:,} predictions; usual: {usual})."
    support = basis(change.n, "predictions", change.since)
    doubt = f"; the estimate may be off: {why}" if why else ""
    moved = f"rose from {percent(change.reference)} to {percent(change.value)}"
    return f"{subject} {moved} ({support}, labels not awaited{doubt})."


def _finite(number: Any) -> float | None:
    return float(number) if isfinite(number) else None
