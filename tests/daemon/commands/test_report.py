"""`vigild report` and `vigild replay --compare`: what a changed configuration would have paged."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon import exits
from tests.daemon.commands.vigild import events, vigild, write

SETTINGS = """
files: {{paths: [events.ndjson]}}
state: {{path: state}}
sinks: {{alerts: [{{file: {{path: alerts.ndjson}}}}], readings: [], dead_letters: []}}
http: {{port: null}}
monitors: {{concept_drift: {{min_effect: {effect}}}}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log in which a model breaks, that the daemon has read with one configuration, and another one."""
    found = tmp_path_factory.mktemp("report")
    write(found / "events.ndjson", events())
    (found / "old.yaml").write_text(SETTINGS.format(effect=0.02))
    (found / "new.yaml").write_text(SETTINGS.format(effect=0.9))
    done = vigild("run", "-c", "old.yaml", cwd=found)
    assert done.returncode == exits.OK, done.stderr
    return found


def test_a_report_says_what_a_changed_configuration_would_not_have_paged(folder: Path) -> None:
    """Beside the alerts that were sent, on the log that was consumed; as a table and a page."""
    done = vigild("report", "-c", "new.yaml", "--since", "7d", "--html", "page.html", cwd=folder)
    assert done.returncode == exits.OK, done.stderr
    assert "0 gained, " in done.stdout
    assert "pages: 0 with alerts.ndjson" not in done.stdout
    assert "pages: " in done.stdout
    assert "lost" in done.stdout
    assert "concept_drift/error_rate" in done.stdout
    assert (folder / "page.html").read_text().startswith("<!doctype html>")


def test_the_same_configuration_makes_no_difference(folder: Path) -> None:
    """What was sent live and what a replay says are the same alerts."""
    done = vigild("report", "-c", "old.yaml", cwd=folder)
    assert done.returncode == exits.OK, done.stderr
    assert "alerts: 0 gained, 0 lost, 0 earlier, 0 later, " in done.stdout
    assert "0 same" not in done.stdout


def test_a_replay_compares_two_configurations(folder: Path) -> None:
    """On any log; with `--alerts` what the new one says is written as well."""
    done = vigild(
        "replay", "-c", "old.yaml", "--compare", "new.yaml", "--input", "events.ndjson", "--alerts", "said.ndjson",
        cwd=folder,
    )  # fmt: skip
    assert done.returncode == exits.OK, done.stderr
    assert " 0 lost, 0 earlier, 0 later" in done.stdout
    assert "alerts: 0 gained" not in done.stdout
    assert b"vigil.alert" in (folder / "said.ndjson").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("report", "-c", "old.yaml", "--since", "yesterday"), "--since: 'yesterday': write 7d"),
        (("replay", "-c", "old.yaml", "--input", "events.ndjson", "--html", "x.html"), "with --compare"),
        (("replay", "-c", "old.yaml", "--input", "events.ndjson", "--compare", "none.yaml"), "none.yaml"),
    ],
)
def test_what_makes_no_sense_is_one_line(folder: Path, arguments: tuple[str, ...], complaint: str) -> None:
    """With what to write instead."""
    done = vigild(*arguments, cwd=folder)
    assert done.returncode != exits.OK
    assert complaint in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
