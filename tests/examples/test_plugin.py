"""A monitor, a source, a codec and a sink, each one new file: no other file is touched."""

import json
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from daemon.codecs.base import Refused
from daemon.sources.base import Opening, SourceError
from daemon.stamps import rfc3339
from processors.checks import check_monitor
from tests.daemon.commands.vigild import START_S, environment

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "examples" / "plugin"
ROOMS = {
    "undecided": "processors/quality",
    "sqlite": "daemon/sources",
    "semicolons": "daemon/codecs",
    "webhook": "daemon/sinks",
}


def loaded(name: str) -> ModuleType:
    """Return one of the example's modules."""
    spec = spec_from_file_location(name, PLUGIN / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def posts() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Return an address that takes POSTs, and what came in."""
    taken: list[dict[str, Any]] = []

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/hook", taken
    server.shutdown()
    server.server_close()
    thread.join()


def lines() -> Iterator[str]:
    """Predictions as semicolons have them; from the middle on every score is near one half."""
    rng = random.Random(3)
    for number in range(4_000):
        score = rng.random() if number < 2_000 else rng.uniform(0.42, 0.58)
        time = rfc3339((START_S * 10 + number) * 100_000)
        yield f"r-{number};{time};fraud;3;{int(score > 0.5)};{score:.3f};amount={rng.gauss(0, 1):.2f};country=CN"


def table(path: Path, events: Iterable[str]) -> None:
    """Write events as rows of a table."""
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("create table events (number integer primary key, event text not null)")
        db.executemany("insert into events (event) values (?)", ((event,) for event in events))


def test_four_files_dropped_into_their_rooms_are_all_it_takes(
    posts: tuple[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    """A copy of Vigil with nothing but the new files reads a new place and format, watches a new series, and posts."""
    url, taken = posts
    for package in ("daemon", "processors", "config"):
        shutil.copytree(ROOT / package, tmp_path / package)  # with what is compiled of them
    for name, room in ROOMS.items():
        shutil.copy(PLUGIN / f"{name}.py", tmp_path / room)
    (tmp_path / "vigild.py").write_text((ROOT / "vigild.py").read_text())
    table(tmp_path / "log.db", lines())
    (tmp_path / "vigil.yaml").write_text(
        "source: {sqlite: {path: log.db, follow: false, codec: semicolons}}\n"
        f"sinks: {{alerts: {{webhook: '{url}'}}, readings: {{file: readings.ndjson}}}}\n"
        "monitors: {undecided: {margin: 0.1}}\n"
        "http: {port: null}\n"
    )
    command = [sys.executable, "-m", "daemon", "run"]
    told = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=120, check=False
    )
    assert told.returncode == 0, told.stderr
    readings = [json.loads(line)["data"] for line in (tmp_path / "readings.ndjson").read_text().splitlines()]
    assert any(reading["monitor"] == "undecided" and 0.15 < reading["value"] < 0.25 for reading in readings)
    fired = [event["data"] for event in taken if event["data"].get("monitor") == "undecided"]
    assert fired, f"nothing was posted: {told.stderr}"
    assert fired[0]["summary"].startswith("Model fraud v3 is undecided about ")


@pytest.mark.parametrize(
    ("name", "check"), [pytest.param(*pair, id=pair[0]) for pair in check_monitor(loaded("undecided").Undecided)]
)
def test_the_monitor_passes_the_kit(name: str, check: Callable[[], None]) -> None:
    """What is shown as an example keeps every rule of the contract."""
    check()


def test_the_codec_condemns_only_the_line_that_is_wrong() -> None:
    """Of three lines the bad one is refused, with its own bytes."""
    codec = loaded("semicolons").Semicolons()
    message = b"r-1;2026-11-22T03:00:00Z;fraud;3;1;0.9;amount=2\nr-1;fraud\nr-1;2026-11-25T10:00:00Z;fraud;1\n"
    found = codec.events(message, ())
    prediction, refused, label = found
    original = codec.pieces(message, ())[1]
    assert prediction["features"] == {"amount": 2.0}
    assert isinstance(refused, Refused)
    assert (refused.reason, original) == ("wrong_columns", b"r-1;fraud")
    assert label == {"type": "label", "id": "r-1", "ts": "2026-11-25T10:00:00Z", "model": "fraud", "label": "1"}


def test_the_source_goes_on_where_the_state_says_and_says_what_was_deleted(tmp_path: Path) -> None:
    """Rows come once, in order; those that were deleted before they were read are a gap."""
    module = loaded("sqlite")
    table(tmp_path / "log.db", "abcdefgh")
    settings = module.SqliteSettings(path=tmp_path / "log.db", follow=False)
    first = module.Sqlite(settings, Opening())
    taken = first.poll(0.0, 3).runs[0]
    assert (taken.offsets, taken.values) == ([1, 2, 3], [b"a", b"b", b"c"])
    at = first.positions()
    first.close()
    with closing(sqlite3.connect(tmp_path / "log.db")) as db, db:
        db.execute("delete from events where number < 6")
    second = module.Sqlite(settings, Opening(lambda: at))
    polled = second.poll(0.0, 100)
    assert [(gap.expected, gap.found, gap.reason) for gap in polled.gaps] == [(4, 6, "retention")]
    assert polled.runs[0].offsets == [6, 7, 8]
    second.pause(polled.assigned)
    second.seek(at)
    assert not second.poll(0.0, 100).finished, "it is paused, not at its end"
    second.resume(polled.assigned)
    assert second.poll(0.0, 100).runs[0].offsets == [6, 7, 8]
    assert second.poll(0.0, 100).finished == set(polled.assigned)
    second.close()
    with pytest.raises(SourceError, match="missing"):
        module.Sqlite(module.SqliteSettings(path=tmp_path / "missing.db"), Opening())


def test_a_monitor_of_another_package_needs_an_entry_point_only(tmp_path: Path) -> None:
    """Third parties touch nothing of Vigil's: what their distribution offers runs, and is configured by its name."""
    shutil.copy(PLUGIN / "undecided.py", tmp_path / "their_monitor.py")
    offer = tmp_path / "theirs-1.0.dist-info"
    offer.mkdir()
    (offer / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (offer / "entry_points.txt").write_text("[vigil.processors]\nundecided = their_monitor:Undecided\n")
    (tmp_path / "vigil.yaml").write_text("files: {paths: ['.']}\nmonitors: {undecided: {margin: 0.2}}\n")
    command = [sys.executable, "-m", "daemon", "validate"]
    env = environment({"PYTHONPATH": str(tmp_path)})
    told = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert told.returncode == 0, told.stderr
    assert 0.15 < undecided(tmp_path, env, "") < 0.25, "it is on, with its defaults, though nobody configured it"
    assert undecided(tmp_path, env, "monitors: {undecided: {margin: 0.2}}") > 0.35
    fraud_only = "monitors: {undecided: false}\nmodels: {churn: {monitors: {undecided: true}}}"
    assert undecided(tmp_path, env, fraud_only) is None


def undecided(folder: Path, env: dict[str, str], config: str) -> Any:
    """The first reading of the monitor in a replay under this configuration; None without any."""
    (folder / "replay.yaml").write_text(config)
    events = [
        {
            "type": "prediction",
            "id": f"{n}",
            "model": "fraud",
            "ts": START_S + n / 10,
            "prediction": 1,
            "score": n % 97 / 97,
        }
        for n in range(1_200)
    ]
    (folder / "events.ndjson").write_text("\n".join(map(json.dumps, events)))
    command = [sys.executable, "-m", "daemon", "replay", "-c", "replay.yaml", "--input", "events.ndjson"]
    command += ["--readings", "readings.ndjson", "--alerts", "alerts.ndjson"]
    told = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert told.returncode == 0, told.stderr
    readings = [json.loads(line)["data"] for line in (folder / "readings.ndjson").read_text().splitlines()]
    return next((reading["value"] for reading in readings if reading["monitor"] == "undecided"), None)
