"""Notes where a pipeline's CPU time goes: the methods of its parts, each under the name of its stage."""

from __future__ import annotations

from typing import Any

from bench.cost.marks import Marks, Stages
from daemon.pipeline import Pipeline

PARTS = (
    ("poll", "source", ("poll", "pause", "resume", "positions")),
    ("decode", "decoder", ("decode",)),
    ("join", "ledger", ("add", "rows_of", "close", "skip", "next_pane")),
    ("locate", "watch", ("close", "tick")),
    ("judge", "life", ("close", "add_evidence", "withdraw")),
    ("emit", "say", ("alert", "reading", "dead_letter", "heartbeat")),
    ("checkpoint", "checkpoint", ("commit",)),
    ("emit", "checkpoint", ("deliver", "add")),
)
"""(stage, part of the pipeline, its methods)."""
TRANSPORT = ("poll", "decode", "other threads")
"""What the yardstick does, too; kafka-python's network is a thread of its own."""


def stage(pipeline: Pipeline, stages: Stages) -> None:
    """Have each of the pipeline's parts note its time; of `watch` what is no monitor's is `locate`."""
    for name, part, methods in PARTS:
        owner = getattr(pipeline.parts, part)
        for method in methods:
            _wrap(owner, method, name, stages)
    _wrap(pipeline.parts.watch.profile, "admit", "locate", stages)
    for watched in pipeline.parts.watch.monitors:
        _wrap(watched.monitor, "measure", f"measure {watched.monitor.name}", stages)
        _wrap(watched.monitor, "judge", f"judge {watched.monitor.name}", stages)


def count_polls(pipeline: Pipeline, marks: Marks) -> None:
    """Have the source's polls count their records."""
    source: Any = pipeline.parts.source
    poll = source.poll

    def counting(*waits: Any) -> Any:
        polled = poll(*waits)
        marks.count(sum(len(run.offsets) for run in polled.runs))
        return polled

    source.poll = counting


def _wrap(owner: Any, method: str, name: str, stages: Stages) -> None:
    call = getattr(owner, method)
    try:
        setattr(owner, method, stages.timed(name, call))
    except (AttributeError, TypeError):  # slotted: its class is wrapped, for there is one pipeline in a process
        kind = type(owner)
        setattr(kind, method, stages.timed(name, getattr(kind, method)))
