"""Files and standard output: one message a line, and only what is safe is acknowledged."""

from __future__ import annotations

import stat
from pathlib import Path

import orjson
import pytest

from config.streams import FileSink as FileSettings
from daemon.sinks import Message, SinkError, Surroundings, sinks
from daemon.sinks.file import FileSink
from daemon.sinks.stdout import StdoutSink


def file_sink(path: Path) -> FileSink:
    """A sink that appends to this file."""
    return FileSink(FileSettings(path=path), Surroundings())


def test_all_kinds_are_found() -> None:
    """Importing the folder is all the registration there is; each kind has its settings."""
    assert list(sinks()) == ["file", "kafka", "stdout"]
    assert all(kind.Settings.model_json_schema() for kind in sinks().values())


def test_a_json_value_is_a_line_as_it_is(tmp_path: Path) -> None:
    """So that a file of alerts is what the topic would have held; the rest is wrapped, tombstones included."""
    sink = file_sink(tmp_path / "deep" / "alerts.ndjson")
    sink.send([Message(b"k", b'{"a":1}'), Message(b"k", None), Message(None, b"two\nlines"), Message(None, b"\xff")])
    assert sink.flush(0) == 4
    assert sink.flush(0) == 0
    first, *rest = (tmp_path / "deep" / "alerts.ndjson").read_bytes().splitlines()
    assert first == b'{"a":1}'
    assert [orjson.loads(line) for line in rest] == [
        {"key": "k", "value": None},
        {"key": None, "value": "two\nlines"},
        {"key": None, "value": "\N{REPLACEMENT CHARACTER}"},
    ]
    assert stat.S_IMODE((tmp_path / "deep" / "alerts.ndjson").stat().st_mode) == 0o600


def test_what_a_crash_left_half_written_spoils_no_other_line(tmp_path: Path) -> None:
    """The next message begins a line of its own."""
    path = tmp_path / "alerts.ndjson"
    path.write_bytes(b'{"a":1}\n{"a":')
    sink = file_sink(path)
    sink.send([Message(None, b'{"a":2}')])
    sink.flush(0)
    assert path.read_bytes() == b'{"a":1}\n{"a":\n{"a":2}\n'


def test_a_file_that_was_moved_away_is_made_anew(tmp_path: Path) -> None:
    """Logrotate needs no signal."""
    path = tmp_path / "alerts.ndjson"
    sink = file_sink(path)
    for turn in range(2):
        sink.send([Message(None, b"[%d]" % turn)])
        sink.flush(0)
        path.rename(tmp_path / f"old-{turn}")
    assert (tmp_path / "old-1").read_bytes() == b"[1]\n"


def test_a_full_disk_acknowledges_nothing() -> None:
    """The messages are forgotten by the sink and stay in the outbox."""
    sink = file_sink(Path("/dev/full"))
    sink.send([Message(None, b"{}")])
    with pytest.raises(SinkError, match="No space left"):
        sink.flush(0)
    assert sink.flush(0) == 0


def test_standard_output_has_a_message_a_line(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Flushed when it is acknowledged."""
    sink = StdoutSink(StdoutSink.Settings(), Surroundings())
    sink.send([Message(b"k", b'{"a":1}')])
    assert sink.flush(0) == 1
    assert capfdbinary.readouterr().out == b'{"a":1}\n'
