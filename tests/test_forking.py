"""A forked process is what a fresh one would be, as far as tests look at it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.daemon.commands.vigild import environment, start, vigild
from tests.forking import fork

ENDLESS = "files: {paths: [events.ndjson], follow: true}\nstate: {path: state}\nhttp: {port: null}\n"


def test_it_answers_as_a_fresh_interpreter_does(tmp_path: Path) -> None:
    """Exit code, what it prints, and where: for a command that does well and for one that is refused."""
    for arguments in (["--help"], ["validate", "-c", "nowhere.yaml"], ["no-such-command"]):
        command = [sys.executable, "-m", "daemon", *arguments]
        fresh = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
        forked = vigild(*arguments, cwd=tmp_path)
        assert (forked.returncode, forked.stdout, forked.stderr) == (fresh.returncode, fresh.stdout, fresh.stderr)


def test_it_has_the_environment_and_the_folder_that_were_asked_for(tmp_path: Path) -> None:
    """Nothing of an earlier one, and nothing of the test's own."""
    (tmp_path / "vigil.yaml").write_text("kafka: {brokers: [b:9092], topics: ['${TOPIC}'], group: g}\n")
    assert "TOPIC" in vigild("config", "print", cwd=tmp_path).stderr
    assert "asked-for" in vigild("config", "print", cwd=tmp_path, env={"TOPIC": "asked-for"}).stdout
    assert "TOPIC" in vigild("config", "print", cwd=tmp_path).stderr


def test_signals_end_it_and_its_code_says_so(tmp_path: Path) -> None:
    """SIGKILL as that; a wait that is too short says that it was."""
    (tmp_path / "vigil.yaml").write_text(ENDLESS)
    (tmp_path / "events.ndjson").touch()
    process = start("run", cwd=tmp_path, log=tmp_path / "log")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    assert process.poll() is None
    process.kill()
    assert process.wait(30) == process.poll() == process.returncode == -signal.SIGKILL
    assert not psutil.pid_exists(process.pid)


def test_what_only_a_fresh_interpreter_would_mind_gets_one(tmp_path: Path) -> None:
    """Python reads PYTHONHASHSEED before anything else."""
    with Path(os.devnull).open("wb") as nowhere:
        where = tmp_path, environment({"PYTHONHASHSEED": "7"}), nowhere.fileno(), nowhere.fileno()
        process = fork(["daemon", "--help"], *where)
    assert isinstance(process, subprocess.Popen)
    assert process.wait(60) == 0


def test_none_outlives_the_one_who_asked(tmp_path: Path) -> None:
    """Whatever happens to a test process, even SIGKILL."""
    (tmp_path / "vigil.yaml").write_text(ENDLESS)
    (tmp_path / "events.ndjson").touch()
    program = (
        "import sys; from pathlib import Path; from tests.daemon.commands.vigild import start\n"
        "folder = Path(sys.argv[1]); print(start('run', cwd=folder, log=folder / 'log').pid, flush=True); input()"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(
        command, cwd=Path(__file__).parents[1], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        forked = psutil.Process(int(owner.stdout.readline()))
        assert forked.is_running()
        owner.kill()
    psutil.wait_procs([forked], timeout=30)
    assert not forked.is_running()
