"""A source: rows of a table in SQLite, as a service writes them beside what it does. Copy it to `daemon/sources/`.

    create table events (number integer primary key, event text not null)

A row's number is its offset: what is added has a greater one, and what was read is never changed.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from daemon.records import Gap, Partition, Polled, Position, Run
from daemon.sources.base import Opening, Source, SourceError

NAP_S = 0.1


class SqliteSettings(BaseModel):
    """Which table."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    path: Path
    """The database."""
    table: str = "events"
    """Its table of events."""
    follow: bool = True
    """Wait for more at the end, instead of finishing."""
    codec: str = "native"
    """How the events are written."""


class Sqlite(Source):
    """One table is one partition."""

    name = "sqlite"
    Settings = SqliteSettings

    def __init__(self, settings: Any, opening: Opening) -> None:
        self._settings: SqliteSettings = settings
        self._partition = Partition(settings.table, 0)
        self._stored = opening.positions().get(self._partition)
        self._next = self._stored.next_offset if self._stored else 0
        self._told = self._paused = False
        try:
            self._db = sqlite3.connect(f"file:{settings.path}?mode=ro", uri=True)
        except sqlite3.OperationalError as error:
            raise SourceError(f"source.sqlite.path: {settings.path}: {error}") from error

    def poll(self, max_wait_s: float, max_records: int) -> Polled:
        polled = Polled(assigned=() if self._told else (self._partition,))
        if self._stored and not self._told:
            polled.gaps = self._deleted()
        self._told = True
        rows = [] if self._paused else self._rows(max_records)
        if rows:
            self._next = rows[-1][0] + 1
            blank: list[Any] = [None] * len(rows)
            values: list[bytes | None] = [event.encode() for _, event in rows]
            numbers = [number for number, _ in rows]
            polled.runs = [Run(self._partition, numbers, [-1] * len(rows), blank, values, [()] * len(rows))]
        elif not self._paused:
            polled.caught_up = frozenset({self._partition})
            polled.finished = frozenset() if self._settings.follow else polled.caught_up
        if not rows and self._settings.follow:
            time.sleep(min(max_wait_s, NAP_S))
        return polled

    def _rows(self, most: int) -> list[tuple[int, str]]:
        return self._asked("where number >= ? order by number limit ?", self._next, most)

    def _deleted(self) -> list[Gap]:
        """Rows that were deleted before they were read are said, never passed over."""
        first = self._asked("where number >= ? order by number limit 1", self._next)
        return (
            [Gap(self._partition, self._next, first[0][0], "retention")] if first and first[0][0] > self._next else []
        )

    def _asked(self, where: str, *values: int) -> list[tuple[int, str]]:
        try:
            return self._db.execute(f'select number, event from "{self._settings.table}" {where}', values).fetchall()  # noqa: S608 - who writes the configuration may name any table
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                return []
            raise SourceError(f"source.sqlite: {self._settings.path}: {error}") from error

    def seek(self, positions: Mapping[Partition, Position]) -> None:
        self._next = positions.get(self._partition, Position(self._next)).next_offset

    def positions(self) -> dict[Partition, Position]:
        return {self._partition: Position(self._next)} if self._told else {}

    def pause(self, partitions: Collection[Partition]) -> None:
        self._paused = self._paused or self._partition in partitions

    def resume(self, partitions: Collection[Partition]) -> None:
        self._paused = self._paused and self._partition not in partitions

    @property
    def paused(self) -> frozenset[Partition]:
        return frozenset({self._partition}) if self._paused else frozenset()

    def close(self) -> None:
        self._db.close()
