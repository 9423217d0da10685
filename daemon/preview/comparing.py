"""Two sets of alerts on one log: what one has and the other has not, and what comes earlier or later."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from daemon.preview.episodes import Episode, Subject
from processors.durations import HOUR_US

Kind = Literal["lost", "gained", "earlier", "later", "same"]
KINDS: tuple[Kind, ...] = ("gained", "lost", "earlier", "later", "same")
_NEAR_US = HOUR_US
"""Firings of one subject that do not overlap are one and the same if they begin this close together."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What became of an alert: `old` as it was, `new` as it would be; one of them may be missing."""

    kind: Kind
    old: Episode | None
    new: Episode | None

    @property
    def shown(self) -> Episode:
        """The one that is there, the new one if both are."""
        found = self.new or self.old
        assert found is not None  # noqa: S101 - one of them always is
        return found

    @property
    def shift(self) -> int:
        """By how many microseconds it comes later; 0 if one is missing."""
        return 0 if self.old is None or self.new is None else self.new.fired - self.old.fired


def compare(old: Sequence[Episode], new: Sequence[Episode], tolerance: int) -> list[Difference]:
    """Pair the episodes of each subject that overlap, or begin close together; by the time at which they fired.

    A pair whose starts are no further apart than `tolerance` is the `same`.
    """
    subjects = sorted({each.subject for each in (*old, *new)})
    found = [one for subject in subjects for one in _paired(_of(old, subject), _of(new, subject), tolerance)]
    return sorted(found, key=lambda each: (each.shown.fired, each.shown.subject))


def counts(differences: Iterable[Difference]) -> dict[Kind, int]:
    """How many of each kind."""
    found = Counter(each.kind for each in differences)
    return {kind: found[kind] for kind in KINDS}


def pages(episodes: Iterable[Episode], since: int = 0) -> int:
    """How often somebody would have been woken from then on."""
    return sum(at >= since for each in episodes for at in each.pages)


def _of(episodes: Sequence[Episode], subject: Subject) -> list[Episode]:
    return [each for each in episodes if each.subject == subject]


def _paired(old: list[Episode], new: list[Episode], tolerance: int) -> Iterator[Difference]:
    left = list(new)
    for before in old:
        after = next((each for each in left if _alike(before, each)), None)
        if after is None:
            yield Difference("lost", before, None)
            continue
        left.remove(after)
        shift = after.fired - before.fired
        kind: Kind = "same" if abs(shift) <= tolerance else "later" if shift > 0 else "earlier"
        yield Difference(kind, before, after)
    for after in left:
        yield Difference("gained", None, after)


def _alike(one: Episode, other: Episode) -> bool:
    overlap = _reaches(one, other.fired) and _reaches(other, one.fired)
    return overlap or abs(one.fired - other.fired) <= _NEAR_US


def _reaches(episode: Episode, time: int) -> bool:
    return episode.ended is None or episode.ended >= time
