"""The ledger's rules in slow and plain Python: dictionaries and sorted lists, one event after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from daemon.decode import Decoded
from daemon.ledger.ledger import Closed
from processors.durations import HOUR_US
from processors.rows import CORRECTION, FIRST, IMPLICIT, Labels, Outcomes, Predictions, Scalars

Rank = tuple[int, int, int, int]
Value = tuple[int, int]
"""Kind and bits."""


@dataclass(slots=True)
class Row:
    """A prediction that waits for its label."""

    time: int
    ts: int
    key: int
    partition: int
    offset: int
    index: int
    model: str
    version: int
    content: int
    prediction: Value
    arrival: int
    how: int | None = None
    label: Value = (0, 0)
    rank: Rank = (0, 0, 0, 0)


@dataclass(slots=True)
class Label:
    """A label."""

    time: int
    key: int
    model: str
    value: Value
    rank: Rank


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """An outcome, as it is compared with the ledger's."""

    ts: int
    key: int
    version: int
    place: int
    how: int
    label_ts: int
    label: Value
    before: Value
    prediction: Value


@dataclass(frozen=True, slots=True)
class Rules:
    """What is configured, in microseconds by model."""

    pane: int
    wait: Mapping[str, int]
    implicit: Mapping[str, tuple[int, Value]]
    unmonitored: frozenset[str] = frozenset()


