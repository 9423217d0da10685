"""What holds for a model, for a monitor and for a queue, when several sections speak of it."""

from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel

from config import Config, Duration, Registry, parse
from config.streams import FileSink, KafkaSink, StdoutSink

KAFKA = "kafka:\n  brokers: [localhost:9092]\n  topics: [predictions, labels]\n"


class Drift(BaseModel, extra="forbid"):
    min_effect: float = 0.02
    window: int = 100


class Lime(BaseModel, extra="forbid"):
    on_by_default: ClassVar[bool] = False
    rows: int = 10


REGISTRY = Registry({"drift": Drift, "lime": Lime})


def test_a_model_nobody_speaks_of_has_what_holds_for_all() -> None:
    """Zero configuration must be enough for every model that appears."""
    model = Config().for_model("any")
    assert (model.lateness, model.labels.wait, model.retire_after) == tuple(map(Duration.parse, ("10s", "7d", "7d")))
    assert (model.explain.enabled, model.explain.sample) == (True, 8)


def test_a_model_lies_over_defaults_and_defaults_over_the_sections_for_all() -> None:
    """Mappings are merged key by key, lists replaced."""
    text = KAFKA + (
        "labels: {wait: 1d, implicit: {after: 12h, value: 0}}\n"
        "defaults: {owner: platform, lateness: 1m, routing: {env: prod, team: none}, segments: [region]}\n"
        "models:\n"
        "  fraud: {labels: {wait: 9d}, routing: {team: risk}, segments: [country], explain: {sample: 3}}\n"
    )
    model = parse(text, {}).for_model("fraud")
    assert (model.owner, str(model.lateness), str(model.labels.wait)) == ("platform", "1m", "9d")
    assert model.routing == {"env": "prod", "team": "risk"}
    assert model.segments == ("country",)
    assert str(model.retire_after) == "9d"
    assert model.labels.implicit is not None
    assert (model.labels.implicit.value, model.explain.sample, model.explain.enabled) == ("0", 3, True)


def test_null_means_not_said_here() -> None:
    """A copied default must not undo what a wider section says."""
    config = parse(KAFKA + "defaults: {lateness: 1m}\nmodels: {fraud: {lateness: null}}\n", {})
    assert str(config.for_model("fraud").lateness) == "1m"


def test_classes_are_known_by_one_name() -> None:
    """1, "1", 1.0 and true are one class, in the file as in the events."""
    config = parse(KAFKA + "models: {a: {classes: [false, 1.0, 2, x]}}\n", {})
    assert config.models["a"].classes == ("0", "1", "2", "x")


def test_settings_of_a_monitor_are_merged_key_by_key() -> None:
    """A model changes one setting of a monitor and keeps the rest."""
    text = KAFKA + (
        "monitors: {drift: {window: 5}}\ndefaults: {monitors: {drift: {min_effect: 0.1}}}\n"
        "models: {fraud: {monitors: {drift: {window: 7}}}, churn: {monitors: {drift: false, lime: true}}}\n"
    )
    config = parse(text, {}, REGISTRY)
    assert config.monitor_settings("drift", Drift, "fraud") == Drift(min_effect=0.1, window=7)
    assert config.monitor_settings("drift", Drift, "other") == Drift(min_effect=0.1, window=5)
    assert config.monitor_settings("drift", Drift, "churn") is None
    assert config.monitor_settings("lime", Lime, "churn") == Lime()


def test_a_monitor_nobody_speaks_of_runs_unless_its_class_says_otherwise() -> None:
    """The default suite is what registers itself; what is costly can ask to be asked for."""
    config = parse(KAFKA, {}, REGISTRY)
    assert config.monitor_settings("drift", Drift, "fraud") == Drift()
    assert config.monitor_settings("lime", Lime) is None


def test_sinks_follow_the_source() -> None:
    """Kafka in, Kafka out; files in, terminal and files out."""
    kafka, files = parse(KAFKA, {}).outputs, parse("files: {paths: a, follow: true}\n", {}).outputs
    assert [spec.settings for spec in kafka["alerts"]] == [KafkaSink(topic="vigil.alerts")]
    assert [spec.settings for spec in files["alerts"]] == [StdoutSink()]
    assert [spec.settings.model_dump(mode="json") for spec in files["readings"]] == [
        {"path": "vigil-state/readings.ndjson"}
    ]


def test_another_source_has_the_sinks_of_files() -> None:
    """A source without a section of its own is chosen as a sink is."""

    class Table(BaseModel):
        path: Path

    config = parse("source: {table: log.db}\n", {}, Registry(sources={"table": Table}))
    assert config.source is not None
    assert (config.source.kind, config.source.settings) == ("table", Table(path=Path("log.db")))
    assert [spec.settings for spec in config.outputs["alerts"]] == [StdoutSink()]


def test_sinks_are_what_is_said() -> None:
    """A kind alone, a kind and its first setting, or a kind and its settings; nothing is nowhere."""
    text = (
        KAFKA + "sinks: {alerts: [stdout, {file: a.ndjson}, {kafka: {topic: b}}], readings: [], dead_letters: null}\n"
    )
    outputs = parse(text, {}).outputs
    assert [spec.kind for spec in outputs["alerts"]] == ["stdout", "file", "kafka"]
    assert isinstance(outputs["alerts"][1].settings, FileSink)
    assert (outputs["readings"], outputs["dead_letters"]) == ((), ())


def test_a_model_file_may_depend_on_the_version() -> None:
    """Shadow versions have files and digests of their own."""
    text = KAFKA + "models: {f: {explain: {model_file: 'm/{version}.joblib', trust: true, sha256: {'3': '%s'}}}}\n"
    explain = parse(text % ("a" * 64), {}).for_model("f").explain
    assert (explain.model_file, explain.sha256) == ("m/{version}.joblib", {"3": "a" * 64})
