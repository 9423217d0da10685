"""The life of alerts: findings in, what is to be said out, pane after pane.

    (nothing) --fired--> pending --held for `hold`--> firing --recovered, and that holds--> resolved
                            |                            |                                     |
                         recovered             withdrawn, or accepted                     `keep` later
                            v                            v                                     v
                         (nothing)        retired, superseded, accepted             tombstone, forgotten

A pure state machine in event time: no clock but the panes' ends. What it says is a function of the panes that brought
findings and of what operators ordered at which pane, so it does not matter in which order a pane's findings come,
whether empty panes are closed, or how often the state was packed and unpacked in between. A firing alert is said again
each `renotify`; `valid_until` is three times that away, so that nothing fires for ever after Vigil died.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from daemon.alerts.advice import advise
from daemon.alerts.agenda import Agenda
from daemon.alerts.alert import Alert
from daemon.alerts.incidents import comes_daily, follow, joined, paging
from daemon.alerts.inhibition import explain, waits_for_cause
from daemon.alerts.memory import Memory, by_fingerprint
from daemon.alerts.notice import Change, Decided, End, Held, Notice, one_each
from daemon.alerts.rules import Rules
from daemon.alerts.silences import Silence, lifted_at, silenced
from daemon.envelopes import plain
from processors.base import Finding

NOT_EXPLAINED = frozenset({"label_silence", "latency", "resources", "signals", "silence", "volume"})
"""Monitors of how a model is served: which features drive its predictions says nothing about that."""
MOST_SILENCES = 1_000
"""Silences ordered by operators that are remembered; the one that ends first makes room."""


class Life:
    """All alerts of one Vigil. `overflow` counts findings for which there was no room."""

    def __init__(self, rules: Rules, state: Mapping[str, Any] | None = None) -> None:
        """Go on from what `to_state` gave, or from nothing."""
        self.rules = rules
        state = state or {
            "end": None, "backfill": False, "overflow": 0, "evidence": [], "silences": [], "alerts": b"",
        }  # fmt: skip
        self._end: int | None = state["end"]
        self._backfill: bool = state["backfill"]
        self.overflow: int = state["overflow"]
        self._evidence = {(model, version): evidence for model, version, evidence in state["evidence"]}
        self._ordered = [Silence.from_tree(tree) for tree in state["silences"]]
        self._memory = Memory(state["alerts"])
        self._agenda = Agenda()
        for alert in self._memory:
            self._enlist(alert)

    def to_state(self) -> dict[str, Any]:
        """All of it as a tree that `packing.pack` takes; equal lives give equal trees."""
        return {
            "end": self._end,
            "backfill": self._backfill,
            "overflow": self.overflow,
            "evidence": [[*version, self._evidence[version]] for version in sorted(self._evidence)],
            "silences": [silence.tree() for silence in self._ordered],
            "alerts": self._memory.lines(),
        }

    def close(self, end: int, findings: Sequence[Finding] = (), *, backfill: bool = False) -> list[Notice]:
        """Take in the findings of the pane that ends at `end`; returns what is to be said, in order.

        What was due in empty panes before it is said first, with their times. While `backfill` is true Vigil is
        catching up: firing alerts are held back, and said if they still fire when it is over.
        """
        earlier = self._catch_up(end)
        released = self._memory.firing() if self._backfill and not backfill else []
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
        meant = [
            alert
            for alert in self._memory
            if alert.phase != "ended"
            and model in (None, alert.finding.group.model)
            and version in (None, alert.finding.group.version)
            and monitor in (None, alert.finding.monitor)
        ]
        return self._finish(end, meant, how)

    # What operators order. Each takes effect at the pane that ends at `end`.

    def meant(self, name: str) -> list[Alert]:
        """The firing alerts that a name means: a fingerprint or an incident, or the beginning of one."""
        return [
            alert
            for alert in self._memory.firing()
            if alert.fingerprint.startswith(name) or alert.incident.startswith(name)
        ]

    def acknowledge(self, end: int, alerts: Iterable[Alert], who: str, why: str) -> list[Notice]:
        """Somebody is on it: said at once; nobody is woken again until it gets worse or comes back."""
        earlier = self._catch_up(end + 1)
        known = [alert for alert in alerts if alert in self._memory and alert.phase == "firing"]
        for alert in known:
            alert.decided = Decided("acknowledged", who, why, end, alert.severity)
        return earlier + self._say(end, by_fingerprint(known))

    def accept(self, end: int, alerts: Iterable[Alert], who: str, why: str) -> list[Notice]:
        """Take it for the new normal: they end. What is judged from now on is for the monitors to see to."""
        known = [alert for alert in alerts if alert in self._memory and alert.phase == "firing"]
        return self._finish(end, known, "accepted", Decided("accepted", who, why, end))

    def silence(self, end: int, silence: Silence) -> list[Notice]:
        """Hold back what it matches, in place of any silence of the same name."""
        return self._silenced_by(end, [s for s in self._ordered if s.name != silence.name] + [silence])

    def lift(self, end: int, name: str) -> list[Notice]:
        """End a silence before its time; what it held back is said if it still fires."""
        return self._silenced_by(end, [s for s in self._ordered if s.name != name])

    @property
    def ordered(self) -> tuple[Silence, ...]:
        """The silences that operators ordered and that are not over."""
        return tuple(self._ordered)

    def firing(self) -> list[Notice]:
        """What fires now, as it would be said now: by model, version and monitor."""
        return [self._notice(alert, alert.said_at, "repeated") for alert in self._memory.firing()]

    @property
    def firing_count(self) -> int:
        """How many fire now; costs nothing."""
        return self._memory.firing_count

    @property
    def backfilling(self) -> bool:
        """Whether what fires is held back, for Vigil was catching up at the last closing."""
        return self._backfill and self.firing_count > 0

    def __len__(self) -> int:
        """How many fingerprints are remembered."""
        return len(self._memory)

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
        touched = by_fingerprint(released)
        # onsets in order, so that an incident is named after the first of its alerts
        for fingerprint, finding in sorted(one_each(findings, self.rules.source, end), key=lambda f: f[1].since):
            alert = self._take(fingerprint, finding, end, forgotten)
            if alert is not None:
                touched[fingerprint] = alert
        for fingerprint in self._agenda.take(end):
            if (due := self._memory.get(fingerprint)) is not None:
                touched[fingerprint] = due
        for alert in touched.values():
            alert.age(end, hold=self._hold(alert), min_hold=self.rules.min_hold, most=self.rules.renotify)
            self._enlist(alert)
        return forgotten + self._say(end, touched | self._explained(evidence))

    def _explained(self, evidence: Mapping[tuple[str, str], Any]) -> dict[str, Alert]:
        """Give each firing alert the evidence of its version; returns those that got some."""
        given = {}
        for version, found in evidence.items():
            for alert in self._memory.firing_of(version):
                if alert.finding.monitor not in NOT_EXPLAINED:
                    alert.explained = found
                    given[alert.fingerprint] = alert
        return given

    def _take(self, fingerprint: str, finding: Finding, end: int, forgotten: list[Notice]) -> Alert | None:
        """Enter a finding into its alert; None if it is about nothing that is known, or there is no room."""
        alert = self._memory.get(fingerprint)
        if alert is None or alert.phase == "ended":
            return self._begin(alert, fingerprint, finding, end, forgotten) if finding.kind == "fired" else None
        if finding.kind == "recovered":
            alert.recover(finding, end)
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
        if ended is None and len(self._memory) >= self.rules.most:
            forgotten += self._make_room(end)
            if len(self._memory) >= self.rules.most:
                self.overflow += 1
                return None
        version = (finding.group.model, finding.group.version)
        others = [alert for alert in self._memory.of(version) if alert.fingerprint != fingerprint]
        incident, onset = joined(finding, others, self.rules.incident_span)
        alert = Alert(fingerprint, finding, "pending", end, finding.since, incident, onset)
        if ended is not None:
            alert.sequence, alert.told, alert.ended, alert.end = ended.sequence, ended.told, ended.ended, ended.end
            soon = ended.ended is not None and end - ended.ended <= self.rules.flap_window
            alert.flaps = ended.flaps + 1 if soon else 0
            alert.daily = comes_daily(ended, finding.since)
            self._relapse(alert, ended, end)
        self._memory.put(alert)
        return alert

    def _relapse(self, alert: Alert, ended: Alert, end: int) -> None:
        """What is back at once was not over: it is of the same incident, for which somebody has been woken."""
        if ended.end == "resolved" and ended.ended is not None and end - ended.ended <= self.rules.incident_span:
            alert.incident, alert.onset, alert.paged = ended.incident, ended.onset, ended.paged

    def _hold(self, alert: Alert) -> int:
        """How long it must stand before it fires."""
        return max(self.rules.hold, self.rules.wait_for_cause) if waits_for_cause(alert) else self.rules.hold

    def _make_room(self, end: int) -> list[Notice]:
        """Forget the longest ended alerts before their time, a few at once."""
        few = self._memory.longest_ended(1 + self.rules.most // 64)
        return [notice for alert in few for notice in self._forget(alert, end)]

    def _finish(self, end: int, meant: list[Alert], how: End, decided: Decided | None = None) -> list[Notice]:
        earlier = self._catch_up(end + 1)
        for alert in meant:
            alert.finish(end, how, decided)
            self._enlist(alert)
        return earlier + self._say(end, by_fingerprint(meant))

    def _say(self, end: int, touched: dict[str, Alert]) -> list[Notice]:
        """What is to be said of the alerts that were touched, and of those whose cause came or went with them."""
        self._end = end if self._end is None else max(end, self._end)
        versions = sorted({alert.version for alert in touched.values()})
        for version in versions:
            known = self._memory.of(version)
            touched = touched | by_fingerprint(explain(known, end, self.rules.renotify, self._memory.get))
        notices = []
        for version in versions:
            mine = sorted((alert for alert in touched.values() if alert.version == version), key=lambda a: a.order)
            said = [(alert, notice) for alert in mine for notice in self._speak(alert, end)]
            notices += paging(said, self._memory.of(version)) if said else []
            for alert in mine:
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
        before, news = alert.shown, alert.news(held)
        if before is None and alert.inhibited_by and (cause := self._memory.get(alert.inhibited_by)) is not None:
            follow(alert, cause)
        change = self._change(alert, end, held, news)
        if change is None:
            return []
        alert.said_at = end
        if held and before is not None:
            return []
        alert.sequence += 1
        alert.shown = alert.showing(held)
        if not held:
            alert.told = True
        return [self._notice(alert, end, change)]

    def _change(self, alert: Alert, end: int, held: Held, news: str) -> Change | None:
        """What there is to say of an alert that fires; None: nothing."""
        before, after, waited = alert.shown, alert.showing(held), end - alert.said_at
        if before is None or (before.held and not held):
            return "fired"
        if news == "now" or (news == "later" and waited >= self.rules.update_every):
            if after.acknowledged and not before.acknowledged:
                return "acknowledged"
            return "explained" if replace(after, features=before.features) == before else "updated"
        return "repeated" if waited >= self.rules.renotify else None

    def _say_ended(self, alert: Alert, end: int) -> Notice:
        """Its end. Whoever was told of its start is told of its end, silence or not."""
        alert.sequence += 1
        notice = self._notice(alert, end, alert.end)
        alert.shown = None
        return notice

    def _forget(self, alert: Alert, end: int) -> list[Notice]:
        """Remember it no more; the tombstone is for those who heard of it."""
        self._memory.drop(alert)
        self._agenda.drop(alert.fingerprint)
        alert.sequence += 1
        return [self._notice(alert, end, "forgotten")] if alert.told else []

    def _notice(self, alert: Alert, end: int, change: Change) -> Notice:
        advice = advise(alert, self._root(alert), self._memory.firing_of(alert.version))
        return alert.notice(end, change, 3 * self.rules.renotify, advice)

    def _root(self, alert: Alert) -> Alert | None:
        """What explains it in the end: a part is explained by its whole, and that by what broke."""
        cause, seen = None, {alert.fingerprint}
        name = alert.inhibited_by
        while name is not None and name not in seen and (found := self._memory.get(name)) is not None:
            seen.add(name)
            cause, name = found, found.inhibited_by
        return cause

    # Silences.

    @property
    def _silences(self) -> Iterable[Silence]:
        return (*self.rules.silences, *self._ordered) if self._ordered else self.rules.silences

    def _silenced_by(self, end: int, ordered: list[Silence]) -> list[Notice]:
        """Let these be what operators ordered, without those that are over."""
        earlier = self._catch_up(end + 1)
        kept = [silence for silence in ordered if silence.end is None or silence.every or silence.end > end]
        if len(kept) > MOST_SILENCES:
            kept.remove(min(kept[:-1], key=lambda s: (s.end is None or s.every is not None, s.end or 0)))
        self._ordered = kept
        return earlier + self._say(end, by_fingerprint(self._memory.firing()))

    def _held(self, alert: Alert, time: int) -> Held:
        """Why it is not to be sent; empty if it is."""
        if self._backfill:
            return "backfill"
        found = silenced(self._silences, alert.finding, alert.severity, time)
        return "silenced" if found is not None else ""

    def _enlist(self, alert: Alert) -> None:
        """Note where it stands after a change, and when something is due for it."""
        if alert in self._memory:
            self._memory.changed(alert)
            self._agenda.put(alert.fingerprint, self._due_at(alert))

    def _due_at(self, alert: Alert) -> int:
        """When time alone will change something about it, or something waits to be said."""
        rules, now = self.rules, self._end or 0
        if alert.phase == "pending":
            return max(alert.began + self._hold(alert), now + 1)
        if alert.phase == "ended":
            return max((alert.ended or 0) + rules.keep, now + 1)
        times = [alert.said_at + rules.renotify]
        held = self._held(alert, now)
        news = alert.news(held)
        if alert.recovery is not None:
            times.append(alert.resolves_at(rules.min_hold, rules.renotify))
        if news != "none":
            times.append(now if news == "now" else alert.said_at + rules.update_every)
        lifted = lifted_at(self._silences, alert.finding, alert.severity, now) if held else None
        if lifted is not None:
            times.append(lifted)
        return max(min(times), now + 1)
