"""Incidents: alerts with one cause share one name, and one page.

An alert joins an incident of its version whose onset (that of the first alert in it) is at most `span` from its own:
the nearest, also if that ended meanwhile. Where an onset is told of predictions by their labels, what goes by when
labels come may have its own later by as long as labels take (`Finding.lag`). One that another alert explains belongs to
that one's incident whenever it comes, for labels may tell hours later what a broken feature did. One that is back
within `span` of its end is of the incident that it was of. Of each incident one message pages: the most severe of the
pane, among equals the one that names a broken input. Another follows only if something worse comes up.

What the hour of the day may explain wakes nobody on the first day, nor when it comes back: see `_may_be_the_hour`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from daemon.alerts.alert import Alert
from daemon.alerts.inhibition import labels_are_lost, waits_for_cause
from daemon.alerts.notice import SEVERITIES, Notice, incident_of
from processors.base import Finding
from processors.durations import DAY_US, HOUR_US

_PAGES = frozenset({"fired", "updated", "explained"})
_LATE = _PAGES | {"repeated"}
"""Of what may not have been allowed to page before."""

_SAME_HOUR_US = 3 * HOUR_US // 2
"""How far apart two onsets are at most that are of the same hour of two days."""
_DAYS = 8
"""So long after it began, what comes back may be of a day's or a week's rhythm."""

_DISTRIBUTIONS = frozenset({"feature_drift", "label_drift", "prediction_drift"})
"""Monitors of how values are spread, which by itself does no harm."""
_SHIFTS = frozenset({"recalibrate", "retrain", "reweigh"})
"""Actions for a world that has changed, where nothing is broken."""


def joined(finding: Finding, known: Iterable[Alert], span: int) -> tuple[str, int]:
    """The incident of a new alert and its onset: one of those `known` of the same version, or a new one."""
    since = finding.since
    near = [
        (abs(a.onset - since), a.onset, a.incident)
        for a in known
        if -span - a.finding.lag <= a.onset - since <= span + finding.lag
    ]
    if not near:
        return incident_of(finding.group, since), since
    _, onset, incident = min(near)
    return incident, onset


def follow(effect: Alert, cause: Alert) -> None:
    """Let an alert of which nothing was said yet be of its cause's incident."""
    effect.incident, effect.onset = cause.incident, cause.onset


def comes_daily(before: Alert, since: int) -> bool:
    """Whether an alert that begins now was there `before` at the same hour of a day, and over by itself within it."""
    apart = since - before.since
    off = (apart + DAY_US // 2) % DAY_US - DAY_US // 2
    over = before.end == "resolved" and before.ended is not None and before.ended - before.since < DAY_US
    return over and DAY_US // 2 < apart < _DAYS * DAY_US and abs(off) <= _SAME_HOUR_US


def paging(said: Sequence[tuple[Alert, Notice]], known: Iterable[Alert]) -> list[Notice]:
    """The notices of one pane and one version, in order, with `page` set on those that wake somebody.

    `known` are all alerts of the version. Notes in those that page for which severity they did.
    """
    woken: dict[str, int] = {}
    for alert in known:
        woken[alert.incident] = max(woken.get(alert.incident, 0), SEVERITIES.index(alert.paged))
    notices = [notice for _, notice in said]
    for at in sorted(range(len(said)), key=lambda n: _urgency(*said[n])):
        alert, notice = said[at]
        level = SEVERITIES.index(notice.severity)
        if _may_page(alert, notice) and level > woken.get(alert.incident, 0):
            woken[alert.incident] = level
            alert.paged = notice.severity
            notices[at] = replace(notice, page=True)
    return notices


def _urgency(alert: Alert, notice: Notice) -> tuple[int, bool, tuple[object, ...]]:
    return -SEVERITIES.index(notice.severity), notice.action != "fix_feature", alert.order


def _may_page(alert: Alert, notice: Notice) -> bool:
    if notice.held or notice.inhibited_by is not None or _may_be_the_hour(alert, notice):
        return False
    decided = alert.decided
    if decided is not None and SEVERITIES.index(notice.severity) <= SEVERITIES.index(decided.severity):
        return False
    return notice.change in (_LATE if notice.finding.provisional or alert.daily else _PAGES)


def _may_be_the_hour(alert: Alert, notice: Notice) -> bool:
    """Whether a moderate shift may be what each day brings, and has not lasted for a day.

    Its reference does not span a day, or it was there at the same hour of a day before. Nothing says that anything is
    broken or lost, or more than that it looks odd. What is distributed otherwise may even be so altogether: at the hour
    of a day before; on the first day, if a feature went there by and by, or it is one segment's, which is narrow.
    """
    found = notice.finding
    shift = notice.action in _SHIFTS or (notice.action == "check_labels" and not labels_are_lost(alert))
    shift |= waits_for_cause(alert)
    young = (found.provisional or alert.daily) and notice.time - found.since < DAY_US
    by_and_by = found.monitor == "feature_drift" and notice.change != "fired"
    elsewhere = found.monitor in _DISTRIBUTIONS and (alert.daily or by_and_by or bool(found.group.segment))
    return young and shift and (notice.severity == "warning" or elsewhere)
