"""From what was measured to the figures that are promised: every ratio is of one run on one machine."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from bench.cost.staging import TRANSPORT

Run = Mapping[str, Any]
Runs = Mapping[str, Sequence[Run]]
"""By side, as `bare`, `vigil gzip`: each of its runs."""


def per_event_us(run: Run, events_per_record: float = 1.0) -> float:
    """Microseconds of CPU an event, all in."""
    return float(run["cpu_s"] / run["records"] / events_per_record * 1e6)


def own_us(run: Run) -> float:
    """Microseconds an event without polling and decoding."""
    own = sum(seconds for name, seconds in run["stages_s"].items() if name not in TRANSPORT)
    return float(own / run["records"] * 1e6)


def best(runs: Sequence[Run]) -> Run:
    """The run that cost least: what disturbs a measurement only adds to it."""
    return min(runs, key=per_event_us)


def ratio(above: Sequence[Run], below: Sequence[Run]) -> dict[str, float]:
    """Of the best runs, and of the medians."""
    return {
        "best": per_event_us(best(above)) / per_event_us(best(below)),
        "median": statistics.median(map(per_event_us, above)) / statistics.median(map(per_event_us, below)),
    }


def ratios(runs: Runs) -> dict[str, Any]:
    """The comparison of sides; what was not run is None."""
    found: dict[str, Any] = {"ratio_to_bare_consumer": ratio(runs["vigil"], runs["bare"])["best"]}
    found["ratio_to_bare_consumer_median"] = ratio(runs["vigil"], runs["bare"])["median"]
    found["ratio_confluent"] = None
    if "vigil confluent" in runs:
        found["ratio_confluent"] = ratio(runs["vigil confluent"], runs["bare"])["best"]
    found["ratio_naive_over_vigil"] = ratio(runs["naive"], runs["vigil"])["best"]
    vigil = min(own_us(run) for run in runs["vigil"])
    found["ratio_naive_over_vigil_without_reading"] = min(own_us(run) for run in runs["naive"]) / vigil
    for what in sorted({name.partition(" ")[2] for name in runs} - {"", "confluent"}):
        if f"bare {what}" not in runs or f"vigil {what}" not in runs:
            continue
        found[f"ratio_to_bare_consumer_{what.replace(' ', '_')}"] = ratio(runs[f"vigil {what}"], runs[f"bare {what}"])[
            "best"
        ]
    return found


def stages_us(run: Run) -> dict[str, float]:
    """Microseconds an event by stage, the greatest first."""
    found = {name: seconds / run["records"] * 1e6 for name, seconds in run["stages_s"].items()}
    return dict(sorted(found.items(), key=lambda each: -each[1]))


def coarse_us(run: Run) -> dict[str, float]:
    """The stages in a few words: measure and judge of all monitors together."""
    found: dict[str, float] = {}
    for name, us in stages_us(run).items():
        word = {"other threads": "network threads"}.get(name, name.split(" ")[0])
        found[word] = found.get(word, 0.0) + us
    return found


def flatness(points: Sequence[Mapping[str, Any]], name: str = "own_us") -> float:
    """The greatest cost of an event along an axis, as a multiple of the first."""
    return float(max(point[name] for point in points) / points[0][name])
