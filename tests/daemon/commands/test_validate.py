"""`vigild validate` and `vigild config`."""

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from daemon import exits
from tests.daemon.commands.vigild import vigild

GOOD = "kafka:\n  brokers: [localhost:9092]\n  topics: [predictions, labels]\n"


def test_a_good_configuration_is_ok(tmp_path: Path) -> None:
    """Exit 0 and one line with the hash that alerts will carry; nothing is made on disk, no broker is asked."""
    (tmp_path / "vigil.yaml").write_text(GOOD)
    told = vigild("validate", cwd=tmp_path)
    assert told.returncode == exits.OK, told.stderr
    assert told.stdout.startswith("vigil.yaml: ok (hash ")
    assert [path.name for path in tmp_path.iterdir()] == ["vigil.yaml"]


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    """Exit 78, and for each mistake its file, line and remedy."""
    text = (
        GOOD.replace("brokers", "broker") + "labels:\n  wait: 30x\nmonitors:\n  concept_drft: {}\nhttp: {port: 99999}\n"
    )
    (tmp_path / "broken.yaml").write_text(text)
    told = vigild("validate", "-c", "broken.yaml", cwd=tmp_path)
    assert told.returncode == exits.CONFIG
    lines = told.stderr.splitlines()
    assert [line.split(": ")[0] for line in lines] == [f"broken.yaml:{n}" for n in (2, 5, 7, 8)]
    assert "Did you mean brokers?" in lines[0]
    assert "Did you mean concept_drift?" in lines[2]


def test_a_missing_configuration_is_a_mistake_in_one_line(tmp_path: Path) -> None:
    """Without -c it is ./vigil.yaml."""
    told = vigild("validate", cwd=tmp_path)
    assert told.returncode == exits.CONFIG
    assert told.stderr == "vigil.yaml: can't be read: No such file or directory. Name a file with -c.\n"


@pytest.mark.parametrize(
    ("explain", "remedy"),
    [
        ("{model_file: model.joblib}", "trust: true"),
        ("{model_file: model.ubj}", "does not exist"),
        ("{model_file: model.txt, sha256: " + "f" * 64 + "}", "its sha256 is"),
    ],
)
def test_model_files_are_looked_at(explain: str, remedy: str, tmp_path: Path) -> None:
    """A model that would be refused at start is refused here, at the line that names it."""
    for name in ("model.joblib", "model.txt"):
        (tmp_path / name).write_bytes(b"a model")
    (tmp_path / "vigil.yaml").write_text(f"{GOOD}models:\n  fraud:\n    explain: {explain}\n")
    told = vigild("validate", cwd=tmp_path)
    assert told.returncode == exits.CONFIG
    assert told.stderr.startswith("vigil.yaml:6: models.fraud.explain.")
    assert remedy in told.stderr


def test_a_state_that_cannot_be_a_directory_is_a_mistake(tmp_path: Path) -> None:
    """What would fail at start fails here."""
    (tmp_path / "occupied").write_text("")
    (tmp_path / "vigil.yaml").write_text(f"{GOOD}state:\n  path: occupied/state\n")
    told = vigild("validate", cwd=tmp_path)
    assert told.returncode == exits.CONFIG
    assert told.stderr.startswith("vigil.yaml:5: state.path: ")
    assert "occupied is not a directory" in told.stderr


def test_the_printed_configuration_is_complete_and_keeps_secrets(tmp_path: Path) -> None:
    """What is printed is again a configuration with every default spelt out; passwords are stars."""
    secure = "  security: {protocol: SASL_SSL, mechanism: PLAIN, username: v, password: '${PASSWORD}'}\n"
    (tmp_path / "vigil.yaml").write_text(GOOD + secure)
    told = vigild("config", "print", cwd=tmp_path, env={"PASSWORD": "sesame"})
    assert told.returncode == exits.OK, told.stderr
    assert "sesame" not in told.stdout
    shown = yaml.safe_load(told.stdout)
    assert shown["kafka"]["alerts"] == "vigil.alerts"
    assert shown["http"]["port"] == 8642


def test_the_schema_accepts_a_good_configuration_and_refuses_a_bad_one(tmp_path: Path) -> None:
    """The schema is one for JSON Schema validators, with the settings of registered monitors in it."""
    schema = json.loads(vigild("config", "schema", cwd=tmp_path).stdout)
    Draft202012Validator.check_schema(schema)
    good = yaml.safe_load(GOOD) | {"monitors": {"concept_drift": {"min_effect": 0.05}}}
    assert list(Draft202012Validator(schema).iter_errors(good)) == []
    assert list(Draft202012Validator(schema).iter_errors(good | {"monitors": {"concept_drft": {}}}))
