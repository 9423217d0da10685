"""One alert's memory: everything that is remembered under one fingerprint, and what of it is news."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from daemon.alerts.notice import SEVERITIES, Change, Decided, End, Held, Notice, finding_from, finding_tree
from daemon.envelopes import plain
from processors.base import Action, Finding, Severity

Phase = Literal["pending", "firing", "ended"]
News = Literal["none", "later", "now"]

MOST_FEATURES = 10


@dataclass(frozen=True, slots=True)
class Shown:
    """What was said last while it fires, as far as a change in it is worth saying by itself."""

    severity: Severity
    action: str
    provisional: bool
    inhibited_by: str | None
    features: tuple[str, ...]
    held: Held
    acknowledged: bool = False

    def tree(self) -> list[Any]:
        """A tree that can be packed."""
        return [
            self.severity, self.action, self.provisional, self.inhibited_by, list(self.features), self.held,
            self.acknowledged,
        ]  # fmt: skip

    @classmethod
    def from_tree(cls, tree: list[Any]) -> Shown:
        """What `tree` described."""
        severity, action, provisional, inhibited_by, features, held, acknowledged = tree
        return cls(severity, action, provisional, inhibited_by, tuple(features), held, acknowledged)


@dataclass(slots=True)
class Alert:
    """What is remembered of a fingerprint, from its first finding to its tombstone. Times in event microseconds."""

    fingerprint: str
    finding: Finding
    """The latest facts."""
    phase: Phase
    began: int
    """Pane at which it became pending; from firing on: at which it fired."""
    since: int
    incident: str
    onset: int
    """Of the incident: when the first of its alerts began."""
    sequence: int = 0
    told: bool = False
    """Something of it left since the last tombstone."""
    shown: Shown | None = None
    """What was said last of this firing; None before its start and after its end was said."""
    said_at: int = 0
    recovery: Finding | None = None
    """It recovered, but has to hold before that is said."""
    recovered_at: int = 0
    ended: int | None = None
    """When it ended last, until it fires again."""
    end: End = "resolved"
    flaps: int = 0
    """How often in a row it came back soon after its end."""
    daily: bool = False
    """It was so at this hour of a day before, and over by itself within the day."""
    paged: Severity = "info"
    """The severity for which somebody was woken in this firing; `info` for none."""
    decided: Decided | None = None
    inhibited_by: str | None = None
    explained: Mapping[str, Any] = field(default_factory=dict)
    """Evidence that came from the explainer."""

    @property
    def version(self) -> tuple[str, str]:
        """(model, version): within it causes inhibit effects."""
        return self.finding.group.model, self.finding.group.version

    @property
    def order(self) -> tuple[Any, ...]:
        """Where it stands among others of the same pane: by name, so that a reader finds it."""
        found = self.finding
        return (found.group, found.monitor, found.series, found.feature or "", self.fingerprint)

    @property
    def severity(self) -> Severity:
        """As it is said: an alert that another one explains is for information."""
        return "info" if self.inhibited_by else self.finding.severity

    @property
    def evidence(self) -> dict[str, Any]:
        """The finding's evidence and the explainer's together; of a feature that both name, all that both say."""
        own, explained = self.finding.evidence, self.explained
        both = {**own, **explained}
        both.pop("moved_features", None)
        if "moved_features" in explained:
            both["top_features"] = _joined(explained["moved_features"], both.get("top_features", []))
        if "top_features" in own and "top_features" in explained:
            both["top_features"] = _joined(own["top_features"], explained["top_features"])
        return both

    def refresh(self, finding: Finding) -> None:
        """Take in new facts of the same firing; evidence adds up."""
        evidence = plain({**self.finding.evidence, **finding.evidence})
        self.finding = replace(finding, evidence=evidence)

    @property
    def acknowledged(self) -> bool:
        """Somebody is on it."""
        return self.decided is not None and self.decided.what == "acknowledged"

    def recover(self, finding: Finding, end: int) -> None:
        """Its monitor says that it is over."""
        self.recovery, self.recovered_at = finding, end

    def resolves_at(self, min_hold: int, most: int) -> int:
        """When its recovery will have held: each time that it came back, the recovery must last twice as long."""
        calm = min(min_hold * 2 ** min(self.flaps, 32), most) if self.flaps else 0
        return max(self.began + min_hold, self.recovered_at + calm)

    def age(self, end: int, *, hold: int, min_hold: int, most: int) -> None:
        """What time alone does: pending fires or is dropped; what recovered and was held long enough resolves."""
        if self.phase == "pending" and self.recovery is not None:
            self.finish(end, "resolved")
        elif self.phase == "pending" and end >= self.began + hold:
            self.phase, self.began, self.ended = "firing", end, None
        elif self.phase == "firing" and self.recovery is not None and end >= self.resolves_at(min_hold, most):
            self.finish(end, "resolved")

    def finish(self, end: int, how: End, decided: Decided | None = None) -> None:
        """End a firing; a pending one goes back to what it was before.

        The facts of the recovery stand from now on; how bad it was and what to do about it stay as they were.
        """
        if self.phase == "firing":
            self.ended, self.end, self.decided = end, how, decided or self.decided
            if self.recovery is not None:
                self.refresh(self._as_bad(self.recovery))
                self.recovery = None
        elif self.phase == "pending" and self.ended is not None:
            self.began = min(self.began, self.ended)
            self.since = min(self.since, self.began)
        self.phase = "ended"

    def _as_bad(self, recovery: Finding) -> Finding:
        found = self.finding
        return replace(
            recovery,
            severity=found.severity,
            action=found.action,
            reason=found.reason,
            provisional=found.provisional,
            onset=found.onset,
        )

    def showing(self, held: Held) -> Shown:
        """What saying it now would show."""
        found = self.finding
        features = tuple(sorted(_feature_names(self.explained.get("top_features"))))
        return Shown(
            self.severity, found.action, found.provisional, self.inhibited_by, features, held, self.acknowledged
        )

    def news(self, held: Held) -> News:
        """Whether there is something to say now, or by and by, beside saying the same again.

        Now: it fires for the first time, got worse, calls for another action, lost or gained the alert that explains
        it, was explained or acknowledged for the first time, or is not held back any more. By and by: anything else
        that `Shown` shows.
        """
        before, after = self.shown, self.showing(held)
        if before is None:
            return "now"
        if held or before == after:
            return "none"
        worse = SEVERITIES.index(after.severity) > SEVERITIES.index(before.severity)
        first_explained = bool(after.features) and not before.features
        if before.acknowledged != after.acknowledged or before.action != after.action:
            return "now"
        if worse or first_explained or before.held or before.inhibited_by != after.inhibited_by:
            return "now"
        return "later"

    def notice(self, end: int, change: Change, valid_for: int, advice: tuple[Action, str]) -> Notice:
        """What it says of itself at the pane that ends at `end`."""
        action, why = advice
        firing = self.phase == "firing"
        held: Held = "" if self.shown is None else self.shown.held
        return Notice(
            fingerprint=self.fingerprint,
            sequence=self.sequence,
            time=end,
            change=change,
            state="firing" if firing else self.end,
            finding=self.finding,
            action=action,
            advice=why,
            severity=self.severity,
            since=self.since,
            began=self.began,
            incident=self.incident,
            evidence=self.evidence,
            valid_until=end + valid_for if firing else None,
            ended=None if firing else self.ended,
            inhibited_by=self.inhibited_by,
            held=held,
            flaps=self.flaps,
            decided=self.decided,
        )

    def tree(self) -> dict[str, Any]:
        """A tree that can be packed."""
        return {
            "fingerprint": self.fingerprint,
            "finding": finding_tree(self.finding),
            "phase": self.phase,
            "began": self.began,
            "since": self.since,
            "incident": self.incident,
            "onset": self.onset,
            "sequence": self.sequence,
            "told": self.told,
            "shown": None if self.shown is None else self.shown.tree(),
            "said_at": self.said_at,
            "recovery": None if self.recovery is None else finding_tree(self.recovery),
            "recovered_at": self.recovered_at,
            "flaps": self.flaps,
            "daily": self.daily,
            "paged": self.paged,
            "decided": None if self.decided is None else self.decided.tree(),
            "ended": self.ended,
            "end": self.end,
            "inhibited_by": self.inhibited_by,
            "explained": self.explained,
        }

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> Alert:
        """The alert that `tree` described."""
        shown, recovery, decided = tree["shown"], tree["recovery"], tree["decided"]
        restored = {
            "decided": None if decided is None else Decided(*decided),
            "finding": finding_from(tree["finding"]),
            "recovery": None if recovery is None else finding_from(recovery),
            "shown": None if shown is None else Shown.from_tree(shown),
        }
        return cls(**{**tree, **restored})


def _feature_names(features: Any) -> list[str]:
    """Names in a list of `{"feature": name, ...}`; whatever else is in it has none."""
    rows = features if isinstance(features, list) else []
    return [str(row["feature"]) for row in rows if isinstance(row, dict) and "feature" in row]


def _joined(own: Any, explained: Any) -> Any:
    """Both lists of features as one, the finding's own first, each feature once."""
    if not isinstance(own, list) or not isinstance(explained, list):
        return explained
    rows: dict[str, dict[str, Any]] = {}
    for row in [*own, *explained]:
        if isinstance(row, dict) and "feature" in row:
            name = str(row["feature"])
            rows[name] = {**rows.get(name, {}), **row}
    return list(rows.values())[:MOST_FEATURES]
