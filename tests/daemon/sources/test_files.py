"""Files as partitions: every line once, in order, whatever the file is and however it is read."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.streams import Files
from daemon.envelopes import Consumed, control_line, dump_line
from daemon.records import Gap, Partition, Polled, Position
from daemon.sources import Opening, SourceError, sources
from daemon.sources import lines as lines_of_files
from daemon.sources.files import FileSource
from daemon.sources.lines import Lines

Line = tuple[int, bytes | None]

LINES = st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"|").lstrip(b"\xef")), max_size=60)
RECORDS = st.lists(
    st.builds(
        Consumed,
        topic=st.sampled_from(["a", "b"]),
        partition=st.integers(0, 1),
        offset=st.just(0),
        timestamp=st.integers(-1, 2**53),
        key=st.none() | st.binary(max_size=8),
        value=st.none() | st.binary(max_size=20),
        headers=st.lists(st.tuples(st.text(max_size=3), st.none() | st.binary(max_size=3)), max_size=2).map(tuple),
    ),
    max_size=40,
)


def opened(
    *paths: Path, follow: bool = False, positions: Mapping[Partition, Position] | None = None, most: int = 10**6
) -> FileSource:
    """A source of these paths."""
    opening = Opening(positions=lambda: dict(positions or {}), message_bytes=most)
    return FileSource(Files(paths=paths, follow=follow), opening)


def read_all(source: FileSource, at_once: int = 1_000) -> tuple[dict[Partition, list[Line]], list[Polled]]:
    """Poll until everything is finished: offsets and values by partition, and the polls."""
    found: dict[Partition, list[Line]] = {}
    polls: list[Polled] = []
    assigned: set[Partition] = set()
    while True:
        polled = source.poll(0.0, at_once)
        polls.append(polled)
        assigned.update(polled.assigned)
        for run in polled.runs:
            found.setdefault(run.partition, []).extend(zip(run.offsets, run.values, strict=True))
        if not polled.runs and not polled.controls and polled.finished >= assigned:
            source.close()
            return found, polls


def kept(lines: list[bytes]) -> list[Line]:
    """What a file of these lines holds: blank ones have a number but are no records."""
    return [(number, line) for number, line in enumerate(lines) if line and not line.isspace()]


@given(LINES, st.booleans(), st.booleans(), st.integers(1, 20))
def test_every_line_is_a_record_at_its_number(lines: list[bytes], gz: bool, ended: bool, at_once: int) -> None:
    """Plain or gzipped, with or without a last line end, in polls of any size."""
    with tempfile.TemporaryDirectory() as folder:
        content = b"\n".join(lines) + (b"\n" if ended and lines else b"")
        path = Path(folder, "events.ndjson" + (".gz" if gz else ""))
        path.write_bytes(gzip.compress(content) if gz else content)
        source = opened(path)
        found, _ = read_all(source, at_once)
    assert found.get(Partition("events", 0), []) == kept(lines)


@given(LINES, st.data())
def test_reading_goes_on_at_any_line(lines: list[bytes], data: st.DataObject) -> None:
    """From a position in the state, and after seeking forth and back, come the lines from there on."""
    first = data.draw(st.integers(0, len(lines)))
    other = data.draw(st.integers(0, len(lines)))
    partition = Partition("events", 0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "events.ndjson")
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        found, _ = read_all(opened(path, positions={partition: Position(first)}))
        assert found.get(partition, []) == kept(lines)[_index(lines, first) :]
        source = opened(path)
        source.poll(0.0, 7)
        source.seek({partition: Position(other)})
        found, _ = read_all(source)
        assert found.get(partition, []) == kept(lines)[_index(lines, other) :]


def _index(lines: list[bytes], number: int) -> int:
    return len([each for each, _ in kept(lines) if each < number])


@given(RECORDS, st.integers(1, 9), st.booleans())
def test_a_dump_gives_back_what_was_consumed(records: list[Consumed], at_once: int, gz: bool) -> None:
    """Partition, offset, timestamp, key, value and headers of every record, in the order of each partition."""
    records = [Consumed(each.topic, each.partition, 3 * number, *_rest(each)) for number, each in enumerate(records)]
    content = b"".join(dump_line(each) + b"\n" for each in records)
    back: list[Consumed] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "dump.ndjson" + (".gz" if gz else ""))
        path.write_bytes(gzip.compress(content) if gz else content)
        source = opened(path)
        _, polls = read_all(source, at_once)
    for run in [run for polled in polls for run in polled.runs]:
        columns = zip(run.offsets, run.timestamps, run.keys, run.values, run.headers, strict=True)
        back += [Consumed(run.partition.topic, run.partition.number, *each) for each in columns]  # type: ignore[arg-type]
    assert sorted(back, key=lambda each: each.offset) == records
    for partition in {(each.topic, each.partition) for each in records}:
        mine = [each.offset for each in back if (each.topic, each.partition) == partition]
        assert mine == sorted(mine)


def _rest(record: Consumed) -> tuple[int, bytes | None, bytes | None, tuple[tuple[str, bytes | None], ...]]:
    return record.timestamp, record.key, record.value, record.headers


def write_dump(path: Path, *entries: tuple[int, int] | str) -> None:
    """Write a dump of topic t: (partition, offset) is a record, a text a control line (a floor is partition 0's)."""
    lines = [
        control_line(each, {"topic": "t", "partition": 0} if each == "floor" else {})
        if isinstance(each, str)
        else dump_line(Consumed("t", *each, 0, None, b"v"))
        for each in entries
    ]
    path.write_bytes(b"".join(line + b"\n" for line in lines))


def test_a_floor_stands_just_before_the_record_behind_it(tmp_path: Path) -> None:
    """The controls of a poll come before its records; what belongs to no partition comes before everything."""
    write_dump(tmp_path / "dump.ndjson", "floor", (0, 0), (1, 0), "closed", (1, 1), "floor", (0, 1))
    _, polls = read_all(opened(tmp_path / "dump.ndjson"))
    order: list[str | tuple[int, int]] = []
    for polled in polls:
        order += [each["control"] for each in polled.controls]
        order += [(run.partition.number, offset) for run in polled.runs for offset in run.offsets]
    assert order == ["closed", "floor", (0, 0), (1, 0), (1, 1), "floor", (0, 1)]


def test_a_dump_written_partition_by_partition_is_read_evenly(tmp_path: Path) -> None:
    """Whoever writes one: all partitions are there from the first poll on, and none waits for another's lines."""
    write_dump(tmp_path / "dump.ndjson", *[(0, n) for n in range(50)], *[(1, n) for n in range(50)])
    source = opened(tmp_path / "dump.ndjson")
    first = source.poll(0.0, 10)
    assert set(first.assigned) == {Partition("t", 0), Partition("t", 1)}
    assert [len(run) for run in first.runs] == [5, 5]


def test_a_dump_of_several_files_is_read_as_one(tmp_path: Path) -> None:
    """In the order of the files' names; a partition is finished when the last file is."""
    write_dump(tmp_path / "part-2.ndjson", (0, 5), (1, 5))
    write_dump(tmp_path / "part-1.ndjson", (0, 3), (0, 4))
    found, polls = read_all(opened(tmp_path), at_once=2)
    assert [offset for offset, _ in found[Partition("t", 0)]] == [3, 4, 5]
    assert polls[0].finished == frozenset()
    assert polls[-1].finished == {Partition("t", 0), Partition("t", 1)}


def test_a_paused_partition_of_a_dump_does_not_hold_up_the_others(tmp_path: Path) -> None:
    """Its records wait, its position too, and both go on when it is resumed."""
    zero, one = Partition("t", 0), Partition("t", 1)
    write_dump(tmp_path / "dump.ndjson", (0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2))
    source = opened(tmp_path / "dump.ndjson")
    assert [run.offsets for run in source.poll(0.0, 2).runs] == [[0], [0]]
    source.pause({zero})
    assert [(run.partition, run.offsets) for run in source.poll(0.0, 10).runs] == [(one, [1, 2])]
    assert source.positions() == {zero: Position(1), one: Position(3)}
    assert source.poll(0.0, 10).finished == {one}
    source.resume({zero})
    polled = source.poll(0.0, 10)
    assert [(run.partition, run.offsets) for run in polled.runs] == [(zero, [1, 2])]
    assert polled.finished == {zero, one}
    assert source.positions()[zero] == Position(3)


def test_a_dump_of_which_everything_is_paused_is_not_read(tmp_path: Path) -> None:
    """Back-pressure stops the reading; nothing piles up."""
    zero = Partition("t", 0)
    write_dump(tmp_path / "dump.ndjson", *[(0, number) for number in range(10)])
    source = opened(tmp_path / "dump.ndjson")
    source.poll(0.0, 2)
    source.pause({zero})
    before = source.progress
    assert len(source.poll(0.0, 5)) == 0
    assert source.progress == before
    source.resume({zero})
    assert [run.offsets for run in source.poll(0.0, 5).runs] == [[2, 3, 4, 5, 6]]


def test_a_dump_goes_on_at_the_positions_of_the_state(tmp_path: Path) -> None:
    """Records below a partition's position are not handed out again; other partitions begin at their first."""
    zero = Partition("t", 0)
    write_dump(tmp_path / "dump.ndjson", (0, 0), (1, 0), (0, 1))
    found, polls = read_all(
        opened(tmp_path / "dump.ndjson", positions={zero: Position(1), Partition("x", 0): Position(9)})
    )
    assert [offset for offset, _ in found[zero]] == [1]
    assert [each for polled in polls for each in polled.assigned] == [zero, Partition("t", 1)]


def test_a_broken_line_of_a_dump_is_named(tmp_path: Path) -> None:
    """A dump that was cut off ends the reading with file and line."""
    write_dump(tmp_path / "dump.ndjson", (0, 0), (0, 1))
    whole = (tmp_path / "dump.ndjson").read_bytes()
    (tmp_path / "dump.ndjson").write_bytes(whole[:-20])
    with pytest.raises(SourceError, match=r"dump\.ndjson:2: "):
        read_all(opened(tmp_path / "dump.ndjson"))


def test_several_files_take_turns(tmp_path: Path) -> None:
    """No file is read far ahead of the others, and a paused one not at all."""
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.ndjson").write_bytes(b"1\n" * 30)
    source = opened(tmp_path)
    polled = source.poll(0.0, 9)
    assert polled.assigned == tuple(Partition(name, 0) for name in "abc")
    assert [len(run) for run in polled.runs] == [3, 3, 3]
    source.pause({Partition("b", 0)})
    assert source.paused == {Partition("b", 0)}
    polled = source.poll(0.0, 8)
    assert {run.partition.topic: len(run) for run in polled.runs} == {"a": 4, "c": 4}
    source.resume({Partition("b", 0)})
    found, polls = read_all(source, 10)
    assert sum(map(len, found.values())) == 3 * 30 - 9 - 8
    assert polls[-1].finished == polls[-1].caught_up == set(polls[0].assigned) | {Partition(n, 0) for n in "abc"}


def test_what_is_read_at_once_is_bounded_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A longer line comes alone, none is left out, and the end is known for the end."""
    monkeypatch.setattr(lines_of_files, "MOST_BYTES", 10)
    path = tmp_path / "events.ndjson"
    path.write_bytes(b"12345678\n1234\n" + b"x" * 40 + b"\n1\n2\n")
    lines, taken = Lines(path, 100), []
    while not lines.at_end:
        taken.append(lines.read(9))
    assert taken == [[b"12345678", b"1234"], [b"x" * 40], [b"1", b"2"]]
    assert lines.number == 5
    lines.close()


def test_files_of_one_name_are_different_partitions(tmp_path: Path) -> None:
    """The second `events` is events/1; endings don't count."""
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "events.jsonl").write_bytes(folder.encode() + b"\n")
    found, _ = read_all(opened(tmp_path / "x", tmp_path / "y"))
    assert found == {Partition("events", 0): [(0, b"x")], Partition("events", 1): [(0, b"y")]}


