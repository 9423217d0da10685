"""The simulated fleet says the same whenever it is asked, and what is told of its truth is true."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from daemon.demo.embedded import EmbeddedLog
from daemon.demo.fleet import NEVER_LABELLED, Fleet
from daemon.demo.story import HOUR, MINUTE, every_hour, one_monday
from daemon.demo.training import Trained, train
from daemon.demo.worlds import WORLDS
from daemon.explain.models import ModelFile, load

BUSY = 4.0
"""Predictions per second of each model: enough in an hour for sharp figures."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Trained]]:
    """The fleet's models, trained once, without more threads than help."""
    threadpoolctl = pytest.importorskip("threadpoolctl")
    with threadpoolctl.threadpool_limits(1):
        yield train(WORLDS, tmp_path_factory.mktemp("models"), 0)


def error_rate(fleet: Fleet, model: str, at: int) -> float:
    """Share of wrong predictions (regression: mean absolute error) in the hour from `at` after the story's start."""
    found = next(each for each in fleet.models if each.world.model == model)
    start = fleet.story.start + at
    served = fleet.serve(found, np.random.default_rng(1), start, start + HOUR)
    if found.world.task == "regression":
        return float(np.abs(served.output - served.label).mean())
    return float(((served.output >= 0.5) != served.label).mean())


def test_the_same_seed_gives_the_same_events_and_another_seed_others(models: list[Trained]) -> None:
    """What the fleet says in a span depends on seed, story and span alone."""
    story = one_monday()
    span = (story.start + 18 * HOUR, story.start + 18 * HOUR + 10 * MINUTE)
    once, again, other = (Fleet(models, story, seed).between(*span) for seed in (0, 0, 1))
    assert once == again
    assert once["fraud"].predictions != other["fraud"].predictions


def test_training_again_gives_models_that_answer_alike(models: list[Trained], tmp_path: Path) -> None:
    """The same seed trains the same models, and what was read back from the file answers like any other."""
    again = train(WORLDS, tmp_path, 0)
    for one, other in zip(models, again, strict=True):
        columns = one.world.draw(np.random.default_rng(3), 200)
        np.testing.assert_array_equal(one.predict(columns), other.predict(columns))


@pytest.mark.parametrize(("model", "before", "after"), [("fraud", 0.07, 0.14), ("credit", 0.12, 0.19)])
def test_a_drift_of_the_concept_makes_the_model_wrong_more_often(
    models: list[Trained], model: str, before: float, after: float
) -> None:
    """Before the drift the error rate is at most `before`, during it at least `after`: there is something to find."""
    story = replace(one_monday(), per_second=BUSY)
    fleet = Fleet(models, story, 0)
    begins = next(each.begins for each in story.incidents if each.model == model)
    assert error_rate(fleet, model, begins - 2 * HOUR) < before
    assert error_rate(fleet, model, begins) > after


def test_the_healthy_model_is_as_good_at_the_end_as_at_the_start(models: list[Trained]) -> None:
    """Nothing happens to churn: its error rates differ by no more than chance."""
    fleet = Fleet(models, replace(one_monday(), per_second=BUSY), 0)
    first, last = error_rate(fleet, "churn", 0), error_rate(fleet, "churn", 30 * HOUR)
    assert abs(first - last) < 0.02
    assert first < 0.15


def test_the_broken_feature_reaches_the_model_and_leaves_the_truth_alone(models: list[Trained]) -> None:
    """While distance_km arrives in metres predictions are far off, and before and after they are not."""
    story = replace(one_monday(), per_second=BUSY)
    fleet = Fleet(models, story, 0)
    incident = next(each for each in story.incidents if each.upstream)
    assert error_rate(fleet, "pricing", incident.begins - HOUR) < 2
    assert error_rate(fleet, "pricing", incident.begins) > 20
    assert error_rate(fleet, "pricing", incident.ends) < 2


def test_labels_of_credit_come_late_and_some_are_corrected_or_come_twice(models: list[Trained]) -> None:
    """No label of credit comes within three hours; about 2% are corrected, 1% come twice, and 1% never."""
    story = replace(one_monday(), per_second=BUSY)
    events = Fleet(models, story, 0).between(story.start, story.start + HOUR)["credit"]
    predicted = {json.loads(line)["id"]: time for time, line in events.predictions}
    labels = [(time, json.loads(line)) for time, line in events.labels]
    assert all(time - predicted[label["id"]] >= 3 * HOUR - 1000 for time, label in labels)
    values: dict[str, list[int]] = {}
    for _, label in labels:
        values.setdefault(label["id"], []).append(label["label"])
    kinds = Counter("once" if len(v) == 1 else "twice" if v[0] == v[1] else "corrected" for v in values.values())
    assert 0.01 < kinds["corrected"] / len(predicted) < 0.03
    assert 0.004 < kinds["twice"] / len(predicted) < 0.02
    assert 0.3 * NEVER_LABELLED < 1 - len(values) / len(predicted) < 3 * NEVER_LABELLED


def test_every_model_file_can_be_explained_as_it_is_configured(models: list[Trained]) -> None:
    """The explainer loads each file by its digest and knows its features by the names that events carry."""
    for model in models:
        loaded = load(ModelFile(str(model.path), sha256={"*": model.sha256}))
        assert set(loaded.features) == set(model.features)


def test_the_log_holds_each_event_once_and_labels_when_their_time_has_come(
    models: list[Trained], tmp_path: Path
) -> None:
    """However the story is sliced as long as slices are the same, files grow in the order of event time."""
    story = one_monday()
    with EmbeddedLog(Fleet(models, story, 0), tmp_path) as log:
        written = [log.write_until(story.start + minutes * MINUTE) for minutes in (20, 40, 60)]
        lines = {path.stem: path.read_text().splitlines() for path in log.paths}
    assert sum(written) == sum(map(len, lines.values()))
    for stem, events in lines.items():
        stamps = [json.loads(line)["ts"] for line in events]
        assert stamps == sorted(stamps), stem
        assert stamps[-1] < "2025-06-02T01:00:00"
    ids = [json.loads(line)["id"] for stem in lines if stem != "labels" for line in lines[stem]]
    assert len(ids) == len(set(ids))


def test_the_simulators_story_repeats_itself(models: list[Trained]) -> None:
    """What goes wrong in the first hour goes wrong in the third."""
    story = every_hour(one_monday().start, 1.0)
    minutes = story.start + np.arange(0, 180, dtype=np.int64) * MINUTE
    broken = story.happening("pricing", minutes, upstream=True)
    np.testing.assert_array_equal(broken[:60], broken[120:])
    assert np.flatnonzero(broken[:60]).tolist() == list(range(8, 18))
