"""Vigil's own log of what it reads: which versions it watches, what it learnt of them, and what it had to refuse.

Alerts have theirs (`daemon.alerts.log`). However much there is of either, the lines are few.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import structlog

from daemon.decode import Refusal
from processors.kernels.binning import CATEGORICAL, NUMERIC
from processors.profile import TASKS, GroupKey, Profile

AGAIN_S = 60.0
"""How often refused events are said."""
_MOST = 20
"""Versions that are named in a pane; more are counted."""
_CLASSES = 10

T = TypeVar("T")
log = structlog.get_logger("vigild")


class RefusedLog:
    """The first event of each reason as it comes, with where it stands; then how many there were since the last line.

    `now` are seconds; `why` says what is wrong with an event, as far as that may be told.
    """

    def __init__(self, now: Callable[[], float], why: Callable[[Refusal], str]) -> None:
        self._now, self._why = now, why
        self._known: set[str] = set()
        self._untold: Counter[str] = Counter()
        self._said_at = 0.0

    def note(self, refusals: Sequence[Refusal]) -> None:
        """Take in what was refused now, if anything was; say what is due."""
        for refusal in refusals:
            if refusal.reason in self._known:
                self._untold[refusal.reason] += 1
                continue
            self._known.add(refusal.reason)
            self._said_at = self._now()
            place = f"{refusal.partition}:{refusal.offset}" + (f"[{refusal.index}]" if refusal.index else "")
            log.warning("event refused", reason=refusal.reason, at=place, detail=self._why(refusal))
        if self._untold and self._now() - self._said_at >= AGAIN_S:
            self.tell()

    def tell(self) -> None:
        """Say what is not said yet."""
        if self._untold:
            log.warning("events refused", more=self._untold.total(), reasons=dict(sorted(self._untold.items())))
            self._untold.clear()
            self._said_at = self._now()


def log_appeared(profile: Profile, bases: Sequence[int]) -> None:
    """Versions that predict for the first time."""
    for base in _few(bases, "versions appear"):
        log.info("version appears", **_named(profile.groups[base]))


def log_learnt(profile: Profile, bases: Sequence[int]) -> None:
    """Versions of which the first events were enough to know their features: from now on these are compared."""
    for base in _few(bases, "versions learnt"):
        classes, positive = profile.classes(base), profile.positive(base)
        types = profile.series_type[list(profile.series_of(base).values())]
        said = {
            "task": TASKS[profile.task(base)],
            "classes": classes[:_CLASSES] + ["..."] * (len(classes) > _CLASSES),
            "positive_class": classes[positive] if 0 <= positive < len(classes) else None,
            "numeric": int((types == NUMERIC).sum()),
            "categorical": int((types == CATEGORICAL).sum()),
        }
        log.info("version learnt", **_named(profile.groups[base]), **{k: v for k, v in said.items() if v or v == 0})


def log_retired(keys: Sequence[GroupKey]) -> None:
    """Versions that are not served any more."""
    for key in _few(keys, "versions retired"):
        log.info("version retired", **_named(key))


def _few(found: Sequence[T], what: str) -> Iterable[T]:
    if len(found) > _MOST:
        log.info(what, not_named=len(found) - _MOST)
    return found[:_MOST]


def _named(key: GroupKey) -> dict[str, Any]:
    return {"model": key.model, "version": key.version}
