"""Alerts and heartbeats as CloudEvents: what the alert topic carries. See docs/alerts.md and docs/schemas.

The key is the fingerprint, so that a compacted topic holds the last word on each alert.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from config import Config
from daemon.alerts.notice import Notice
from daemon.envelopes import CLOUD_EVENT_HEADERS, cloud_event, digest, interval_of, segment_of, subject_of
from daemon.records import Partition
from daemon.sinks.base import Message
from daemon.stamps import rfc3339


class Owner(NamedTuple):
    """Who answers for a model, and where its alerts are routed to."""

    name: str | None
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Events:
    """Builds what is sent. `owner_of` is asked by the name of the model."""

    source: str
    config_hash: str
    owner_of: Callable[[str], Owner]

    @classmethod
    def configured(cls, config: Config, source: str, config_hash: str) -> Events:
        """With the owners and labels of the configuration; a model's labels stand over those for all."""

        def owner_of(model: str) -> Owner:
            own = config.for_model(model)
            return Owner(own.owner, {**config.alerts.routing, **own.routing})

        return cls(source, config_hash, owner_of)

    def messages(self, notices: Iterable[Notice]) -> list[Message]:
        """What leaves, in order. What is held back does not."""
        return [self.message(notice) for notice in notices if not notice.held]

    def message(self, notice: Notice) -> Message:
        """One notice as a CloudEvent; what is forgotten as a tombstone."""
        key = notice.fingerprint.encode()
        if notice.change == "forgotten":
            return Message(key, None)
        event = cloud_event(
            "vigil.alert",
            self._data(notice),
            source=self.source,
            event_id=notice.id,
            subject=subject_of(notice.finding.group),
            time=notice.time,
        )
        return Message(key, event, CLOUD_EVENT_HEADERS)

    def heartbeat(self, wall: int, watermark: int | None, lag: Mapping[Partition, int], firing: int) -> Message:
        """A sign of life: how far Vigil has read, by its own clock (`wall`, microseconds). Not part of a replay.

        Its key is the source, so that a compacted topic holds the last one.
        """
        data = {
            "watermark": None if watermark is None else rfc3339(watermark),
            "lag": {str(partition): behind for partition, behind in lag.items()},
            "firing": firing,
            "config_hash": self.config_hash,
        }
        event_id = digest([self.source, wall])
        event = cloud_event("vigil.heartbeat", data, source=self.source, event_id=event_id, subject="", time=wall)
        return Message(self.source.encode(), event, CLOUD_EVENT_HEADERS)

    def _data(self, notice: Notice) -> dict[str, Any]:
        finding, group = notice.finding, notice.finding.group
        owner = self.owner_of(group.model)
        return {
            "state": notice.state,
            "change": notice.change,
            "fingerprint": notice.fingerprint,
            "sequence": notice.sequence,
            "incident": notice.incident,
            "monitor": finding.monitor,
            "series": finding.series,
            "model": group.model,
            "version": group.version,
            "segment": segment_of(group),
            "feature": finding.feature,
            "severity": notice.severity,
            "page": notice.page,
            "since": rfc3339(notice.since),
            "since_interval": None if finding.onset is None else [rfc3339(bound) for bound in finding.onset],
            "began": rfc3339(notice.began),
            "value": finding.value,
            "reference": finding.reference,
            "interval": interval_of(finding.low, finding.high),
            "n": finding.n,
            "evidence": dict(notice.evidence),
            "action": notice.action,
            "advice": notice.advice,
            "summary": finding.summary,
            "provisional": finding.provisional,
            "labels": dict(owner.labels),
            "owner": owner.name,
            "config_hash": self.config_hash,
            **_while_it_fires(notice),
            **_after_its_end(notice),
        }


def _while_it_fires(notice: Notice) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if notice.valid_until is not None:
        said["valid_until"] = rfc3339(notice.valid_until)
    if notice.inhibited_by is not None:
        said["inhibited_by"] = notice.inhibited_by
    if notice.flaps:
        said["flaps"] = notice.flaps
    if (decided := notice.decided) is not None:
        said[decided.what] = {"by": decided.who, "why": decided.why, "at": rfc3339(decided.at)}
    return said


def _after_its_end(notice: Notice) -> dict[str, Any]:
    """When it ended and how long it lasted, from its onset on."""
    if notice.ended is None:
        return {}
    return {"ended": rfc3339(notice.ended), "duration_s": (notice.ended - notice.since) / 1e6}
