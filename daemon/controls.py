"""Decisions of the wall clock: a live run records them, and a replay of its dump obeys them.

| control | says |
|---|---|
| `floor` | from this offset on a partition's clock is at least so much |
| `doubted` | in these offsets there were timestamps too far ahead of the wall clock, which showed so much |
| `explains` | the run had an explainer: what came of it in time is recorded, even if that is nothing |
| `explained` | these explanations were taken in with this pane |
| `gap` | with this pane it was said that records were never read |
| `ordered` | with this pane an operator's order took effect |
| `orders` | this is the topic of operators' orders |
| `behind` | from this pane on Vigil was catching up, or was not any more |
| `missing` | these offsets were consumed, but could not be read again for the dump |
| `closed` | panes up to here had closed when the dump was written |
| `ended` | the input was finite and at its end |
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from typing import Any

from daemon.explain.recording import replayed
from daemon.explain.tables import to_table
from daemon.records import Partition, Run
from processors.rows import Explanations


class Controls:
    """What was decided in this run and not committed yet; and what a dump says that its run had decided."""

    def __init__(self) -> None:
        self._made: list[dict[str, Any]] = []
        self.recorded = False
        """Whether explanations come from a dump."""
        self.closed: int | None = None
        """How far the dump's run had closed its panes."""
        self.ended = False
        """Whether the dump's run was at the end of its input."""
        self._explained: dict[int, list[Explanations]] = {}
        self.gaps: dict[int, list[Mapping[str, Any]]] = {}
        """What the dump's run said of gaps, by the start of the pane, as it was recorded."""
        self.control_topic: str | None = None
        """The topic of operators' orders in the dump's run."""
        self.orders: dict[int, list[Mapping[str, Any]]] = {}
        """What the dump's run carried out, by the start of the pane, as it was recorded."""
        self._ordered: set[tuple[Partition, int]] = set()
        self.behind: dict[int, bool] = {}
        """Where the dump's run began and ceased to catch up, by the start of the pane."""
        self._doubted: dict[Partition, list[tuple[int, int, int]]] = {}
        """(first offset, last, wall clock) of runs in which timestamps were too far ahead of that clock."""

    def add(self, kind: str, partition: Partition | None = None, **fields: Any) -> None:
        """Record a decision."""
        where = {} if partition is None else {"topic": partition.topic, "partition": partition.number}
        self._made.append({"control": kind, **where, **fields})

    def take(self) -> list[dict[str, Any]]:
        """What was decided since the last call."""
        made, self._made = self._made, []
        return made

    def obey(self, control: Mapping[str, Any]) -> None:
        """Take in a control line of a dump, other than a `floor`, which is the clocks' matter."""
        kind = control.get("control")
        if kind == "doubted":
            doubted = self._doubted.setdefault(Partition(control["topic"], control["partition"]), [])
            doubted.append((control["first"], control["last"], control["wall"]))
        elif kind == "explains":
            self.recorded = True
        elif kind == "explained":
            self.recorded = True
            self._explained.setdefault(control["pane"], []).append(to_table(replayed(control)))
        elif kind == "gap":
            self.gaps.setdefault(control["pane"], []).append(control)
        elif kind == "ordered":
            self.orders.setdefault(control["pane"], []).append(control)
            self._ordered.add((Partition(control["topic"], control["partition"]), control["offset"]))
        elif kind == "orders":
            self.control_topic = control["topic"]
        elif kind == "behind":
            self.behind[control["pane"]] = control["on"]
        elif kind == "ended":
            self.ended = True
        elif kind == "closed":
            self.closed = max(self.closed or 0, control["until"])

    def ordered_later(self, partition: Partition, offset: int) -> bool:
        """Whether the dump says with which pane the order that stood there was carried out."""
        return (partition, offset) in self._ordered

    def explained(self, pane: int) -> list[Explanations]:
        """What the dump's run took in with the pane that starts then."""
        return self._explained.pop(pane, [])

    def by_wall_clock(self, run: Run) -> Iterator[tuple[Run, int | None]]:
        """A replay's run in parts, each with the wall clock by which its timestamps were judged; None: believed."""
        start = 0
        for first, last, wall_us in self._doubted.get(run.partition, []):
            begin, end = bisect_left(run.offsets, first), bisect_right(run.offsets, last)
            if begin < end:
                if start < begin:
                    yield run.part(start, begin), None
                yield run.part(begin, end), wall_us
                start = end
        if start < len(run):
            yield run.part(start, len(run)) if start else run, None
