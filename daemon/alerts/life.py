"""The life of alerts: findings in, what is to be said out, pane after pane.

    (nothing) --fired--> pending --held for `hold`--> firing --recovered, at least `min_hold`--> resolved
                            |                            |                                          |
                         recovered                    withdrawn                              `keep` later
                            v                            v                                          v
                         (nothing)               retired, superseded                      tombstone, forgotten

A pure state machine in event time: no clock but the panes' ends. What it says is a function of the panes that brought
findings, so it does not matter in which order a pane's findings come, whether empty panes are closed, or how often the
state was packed and unpacked in between. A firing alert is said again each `renotify`; `valid_until` is three times
that away, so that nothing fires for ever after Vigil died.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import orjson

from daemon.alerts.agenda import Agenda
from daemon.alerts.alert import Alert
from daemon.alerts.inhibition import explain
from daemon.alerts.notice import Change, End, Held, Notice, incident_of, one_each
from daemon.alerts.rules import Rules
from daemon.alerts.silences import lifted_at, silenced
from daemon.envelopes import canonical, plain
from processors.base import Finding

NOT_EXPLAINED = frozenset({"latency", "resources", "signals", "silence", "volume"})
"""Monitors of how a model is served: which features drive its predictions says nothing about that."""


class Life:
    """All alerts of one Vigil. `overflow` counts findings for which there was no room."""

    def __init__(self, rules: Rules, state: Mapping[str, Any] | None = None) -> None:
        """Go on from what `to_state` gave, or from nothing."""
        self.rules = rules
        state = state or {"end": None, "backfill": False, "overflow": 0, "evidence": [], "alerts": b""}
        self._end: int | None = state["end"]
        self._backfill: bool = state["backfill"]
        self.overflow: int = state["overflow"]
        self._evidence = {(model, version): evidence for model, version, evidence in state["evidence"]}
        alerts = [Alert.from_tree(orjson.loads(line)) for line in state["alerts"].splitlines()]
        self._alerts = {alert.fingerprint: alert for alert in alerts}
        self._firing: dict[tuple[str, str], set[str]] = {}
        self._lines: dict[str, bytes] = {}
        self._agenda = Agenda()
        for alert in alerts:
            self._enlist(alert)

    def to_state(self) -> dict[str, Any]:
        """All of it as a tree that `packing.pack` takes; equal lives give equal trees.

        Alerts are one JSON line each, made anew only where something changed: most panes touch few of many.
        """
        for fingerprint, alert in self._alerts.items():
            if fingerprint not in self._lines:
                self._lines[fingerprint] = canonical(alert.tree())
        evidence = [[*version, self._evidence[version]] for version in sorted(self._evidence)]
        return {
            "end": self._end,
            "backfill": self._backfill,
            "overflow": self.overflow,
            "evidence": evidence,
            "alerts": b"\n".join(self._lines[fingerprint] for fingerprint in sorted(self._lines)),
        }

    def close(self, end: int, findings: Sequence[Finding] = (), *, backfill: bool = False) -> list[Notice]:
        """Take in the findings of the pane that ends at `end`; returns what is to be said, in order.

        What was due in empty panes before it is said first, with their times. While `backfill` is true Vigil is
        catching up: firing alerts are held back, and said if they still fire when it is over.
        """
        earlier = self._catch_up(end)
        released = self._all_firing() if self._backfill and not backfill else []
        self._backfill = backfill
        notices = earlier + self._step(end, findings, released, self._evidence)
        self._evidence = {}
        return notices

    def deadline(self) -> int | None:
        """End of the next pane at which there is something to do even if nothing is found; None: never."""
        due = self._agenda.next()
        return None if due is None else -(-due // self.rules.pane) * self.rules.pane

    def add_evidence(self, model: str, version: str, evidence: Mapping[str, Any]) -> None:
        """What the explainer found about a version: for the alerts that fire there after the next closing.

        It stands in all that is said from then on; said by itself at once only the first time that features are named.
        """
        self._evidence[model, version] = plain(evidence)

    def withdraw(
        self, end: int, how: End, *, model: str | None = None, version: str | None = None, monitor: str | None = None
    ) -> list[Notice]:
        """End, at the pane that ends at `end`, all alerts of what is watched no more. None matches anything."""
        earlier = self._catch_up(end + 1)
        meant = [
            alert
            for alert in self._alerts.values()
            if alert.phase != "ended"
            and model in (None, alert.finding.group.model)
            and version in (None, alert.finding.group.version)
            and monitor in (None, alert.finding.monitor)
        ]
        for alert in meant:
            alert.finish(end, how)
            self._enlist(alert)
        return earlier + self._say(end, {alert.fingerprint: alert for alert in meant})

    def firing(self) -> list[Notice]:
        """What fires now, as it would be said now: by model, version and monitor."""
        return [self._notice(alert, alert.said_at, "repeated") for alert in self._all_firing()]

    @property
    def firing_count(self) -> int:
        """How many fire now; costs nothing."""
        return sum(map(len, self._firing.values()))

    def __len__(self) -> int:
        """How many fingerprints are remembered."""
        return len(self._alerts)

    def _all_firing(self) -> list[Alert]:
        alerts = [self._alerts[fingerprint] for group in self._firing.values() for fingerprint in group]
        return sorted(alerts, key=lambda alert: alert.order)

    def _catch_up(self, before: int) -> list[Notice]:
        """What was due in empty panes that nobody closed."""
        notices = []
        while (due := self.deadline()) is not None and due < before:
            notices += self._step(due)
        return notices

    def _step(
        self,
        end: int,
        findings: Sequence[Finding] = (),
        released: Sequence[Alert] = (),
        evidence: Mapping[tuple[str, str], Any] = MappingProxyType({}),
    ) -> list[Notice]:
        """One pane: what was found, then what time brought; then what all of it amounts to is said."""
        forgotten: list[Notice] = []
        touched = {alert.fingerprint: alert for alert in released}
        for fingerprint, finding in one_each(findings, self.rules.source, end):
            alert = self._take(fingerprint, finding, end, forgotten)
            if alert is not None:
                touched[fingerprint] = alert
        for fingerprint in self._agenda.take(end):
            touched[fingerprint] = self._alerts[fingerprint]
        for alert in touched.values():
            alert.age(end, hold=self.rules.hold, min_hold=self.rules.min_hold)
            self._enlist(alert)
        return forgotten + self._say(end, touched | self._explained(evidence))

    def _explained(self, evidence: Mapping[tuple[str, str], Any]) -> dict[str, Alert]:
        """Give each firing alert the evidence of its version; returns those that got some."""
        given = {}
        for version, found in evidence.items():
            for fingerprint in self._firing.get(version, ()):
                alert = self._alerts[fingerprint]
                if alert.finding.monitor not in NOT_EXPLAINED:
                    alert.explained = found
                    given[fingerprint] = alert
        return given

    def _take(self, fingerprint: str, finding: Finding, end: int, forgotten: list[Notice]) -> Alert | None:
        """Enter a finding into its alert; None if it is about nothing that is known, or there is no room."""
        alert = self._alerts.get(fingerprint)
        if alert is None or alert.phase == "ended":
            return self._begin(alert, fingerprint, finding, end, forgotten) if finding.kind == "fired" else None
        if finding.kind == "recovered":
            alert.recovery = finding
            return alert
        if finding.kind == "fired":
            alert.recovery = None
        else:
            alert.since = min(finding.since, alert.began)
        alert.refresh(finding)
        return alert

    def _begin(
        self, ended: Alert | None, fingerprint: str, finding: Finding, end: int, forgotten: list[Notice]
    ) -> Alert | None:
        """A new alert, or a new firing of one that had ended: its sequence goes on."""
        if ended is None and len(self._alerts) >= self.rules.most:
            forgotten += self._make_room(end)
            if len(self._alerts) >= self.rules.most:
                self.overflow += 1
                return None
        incident = incident_of(finding.group, finding.since, self.rules.incident_span)
        alert = Alert(fingerprint, finding, "pending", end, finding.since, incident)
        if ended is not None:
            alert.sequence, alert.told, alert.ended, alert.end = ended.sequence, ended.told, ended.ended, ended.end
        self._alerts[fingerprint] = alert
        return alert

    def _make_room(self, end: int) -> list[Notice]:
        """Forget the longest ended alerts before their time, a few at once."""
        over = [(a.ended or 0, a.fingerprint) for a in self._alerts.values() if a.phase == "ended"]
        few = heapq.nsmallest(1 + self.rules.most // 64, over)
        return [notice for _, fingerprint in few for notice in self._forget(self._alerts[fingerprint], end)]

    def _say(self, end: int, touched: dict[str, Alert]) -> list[Notice]:
        """What is to be said of the alerts that were touched, and of those whose cause came or went with them."""
        self._end = end if self._end is None else max(end, self._end)
        for version in {alert.version for alert in touched.values()}:
            firing = [self._alerts[fingerprint] for fingerprint in sorted(self._firing.get(version, ()))]
            touched = touched | {alert.fingerprint: alert for alert in explain(firing, end, self.rules.renotify)}
        notices = []
        for alert in sorted(touched.values(), key=lambda a: a.order):
            notices += self._speak(alert, end)
            self._enlist(alert)
        return notices

    def _speak(self, alert: Alert, end: int) -> list[Notice]:
        if alert.phase == "firing":
            return self._say_firing(alert, end)
        if alert.phase == "pending":
            return []
        if alert.shown is not None:
            return [self._say_ended(alert, end)]
        if alert.ended is None or end >= alert.ended + self.rules.keep:
            return self._forget(alert, end)
        return []

    def _say_firing(self, alert: Alert, end: int) -> list[Notice]:
        """Its start, what is news, or the same again when `renotify` is over. What is held back is recorded once."""
        held = self._held(alert, end)
        before, after, news = alert.shown, alert.showing(held), alert.news(held)
        waited = end - alert.said_at
        change: Change
        if before is None or (before.held and not held):
            change = "fired"
        elif news == "now" or (news == "later" and waited >= self.rules.update_every):
            change = "explained" if replace(after, features=before.features) == before else "updated"
        elif waited >= self.rules.renotify:
            change = "repeated"
        else:
            return []
        alert.said_at = end
        if held and before is not None:
            return []
        alert.sequence += 1
        alert.shown = after
        if not held:
            alert.told = True
        return [self._notice(alert, end, change)]

    def _say_ended(self, alert: Alert, end: int) -> Notice:
        """Its end. Whoever was told of its start is told of its end, silence or not."""
        alert.sequence += 1
        notice = self._notice(alert, end, alert.end)
        alert.shown = None
        return notice

    def _forget(self, alert: Alert, end: int) -> list[Notice]:
        """Remember it no more; the tombstone is for those who heard of it."""
        del self._alerts[alert.fingerprint]
        self._lines.pop(alert.fingerprint, None)
        self._agenda.drop(alert.fingerprint)
        alert.sequence += 1
        return [self._notice(alert, end, "forgotten")] if alert.told else []

    def _notice(self, alert: Alert, end: int, change: Change) -> Notice:
        return alert.notice(end, change, valid_for=3 * self.rules.renotify)

    def _held(self, alert: Alert, time: int) -> Held:
        """Why it is not to be sent; empty if it is."""
        if self._backfill:
            return "backfill"
        found = silenced(self.rules.silences, alert.finding, alert.severity, time)
        return "silenced" if found is not None else ""

    def _enlist(self, alert: Alert) -> None:
        """Note where it stands after a change: among its version's firing alerts, and when something is due for it."""
        fingerprint = alert.fingerprint
        if self._alerts.get(fingerprint) is not alert:
            return
        self._lines.pop(fingerprint, None)
        if alert.phase == "firing":
            self._firing.setdefault(alert.version, set()).add(fingerprint)
        elif alert.version in self._firing:
            self._firing[alert.version].discard(fingerprint)
            if not self._firing[alert.version]:
                del self._firing[alert.version]
        self._agenda.put(fingerprint, self._due_at(alert))

    def _due_at(self, alert: Alert) -> int:
        """When time alone will change something about it, or something waits to be said."""
        rules, now = self.rules, self._end or 0
        if alert.phase == "pending":
            return max(alert.began + rules.hold, now + 1)
        if alert.phase == "ended":
            return max((alert.ended or 0) + rules.keep, now + 1)
        times = [alert.said_at + rules.renotify]
        held = self._held(alert, now)
        news = alert.news(held)
        if alert.recovery is not None:
            times.append(alert.began + rules.min_hold)
        if news != "none":
            times.append(now if news == "now" else alert.said_at + rules.update_every)
        lifted = lifted_at(rules.silences, alert.finding, alert.severity, now) if held else None
        if lifted is not None:
            times.append(lifted)
        return max(min(times), now + 1)
