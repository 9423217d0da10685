"""Episodes: what an alert topic says, as one thing for each time that an alert fired."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import orjson

from daemon.stamps import microseconds

Subject = tuple[str, ...]
"""Model, version, segment, its value, monitor, series, feature: what an alert is about, whoever says it."""


@dataclass(frozen=True, slots=True)
class Episode:
    """One firing, from its start to its end (None: it still fires). Times in microseconds."""

    subject: Subject
    fired: int
    since: int
    ended: int | None
    how: str
    """The state in which it ended; `firing` if it did not."""
    severity: str
    """The worst that was said of it."""
    pages: tuple[int, ...]
    """When somebody was to be woken by it."""
    incident: str
    explained: bool
    """Another alert explained it when it began."""
    summary: str
    action: str

    @property
    def name(self) -> str:
        """What it is about, in short."""
        model, version, segment, value, monitor, series, feature = self.subject
        where = f"{model} v{version}" if version else model
        place = f" {segment}={value}" if segment else ""
        return f"{where}{place} {monitor}/{feature or series}"


@dataclass(slots=True)
class _Open:
    episodes: list[Episode] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)


_SEVERITIES = ("info", "warning", "critical")


def episodes(values: Iterable[bytes | None]) -> list[Episode]:
    """The episodes in messages of an alert topic, or lines of a file; by the time at which they fired.

    What is sent again counts once; heartbeats, tombstones and lines that are no alerts are passed over.
    """
    by_name: dict[str, _Open] = {}
    for event in filter(None, map(_event, values)):
        known = by_name.setdefault(event["data"]["fingerprint"], _Open())
        if event["id"] not in known.seen:
            known.seen.add(event["id"])
            _take(known.episodes, event)
    found = [episode for known in by_name.values() for episode in known.episodes]
    return sorted(found, key=lambda each: (each.fired, each.subject))


def _event(value: bytes | None) -> dict[str, Any] | None:
    try:
        event = orjson.loads(value or b"null")
    except orjson.JSONDecodeError:
        return None
    event = event.get("value", event) if isinstance(event, dict) else None
    return event if isinstance(event, dict) and event.get("type") == "vigil.alert" else None


def _take(known: list[Episode], event: dict[str, Any]) -> None:
    data, time = event["data"], _time(event["time"])
    if not known or known[-1].ended is not None:
        if data["state"] != "firing":
            return
        known.append(_begun(data, time))
        return
    last = known[-1]
    if data["state"] != "firing":
        known[-1] = replace(last, ended=time, how=data["state"])
        return
    worst = max(last.severity, data["severity"], key=_SEVERITIES.index)
    pages = (*last.pages, time) if data.get("page") else last.pages
    known[-1] = replace(last, severity=worst, pages=pages, since=_time(data["since"]), action=data["action"])


def _begun(data: dict[str, Any], time: int) -> Episode:
    ((segment, value),) = data["segment"].items() or (("", ""),)
    subject = (data["model"], data["version"], segment, value, data["monitor"], data["series"], data["feature"] or "")
    return Episode(
        subject=subject,
        fired=time,
        since=_time(data["since"]),
        ended=None,
        how="firing",
        severity=data["severity"],
        pages=(time,) if data.get("page") else (),
        incident=data["incident"],
        explained="inhibited_by" in data,
        summary=data["summary"],
        action=data["action"],
    )


def _time(text: str) -> int:
    return int(np.asarray(microseconds([text]))[0])
