"""What happens to the fleet and when: the truth, against which what Vigil says can be held."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from processors.rows import Bools, Longs

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that goes wrong with one model, from `begins` until `ends`, microseconds since the story's start.

    `monitors` are those that may find it, `feature` is what they must name, if anything. `unseen` is how long after
    `begins` the first traces of it can reach anybody: where labels are late, no sooner than the first of them.
    """

    model: str
    begins: int
    ends: int
    what: str
    monitors: tuple[str, ...]
    feature: str | None = None
    upstream: bool = False
    """The features break before the model sees them; otherwise what is true of them changes."""
    unseen: int = 0


@dataclass(frozen=True, slots=True)
class Story:
    """A stretch of event time with its incidents. `start` in microseconds since 1970 UTC.

    With a `cycle` the incidents come again every so often. `haste` shortens the delays of labels.
    """

    start: int
    span: int
    incidents: tuple[Incident, ...]
    per_second: float
    """Predictions per second of event time, of each model, in the mean."""
    cycle: int | None = None
    haste: float = 1.0

    def happening(self, model: str, time: Longs, *, upstream: bool) -> Bools:
        """At which of these times an incident of this kind is going on with the model."""
        since = time - self.start
        if self.cycle is not None:
            since %= self.cycle
        going_on = np.zeros(len(time), np.bool_)
        for each in self.incidents:
            if each.model == model and each.upstream is upstream:
                going_on |= (each.begins <= since) & (since < each.ends)
        return going_on


_INPUTS = ("feature_drift", "data_quality")

_MONDAY = 1_748_822_400 * SECOND
"""2025-06-02T00:00:00Z: long past, for timestamps ahead of the wall clock are not believed."""


def one_monday() -> Story:
    """The demo's story: a Monday that begins calmly, and the night after it."""
    return Story(
        start=_MONDAY,
        span=32 * HOUR,
        incidents=(
            Incident(
                "credit", 16 * HOUR, 32 * HOUR, "interest rose: whoever owes much defaults", ("concept_drift",),
                unseen=3 * HOUR,
            ),
            Incident(
                "pricing", 18 * HOUR, 23 * HOUR, "distance_km arrives in metres", _INPUTS, "distance_km", upstream=True,
            ),
            Incident(
                "fraud", 20 * HOUR, 32 * HOUR, "fraudsters turn to small amounts", ("concept_drift",),
                unseen=HOUR // 20,
            ),
        ),
        per_second=0.25,
    )  # fmt: skip


def every_hour(start: int, per_second: float) -> Story:
    """The simulator's story: real time, an hour that repeats itself. Labels come within minutes, not hours."""
    return Story(
        start=start,
        span=2**62,
        incidents=(
            Incident(
                "pricing", 8 * MINUTE, 18 * MINUTE, "distance_km arrives in metres", _INPUTS, "distance_km",
                upstream=True,
            ),
            Incident("fraud", 12 * MINUTE, 40 * MINUTE, "fraudsters turn to small amounts", ("concept_drift",)),
            Incident(
                "credit", 15 * MINUTE, 45 * MINUTE, "interest rose: whoever owes much defaults", ("concept_drift",),
                unseen=2 * MINUTE,
            ),
        ),
        per_second=per_second,
        cycle=60 * MINUTE,
        haste=1 / 60,
    )  # fmt: skip
