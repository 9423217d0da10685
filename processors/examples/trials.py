"""A monitor run over an example stream."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from processors.base import Consumes, Finding, Judging, Monitor, Reading, Summary, Verdict
from processors.durations import HOUR_US
from processors.examples.events import PANE_US, START_US
from processors.examples.streams import Rows, Stream, example_rows
from processors.packing import pack, unpack
from processors.sameness import tree

AnyMonitor = Monitor[Any, Any]
Make = Callable[[], AnyMonitor]


def stream_for(make: Make, ugly: bool = False, sealed: bool = True) -> Stream:
    """The example stream of the rows that the monitor consumes; a copy of its own for each caller."""
    stream: Stream = pickle.loads(_pickled(make().consumes, ugly, sealed))  # noqa: S301 - our own bytes
    return stream


@cache
def _pickled(consumes: Consumes, ugly: bool, sealed: bool) -> bytes:
    return pickle.dumps(example_rows(consumes, ugly=ugly, sealed=sealed))


@dataclass(slots=True)
class Said:
    """What a monitor said of a stream, and what it remembers in the end."""

    state: Any
    readings: list[Reading]
    findings: list[Finding]

    def told(self) -> bytes:
        """All of it as bytes."""
        return pack([self.state, [tree(item) for item in (*self.readings, *self.findings)]])


def context_at(stream: Stream, pane: int) -> Judging:
    """What a judge may know at a pane. The budget is generous (an alarm an hour), for alarms are to be seen."""
    start = START_US + pane * PANE_US
    coverage = {group.model: {"coverage": 1.0, "keep_rate": 1.0} for group in stream.profile.groups}
    return Judging(
        start=start,
        end=start + PANE_US,
        profile=stream.profile,
        alarms_per_us=1 / HOUR_US,
        window_events=100,
        window_span=6 * PANE_US,
        pane_us=PANE_US,
        last=pane + 1 == len(stream.panes),
        readings=stream.readings[pane],
        coverage=coverage,
    )


def verdicts(make: Make, stream: Stream, state: Any = None, restart_every: int = 0) -> Iterator[tuple[Any, Verdict]]:
    """(what was sealed before, verdict) pane after pane; every few panes as a new instance with unpacked state."""
    monitor, sealed = make(), None
    state = monitor.initial() if state is None else state
    for pane, rows in enumerate(stream.panes):
        summary = monitor.empty() if monitor.consumes == "readings" else monitor.measure(rows, stream.profile, sealed)
        verdict = monitor.judge(state, summary, context_at(stream, pane))
        yield sealed, verdict
        state, sealed = verdict.state, verdict.sealed
        if restart_every and pane % restart_every == 0:
            state, tree = unpack(pack([state, monitor.dump_sealed(sealed)]))
            monitor = make()
            sealed = monitor.load_sealed(tree)


def run(make: Make, stream: Stream, state: Any = None, restart_every: int = 0) -> Said:
    """Everything that the monitor says of the stream. Raises what it raises."""
    said = Said(make().initial(), [], [])
    for _, verdict in verdicts(make, stream, state, restart_every):
        said.state = verdict.state
        said.readings += verdict.readings
        said.findings += verdict.findings
    return said


def measured(monitor: AnyMonitor, stream: Stream) -> Iterator[tuple[Rows, Any]]:
    """Every sixth pane's rows with what was sealed by then."""
    if monitor.consumes == "readings":
        return
    # On a copy, so that a monitor that spoils its rows is found out here and not there.
    sealed_at = verdicts(lambda: monitor, pickle.loads(pickle.dumps(stream)))  # noqa: S301 - our own bytes
    for pane, (rows, (sealed, _)) in enumerate(zip(stream.panes, sealed_at, strict=True)):
        if pane % 6 == 0:
            yield rows, sealed


def summaries(monitor: AnyMonitor, stream: Stream) -> list[Summary]:
    """Every pane measured by what was sealed first, as summaries that meet in a merge are."""
    if monitor.consumes == "readings":
        return [monitor.empty()]
    return [monitor.measure(rows, stream.profile, None) for rows in stream.panes]
