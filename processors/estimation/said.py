"""What is said of estimates: readings, their errors, and the sentence of an alert."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from processors.base import Finding, Judging, Reading
from processors.detectors.change import Change
from processors.estimation.waiting import Checked
from processors.profile import Profile
from processors.rows import Floats
from processors.windows import Due
from processors.wording import basis, model_words, percent

_FEWEST_CHECKED = 30
"""Labels of a window below which its estimate is not compared with what they show."""


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


def of_closed(monitor: str, due: Due, context: Judging, why: Sequence[str]) -> list[Said]:
    """What the readings of each window that closed begin with."""
    columns = (due.keys, due.start, due.end, due.summary["n"])
    rows = zip(*(column.tolist() for column in columns), why, strict=True)
    return [Said(context, monitor, *row) for row in rows]


def of_checked(monitor: str, checked: Checked, context: Judging) -> Iterator[tuple[int, Said]]:
    """Place and beginning of the readings of each window of which labels enough have come."""
    for at in np.flatnonzero(checked.table["seen"] >= _FEWEST_CHECKED).tolist():
        group, start, end, n, seen = (int(checked.table[name][at]) for name in ("group", "start", "end", "n", "seen"))
        yield at, Said(context, monitor, group, start, end, seen, coverage=min(seen / max(n, 1), 1.0))


def estimates(
    said: Said, names: Sequence[str], estimate: Mapping[str, Floats], support: float, labels: int
) -> list[Reading]:
    """Readings of one window's estimates (value, low and high of each name), which rest on so many labels."""
    details: dict[str, Any] = {"labels": labels, "reliable": not said.why} | ({"why": said.why} if said.why else {})
    readings = []
    for place, name in enumerate(names):
        value, low, high = (estimate[part][place] for part in ("value", "low", "high"))
        readings.append(said.reading(f"estimated_{name}", value, (low, high), details))
    return [*readings, said.reading("estimate_support", support, None, details)]


def errors(said: Said, names: Sequence[str], estimate: Mapping[str, Floats], realised: Floats) -> list[Reading]:
    """Estimated minus realised, with how far off the estimate allowed for (its interval, around 0)."""
    readings = []
    for place, name in enumerate(names):
        value, low, high = (float(estimate[part][place]) for part in ("value", "low", "high"))
        truth = float(realised[place])
        if isfinite(value) and isfinite(truth):
            details = {"estimated": value, "realised": truth}
            bounds = (value - high, value - low)
            readings.append(said.reading(f"estimation_error_{name}", value - truth, bounds, details))
    return readings


def alert(monitor: str, change: Change, profile: Profile, why: str) -> Finding:
    """A change of the expected error rate. An estimate that may be off is told for information only."""
    return change.finding(
        monitor,
        "estimated_error_rate",
        profile.groups[change.key],
        _sentence(change, profile, why),
        severity="info" if why else "warning",
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
