"""Inhibition: what one alert says already is not paged again.

Within one version, while both fire, an alert names another in `inhibited_by` and is said for information only if it
began to fire with it or after it, or at least its onset is not the earlier one (the effect may be easier to see), and

- a feature is broken (the other calls for `fix_feature`), and this one watches what the model makes of its features;
- a feature is broken, and this one says that the same feature has drifted;
- labels are lost, and this one watches what is made of labels;
- the other says the same of the whole version, and this one of a segment.

What began before is not explained by it. When the cause ends, its effects need their time to recover, as long as it
lasted (a day at most): they stand for themselves again once that is over and they could have been repeated since. So
long it explains, too, what a monitor finds odd that goes by what was usual of late, for that was the fault.

An effect that only says that something is odd, and not what to do, is often surer before its cause is: it waits a few
minutes for it before it fires.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from daemon.alerts.alert import Alert
from processors.durations import DAY_US, MINUTE_US

EFFECTS = frozenset(
    {
        "anomaly",
        "attribution",
        "calibration",
        "concept_drift",
        "deployment",
        "estimated_performance",
        "fairness",
        "performance",
        "prediction_drift",
    }
)
"""Monitors of what a model makes of its features."""

OF_LABELS = frozenset({"calibration", "concept_drift", "deployment", "fairness", "performance"})
"""Monitors of what is made of labels."""

OF_LATE = frozenset({"anomaly"})
"""Monitors that take for usual what lasts: once a feature is mended, what it always had looks odd to them."""

SLACK_US = 10 * MINUTE_US
"""Onsets are estimates: one that seems to be this much later may still be the earlier one."""


def is_cause(alert: Alert) -> bool:
    """Whether it says that a feature is broken, and not itself the effect of something."""
    return alert.finding.action == "fix_feature" and alert.finding.monitor not in EFFECTS


def labels_are_lost(alert: Alert) -> bool:
    """Whether it says that labels, or those of a class, come no more: what is made of the others is no figure."""
    found = alert.finding
    return found.monitor == "label_drift" and found.action == "check_labels" and "lost" in found.evidence


def waits_for_cause(alert: Alert) -> bool:
    """Whether it says only that something is odd, which another alert may explain within minutes."""
    found = alert.finding
    return found.monitor in EFFECTS and found.action == "none" and found.severity != "critical"


def explain(known: Iterable[Alert], end: int, renotify: int, get: Callable[[str], Alert | None]) -> list[Alert]:
    """Set `inhibited_by` of all firing alerts among those `known` of one version; returns those in which it changed.

    An effect keeps its cause while that fires, and after its end for `renotify` or as long as that lasted; else it gets
    the earliest that began no later than itself. `get` finds an alert by its fingerprint.
    """
    known = sorted(known, key=lambda a: (a.began, a.fingerprint))
    alerts = [alert for alert in known if alert.phase == "firing"]
    mended = [alert for alert in known if is_cause(alert) and _ended_lately(alert, end, renotify)]
    changed = []
    for alert in alerts:
        cause = _cause_of(alert, alerts)
        if cause is None and alert.inhibited_by is not None and _ended_lately(get(alert.inhibited_by), end, renotify):
            cause = alert.inhibited_by
        if cause is None and alert.finding.monitor in OF_LATE:
            cause = next((a.fingerprint for a in mended if a.since <= alert.since), None)
        if cause != alert.inhibited_by:
            alert.inhibited_by = cause
            changed.append(alert)
    return changed


def _ended_lately(cause: Alert | None, end: int, renotify: int) -> bool:
    if cause is None or cause.ended is None or cause.end != "resolved":
        return False
    return end - cause.ended < max(renotify, min(cause.ended - cause.since, DAY_US))


def _cause_of(alert: Alert, alerts: list[Alert]) -> str | None:
    before = [a.fingerprint for a in alerts if a is not alert and _came_first(a, alert) and _explains(a, alert)]
    return alert.inhibited_by if alert.inhibited_by in before else next(iter(before), None)


def _came_first(cause: Alert, effect: Alert) -> bool:
    if cause.began <= effect.began:
        return True
    return (is_cause(cause) or labels_are_lost(cause)) and cause.since <= effect.since + SLACK_US


def _explains(cause: Alert, effect: Alert) -> bool:
    one, other = cause.finding, effect.finding
    if is_cause(cause) and other.monitor in EFFECTS:
        return True
    if labels_are_lost(cause) and other.monitor in OF_LABELS:
        return True
    if is_cause(cause) and one.monitor != "feature_drift" and other.monitor == "feature_drift":
        return one.feature == other.feature
    whole = not one.group.segment and bool(other.group.segment)
    return whole and (one.monitor, one.series, one.feature) == (other.monitor, other.series, other.feature)
