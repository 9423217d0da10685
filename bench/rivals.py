"""River's drift detectors alone on the error stream, with their defaults, and two dummies: what would they have said?

A detector is new for each version. Its first alarm after a drift is the detection, and further ones are taken for its
companions, which is kind to them; an alarm before the drift, or on a version without one, is false.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from river import drift

from bench.events import Incident, Served, Stream

EVERY = 10
"""Events between the alarms of the dummy that always fires: a pane's."""


class Always:
    """Fires with every pane."""

    def __init__(self) -> None:
        self._events, self.drift_detected = 0, False

    def update(self, wrong: Any) -> None:
        """Take in one more event."""
        self._events += 1
        self.drift_detected = self._events % EVERY == 0


class Never:
    """Does not fire."""

    drift_detected = False

    def update(self, wrong: Any) -> None:
        """Take in one more event."""


RIVALS: dict[str, Callable[[], Any]] = {
    "ADWIN": drift.ADWIN,
    "Page-Hinkley": drift.PageHinkley,
    "DDM": drift.binary.DDM,
    "HDDM_A": drift.binary.HDDMA,
    "HDDM_W": drift.binary.HDDMW,
    "KSWIN": lambda: drift.KSWIN(seed=0),
    "always fires": Always,
    "never fires": Never,
}


@dataclass(slots=True)
class Tried:
    """What a rival made of all streams. Delays of visible drifts only, None for one that was not found."""

    abrupt: list[int | None] = field(default_factory=list)
    gradual: list[int | None] = field(default_factory=list)
    false: int = 0

    def figures(self) -> dict[str, Any]:
        """For the last line."""
        return {"abrupt": _figures(self.abrupt), "gradual": _figures(self.gradual), "false": self.false}


def compete(streams: Sequence[Stream]) -> dict[str, Tried]:
    """All rivals on the errors of drifting streams."""
    tried = {name: Tried() for name in RIVALS}
    for stream in streams:
        for part, begin, incident in _parts(stream):
            for name, make in RIVALS.items():
                _try(tried[name], list(_alarms(make(), part)), begin, incident)
    return tried


def _parts(stream: Stream) -> Iterator[tuple[Served, int, Incident | None]]:
    """Each version with the number of its first event and its drift, if it has one."""
    begin = 0
    for part in stream.parts:
        yield part, begin, next((one for one in stream.incidents if one.version == part.version), None)
        begin += len(part)


def _alarms(detector: Any, part: Served) -> Iterator[int]:
    """Numbers of the events after which it fires."""
    for number, wrong in enumerate(part.wrong.tolist(), 1):
        detector.update(wrong)
        if detector.drift_detected:
            yield number


def _try(tried: Tried, alarms: list[int], begin: int, incident: Incident | None) -> None:
    if incident is None:
        tried.false += len(alarms)
        return
    drift_at = incident.begin - begin
    found = [alarm for alarm in alarms if alarm > drift_at - incident.early]
    tried.false += len(alarms) - len(found)
    if incident.bound is not None:
        delays = tried.gradual if incident.early else tried.abrupt
        delays.append(max(found[0] - drift_at, 0) if found else None)


def _figures(delays: list[int | None]) -> dict[str, Any]:
    found = [delay for delay in delays if delay is not None]
    return {
        "visible": len(delays),
        "found": len(found),
        "median_delay": statistics.median(found) if found else None,
        "mean_delay": round(statistics.mean(found), 1) if found else None,
    }
