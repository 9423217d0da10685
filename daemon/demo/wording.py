"""Times, spans and findings of the demo in words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from daemon.alerts.notice import Notice
from daemon.demo.story import HOUR, MINUTE

MOST_FEATURES = 3


def clock(time: int) -> str:
    """`Tue 03:04`, UTC."""
    return datetime.fromtimestamp(time / 1e6, UTC).strftime("%a %H:%M")


def span(length: int) -> str:
    """`4 min`, `2 h 20 min`."""
    minutes = max(0, round(length / MINUTE))
    hours, rest = divmod(minutes, HOUR // MINUTE)
    if not hours:
        return f"{rest} min"
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def top_features(notice: Notice) -> str:
    """`distance_km 61% (usually 34%), weight_kg 20%`: shares of the attributions; empty if nothing was explained."""
    rows = notice.evidence.get("top_features") or []
    return ", ".join(_share(row) for row in rows[:MOST_FEATURES] if "share" in row)


def short(notice: Notice) -> str:
    """`concept_drift, region=us`: which alert, where the model is known."""
    finding = notice.finding
    segment = f", {finding.group.segment}={finding.group.value}" if finding.group.segment else ""
    feature = f" of {finding.feature}" if finding.feature else ""
    return f"{finding.monitor}{feature}{segment}"


def figure(reading: dict[str, Any] | None) -> str:
    """`accuracy 87%` or `mean error 1.29`; a dash where nothing is known."""
    if reading is None or reading["value"] is None:
        return "–"
    if reading["series"] == "accuracy":
        return f"accuracy {reading['value']:.0%}"
    return f"mean error {reading['value']:.2f}"


def _share(row: dict[str, Any]) -> str:
    usual = row.get("reference_share")
    return f"{row['feature']} {row['share']:.0%}" + ("" if usual is None else f" (usually {usual:.0%})")
