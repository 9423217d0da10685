"""The demo as it is run: Vigil finds what the story hides, and says nothing of the healthy model."""

import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from config import load as load_config
from daemon import app, exits
from daemon.demo.layout import Layout
from daemon.demo.run import run
from tests.daemon.demo.stories import half_a_day


class Ran(NamedTuple):
    """What a run of the demo left behind."""

    code: int
    layout: Layout
    alerts: list[dict[str, Any]]
    screen: str


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The short story, run once as `vigild demo` runs the long one."""
    layout = Layout(tmp_path_factory.mktemp("run") / "vigil-demo")
    screen = io.StringIO()
    code = run(240, directory=layout.directory, story=half_a_day(), stream=screen)
    events = [json.loads(line) for line in layout.alerts.read_text().splitlines()]
    alerts = [event["data"] for event in events if event["type"] == "vigil.alert"]
    return Ran(code, layout, alerts, screen.getvalue())


def test_the_healthy_model_raises_nothing(demo: Ran) -> None:
    """Not one alert of churn, of whatever severity, and the summary says so."""
    assert demo.code == exits.OK
    assert [alert["summary"] for alert in demo.alerts if alert["model"] == "churn"] == []
    assert "healthy, and nothing was said of it" in demo.screen


def test_the_drift_of_fraud_is_found_after_it_began(demo: Ran) -> None:
    """Concept drift fires for the whole model, says what to do, and comes with SHAP evidence from the model's file."""
    found = [a for a in demo.alerts if a["model"] == "fraud" and a["monitor"] == "concept_drift" and not a["segment"]]
    assert found
    assert found[0]["state"] == "firing"
    assert found[0]["began"] > "2025-06-02T05:00:00Z"
    assert found[0]["action"] == "retrain"
    assert "amount" in {row["feature"] for alert in found for row in alert["evidence"].get("top_features", ())}


def test_the_feature_that_broke_is_named_and_its_repair_noticed(demo: Ran) -> None:
    """An alert names distance_km within minutes, asks to fix it, explains what follows, and resolves afterwards."""
    named = [alert for alert in demo.alerts if alert["model"] == "pricing" and alert["monitor"] == "feature_drift"]
    assert {alert["feature"] for alert in named} == {"distance_km"}
    assert "2025-06-02T04:00:00Z" < named[0]["began"] < "2025-06-02T04:30:00Z"
    assert named[0]["action"] == "fix_feature"
    assert named[-1]["state"] == "resolved"


def test_late_labels_delay_what_can_be_known_and_no_more(demo: Ran) -> None:
    """Credit drifts at five; its first labels come at eight; nothing is said before, and something after."""
    found = [alert["began"] for alert in demo.alerts if alert["model"] == "credit"]
    assert found
    assert min(found) > "2025-06-02T08:00:00Z"


def test_the_summary_holds_what_was_said_against_the_truth(demo: Ran) -> None:
    """Truth, finding, delay, where things lie and what to do next; no false alarms; plain text without a terminal."""
    for said in ("truth: distance_km arrives in metres", "found:", "none of them false", "vigild replay -c"):
        assert said in demo.screen
    assert "MISSED" not in demo.screen
    assert "\x1b" not in demo.screen
    assert str(demo.layout.alerts) in demo.screen


def test_its_configuration_is_an_ordinary_one(demo: Ran) -> None:
    """What the demo wrote can be loaded, and replayed: the same alerts of the same events, explanations aside."""
    registry = app.registry()
    config = load_config(demo.layout.config, {}, registry)
    assert set(config.models) == {"churn", "fraud", "pricing", "credit"}


def test_a_directory_that_is_not_a_demos_is_left_alone(tmp_path: Path) -> None:
    """Nobody's files are deleted: the demo refuses, with one line that names the directory."""
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(exits.Ended, match=str(tmp_path)):
        Layout(tmp_path).prepare()
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_the_directory_of_an_earlier_demo_is_emptied(demo: Ran, tmp_path: Path) -> None:
    """The state of another run must not be gone on from."""
    layout = Layout(tmp_path / "demo")
    layout.prepare()
    (layout.directory / "state").mkdir()
    layout.prepare()
    assert sorted(path.name for path in layout.directory.iterdir()) == ["events", "vigil.yaml"]
