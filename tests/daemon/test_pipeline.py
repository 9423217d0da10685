"""The loop as a whole: what is said depends on the events and the configuration, on nothing else."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from config import Config
from daemon import app, dumping
from daemon.alerts.notice import Notice
from daemon.pipeline import Pipeline
from daemon.watched import Watched
from processors.base import Judging, Monitor, MonitorSettings, State, Summary, Verdict
from processors.profile import Profile
from processors.slices import PredictionRows
from tests.integration.fleet import GARBAGE, encoded, events
from tests.integration.running import configured, said

COUNT, DRIFT_AT = 2_600, 1_200
SETTINGS = "window: {events: 200}\ntime: {max_skew: 1m}\n"
OUTPUTS = ("alerts", "readings", "dead_letters")

Said = dict[str, list[bytes]]
Row = tuple[int, dict[str, Any]]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """Events of two models that become worse, by time."""
    return events(models=2, count=COUNT, drift_at=DRIFT_AT)


@pytest.fixture(scope="module")
def one_file(rows: list[Row], tmp_path_factory: pytest.TempPathFactory) -> Said:
    """What a replay of the events in one file says."""
    folder = tmp_path_factory.mktemp("one")
    return replay(configured(SETTINGS), write(folder, {"all": rows}), folder)


def write(folder: Path, files: dict[str, list[Row]], every: int = 0) -> list[Path]:
    """Files of events, in the order of their rows, with a line of garbage after `every` so many."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, mine in files.items():
        lines = []
        for number, (_, event) in enumerate(mine, 1):
            lines.append(encoded(event))
            if every and number % every == 0:
                lines.append(GARBAGE[number // every % len(GARBAGE)][1].replace(b"\n", b" "))
        paths.append(folder / f"{name}.ndjson")
        paths[-1].write_bytes(b"\n".join([*lines, b""]))
    return paths


def replay(
    config: Config, inputs: Sequence[Path], folder: Path, change: Callable[[Pipeline], None] | None = None
) -> Said:
    """What a replay says, line by line."""
    paths = {name: folder / f"{name}.out" for name in OUTPUTS}
    alerts, readings, letters = paths.values()
    with closing(app.replaying(config, inputs, alerts=alerts, readings=readings, dead_letters=letters)) as pipeline:
        if change is not None:
            change(pipeline)
        pipeline.run(lambda: False)
    return lines_of(paths)


def lines_of(paths: dict[str, Path]) -> Said:
    """Lines of files that may not be there; signs of life left out."""
    found = {name: path.read_bytes().splitlines() if path.exists() else [] for name, path in paths.items()}
    return {name: [line for line in lines if b"vigil.heartbeat" not in line] for name, lines in found.items()}


def in_batches_of(size: int) -> Callable[[Pipeline], None]:
    """A change that makes polls small."""

    def change(pipeline: Pipeline) -> None:
        pipeline.parts = replace(pipeline.parts, timing=replace(pipeline.parts.timing, max_records=size))

    return change


def spread(rows: list[Row], files: int, seed: int) -> dict[str, list[Row]]:
    """Rows over files: an id's predictions in one file, each label in any."""
    rng = random.Random(seed)
    found: dict[str, list[Row]] = {f"part{number}": [] for number in range(files)}
    for row in rows:
        event = row[1]
        place = int(event["id"][1:]) if event["type"] == "prediction" else rng.randrange(files)
        found[f"part{place % files}"].append(row)
    return found


def test_there_is_something_to_say(one_file: Said) -> None:
    """The events below drift; without alerts and readings the other tests would hold of nothing."""
    assert {alert["monitor"] for alert in said(b"\n".join(one_file["alerts"]))} >= {"concept_drift"}
    assert len(one_file["readings"]) > 200


@pytest.mark.parametrize(("files", "batch"), [(1, 2_048), (1, 97), (4, 2_048), (4, 500)])
def test_neither_files_nor_interleaving_nor_batches_show(
    one_file: Said, rows: list[Row], tmp_path: Path, files: int, batch: int
) -> None:
    """The same events over other partitions and in other portions give alerts and readings equal to the byte."""
    inputs = write(tmp_path / "in", spread(rows, files, seed=batch))
    again = replay(configured(SETTINGS), inputs, tmp_path, in_batches_of(batch))
    assert again["alerts"] == one_file["alerts"]
    assert again["readings"] == one_file["readings"]


@pytest.mark.parametrize("batch", [2_048, 100])
def test_labels_may_come_in_a_file_of_their_own(one_file: Said, rows: list[Row], tmp_path: Path, batch: int) -> None:
    """Files are read at the same pace of event time, however unevenly their lines lie in it."""
    kinds = {kind: [row for row in rows if row[1]["type"] == kind] for kind in ("label", "prediction")}
    again = replay(configured(SETTINGS), write(tmp_path / "in", kinds), tmp_path, in_batches_of(batch))
    assert again == one_file


# Live runs over files.


class Crash(Exception):
    """Ends a run without a commit."""


def settings(folder: Path, inputs: Sequence[Path], more: str = "") -> Config:
    """A live configuration over files, with all outputs as files and a commit at each step."""
    paths = ", ".join(map(str, inputs))
    sinks = "".join(f"  {name}: {{file: {folder / name}.out}}\n" for name in OUTPUTS)
    return configured(
        f"{SETTINGS}files: {{paths: [{paths}]}}\nsinks:\n{sinks}"
        f"state: {{path: {folder / 'state'}, commit_interval: {{min: 1ms, max: 1s}}}}\n{more}"
    )


def ignored(notice: Notice) -> None:
    """What alerts say is read from their file."""


def live(config: Config, batch: int, steps: int | None = None, *, crash: bool = False) -> bool:
    """Run for so many steps or to the end; says whether the end was reached. A crash ends it without a commit."""
    made = 0

    def stop() -> bool:
        nonlocal made
        made += 1
        if steps is None or made <= steps:
            return False
        if crash:
            raise Crash
        return True

    with closing(app.live(config, on_notice=ignored)) as running, suppress(Crash):
        in_batches_of(batch)(running._pipeline)
        running.run(stop)
        return steps is None or made <= steps
    return False


def outputs(folder: Path) -> Said:
    """What a live run wrote."""
    return lines_of({name: folder / f"{name}.out" for name in OUTPUTS})


def _same_config(line: bytes) -> bytes:
    """A message without the hash of its configuration, in which the folders of a test show."""
    message: dict[str, Any] = orjson.loads(line)
    message.get("data", {}).pop("config_hash", None)
    if message.get("type") == "vigil.reading":
        del message["id"]  # which is a hash of all that a reading says
    return orjson.dumps(message)


def ids(lines: list[bytes]) -> list[str]:
    """What makes messages recognisable: the id of an event, the ref of a dead letter."""
    found = map(orjson.loads, lines)
    return [each["id"] if "id" in each else str(each["ref"]) for each in found]


@pytest.fixture(scope="module")
def undisturbed(rows: list[Row], tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], Said]:
    """Four files with garbage in between, and what a live run says of them that nothing disturbs."""
    folder = tmp_path_factory.mktemp("live")
    inputs = write(folder / "in", spread(rows, 4, 5), every=100)
    assert live(settings(folder, inputs), 8_192)  # as many at once as a replay reads
    return inputs, outputs(folder)


def test_a_live_run_says_what_a_replay_says(undisturbed: tuple[list[Path], Said], tmp_path: Path) -> None:
    """Nothing of the wall clock shows in alerts, readings and dead letters."""
    inputs, expected = undisturbed
    again = replay(configured(SETTINGS), inputs, tmp_path)
    for name in OUTPUTS:
        assert list(map(_same_config, again[name])) == list(map(_same_config, expected[name]))


@pytest.mark.parametrize(("seed", "crash"), [(1, False), (2, True), (3, True)])
def test_a_run_that_is_stopped_or_killed_and_started_again_says_the_same(
    undisturbed: tuple[list[Path], Said], tmp_path: Path, seed: int, crash: bool
) -> None:
    """However often and wherever it ends, nothing is missing and nothing is counted twice; ids tell what came twice."""
    inputs, expected = undisturbed
    config, rng = settings(tmp_path, inputs), random.Random(seed)
    while not live(config, rng.choice([300, 900]), rng.randrange(1, 8), crash=crash):
        pass
    found = outputs(tmp_path)
    for name in OUTPUTS:
        assert set(map(_same_config, found[name])) == set(map(_same_config, expected[name])), name
        assert len(set(ids(found[name]))) == len(expected[name])
        assert crash or len(found[name]) == len(expected[name])


def test_a_finished_run_that_is_started_again_has_nothing_to_say(
    undisturbed: tuple[list[Path], Said], tmp_path: Path
) -> None:
    """The end of files that are not followed is said once."""
    inputs, _ = undisturbed
    config = settings(tmp_path, inputs)
    live(config, 8_192)
    before = outputs(tmp_path)
    assert live(config, 8_192)
    assert outputs(tmp_path) == before


def test_a_replay_of_the_dump_says_what_the_run_said(undisturbed: tuple[list[Path], Said], tmp_path: Path) -> None:
    """Of a run that was stopped and started again, up to where it had closed, to the byte."""
    inputs, _ = undisturbed
    config = settings(tmp_path, inputs)
    for _ in range(3):
        assert not live(config, 600, 2)
    expected = outputs(tmp_path)
    dumping.dump(config, tmp_path / "dump.ndjson.gz")
    again = replay(config, [tmp_path / "dump.ndjson.gz"], tmp_path / "again")
    assert (again["alerts"], again["readings"]) == (expected["alerts"], expected["readings"])
    assert sorted(again["dead_letters"]) == sorted(expected["dead_letters"])
    assert len(expected["readings"]) > 50


# What goes wrong.


class Brittle(Monitor[MonitorSettings, PredictionRows]):
    """Counts rows, until it meets the fifth pane."""

    name = "brittle"
    Settings = MonitorSettings
    consumes = "predictions"

    def measure(self, rows: PredictionRows, profile: Profile, sealed: Any) -> Summary:
        return super().empty() if not len(rows) else Summary(rows.base[:1], {"n": rows.base[:1] + 1})

    def judge(self, state: State, summary: Summary, context: Judging) -> Verdict:
        state["panes"] = state.get("panes", 0) + 1
        if state["panes"] == 5:
            raise ZeroDivisionError("five panes are too many")
        return Verdict(state)


def test_a_monitor_that_raises_is_quarantined_and_the_others_go_on(
    one_file: Said, rows: list[Row], tmp_path: Path
) -> None:
    """One reading says what happened; everything else is as if it had never been there."""

    def change(pipeline: Pipeline) -> None:
        pipeline.parts.watch.monitors.append(Watched(Brittle(MonitorSettings()), 0.0))

    again = replay(configured(SETTINGS), write(tmp_path / "in", {"all": rows}), tmp_path, change)
    broken = [line for line in again["readings"] if b"processor_error" in line]
    assert [line for line in again["readings"] if line not in broken] == one_file["readings"]
    assert again["alerts"] == one_file["alerts"]
    (reading,) = said(broken)
    assert (reading["monitor"], reading["details"]["error"]) == (
        "brittle",
        "ZeroDivisionError: five panes are too many",
    )


def test_records_that_were_lost_are_an_alert(rows: list[Row], tmp_path: Path) -> None:
    """A gap is said once, with what was expected and found, and is over at the next closing; a restart loses it not."""
    inputs = write(tmp_path / "in", {"all": rows[:600], "more": []})
    config = settings(tmp_path, inputs, "alerts: {min_hold: 1s}\n")
    live(config, 100, 8)
    before = len(outputs(tmp_path)["alerts"])
    write(tmp_path / "in", {"all": rows[:10], "more": rows[600:1_200]})
    while not live(config, 100, 1):
        pass
    alerts = said(b"\n".join(outputs(tmp_path)["alerts"][before:]))
    assert [(alert["monitor"], alert["series"]) for alert in alerts] == [("source", "gap")] * len(alerts)
    assert [alert["state"] for alert in alerts] == ["firing", "resolved"]
    assert alerts[0]["evidence"]["reason"] == "truncated"
    gaps = [reading for reading in said(b"\n".join(outputs(tmp_path)["readings"])) if reading["monitor"] == "source"]
    assert [(gap["series"], gap["value"], gap["details"]["expected"]) for gap in gaps] == [("gap", None, 600)]


def test_a_partition_without_records_holds_up_nobody(rows: list[Row], tmp_path: Path) -> None:
    """An empty file among the inputs changes nothing."""
    inputs = write(tmp_path / "in", {"all": rows[:600], "empty": []})
    folders = tmp_path / "a", tmp_path / "b"
    for folder in folders:
        folder.mkdir()
    with_empty = replay(configured(SETTINGS), inputs, folders[0])
    assert with_empty == replay(configured(SETTINGS), inputs[:1], folders[1])


def test_accounts_add_up_after_every_pane(rows: list[Row], tmp_path: Path) -> None:
    """Received is measured, duplicate, conflict, refused, shed and what still waits, at each step; at the end all."""
    inputs = write(tmp_path / "in", spread(rows[:2_000], 3, 9), every=50)
    paths = {name: tmp_path / f"{name}.out" for name in OUTPUTS}
    alerts, readings, letters = paths.values()
    config = configured(SETTINGS + "labels: {max_pending: 300}\n")
    with closing(app.replaying(config, inputs, alerts=alerts, readings=readings, dead_letters=letters)) as pipeline:
        in_batches_of(150)(pipeline)
        for _ in _steps(pipeline):
            accounts = dict(pipeline.accounts)
            ends = ("measured", "duplicate", "conflict", "refused", "shed", "pending")
            assert accounts.get("received", 0) == sum(accounts.get(name, 0) for name in ends)
    assert accounts["received"] == 2_000 + accounts["refused"]
    assert accounts["pending"] == 0
    assert accounts["pressure"] > 0
    assert accounts["refused"] == len(lines_of(paths)["dead_letters"]) > 30


def _steps(pipeline: Pipeline) -> Iterator[None]:
    ended = False
    while not ended:
        ended = pipeline.step()
        yield
