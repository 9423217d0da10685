"""Model files in the configuration, from events to the evidence in alerts."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from daemon import app
from daemon.checkpoint import EXPLAINER
from daemon.commands.validate import mistakes
from daemon.explain.configured import explainer as explainer_of
from daemon.explain.configured import model_file
from daemon.explain.models import ModelFile
from daemon.state.store import Store
from processors.packing import unpack
from tests.daemon.explain.trained import NAMES, data, linear_file, tree_file
from tests.daemon.wiring.replays import START_S, configured, replayed, written


def events(count: int, *versions: tuple[str, str]) -> list[dict[str, Any]]:
    """Predictions of models whose features are those of the trained ones, each version in its turn."""
    matrix = data()[0]
    return [
        {
            "type": "prediction",
            "id": f"r{number}",
            "model": versions[number % len(versions)][0],
            "version": versions[number % len(versions)][1],
            "ts": START_S + number / 10,
            "features": dict(zip(NAMES, matrix[number % len(matrix)].tolist(), strict=True)),
            "prediction": number % 2,
            "score": 0.5,
        }
        for number in range(count)
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models for two names, one by its version."""
    folder = tmp_path_factory.mktemp("models")
    trained = Path(tree_file(folder).path)
    for name in ("fraud", "churn-1"):
        shutil.copy(trained, folder / f"{name}.skops")
    return folder


def explained(found: dict[str, list[dict[str, Any]]]) -> set[str]:
    """Models with readings of attributions."""
    return {reading["model"] for reading in found["readings"] if reading["monitor"] == "attribution"}


def test_the_defaults_have_a_file_for_models_that_nobody_named(folder: Path, tmp_path: Path) -> None:
    """Each version is explained if there is a file of its name; why another one is not is logged once."""
    stream = written(tmp_path / "events.ndjson", events(900, ("churn", "1"), ("churn", "2"), ("off", "1")))
    names = ", ".join(NAMES)
    text = (
        f"defaults: {{explain: {{model_file: '{folder}/{{model}}-{{version}}.skops', features: [{names}]}}}}\n"
        "models: {off: {explain: {enabled: false}}}\n"
    )
    with capture_logs() as logs:
        found = replayed(configured(text), [stream], tmp_path)
    assert explained(found) == {"churn"}
    told = [(line["model"], line["version"]) for line in logs if line["event"] == "not explained"]
    assert told == [("churn", "2")]


def test_the_configuration_reaches_the_model_file() -> None:
    """What is said of categories, of types and of classes is what the explainer is told, with a sample per model."""
    config = configured(
        "explain: {sample: 4}\n"
        "models:\n"
        "  fraud:\n"
        "    classes: ['no', 'yes']\n"
        "    positive_class: 'no'\n"
        "    explain: {model_file: 'x{version}.skops', sample: 9, categories: {country: [CN, DE]}, trusted: [a.B]}\n"
    )
    assert model_file(config, "fraud") == ModelFile(
        "x{version}.skops", categories={"country": ("CN", "DE")}, trusted=("a.B",), positive="no", classes=("no", "yes")
    )
    explainer = explainer_of(config, blocking=True)
    assert explainer is not None
    with closing(explainer):
        settings = explainer._settings
        assert (settings.sample, dict(settings.samples), settings.most) == (4, {"fraud": 9}, 9)


def test_backgrounds_are_saved_and_restored_and_forgotten_with_their_version(tmp_path: Path) -> None:
    """A restart goes on explaining against the same rows; a retired version leaves none behind."""
    file = linear_file(tmp_path)
    stream = written(tmp_path / "events.ndjson", [])
    settings = configured(
        f"files: {{paths: ['{stream}']}}\nstate: {{path: '{tmp_path / 'state'}'}}\n"
        "sinks: {alerts: [], readings: []}\nlabels: {wait: 1m}\nexplain: {background: 20}\n"
        f"defaults: {{retire_after: 2m, explain: {{model_file: '{file.path}', features: [{', '.join(NAMES)}]}}}}\n"
    )
    first = events(300, ("m", "1"))
    later = [event | {"id": f"later-{event['id']}", "ts": event["ts"] + 7_200} for event in events(300, ("m", "2"))]

    def run(part: list[dict[str, Any]]) -> Any:
        written(stream, part)
        with closing(app.live(settings)) as live:
            live.run(lambda: False)
        store = Store.open(tmp_path / "state")
        try:
            return unpack(store.load().items[EXPLAINER])["rows"]
        finally:
            store.close()

    rows = run(first)
    assert [(model, version) for model, version, _ in rows] == [("m", "1")]
    explainer = explainer_of(settings, blocking=True)
    assert explainer is not None
    with closing(explainer):
        explainer.load({"rows": rows})
        assert explainer._backgrounds.of(("m", "1")) is not None
    assert [(model, version) for model, version, _ in run(first + later)] == [("m", "2")]


def test_validate_names_the_line_of_a_model_file_that_is_refused(tmp_path: Path) -> None:
    """For all models and for one."""
    path = tmp_path / "vigil.yaml"
    path.write_text(
        "files: {paths: ['.']}\n"
        "defaults:\n  explain:\n    model_file: '{model}.what'\n"
        "models:\n  fraud:\n    explain:\n      model_file: '{version}.who'\n"
    )
    first, second = mistakes(configured(path.read_text()), path)
    assert first.startswith(f"{path}:4: defaults.explain.model_file: {{model}}.what: its ending tells no format.")
    assert second.startswith(f"{path}:8: models.fraud.explain.model_file: {{version}}.who: its ending tells no format.")
