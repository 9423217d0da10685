"""Alerts in Vigil's own log: one line for each thing said, that makes sense under `tail -f`.

2026-11-22T03:20:10Z [warning] alert firing  model=fraud version=3 monitor=concept_drift severity=critical ...
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import structlog

from daemon.alerts.notice import Notice
from daemon.stamps import rfc3339
from processors.base import Action

_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "critical": logging.ERROR}
_EVENTS = {
    "fired": "alert firing",
    "updated": "alert updated",
    "explained": "alert explained",
    "acknowledged": "alert acknowledged",
    "repeated": "alert still firing",
    "resolved": "alert resolved",
    "retired": "alert retired",
    "superseded": "alert superseded",
    "accepted": "alert accepted",
    "forgotten": "alert forgotten",
}

log = structlog.get_logger("vigil.alerts")


def log_notices(notices: Iterable[Notice]) -> None:
    """Log each, held back or not: as loud as it is severe while it fires, quietly when it only comes again or ends."""
    for notice in notices:
        log.log(_level(notice), _EVENTS[notice.change], **facts(notice))


def facts(notice: Notice) -> dict[str, Any]:
    """What the line says, in this order; what doesn't apply is left out."""
    finding, group = notice.finding, notice.finding.group
    said = {
        "model": group.model,
        "version": group.version,
        "segment": f"{group.segment}={group.value}" if group.segment else None,
        "monitor": finding.monitor,
        "series": finding.series,
        "feature": finding.feature,
        "severity": notice.severity,
        "since": rfc3339(notice.since),
        "lasted_s": None if notice.ended is None else (notice.ended - notice.since) / 1e6,
        "summary": finding.summary,
        "action": notice.action if notice.state == "firing" else None,
        "advised": None if notice.state == "firing" or notice.inhibited_by else _unless_none(finding.action),
        "provisional": finding.provisional or None,
        "inhibited_by": notice.inhibited_by,
        "held": notice.held or None,
        "page": notice.page or None,
        "flaps": notice.flaps or None,
        "decided_by": None if notice.decided is None else notice.decided.who,
        "decided_why": None if notice.decided is None else notice.decided.why,
        "time": rfc3339(notice.time),
        "fingerprint": notice.fingerprint,
        "sequence": notice.sequence,
    }
    return {name: value for name, value in said.items() if value is not None}


def _unless_none(action: Action) -> Action | None:
    return None if action == "none" else action


def _level(notice: Notice) -> int:
    if notice.change == "forgotten":
        return logging.DEBUG
    loud = notice.change in ("fired", "updated") and not notice.held
    return _LEVELS[notice.severity] if loud else logging.INFO
