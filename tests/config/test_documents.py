"""What is published about the configuration is true: default.yaml, the examples, the reference, the JSON Schema."""

from pathlib import Path

import jsonschema
import pytest
import yaml
from pydantic import BaseModel

import config
from config import Config, Registry, json_schema, load, parse, redacted_yaml
from config.document import read
from config.fields import everything, meanings, sections_at
from config.reference import DEFAULT_FILE, DOCUMENT_FILE, default_yaml, refreshed
from config.streams import Kafka, Topic

EXAMPLES = sorted((Path(config.__file__).parent / "examples").glob("*.yaml"))
ENVIRON = {"KAFKA_PASSWORD": "x", "KAFKA_CA_FILE": __file__}


class Monitor(BaseModel, extra="forbid"):
    depth: int = 3


def test_default_yaml_is_the_defaults() -> None:
    """Loading the documented defaults gives what the code has, but for what to read."""
    kafka = Kafka(brokers=("localhost:9092",), topics=(Topic(name="predictions"), Topic(name="labels")))
    assert load(DEFAULT_FILE, {}) == Config(kafka=kafka)


def test_default_yaml_names_every_setting() -> None:
    """A setting that is not in default.yaml is a setting that nobody finds."""
    stated = yaml.safe_load(DEFAULT_FILE.read_text(encoding="utf-8"))
    for place, _ in everything(Config):
        here = stated
        for key in place:
            assert here is None or key in here, place
            here = here and here[key]


def test_default_yaml_is_up_to_date() -> None:
    """The file is written from the schema and never by hand."""
    assert DEFAULT_FILE.read_text(encoding="utf-8") == default_yaml(), "run python -m config.reference"


def test_the_reference_is_up_to_date() -> None:
    """The tables in docs are written from the schema and never by hand."""
    document = DOCUMENT_FILE.read_text(encoding="utf-8")
    assert document == refreshed(document), "run python -m config.reference"


def test_every_setting_says_what_it_means() -> None:
    """The schema is the documentation, so no field may be silent."""
    for (*parents, name), _ in everything(Config):
        for section in sections_at(Config, tuple(parents)):
            assert meanings(section).get(str(name)), (*parents, name)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_an_example_loads_and_is_printed_as_it_is_in_force(file: Path) -> None:
    """What `config print` shows, read again, is the same configuration."""
    read = load(file, ENVIRON)
    printed = redacted_yaml(read).replace("'***'", "${KAFKA_PASSWORD}")
    assert redacted_yaml(parse(printed, ENVIRON)) == redacted_yaml(read)


def test_the_shortest_file_has_five_lines() -> None:
    """The promise of the README, kept by the example that docs show."""
    minimal = next(file for file in EXAMPLES if file.name == "minimal.yaml")
    assert len(minimal.read_text(encoding="utf-8").splitlines()) == 5
    assert minimal.read_text(encoding="utf-8") in DOCUMENT_FILE.read_text(encoding="utf-8")


@pytest.mark.parametrize("file", [*EXAMPLES, DEFAULT_FILE], ids=lambda file: file.name)
def test_the_json_schema_allows_what_loads(file: Path) -> None:
    """An editor must not underline in red what the daemon accepts."""
    schema = json_schema({"drift": Monitor})
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(read(file.read_text(encoding="utf-8"), file.name).value, schema)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kafka": {"brokers": "a", "topics": "a"}, "monitors": {"drfit": {}}},
        {"kafka": {"brokers": "a", "topics": "a"}, "monitors": {"drift": {"depth": "x"}}},
        {"kafka": {"brokers": "a", "topics": [{"name": "a", "codec": "none"}]}},
        {"kafka": {"brokers": "a", "topics": "a"}, "sinks": {"alerts": [{"nowhere": {}}]}},
        {"time": {"pane": "10"}},
    ],
)
def test_the_json_schema_refuses_what_does_not_load(wrong: object) -> None:
    """What registered kinds define is part of the schema, not a hole in it."""
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, json_schema(registry=Registry({"drift": Monitor})))
