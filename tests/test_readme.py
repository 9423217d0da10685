"""The README tells the truth: its snippets are valid, its commands exist, and its links lead somewhere."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from config import parse
from daemon.__main__ import parser

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()


def blocks(language: str) -> list[str]:
    """Return the code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands(program: str) -> list[list[str]]:
    """Return the command lines of shell blocks that start a program, split as a shell does."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.startswith(program + " ")]


@pytest.mark.parametrize("text", blocks("yaml"))
def test_every_configuration_is_valid(text: str) -> None:
    """What people copy is accepted as it is."""
    parse(text, {})


def test_the_shortest_configuration_has_five_lines() -> None:
    """Brokers, topics, and where the state goes."""
    assert len(blocks("yaml")[0].splitlines()) == 5


def test_every_vigild_command_exists() -> None:
    """The command line takes each one as it is written."""
    found = commands("vigild")
    assert {command[1] for command in found} >= {"validate", "run", "dump", "replay"}
    for command in found:
        parser().parse_args(command[1:])


def test_operations_names_every_command() -> None:
    """The table in docs/operations.md has the commands that the help has."""
    offered = set(re.findall(r"^    (\w+)  ", parser().format_help(), re.MULTILINE))
    assert set(re.findall(r"`vigild (\w+)", OPERATIONS)) == offered


def test_every_script_starts() -> None:
    """The examples exist and take the arguments that they are shown with."""
    found = commands("python")
    assert {command[1] for command in found} == {"examples/produce.py", "examples/consume.py"}
    for _, script, *options in found:
        shown = subprocess.run([sys.executable, script, "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
        assert all(option in shown.stdout for option in options if option.startswith("--"))


def test_every_make_target_exists() -> None:
    """`make x` is a target of the Makefile."""
    targets = set(re.findall(r"^(\w+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make (\w+)`", README)) | {command[1] for command in commands("make") if len(command) > 1}
    assert {"run", "test", "check", "broker"} <= named <= targets


def test_the_alert_is_one() -> None:
    """The alert that is shown is what the published schema allows."""
    (alert,) = blocks("json")
    schema = json.loads((ROOT / "docs" / "schemas" / "alert.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(json.loads(alert))


def test_the_events_are_some() -> None:
    """The events that are shown for Kafka's own tools are what the published schema allows."""
    schema = json.loads((ROOT / "docs" / "schemas" / "event.json").read_text())
    events = [json.loads(line) for block in blocks("sh") for line in block.splitlines() if line.startswith("{")]
    assert [event["type"] for event in events] == ["prediction", "label"]
    for event in events:
        jsonschema.Draft202012Validator(schema).validate(event)


@pytest.mark.parametrize("page", ["README.md", "docs/operations.md"])
def test_links_lead_somewhere(page: str) -> None:
    """Every relative link is a file or a folder of the repository."""
    text = (ROOT / page).read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / page).parent.joinpath(link).exists()] == []
