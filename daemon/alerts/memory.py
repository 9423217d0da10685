"""Which alerts there are: by fingerprint, by version, firing, and as the lines in which they are saved."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

import orjson

from daemon.alerts.alert import Alert
from daemon.envelopes import canonical

Version = tuple[str, str]
"""(model, version)."""


class Memory:
    """All alerts that are remembered. Whoever changes one tells it by `changed`."""

    def __init__(self, saved: bytes = b"") -> None:
        """Go on from what `lines` gave."""
        self._alerts: dict[str, Alert] = {}
        self._of: dict[Version, set[str]] = {}
        self._firing: dict[Version, set[str]] = {}
        self._lines: dict[str, bytes] = {}
        for line in saved.splitlines():
            self.put(Alert.from_tree(orjson.loads(line)))

    def __len__(self) -> int:
        return len(self._alerts)

    def __iter__(self) -> Iterator[Alert]:
        return iter(self._alerts.values())

    def __contains__(self, alert: Alert) -> bool:
        """Whether it is this very alert that is remembered."""
        return self._alerts.get(alert.fingerprint) is alert

    def get(self, fingerprint: str) -> Alert | None:
        """The alert of that name, if there is one."""
        return self._alerts.get(fingerprint)

    def put(self, alert: Alert) -> None:
        """Remember it, in place of any other of its fingerprint."""
        self._alerts[alert.fingerprint] = alert
        self._of.setdefault(alert.version, set()).add(alert.fingerprint)
        self.changed(alert)

    def drop(self, alert: Alert) -> None:
        """Remember it no more. It does not fire."""
        del self._alerts[alert.fingerprint]
        self._lines.pop(alert.fingerprint, None)
        _discard(self._of, alert)

    def changed(self, alert: Alert) -> None:
        """Take note of what it has become."""
        self._lines.pop(alert.fingerprint, None)
        if alert.phase == "firing":
            self._firing.setdefault(alert.version, set()).add(alert.fingerprint)
        else:
            _discard(self._firing, alert)

    def of(self, version: Version) -> list[Alert]:
        """All that are remembered of a version, by name."""
        return [self._alerts[fingerprint] for fingerprint in sorted(self._of.get(version, ()))]

    def firing_of(self, version: Version) -> list[Alert]:
        """Those of a version that fire, by name."""
        return [self._alerts[fingerprint] for fingerprint in sorted(self._firing.get(version, ()))]

    def firing(self) -> list[Alert]:
        """All that fire, by model, version and monitor."""
        found = (self._alerts[fingerprint] for group in self._firing.values() for fingerprint in group)
        return sorted(found, key=lambda alert: alert.order)

    @property
    def firing_count(self) -> int:
        """How many fire; costs nothing."""
        return sum(map(len, self._firing.values()))

    def longest_ended(self, few: int) -> list[Alert]:
        """Those that ended first."""
        ended = ((alert.ended or 0, alert.fingerprint) for alert in self if alert.phase == "ended")
        return [self._alerts[fingerprint] for _, fingerprint in heapq.nsmallest(few, ended)]

    def lines(self) -> bytes:
        """All of them, one JSON line each, made anew only where something changed: most panes touch few of many."""
        for fingerprint, alert in self._alerts.items():
            if fingerprint not in self._lines:
                self._lines[fingerprint] = canonical(alert.tree())
        return b"\n".join(self._lines[fingerprint] for fingerprint in sorted(self._lines))


def by_fingerprint(alerts: Iterable[Alert]) -> dict[str, Alert]:
    """Alerts by their names."""
    return {alert.fingerprint: alert for alert in alerts}


def _discard(groups: dict[Version, set[str]], alert: Alert) -> None:
    group = groups.get(alert.version)
    if group is not None:
        group.discard(alert.fingerprint)
        if not group:
            del groups[alert.version]