@dataclass(slots=True)
class Model:
    """Closes every pane in turn, also those in which there is nothing to do."""

    rules: Rules
    predictions: list[Row] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    waiting: dict[int, Label] = field(default_factory=dict)
    accounts: Counter[str] = field(default_factory=Counter)
    outcomes: dict[int, list[Change]] = field(default_factory=dict)
    standing: dict[int, list[tuple[int, int]]] = field(default_factory=dict)

    def run(self, decoded: Iterable[Decoded], until: int) -> None:
        """Everything that was decoded, to the end."""
        for each in decoded:
            self.predictions += rows_of(each.predictions)
            self.labels += labels_of(each.labels)
        times = [row.time for row in self.predictions] + [label.time for label in self.labels]
        pane = self.rules.pane
        for start in range(min(times, default=until) // pane * pane, until, pane):
            self.close(start)
        self.accounts["shed"] += len(self.waiting)

    def close(self, start: int) -> None:
        """The numbered rules of `daemon.ledger.ledger`."""
        end, changes = start + self.rules.pane, []
        self._admit(start, end)
        for row in [row for row in self.rows if start <= row.arrival < end]:
            changes += self._meet(row, end)
        for key in {row.key for row in self.rows if start <= row.arrival < end} & self.waiting.keys():
            del self.waiting[key]
            self.accounts["measured"] += 1
        for label in sorted(
            (label for label in self.labels if start <= label.time < end), key=lambda label: label.rank
        ):
            changes += self._match(label, end)
        changes += self._imply(start)
        self._expire(end)
        if changes:
            self.outcomes[start] = sorted((change for change in changes), key=lambda c: (c.ts, c.key, c.version))

    def _admit(self, start: int, end: int) -> None:
        mine = [row for row in self.predictions if start <= row.time < end]
        for row in sorted(mine, key=lambda row: (row.time, row.key, row.partition, row.offset, row.index)):
            known = [other for other in self.rows if (other.key, other.version) == (row.key, row.version)]
            if row.model in self.rules.unmonitored:
                self.accounts["shed"] += 1
            elif known:
                self.accounts["duplicate" if known[0].content == row.content else "conflict"] += 1
            else:
                self.rows.append(row)
                self.accounts["measured"] += 1
                self.standing.setdefault(start, []).append((row.key, row.version))

    def _meet(self, row: Row, end: int) -> list[Change]:
        label = self.waiting.get(row.key)
        if label is not None:
            return [change(row, FIRST, label.value, label.rank)]
        for sibling in self.rows:
            if sibling.key == row.key and sibling is not row and sibling.how == FIRST:
                return [change(row, FIRST, sibling.label, sibling.rank)]
        return []

    def _match(self, label: Label, end: int) -> list[Change]:
        there = [row for row in self.rows if row.key == label.key and row.arrival < end]
        if not there:
            self._wait(label)
            return []
        changes = []
        said: set[str] = set()
        for row in there:
            if row.how is None:
                changes.append(change(row, FIRST, label.value, label.rank))
            elif row.how == FIRST and row.label == label.value:
                row.rank = max(row.rank, label.rank)
                said.add("duplicate")
            elif row.how == IMPLICIT or label.rank > row.rank:
                changes.append(change(row, CORRECTION, label.value, label.rank))
            else:
                said.add("conflict")
        self.accounts["measured" if changes else "conflict" if "conflict" in said else "duplicate"] += 1
        return changes

    def _wait(self, label: Label) -> None:
        before = self.waiting.get(label.key)
        if before is not None:
            self.accounts["duplicate" if before.value == label.value else "conflict"] += 1
        if before is None or label.rank > before.rank:
            self.waiting[label.key] = label

    def _imply(self, start: int) -> list[Change]:
        changes = []
        for row in self.rows:
            rule = self.rules.implicit.get(row.model)
            due = rule and max(row.time + rule[0], row.arrival)
            if rule and row.how is None and due is not None and start <= due < start + self.rules.pane:
                changes.append(change(row, IMPLICIT, rule[1], (start, 0, 0, 0)))
        return changes

    def _expire(self, end: int) -> None:
        def over(item: Row | Label) -> bool:
            return ((item.time + self.rules.wait[item.model]) // HOUR_US + 1) * HOUR_US <= end

        self.rows = [row for row in self.rows if not over(row)]
        orphans = [key for key, label in self.waiting.items() if over(label)]
        for key in orphans:
            del self.waiting[key]
        self.accounts["shed"] += len(orphans)


def change(row: Row, how: int, value: Value, rank: Rank) -> Change:
    """Give a row its label and say so."""
    before = row.label if how == CORRECTION else (0, 0)
    row.how, row.label, row.rank = FIRST if how == CORRECTION else how, value, rank
    return Change(row.ts, row.key, row.version, 0, how, rank[0], value, before, row.prediction)


def rows_of(table: Predictions) -> list[Row]:
    """A table of predictions, row by row."""
    ref = table.ref
    models = [table.names.text(model) for model in table.model.tolist()]
    columns: Sequence[Any] = (
        table.time.tolist(), table.ts.tolist(), table.key.tolist(), ref.partition.tolist(), ref.offset.tolist(),
        ref.index.tolist(), models, table.version.tolist(), table.content.tolist(), values(table.prediction),
        table.arrival.tolist(),
    )  # fmt: skip
    return [Row(*each) for each in zip(*columns, strict=True)]


def labels_of(table: Labels) -> list[Label]:
    """A table of labels, row by row."""
    ref = table.ref
    ranks = zip(*(column.tolist() for column in (table.ts, ref.partition, ref.offset, ref.index)), strict=True)
    models = [table.names.text(model) for model in table.model.tolist()]
    columns = (table.time.tolist(), table.key.tolist(), models, values(table.label), ranks)
    return [Label(*each) for each in zip(*columns, strict=True)]


def changes_of(table: Outcomes) -> list[Change]:
    """A table of outcomes as the model has them."""
    columns: Sequence[Any] = (
        table.ts.tolist(), table.key.tolist(), table.version.tolist(), [0] * len(table), table.how.tolist(),
        table.label_ts.tolist(), values(table.label), values(table.before), values(table.prediction),
    )  # fmt: skip
    return [Change(*each) for each in zip(*columns, strict=True)]


def values(scalars: Scalars) -> list[Value]:
    """Kind and bits of each."""
    return list(zip(scalars.kind.tolist(), scalars.bits.tolist(), strict=True))


def measured(closed: Closed) -> list[tuple[int, int]]:
    """(key, version) of each prediction that stands."""
    return list(zip(closed.predictions.key.tolist(), closed.predictions.version.tolist(), strict=True))