def test_a_line_that_is_too_long_is_cut_just_above_the_limit(tmp_path: Path) -> None:
    """Whoever decodes it can tell, and memory stays bounded; the lines around it are whole."""
    (tmp_path / "events.ndjson").write_bytes(b"a\n" + b"x" * 10**6 + b"\nb\n" + b"y" * 50 + b"\n" + b"z" * 51 + b"\n")
    found, _ = read_all(opened(tmp_path, most=50))
    values = [value for _, value in found[Partition("events", 0)]]
    assert values == [b"a", b"x" * 51, b"b", b"y" * 50, b"z" * 51]


def test_a_followed_file_gives_lines_when_they_are_complete(tmp_path: Path) -> None:
    """Half a line is not a record; caught up means that no whole line is left, and nothing is ever finished."""
    path, partition = tmp_path / "events.ndjson", Partition("events", 0)
    path.write_bytes(b"one\ntw")
    source = opened(path, follow=True)
    assert [run.values for run in source.poll(0.0, 10).runs] == [[b"one"]]
    polled = source.poll(0.0, 10)
    assert polled.caught_up == {partition}
    assert polled.finished == frozenset()
    with path.open("ab") as file:
        file.write(b"o\nthree\nfo")
    polled = source.poll(0.0, 10)
    assert [(run.offsets, run.values) for run in polled.runs] == [([1, 2], [b"two", b"three"])]
    assert source.positions() == {partition: Position(3)}


