"""`vigild run`: starts, tells what it does, goes on where it was, and stops as asked."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from daemon import exits
from daemon.commands.signals import ONE_REQUEST_S
from tests.daemon.commands.vigild import BREAKS_AT, environment, events, parsed, start, vigild, write
from tests.forking import Process

CONFIG = """\
files: {paths: [events.ndjson], follow: true}
sinks: {alerts: {file: alerts.ndjson}}
state: {path: state}
time: {idle_after: 1s}
http: {port: 0}
log: {format: json}
"""


Running = tuple[Process, Callable[[str], dict[str, Any]]]


@contextmanager
def running(folder: Path) -> Iterator[Running]:
    """A daemon, and a function that waits for a line of its log by what it says."""
    log = folder / "log"
    process = start("run", cwd=folder, log=log)

    def said(event: str) -> dict[str, Any]:
        for _ in range(600):
            found = [line for line in logged(log) if line["event"] == event]
            if found:
                return found[-1]
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
        raise AssertionError(f"never said {event!r}: {log.read_text()}")

    try:
        yield process, said
    finally:
        process.kill()
        process.wait()


def logged(path: Path) -> list[dict[str, Any]]:
    """The complete lines of a log."""
    return parsed(path.read_text().rpartition("\n")[0])


def ask(url: str) -> dict[str, Any]:
    """The JSON at an address."""
    with urlopen(url, timeout=10) as answer:  # noqa: S310 - the address is ours
        return dict(json.load(answer))


def prepare(folder: Path, config: str = CONFIG) -> None:
    """A folder with a configuration and events."""
    (folder / "vigil.yaml").write_text(config)
    write(folder / "events.ndjson", islice(events(), 400))


def test_it_tells_what_it_does_and_stops_as_asked(tmp_path: Path) -> None:
    """At start a line for each thing that may be asked about; on SIGTERM it drains, commits, and exits with 0."""
    prepare(tmp_path)
    with running(tmp_path) as (process, said):
        assert said("configuration")["file"] == str(tmp_path / "vigil.yaml")
        assert said("source")["paths"] == ["events.ndjson"]
        assert said("state")["directory"] == str(tmp_path / "state")
        url = said("http")["url"]
        for _ in range(600):
            if ask(f"{url}/healthz").get("watermark"):
                break
            time.sleep(0.1)
        assert ask(f"{url}/readyz")["ready"] is True
        process.terminate()
        assert process.wait(timeout=60) == exits.OK
        assert said_last(tmp_path / "log") == {"event": "stopped", "reason": "SIGTERM"}
    shown = vigild("state", "inspect", "--json", cwd=tmp_path)
    assert json.loads(shown.stdout)["positions"] == [["events", 0, 400, ""]]
    assert vigild("state", "verify", cwd=tmp_path).returncode == exits.OK


def said_last(log: Path) -> dict[str, Any]:
    """What the last line of a log says, and why."""
    last = logged(log)[-1]
    return {name: last[name] for name in ("event", "reason")}


def test_a_finite_input_ends_it(tmp_path: Path) -> None:
    """Files that are not followed are read to their end; a second run finds nothing new and ends, too."""
    prepare(tmp_path, CONFIG.replace("follow: true", "follow: false"))
    for _ in range(2):
        told = vigild("run", cwd=tmp_path)
        assert told.returncode == exits.OK, told.stderr
        assert parsed(told.stderr)[-1]["reason"] == "the input has ended"


@pytest.mark.parametrize("asked", ["foo", "9", "3:0", "3:x", "3:1:FOO", "3:1:STOP:2"])
def test_a_step_that_does_not_exist_is_refused(tmp_path: Path, asked: str) -> None:
    """Exit 64 at once, with the steps that there are: nothing was opened."""
    prepare(tmp_path)
    told = vigild("run", cwd=tmp_path, env={"VIGIL_STOP_AT": asked})
    assert told.returncode == exits.USAGE, told.stderr
    assert told.stderr.startswith(f"VIGIL_STOP_AT: {asked!r} is not")
    assert "1 begun, 2 written, 3 committed, 4 sent, 5 marked, 6 told" in told.stderr
    assert not (tmp_path / "state").exists()


def test_a_step_that_ends_it_is_said_before(tmp_path: Path) -> None:
    """A variable that was left behind in an environment explains itself."""
    prepare(tmp_path)
    told = vigild("run", cwd=tmp_path, env={"VIGIL_STOP_AT": "committed:1:term"})
    (line,) = [each for each in parsed(told.stderr) if each["level"] == "warning"]
    assert {name: line[name] for name in ("step", "time", "signal")} == {
        "step": "COMMITTED", "time": 1, "signal": "SIGTERM"
    }  # fmt: skip


def test_a_hangup_takes_up_another_configuration_and_loses_nothing(tmp_path: Path) -> None:
    """What was read before is not read again, what comes later is judged by what was learnt, and said elsewhere."""
    prepare(tmp_path)
    with running(tmp_path) as (process, said):
        before = said("http")
        process.send_signal(signal.SIGHUP)
        said("configuration unchanged")
        (tmp_path / "vigil.yaml").write_text(CONFIG.replace("alerts.ndjson", "elsewhere.ndjson"))
        first = said("configuration")["hash"]
        process.send_signal(signal.SIGHUP)
        assert said("configuration accepted")["running"] == first
        _until(lambda: said("http") != before)
        assert said("configuration")["hash"] == said("configuration accepted")["hash"] != first
        write(tmp_path / "events.ndjson", events())
        _until(lambda: (tmp_path / "elsewhere.ndjson").exists() and fired(tmp_path / "elsewhere.ndjson"))
        url = said("http")["url"]
        _until(lambda: ask(f"{url}/healthz")["lag_records"] == 0)
        process.terminate()
        assert process.wait(timeout=60) == exits.OK
    assert not (tmp_path / "alerts.ndjson").exists() or not fired(tmp_path / "alerts.ndjson")
    shown = json.loads(vigild("state", "inspect", "--json", cwd=tmp_path).stdout)
    assert shown["positions"] == [["events", 0, 4 * BREAKS_AT, ""]]


def test_a_hangup_changes_how_it_logs(tmp_path: Path) -> None:
    """The log is part of the configuration: what a new one leads to is said in its format."""
    prepare(tmp_path)
    log = tmp_path / "log"
    with running(tmp_path) as (process, said):
        said("http")
        (tmp_path / "vigil.yaml").write_text(CONFIG.replace("{format: json}", "{format: console}"))
        process.send_signal(signal.SIGHUP)
        _until(lambda: "url=http" in log.read_text())
        process.terminate()
        assert process.wait(timeout=60) == exits.OK
    lines = log.read_text().splitlines()
    accepted = next(place for place, line in enumerate(lines) if "configuration accepted" in line)
    assert lines[accepted].startswith("{")
    assert not lines[-1].startswith("{")
    assert "stopped" in lines[-1]


def test_a_hangup_with_a_configuration_that_can_not_be_used_changes_nothing(tmp_path: Path) -> None:
    """Mistakes are said; and where what it names can't be opened the old one takes over again."""
    prepare(tmp_path)
    with running(tmp_path) as (process, said):
        before = said("http")
        (tmp_path / "vigil.yaml").write_text(CONFIG + "alert: {}\n")
        process.send_signal(signal.SIGHUP)
        assert "Did you mean alerts?" in said("configuration refused, the old one stays")["mistakes"][0]
        damaged = tmp_path / "damaged" / "state.sqlite"
        damaged.parent.mkdir()
        damaged.write_bytes(b"no database" * 1_000)
        (tmp_path / "vigil.yaml").write_text(CONFIG.replace("path: state", "path: damaged"))
        process.send_signal(signal.SIGHUP)
        assert "damaged/state.sqlite" in said("configuration given up, back to the old one")["reason"]
        _until(lambda: said("http") != before)
        process.terminate()
        assert process.wait(timeout=60) == exits.OK


