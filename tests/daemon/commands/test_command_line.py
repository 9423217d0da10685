"""The command line as a whole: what it offers, what it costs to start, and how it refuses."""

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from daemon import exits
from tests.daemon.commands.vigild import environment, vigild

ROOT = Path(__file__).parents[3]
COMMANDS = (
    "run",
    "replay",
    "demo",
    "validate",
    "config",
    "alert",
    "dump",
    "state",
    "dlq",
    "report",
    "health",
    "simulate",
)
HEAVY = {"numpy", "pydantic", "structlog", "kafka", "scipy", "river", "sklearn", "shap", "numba", "yaml", "sqlite3"}


def test_the_help_names_every_command_and_exit_code(tmp_path: Path) -> None:
    """Design section 10 is what others script against; the codes are part of it."""
    shown = vigild("--help", cwd=tmp_path).stdout
    assert re.findall(r"^    (\w+)  ", shown, re.MULTILINE) == list(COMMANDS)
    for code, meaning in exits.MEANINGS.items():
        assert re.search(rf"^  {code} +{re.escape(meaning)}$", shown, re.MULTILINE)


def test_the_help_loads_nothing_heavy() -> None:
    """What a command needs is imported when it runs: the help is there at once."""
    code = "import sys, daemon.__main__ as cli; cli.parser().format_help(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert HEAVY & set(loaded.split()) == set()


def test_it_tells_its_version(tmp_path: Path) -> None:
    """The version is the installed package's."""
    shown = vigild("--version", cwd=tmp_path)
    assert (shown.returncode, shown.stdout) == (exits.OK, f"vigild {version('vigild')}\n")


@pytest.mark.parametrize("wrong", [[], ["walk"], ["replay"], ["config"], ["run", "--conf", "x"], ["dlq", "eat"]])
def test_a_wrong_command_line_is_a_usage_error(wrong: list[str], tmp_path: Path) -> None:
    """Exit 64, with how it is written; long options can't be shortened, so that new ones break no script."""
    refused = vigild(*wrong, cwd=tmp_path)
    assert refused.returncode == exits.USAGE
    assert refused.stderr.startswith("usage: vigild")


def test_another_package_of_the_same_name_is_noticed(tmp_path: Path) -> None:
    """`config` is a common name: one that shadows Vigil's is named instead of failing somewhere inside."""
    (tmp_path / "config.py").write_text("")
    code = "import sys; sys.path[:0] = [sys.argv[1]]; import daemon.__main__ as cli; sys.exit(cli.main(['report']))"
    command = [sys.executable, "-c", code, str(tmp_path)]
    refused = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    assert refused.returncode == exits.SOFTWARE
    assert f"the package 'config' that Python finds ({tmp_path / 'config.py'}) is not Vigil's" in refused.stderr
