"""Who else is in the consumer group, and who of several Vigils stays.

Each has a state of its own, so two of them would divide the partitions, and with them what belongs together. Nobody
joins a group that somebody is in; two that join at the same time see each other only then, before they have read:

|                         | its name comes first                   | another's comes first                   |
|-------------------------|----------------------------------------|-----------------------------------------|
| has read nothing yet    | waits for the others to go, then goes  | goes at once                            |
| reads, or has a state   | stays                                  | stays as long as a newcomer waits; goes |

So one stays, whoever came first and whatever its name is. Members that are no Vigils take partitions, too; they are
left alone, and said.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import structlog

from daemon.sources.base import SourceError

log = structlog.get_logger(__name__)

TRIES = 6
"""Another member of the group stays if it was seen this often, over 15 s: one that died is forgotten after 10 s."""
NEWCOMER_S = 30.0
"""How long one that has read nothing waits for others to go; one that went is forgotten after 10 s."""
ESTABLISHED_S = 120.0
"""How long one that reads waits for others to go."""
LOOK_S = 1.0
"""How often to look while there is company."""
OURS = "vigil-"
"""What the names of Vigils begin with."""


class Company:
    """Looks around in a group. `others` asks for its other members, by name and place."""

    def __init__(self, group: str, instance: str, others: Callable[[], list[str]]) -> None:
        """Whoever has no `instance` reads without a state: it shares nothing, so company doesn't matter."""
        self._group, self._instance, self._others = group, instance, others
        self._tries = 0
        self.looking = False
        """Whether to look around: the group has changed, or there is company."""
        self._said = False
        self._looked = self._since = 0.0

    def room(self) -> bool:
        """Whether nobody is in the group, before we join. Raises `SourceError` if that was so too often."""
        others = self._others() if self._instance else []
        if not others:
            return True
        self._tries += 1
        if self._tries >= TRIES:
            raise self._too_many(others, "stop that, or give this Vigil a group of its own")
        log.warning("the consumer group is in use, waiting", group=self._group, by=others)
        return False

    def changed(self) -> None:
        """The group has decided anew: others may have come."""
        self.looking, self._said = bool(self._instance), False
        self._looked, self._since = 0.0, time.monotonic()

    def welcome(self, *, established: bool) -> bool:
        """Whether to read what the group gave us; `established` is who has read before.

        Raises `SourceError` if we have to go.
        """
        if not self.looking:
            return True
        if time.monotonic() - self._looked < LOOK_S:
            return established
        self._looked = time.monotonic()
        others = self._others()
        if others and not self._said:
            log.error("part of the topics is read by others and not watched here", by=others)
            self._said = True
        if not (vigils := [each for each in others if each.startswith(OURS)]):
            self.looking = False
            return True
        if self._looked - self._since >= self._patience_s(vigils, established=established):
            raise self._too_many(vigils, "give this Vigil a group of its own")
        return established

    def _patience_s(self, vigils: Sequence[str], *, established: bool) -> float:
        if all(self._instance < other for other in vigils):
            return float("inf") if established else NEWCOMER_S
        return ESTABLISHED_S if established else 0.0

    def _too_many(self, others: Sequence[str], remedy: str) -> SourceError:
        return SourceError(f"kafka.group: {self._group!r} is read by {', '.join(others)} already: {remedy}")
