"""Dumps as a source: whoever wrote them."""

from __future__ import annotations

import json
from pathlib import Path

from daemon.records import Partition
from daemon.sources.dumps import Dump, _entries

LINES = [
    {"topic": "events", "partition": number % 2, "offset": number // 2, "timestamp": 5, "key": None, "value": "{}"}
    for number in range(1_000)
]


def test_a_dump_that_others_wrote_is_met_once_a_partition(tmp_path: Path) -> None:
    """With spaces, or names in another order: looking through it takes no longer for each line that was seen."""
    path = tmp_path / "foreign.ndjson"
    path.write_text("".join(json.dumps({**line, "headers": []}) + "\n" for line in LINES))
    assert len(list(_entries(path, 10_000))) == 2
    dump = Dump(10_000, set())
    dump.add(path)
    found = []
    while len(dump.finished) < 2:
        found += dump.read(300)[1]
    assert {run.partition for run in found} == {Partition("events", 0), Partition("events", 1)}
    for number in range(2):
        assert [offset for run in found if run.partition.number == number for offset in run.offsets] == list(range(500))