def fired(path: Path) -> list[dict[str, Any]]:
    """The alerts of a file that fired."""
    return [line for line in logged(path) if line["data"].get("change") == "fired"]


def _until(true: Callable[[], object]) -> None:
    for _ in range(1_200):
        if true():
            return
        time.sleep(0.1)
    raise AssertionError("never came true")


def test_a_port_that_is_taken_is_said_and_survived(tmp_path: Path) -> None:
    """Watching goes on without being watched."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        prepare(tmp_path, CONFIG.replace("port: 0", f"port: {port}").replace("follow: true", "follow: false"))
        told = vigild("run", cwd=tmp_path)
    assert told.returncode == exits.OK
    (line,) = [line for line in parsed(told.stderr) if line["event"] == "http not served"]
    assert (line["port"], line["reason"]) == (port, "Address already in use")


def test_a_second_daemon_on_the_same_state_is_refused(tmp_path: Path) -> None:
    """Exit 78 and a line that says who has it."""
    prepare(tmp_path)
    with running(tmp_path) as (process, said):
        said("http")
        told = vigild("run", cwd=tmp_path)
        assert told.returncode == exits.CONFIG
        assert f"in use by process {process.pid}" in parsed(told.stderr)[-1]["reason"]


def test_a_second_signal_ends_it_at_once() -> None:
    """Also where the loop hangs, and with the code that a shell expects of a program that a signal ended."""
    code = (
        "import time; from daemon.commands.signals import Signals\n"
        "with Signals() as signals:\n"
        "    print('ready', flush=True)\n"
        "    while not signals.stopping(): time.sleep(0.01)\n"
        "    print('stopping', flush=True)\n"
        "    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.terminate()
        assert process.stdout.readline() == "stopping\n"
        process.terminate()  # so soon after the first it is the same request
        time.sleep(2 * ONE_REQUEST_S)
        assert process.poll() is None
        process.terminate()
        assert process.wait(timeout=30) == 128 + signal.SIGTERM