def test_a_followed_file_may_come_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that appear in a followed folder are read from their first line."""
    monkeypatch.setattr("daemon.sources.files.LOOK_EVERY_S", 0.0)
    source = opened(tmp_path, follow=True)
    assert source.poll(0.0, 10).assigned == ()
    (tmp_path / "new.ndjson").write_bytes(b"1\n")
    polled = source.poll(0.0, 10)
    assert polled.assigned == (Partition("new", 0),)
    assert [run.values for run in polled.runs] == [[b"1"]]


@pytest.mark.parametrize("rotate", ["moved away", "cut off"])
def test_a_followed_file_that_is_replaced_is_a_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rotate: str
) -> None:
    """What has the name now is read from its first line, and it is said that it is another one."""
    monkeypatch.setattr("daemon.sources.files.LOOK_EVERY_S", 0.0)
    path, partition = tmp_path / "events.ndjson", Partition("events", 0)
    path.write_bytes(b"one\ntwo\n")
    source = opened(path, follow=True)
    source.poll(0.0, 10)
    source.poll(0.0, 10)
    if rotate == "moved away":
        path.rename(tmp_path / "old")
    path.write_bytes(b"new\n")
    polled = source.poll(0.0, 10)
    assert polled.gaps == [Gap(partition, 2, 0, "recreated")]
    assert [(run.offsets, run.values) for run in polled.runs] == [([0], [b"new"])]


def test_a_file_shorter_than_its_position_is_a_gap(tmp_path: Path) -> None:
    """Reading goes on at its end, and how many lines are missing is said."""
    path, partition = tmp_path / "events.ndjson", Partition("events", 0)
    path.write_bytes(b"1\n2\n")
    polled = opened(path, positions={partition: Position(5)}).poll(0.0, 10)
    assert polled.gaps == [Gap(partition, 5, 2, "truncated")]
    assert polled.runs == []


def test_a_damaged_gzip_is_said(tmp_path: Path) -> None:
    """With the file's name and how many lines were good."""
    path = tmp_path / "events.ndjson.gz"
    path.write_bytes(gzip.compress(b"1\n" * 100_000)[:-30])
    with pytest.raises(SourceError, match=r"events\.ndjson\.gz: can't be read after line \d+"):
        read_all(opened(path))


def test_nothing_to_read_is_a_mistake(tmp_path: Path) -> None:
    """An empty folder that is not followed would end at once without a word."""
    with pytest.raises(SourceError, match=r"files\.paths"):
        opened(tmp_path).poll(0.0, 10)


def test_progress_ends_at_all_bytes(tmp_path: Path) -> None:
    """Bytes read of bytes there are, over plain files, gzip and dumps."""
    (tmp_path / "a.ndjson").write_bytes(b"1\n" * 1_000)
    (tmp_path / "b.ndjson.gz").write_bytes(gzip.compress(b"1\n" * 1_000))
    write_dump(tmp_path / "c.ndjson", (0, 0), (0, 1))
    source = opened(tmp_path)
    read_all(source)
    source = opened(tmp_path)
    while len(source.poll(0.0, 100)):
        pass
    read, total = source.progress
    assert read == total == sum(path.stat().st_size for path in tmp_path.iterdir())


def test_both_kinds_of_source_are_found() -> None:
    """Importing the folder is all the registration there is."""
    assert sources() == {"files": FileSource, "kafka": sources()["kafka"]}
