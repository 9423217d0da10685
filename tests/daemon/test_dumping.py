"""Dumps: every record that was committed, once, mergeable by time, with the decisions where they belong."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config import Config
from daemon import dumping
from daemon.dumping import Merge
from daemon.missing import Extents
from daemon.records import Partition, Position
from daemon.sources.base import SourceError
from daemon.state.store import Store
from processors.packing import pack
from tests.daemon.scripted import Logs, Scripted
from tests.integration.running import configured

LOGS = st.lists(st.lists(st.integers(0, 50), max_size=30), min_size=1, max_size=3)


def logs_with(stamps: list[list[int]]) -> Logs:
    """Partitions whose records have these timestamps."""
    return Logs({Partition("t", n): [(ms, b"%d" % ms) for ms in log] for n, log in enumerate(stamps)})


def committed(folder: Path, positions: dict[Partition, Position], controls: list[dict[str, Any]]) -> Config:
    """A state with these positions and control records."""
    config = configured(f"state: {{path: {folder / 'state'}}}\n")
    with Store.open(config.state.path) as store, store.commit() as commit:
        commit.positions(positions)
        for control in controls:
            commit.control(control)
        commit.put("pipeline", pack({"closed_until": 77}))
    return config


def merge(logs: Logs, until: dict[Partition, Position]) -> Merge:
    """Of a run that began at the beginning, with nothing gone."""
    return Merge(Scripted(logs), until, Extents(until, []), tell=lambda missing: pytest.fail(str(missing)))


def written(config: Config) -> list[dict[str, Any]]:
    """The lines of a dump."""
    output = BytesIO()
    dumping.write(config, output)
    return [orjson.loads(line) for line in output.getvalue().splitlines()]


@settings(max_examples=40)
@given(LOGS, st.data())
def test_all_records_below_the_committed_positions_are_merged_in_the_order_of_their_partitions(
    stamps: list[list[int]], data: st.DataObject
) -> None:
    """Each record once, none beyond the position; by timestamp throughout, where partitions are in order themselves."""
    if data.draw(st.booleans()):
        stamps = [sorted(log) for log in stamps]
    logs = logs_with(stamps)
    until = {p: Position(data.draw(st.integers(0, len(log)))) for p, log in logs.records.items()}
    merged = list(merge(logs, until).records())
    for partition, log in logs.records.items():
        mine = [(r.offset, r.timestamp) for r in merged if r.partition == partition.number]
        assert mine == [(offset, ms) for offset, (ms, _) in enumerate(log)][: until[partition].next_offset]
    assert len(merged) == sum(at.next_offset for at in until.values())
    if all(log == sorted(log) for log in stamps):
        assert [r.timestamp for r in merged] == sorted(r.timestamp for r in merged)


def test_one_partition_s_records_do_not_fill_memory_while_others_lag(monkeypatch: pytest.MonkeyPatch) -> None:
    """A partition that is far ahead waits for the others, and everything comes out all the same."""
    monkeypatch.setattr(dumping, "_MOST_BUFFERED", 10)
    logs = logs_with([list(range(5_000)), [4_990] * 3])
    until = {partition: Position(len(log)) for partition, log in logs.records.items()}
    merged = [record.timestamp for record in merge(logs, until).records()]
    assert merged == sorted(merged)
    assert len(merged) == 5_003


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 6), max_size=5))
def test_a_floor_stands_just_before_the_record_from_which_it_counts(
    tmp_path_factory: pytest.TempPathFactory, offsets: list[int]
) -> None:
    """After the records before it, whatever else stands between; other decisions stand before all records."""
    logs = logs_with([[0, 10, 20, 30, 40], [5, 15, 25]])
    a = Partition("t", 0)
    floors = [
        {"control": "floor", "topic": "t", "partition": 0, "offset": at, "clock": n + 1}
        for n, at in enumerate([0, *sorted(offsets)])  # the first says where the run began
    ]
    explained = {"control": "explained", "pane": 3}
    until = {partition: Position(len(log)) for partition, log in logs.records.items()}
    config = committed(tmp_path_factory.mktemp("dump"), until, [*floors, explained])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dumping, "_reader", lambda _: Scripted(logs))
        lines = written(config)
    head = [line for line in lines if "control" in line and not line.get("clock")]
    assert {"control": "closed", "until": 77} in head
    assert explained in head
    assert lines[: len(head)] == head
    mine = [line for line in lines[len(head) :] if line["partition"] == a.number]
    expected: list[Any] = []
    for offset in range(5):
        expected += [("floor", floor["clock"]) for floor in floors if floor["offset"] == offset]
        expected.append(("record", offset))
    assert [("floor", line["clock"]) if "control" in line else ("record", line["offset"]) for line in mine] == expected


def test_a_dump_that_can_t_be_whole_is_refused(tmp_path: Path) -> None:
    """A file that was read and is gone: an error, not an endless wait or a dump with a hole. No file is left."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.ndjson").write_text('{"type":"label"}\n')
    config = committed(tmp_path, {Partition("a", 0): Position(1), Partition("b", 0): Position(1)}, [])
    paths = configured(f"files: {{paths: [{tmp_path / 'a.ndjson'}]}}\nstate: {{path: {config.state.path}}}\n")
    with pytest.raises(SourceError, match="b/0: was read once"):
        dumping.dump(paths, tmp_path / "dump.ndjson")
    assert not (tmp_path / "dump.ndjson").exists()
