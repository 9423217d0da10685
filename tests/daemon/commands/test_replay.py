"""`vigild replay`: offline, in event time, the same every time."""

import gzip
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import config
from daemon import app, exits
from tests.daemon.commands.vigild import BREAKS_AT, RATE, START_S, Done, environment, events, parsed, vigild, write


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of events in which a model breaks."""
    return write(tmp_path_factory.mktemp("stream") / "events.ndjson", events())


@pytest.fixture(scope="module")
def printed(stream: Path) -> Done:
    """Return what a replay without a configuration says."""
    return vigild("replay", "--input", stream, "--readings", "readings.ndjson", cwd=stream.parent)


def test_alerts_are_printed_and_the_exit_code_is_zero(printed: Done) -> None:
    """A model that breaks is an alert, one CloudEvent a line, and no failure of the command."""
    assert printed.returncode == exits.OK, printed.stderr
    first = parsed(printed.stdout)[0]
    assert (first["type"], first["subject"]) == ("vigil.alert", "fraud/1")
    assert (first["data"]["state"], first["data"]["monitor"]) == ("firing", "concept_drift")
    assert first["time"] >= _rfc3339(START_S + BREAKS_AT / RATE)


def test_there_is_no_bar_where_there_is_no_terminal(printed: Done) -> None:
    """A log that is kept doesn't fill with control characters."""
    assert "\r" not in printed.stderr
    assert "\x1b" not in printed.stderr


def test_a_second_replay_is_byte_equal(stream: Path, printed: Done, tmp_path: Path) -> None:
    """Input and configuration alone decide; whether the input is gzipped and where the output goes do not show."""
    packed = tmp_path / "events.ndjson.gz"
    packed.write_bytes(gzip.compress(stream.read_bytes()))
    outputs: list[str | Path] = ["--alerts", tmp_path / "alerts.ndjson", "--readings", tmp_path / "readings.ndjson"]
    again = vigild("replay", "--input", packed, *outputs, cwd=tmp_path)
    assert again.returncode == exits.OK, again.stderr
    assert again.stdout == ""
    assert (tmp_path / "alerts.ndjson").read_text() == printed.stdout
    assert (tmp_path / "readings.ndjson").read_bytes() == (stream.parent / "readings.ndjson").read_bytes()


def test_a_configuration_is_obeyed(stream: Path, tmp_path: Path) -> None:
    """A monitor that is switched off says nothing; the file needs no source."""
    (tmp_path / "off.yaml").write_text("monitors: {concept_drift: false}\n")
    told = vigild("replay", "-c", "off.yaml", "--input", stream, cwd=tmp_path)
    assert told.returncode == exits.OK, told.stderr
    assert "concept_drift" not in told.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["absent.ndjson"], exits.NO_INPUT, "absent.ndjson: No such file or directory\n"),
        (["."], exits.NO_INPUT, ".: is a directory. Name the files in it.\n"),
        (["a", "./a"], exits.USAGE, "a: is given twice. Each file is a partition: give it once.\n"),
        (["a", "--alerts", "a"], exits.USAGE, "a: is to be written, but is used already. Name another file.\n"),
        (["a", "--alerts", "b", "--readings", "b"], exits.USAGE, "b: is to be written, but is used already. "),
        (["a", "--alerts", "no/b"], exits.IO_ERROR, "no/b: No such file or directory\n"),
    ],
)
def test_wrong_files_are_refused_and_left_alone(
    arguments: list[str], code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line that says what to do; what was to be read is never overwritten."""
    (tmp_path / "a").write_text("{}\n")
    told = vigild("replay", "--input", *arguments, cwd=tmp_path)
    assert (told.returncode, told.stdout) == (code, "")
    assert told.stderr.startswith(said)
    assert (tmp_path / "a").read_text() == "{}\n"


def test_a_device_takes_output_and_stays_a_device(stream: Path, tmp_path: Path) -> None:
    """Who asks for no readings by naming /dev/null gets none, and keeps /dev/null, even as root."""
    null = Path(os.devnull)
    done = vigild("replay", "--input", stream, "--readings", null, "--alerts", tmp_path / "alerts.ndjson", cwd=tmp_path)
    assert done.returncode == exits.OK, done.stderr
    assert (tmp_path / "alerts.ndjson").stat().st_size
    assert null.is_char_device()


def test_a_reader_that_has_seen_enough_is_no_failure_of_ours(stream: Path, tmp_path: Path) -> None:
    """`vigild replay | head` ends without a traceback, as a program that SIGPIPE ended."""
    command = [sys.executable, "-m", "daemon", "replay", "--input", str(stream)]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        told = process.stderr.read()
        assert process.wait(timeout=120) == 141, told
    assert "Traceback" not in told


def _rfc3339(seconds: float) -> str:
    from daemon.stamps import rfc3339

    return rfc3339(int(seconds * 1e6))


def test_an_output_that_is_no_ordinary_file_is_left_in_its_place(tmp_path: Path) -> None:
    """`--alerts /dev/null` must not delete the device, whoever runs it; an ordinary file of an earlier run goes."""
    pipe, file = tmp_path / "pipe", write(tmp_path / "old.ndjson", iter(()))
    os.mkfifo(pipe)
    settings = config.parse("", {}, app.registry(), source_required=False)
    with closing(app.replaying(settings, [write(tmp_path / "events.ndjson", iter(()))], alerts=pipe, readings=file)):
        assert pipe.is_fifo()
        assert not file.exists()
