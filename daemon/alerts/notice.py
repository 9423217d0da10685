"""What the life of an alert says to the outside, and the names under which it says it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from daemon.envelopes import canonical, digest, plain, text
from processors.base import Action, Finding, Severity
from processors.profile import GroupKey

End = Literal["resolved", "retired", "superseded", "accepted"]
State = Literal["firing", "resolved", "retired", "superseded", "accepted"]
Change = Literal[
    "fired", "updated", "explained", "acknowledged", "repeated", "resolved", "retired", "superseded", "accepted",
    "forgotten",
]  # fmt: skip
Held = Literal["", "silenced", "backfill"]

SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
_KINDS = ("updated", "recovered", "fired")


@dataclass(frozen=True, slots=True)
class Decided:
    """What a person decided about an alert: who, why, and at which pane's end (event time) it took effect."""

    what: Literal["acknowledged", "accepted"]
    who: str
    why: str
    at: int
    severity: Severity = "info"
    """How severe the alert was then: if it gets worse, people hear of it again."""

    def tree(self) -> list[Any]:
        """A tree that can be packed; `Decided(*tree)` leads back."""
        return [self.what, self.who, self.why, self.at, self.severity]


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to say about one alert, at the closing of one pane.

    `time` is that pane's end. `severity` is as said: `info` while another alert explains this one. `since` is the
    estimated onset and `began` the pane from which it fires. `held` says why it is recorded but not sent, `page` that
    somebody should be woken by it. A change `forgotten` is the tombstone that ends the
    fingerprint in a compacted topic.
    """

    fingerprint: str
    sequence: int
    time: int
    change: Change
    state: State
    finding: Finding
    action: Action
    advice: str
    severity: Severity
    since: int
    began: int
    incident: str
    evidence: Mapping[str, Any]
    valid_until: int | None = None
    ended: int | None = None
    inhibited_by: str | None = None
    held: Held = ""
    page: bool = False
    flaps: int = 0
    """How often it came back soon after its end."""
    decided: Decided | None = None

    @property
    def id(self) -> str:
        """The event's id: the same whenever the same is said again."""
        return digest([self.fingerprint, self.sequence, self.time])


def fingerprint_of(source: str, finding: Finding) -> str:
    """What an alert is about, as 32 hexadecimal digits: who watches what of which group."""
    group = finding.group
    return digest(
        [source, finding.monitor, finding.series, group.model, group.version, group.segment, group.value,
         finding.feature]
    )  # fmt: skip


def incident_of(group: GroupKey, since: int) -> str:
    """The name of an incident: the version in which something began to go wrong, and when."""
    return digest([group.model, group.version, since])[:16]


def one_each(findings: Iterable[Finding], source: str, end: int) -> list[tuple[str, Finding]]:
    """One settled finding for each fingerprint, by fingerprint, in whatever order they came.

    If several in one pane are about the same, to have fired outweighs to have recovered, and worse outweighs better.
    """
    chosen: dict[str, tuple[Any, Finding]] = {}
    for found in findings:
        finding = settled(found, end)
        fingerprint = fingerprint_of(source, finding)
        weight = (
            _KINDS.index(finding.kind), SEVERITIES.index(finding.severity), canonical(finding_tree(finding))
        )  # fmt: skip
        if fingerprint not in chosen or weight > chosen[fingerprint][0]:
            chosen[fingerprint] = (weight, finding)
    return [(fingerprint, finding) for fingerprint, (_, finding) in sorted(chosen.items())]


def settled(finding: Finding, end: int) -> Finding:
    """The finding in plain, bounded types, its onset not after the pane that brought it."""
    return replace(
        finding,
        since=min(int(finding.since), end),
        value=plain(finding.value),
        n=int(finding.n),
        summary=text(finding.summary),
        reference=plain(finding.reference),
        low=plain(finding.low),
        high=plain(finding.high),
        provisional=bool(finding.provisional),
        evidence=plain(finding.evidence),
        onset=None if finding.onset is None else (min(int(finding.onset[0]), end), min(int(finding.onset[1]), end)),
        reason=text(finding.reason),
    )


def finding_tree(finding: Finding) -> dict[str, Any]:
    """A settled finding as a tree that can be packed."""
    group = finding.group
    return {
        "kind": finding.kind,
        "monitor": finding.monitor,
        "series": finding.series,
        "group": [group.model, group.version, group.segment, group.value],
        "since": finding.since,
        "value": finding.value,
        "n": finding.n,
        "summary": finding.summary,
        "feature": finding.feature,
        "reference": finding.reference,
        "low": finding.low,
        "high": finding.high,
        "severity": finding.severity,
        "action": finding.action,
        "provisional": finding.provisional,
        "evidence": finding.evidence,
        "onset": None if finding.onset is None else list(finding.onset),
        "reason": finding.reason,
        "lag": finding.lag,
    }


def finding_from(tree: Mapping[str, Any]) -> Finding:
    """The finding that `finding_tree` described."""
    onset = None if tree["onset"] is None else tuple(tree["onset"])
    return Finding(**{**tree, "group": GroupKey(*tree["group"]), "onset": onset})
