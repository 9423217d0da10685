"""Inhibition: a broken feature explains what its version does wrong afterwards.

While an alert that calls for `fix_feature` fires, alerts of the same version that began with it or after it, and that
watch what the model makes of its features, name it in `inhibited_by` and are said for information only. What fired
before is not explained by it. When the cause ends, its effects stand for themselves again.
"""

from __future__ import annotations

from collections.abc import Iterable

from daemon.alerts.alert import Alert

EFFECTS = frozenset(
    {
        "anomaly",
        "attribution",
        "calibration",
        "concept_drift",
        "estimated_performance",
        "fairness",
        "performance",
        "prediction_drift",
    }
)
"""Monitors of what a model makes of its features."""


def is_cause(alert: Alert) -> bool:
    """Whether it says that a feature is broken, and not itself the effect of something."""
    return alert.finding.action == "fix_feature" and alert.finding.monitor not in EFFECTS


def explain(firing: Iterable[Alert]) -> list[Alert]:
    """Set `inhibited_by` of all firing alerts of one version; returns those in which it changed.

    An effect keeps its cause while that fires; else it gets the earliest that began no later than itself.
    """
    alerts = list(firing)
    causes = sorted((alert for alert in alerts if is_cause(alert)), key=lambda a: (a.began, a.fingerprint))
    changed = []
    for alert in alerts:
        cause = _cause_of(alert, causes) if alert.finding.monitor in EFFECTS else None
        if cause != alert.inhibited_by:
            alert.inhibited_by = cause
            changed.append(alert)
    return changed


def _cause_of(alert: Alert, causes: list[Alert]) -> str | None:
    before = [cause.fingerprint for cause in causes if cause.began <= alert.began]
    return alert.inhibited_by if alert.inhibited_by in before else next(iter(before), None)
