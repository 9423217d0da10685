"""What Vigil said, held against what the story knows: found or not, how soon, by whom, and what was said besides."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from daemon.alerts.notice import Notice
from daemon.demo.story import Incident, Story


@dataclass(slots=True)
class Raised:
    """One firing of an alert. Times in microseconds since 1970."""

    first: Notice
    latest: Notice
    resolved: int | None = None

    @property
    def monitor(self) -> str:
        return self.first.finding.monitor

    @property
    def whole(self) -> bool:
        """Whether it is about the whole version, not about a segment of it."""
        return not self.first.finding.group.segment

    def finds(self, incident: Incident) -> bool:
        """Whether it says what the incident is: one of its monitors' alerts, naming the feature if one broke."""
        feature = incident.feature is None or self.first.finding.feature == incident.feature
        return self.monitor in incident.monitors and feature


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one incident was met: `raised` are all alerts since it began, `found_by` the first that says what it is."""

    incident: Incident
    began: int
    ended: int
    seen_from: int
    """When the first traces of it could reach anybody."""
    found_by: Raised | None
    raised: tuple[Raised, ...]

    @property
    def delay(self) -> int | None:
        """From the first traces to the alert, microseconds of event time; None if it was not found."""
        return None if self.found_by is None else self.found_by.first.time - self.seen_from


@dataclass(slots=True)
class Record:
    """Takes in every notice as it is said."""

    raised: list[Raised] = field(default_factory=list)
    _open: dict[str, Raised] = field(default_factory=dict)

    def note(self, notice: Notice) -> None:
        """Remember a notice. What is held back was not said, and does not count."""
        if notice.held:
            return
        if notice.state != "firing":
            if (ended := self._open.pop(notice.fingerprint, None)) is not None:
                ended.resolved, ended.latest = notice.time, notice
        elif (known := self._open.get(notice.fingerprint)) is not None:
            known.latest = notice
        else:
            self._open[notice.fingerprint] = found = Raised(notice, notice)
            self.raised.append(found)

    def firing(self, model: str) -> list[Raised]:
        """What fires now of a model, the most severe first."""
        mine = [each for each in self._open.values() if each.first.finding.group.model == model]
        order = {"critical": 0, "warning": 1, "info": 2}
        return sorted(mine, key=lambda each: (order[each.latest.severity], each.first.time, not each.whole))

    def verdicts(self, story: Story, until: int) -> list[Verdict]:
        """One for each incident of which something could be seen until a time."""
        return [self._verdict(story, each) for each in story.incidents if _seen_from(story, each) < until]

    def unfounded(self, story: Story) -> list[Raised]:
        """Alerts of models to which nothing had happened yet: false alarms."""
        first = {each.model: min(_begins(story, other) for other in _of(story, each.model)) for each in story.incidents}
        never = 2**63
        return [each for each in self.raised if each.first.time <= first.get(each.first.finding.group.model, never)]

    def _verdict(self, story: Story, incident: Incident) -> Verdict:
        began = _begins(story, incident)
        of_model = [each for each in self.raised if each.first.finding.group.model == incident.model]
        mine = [each for each in of_model if each.first.time > began]
        finding = [each for each in mine if each.finds(incident) and each.whole] or [
            each for each in mine if each.finds(incident)
        ]
        return Verdict(
            incident,
            began,
            story.start + incident.ends,
            _seen_from(story, incident),
            finding[0] if finding else None,
            tuple(mine),
        )


def _of(story: Story, model: str) -> Iterable[Incident]:
    return (each for each in story.incidents if each.model == model)


def _begins(story: Story, incident: Incident) -> int:
    return story.start + incident.begins


def _seen_from(story: Story, incident: Incident) -> int:
    return _begins(story, incident) + incident.unseen
