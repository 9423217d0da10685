"""The rules by which alerts live, as the configuration sets them."""

from __future__ import annotations

from dataclasses import dataclass

from config import Config
from daemon.alerts.silences import Silence
from processors.durations import HOUR_US, MINUTE_US


@dataclass(frozen=True, slots=True)
class Rules:
    """How alerts live. All lengths are microseconds of event time."""

    source: str
    """Who says it, part of every fingerprint: `vigil/<group>`."""
    pane: int
    renotify: int
    """A firing alert is said again this often."""
    keep: int
    """How long an ended alert is remembered."""
    min_hold: int = 0
    """How long it fires at least."""
    hold: int = 0
    """How long a finding must stand before it fires."""
    update_every: int = 10 * MINUTE_US
    """At most this often changes are said that can wait."""
    incident_span: int = HOUR_US
    """Onsets no further than this from an incident's are of that incident."""
    wait_for_cause: int = 5 * MINUTE_US
    """What only says that something is odd waits this long for an alert that says why."""
    flap_window: int = 0
    """An alert that comes back within this time of its end flaps: each time its recovery must last twice as long."""
    most: int = 100_000
    """Fingerprints remembered; beyond that ended ones are forgotten early, and new findings only counted."""
    silences: tuple[Silence, ...] = ()

    @classmethod
    def configured(cls, config: Config) -> Rules:
        """As the configuration says."""
        alerts, group = config.alerts, config.kafka.group if config.kafka else "vigil"
        return cls(
            source=f"vigil/{group}",
            pane=config.time.pane,
            renotify=alerts.renotify,
            keep=alerts.keep,
            min_hold=alerts.min_hold,
            hold=alerts.for_,
            incident_span=alerts.incident_span,
            flap_window=alerts.flap_window,
            silences=Silence.configured(alerts.silences),
        )
