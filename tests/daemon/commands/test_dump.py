"""`vigild dump`, `vigild simulate` and what they need."""

import gzip
import json
import os
from itertools import islice
from pathlib import Path

import pytest

from daemon import exits
from tests.daemon.commands.vigild import events, vigild, write

CONFIG = """\
files: {paths: [events.ndjson]}
sinks: {alerts: {file: alerts.ndjson}, readings: {file: readings.ndjson}}
state: {path: state}
http: {port: null}
"""


def test_a_dump_holds_what_was_consumed_and_can_be_replayed(tmp_path: Path) -> None:
    """Every record once; a replay says what the run said, its end included."""
    (tmp_path / "vigil.yaml").write_text(CONFIG)
    write(tmp_path / "events.ndjson", islice(events(), 4_000))
    assert vigild("run", cwd=tmp_path).returncode == exits.OK
    told = vigild("dump", "-o", "dump.ndjson.gz", cwd=tmp_path)
    assert told.returncode == exits.OK, told.stderr
    lines = gzip.decompress((tmp_path / "dump.ndjson.gz").read_bytes()).splitlines()
    assert sum("value" in json.loads(line) for line in lines) == 4_000
    again = vigild(
        "replay", "-c", "vigil.yaml", "--input", "dump.ndjson.gz", "--readings", "again.ndjson", cwd=tmp_path
    )
    assert again.returncode == exits.OK, again.stderr
    said = (tmp_path / "again.ndjson").read_bytes()
    assert said
    assert (tmp_path / "readings.ndjson").read_bytes() == said


@pytest.mark.parametrize("name", ["dump.ndjson", "dump.ndjson.gz"])
def test_a_dump_is_for_its_owner_only(tmp_path: Path, name: str) -> None:
    """It holds raw events; what an earlier one left half done changes nothing."""
    (tmp_path / "vigil.yaml").write_text(CONFIG)
    write(tmp_path / "events.ndjson", islice(events(), 10))
    (tmp_path / f"{name}.part").write_text("half")
    assert vigild("run", cwd=tmp_path).returncode == exits.OK
    assert vigild("dump", "-o", name, cwd=tmp_path).returncode == exits.OK
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    assert vigild("replay", "-i", name, "--readings", os.devnull, cwd=tmp_path).returncode == exits.OK


def test_a_dump_without_a_state_is_refused(tmp_path: Path) -> None:
    """Exit 78 in one line; nothing is written."""
    (tmp_path / "vigil.yaml").write_text(CONFIG)
    (tmp_path / "events.ndjson").write_text("")
    told = vigild("dump", "-o", "dump.ndjson", cwd=tmp_path)
    assert told.returncode == exits.CONFIG
    assert told.stderr == "state/state.sqlite: there is no state; check state.path\n"
    assert not (tmp_path / "dump.ndjson").exists()


def test_a_simulation_needs_brokers_and_a_rate(tmp_path: Path) -> None:
    """What can't be done is said before anything is trained."""
    (tmp_path / "vigil.yaml").write_text(CONFIG)
    (tmp_path / "events.ndjson").write_text("")
    told = vigild("simulate", cwd=tmp_path)
    assert told.returncode == exits.CONFIG
    assert "Add the section kafka:" in told.stderr
    (tmp_path / "vigil.yaml").write_text("kafka: {brokers: [localhost:9092], topics: [predictions]}\n")
    assert vigild("simulate", "--rate", "0", cwd=tmp_path).returncode == exits.USAGE
