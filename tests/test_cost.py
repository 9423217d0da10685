"""What an event costs, in lines of Python executed: a careless loop over events is caught on any machine, however busy.

`make bench` measures time; this holds what makes it possible: after decoding nothing loops over events in Python.
"""

from __future__ import annotations

from typing import Any

import pytest

from bench.cost.lines import lines_per_event
from bench.cost.shape import Shape
from daemon.pipeline import Pipeline

FEW = Shape(events=3_000, models=2, rate=100, lag=4.0, segments=1, categorical=2)
MANY = FEW.of(events=9_000, rate=300)
READS = ("daemon/sources/", "daemon/decode", "daemon/codecs/", "daemon/scalars.py")
"""Where bytes become columns: the one place where Python sees an event by itself."""
MOST_OF_READING = 30
MOST_OF_A_FILE = 0.2
TABLES, MOST_OF_TABLES = "processors/rows.py", 0.7
"""Lines an event: what is done for each batch of about 2,000, and for each pane in it. Tables do it by column."""


@pytest.fixture(scope="module")
def lines() -> dict[str, float]:
    """Return the lines an event costs, by file."""
    return lines_per_event(FEW, MANY)


def test_nothing_after_decoding_loops_over_events(lines: dict[str, float]) -> None:
    """Ledger, measuring, judging, alerts and what leaves execute no line for each event."""
    most = {TABLES: MOST_OF_TABLES}
    loops = {name: n for name, n in lines.items() if not name.startswith(READS) and n > most.get(name, MOST_OF_A_FILE)}
    assert not loops


def test_reading_and_decoding_stay_within_a_few_lines_an_event(lines: dict[str, float]) -> None:
    """They loop, so each line counts."""
    assert 1 < sum(cost for name, cost in lines.items() if name.startswith(READS)) < MOST_OF_READING


def test_a_loop_that_sneaks_in_is_found() -> None:
    """The measure sees what it is for: a monitor that looks at its rows one by one."""

    def careless(pipeline: Pipeline) -> None:
        monitor: Any = next(w.monitor for w in pipeline.parts.watch.monitors if w.monitor.name == "volume")
        measure = monitor.measure

        def looping(rows: Any, profile: Any, sealed: Any) -> Any:
            for row in range(len(rows)):
                rows.table.take(rows.base[row : row + 1])
            return measure(rows, profile, sealed)

        monitor.measure = looping

    found = lines_per_event(FEW, MANY, careless)
    assert found[TABLES] > MOST_OF_TABLES
