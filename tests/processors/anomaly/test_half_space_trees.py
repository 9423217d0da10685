"""The anomaly monitor: River's scores through profile, panes and merges; quiet on what is healthy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from processors.anomaly import forests
from processors.anomaly.half_space_trees import Anomaly, AnomalySettings
from processors.base import Summary
from processors.durations import DAY_US
from processors.kernels.half_space_trees import grow
from processors.profile import GroupKey
from processors.rows import Predictions, text_hash
from tests.processors.kernels.test_half_space_trees import as_river
from tests.processors.panes import PANE, Run, predictions

NAMES = ("age", "amount", "country", "hours")
WEEK = 7 * DAY_US // PANE + 2
"""The pane from which on ranges are not widened any more."""


def pane(number: int, count: int, rng: np.random.Generator, *, odd: int = 0, missing: float = 0.0) -> Predictions:
    """Rows of three numeric features of different units and a categorical one; the first `odd` are off."""
    age, amount, hours = rng.normal(40, 10, count), rng.lognormal(4, 0.5, count), rng.uniform(0, 24, count)
    age[:odd], amount[:odd] = 95.0, 900.0
    country = rng.choice(["CN", "DE"], count).tolist()
    gone = rng.random(count) < missing
    amounts = [None if gone[row] else value for row, value in enumerate(amount.tolist())]
    columns = {"age": age.tolist(), "amount": amounts, "country": country, "hours": hours.tolist()}
    return predictions(count, columns, start=number * PANE)


def test_scores_equal_rivers_on_raw_values() -> None:
    """Panes of one window each: the mean score of each pane is that of River's trees with the same splits."""
    rng = np.random.default_rng(1)
    run = Run(Anomaly(AnomalySettings(window=250)), window_events=250)
    run.predictions(pane(0, 1_000, rng))
    run.predictions(pane(1, 10, rng))
    series = [run.profile.series_of(0)[name] for name in ("age", "amount", "hours")]
    split, share = grow(text_hash("fraud\x001"), 3, 10, 8)
    low, high = run.profile.series_edges[series, 0], run.profile.series_upper[series]
    model = as_river(split, low[split] + (high - low)[split] * share, 250)
    for number in range(WEEK, WEEK + 4):
        table = pane(number, 250, rng)
        values = table.features.values.numbers().reshape(250, 4)[:, [0, 1, 3]]
        expected = []
        for row in values.tolist():
            expected.append(model.score_one(dict(enumerate(row))))
            model.learn_one(dict(enumerate(row)))
        run.predictions(table)
        if number > WEEK:
            assert run.series("anomaly_score")[-1].value == pytest.approx(np.mean(expected), abs=1e-9)
            assert run.series("anomaly_score")[-1].n == 250
            p99 = run.series("anomaly_score_p99")[-1].value or 0.0
            assert np.quantile(expected, 0.97) - 1e-3 <= p99 <= max(expected) + 1e-3


def test_a_burst_of_odd_events_fires_with_examples_and_recovers() -> None:
    """A fifth of the events off: an alert at once, which names some of them, and an end to it."""
    rng = np.random.default_rng(2)
    run = Run(Anomaly(AnomalySettings()))
    for number in range(150):
        run.predictions(pane(number, 100, rng, odd=20 if 90 <= number < 94 else 0))
    fired, recovered = [finding for finding in run.findings if finding.kind != "updated"]
    assert (fired.kind, recovered.kind) == ("fired", "recovered")
    assert 90 * PANE <= fired.since < 92 * PANE
    odd = {f"r-{number * PANE + row * PANE // 100}" for number in range(90, 94) for row in range(20)}
    assert len(fired.evidence["examples"]) == 3
    assert set(fired.evidence["examples"]) <= odd
    assert "% of events look anomalous" in fired.summary


def test_what_is_mended_is_no_anomaly() -> None:
    """A feature that is off for many windows is one alert until it is mended, and nothing after it."""
    rng = np.random.default_rng(8)
    run = Run(Anomaly(AnomalySettings()))
    for number in range(260):
        run.predictions(pane(number, 50, rng, odd=50 if 100 <= number < 160 else 0))
    fired, recovered = [finding for finding in run.findings if finding.kind != "updated"]
    assert (fired.kind, recovered.kind) == ("fired", "recovered")
    assert 100 * PANE <= fired.since < 103 * PANE
    assert fired.onset is not None
    assert fired.onset[0] <= 100 * PANE <= fired.onset[1] <= fired.onset[0] + 40 * PANE
    assert recovered.summary.startswith("Model fraud v1: as few events look anomalous as usual")
    resolved = run.findings.index(recovered)
    assert all(finding.kind == "updated" for finding in run.findings[1:resolved])


def test_what_lasts_for_a_day_becomes_usual() -> None:
    """Masses rest for a day at most: then the alert ends by itself, as in River after a window."""
    rng = np.random.default_rng(9)
    run = Run(Anomaly(AnomalySettings()), through_bytes=False)
    for number in range(100):
        run.predictions(pane(number, 60, rng))
    for number in range(100, 110):
        run.predictions(pane(number, 60, rng, odd=60))
    assert [finding.kind for finding in run.findings] == ["fired"]
    assert (run.state["resting"] >= 0).all()
    for number in range(8_750, 8_900):
        run.predictions(pane(number, 60, rng, odd=60))
    assert [finding.kind for finding in run.findings if finding.kind != "updated"] == ["fired", "recovered"]
    assert (run.state["resting"] < 0).all()


def test_a_healthy_stream_is_quiet() -> None:
    """Eight hours of steady rows, some of them incomplete."""
    rng = np.random.default_rng(3)
    run = Run(Anomaly(AnomalySettings()), through_bytes=False)
    for number in range(800):
        run.predictions(pane(number, 60, rng, missing=0.1))
    assert not run.findings
    assert run.series("anomaly_score")


def measured(run: Run, table: Predictions) -> Summary:
    """The summary of one pane."""
    rows = run.profile.locate_predictions(table, 0, PANE, np.zeros(0, np.int32))
    return run.monitor.measure(rows, run.profile, run.sealed)


def bytes_of(summary: Summary) -> Any:
    """Everything that a summary says."""
    return [summary.keys.tolist(), *((name, column.tolist()) for name, column in sorted(summary.columns.items()))]


def test_pieces_of_a_pane_merge_to_the_whole() -> None:
    """Masses, histograms, sums and examples are those of the whole pane, in whatever order pieces are merged."""
    rng = np.random.default_rng(4)
    run = Run(Anomaly(AnomalySettings()))
    for number in range(3):
        run.predictions(pane(number, 500, rng))
    table = pane(3, 300, rng, odd=30)
    parts = [measured(run, table.take(np.arange(start, 300, 3))) for start in range(3)]
    merge = run.monitor.merge
    whole = bytes_of(measured(run, table))
    assert bytes_of(merge(merge(parts[0], parts[1]), parts[2])) == whole
    assert bytes_of(merge(parts[2], merge(parts[1], parts[0]))) == whole
    assert bytes_of(merge(run.monitor.empty(), measured(run, table))) == whole


def test_ugly_values_score_like_any_others() -> None:
    """Infinities, nulls, texts and a row without features: a score from 0 to 1 each, nothing raised."""
    rng = np.random.default_rng(5)
    run = Run(Anomaly(AnomalySettings()), window_events=1)
    for number in range(4):
        run.predictions(pane(number, 600, rng))
    ugly: dict[str, Any] = {"age": [np.inf, -np.inf, None, "old"], "amount": [1e308, -1e308, "?", np.nan]}
    run.predictions(predictions(4, ugly, start=4 * PANE))
    run.predictions(predictions(2, start=5 * PANE))
    assert [reading.n for reading in run.series("anomaly_score")[-2:]] == [4, 2]
    assert all(0 <= (reading.value or 0) <= 1 for reading in run.readings)


def test_features_without_numbers_plant_no_forest() -> None:
    """A version of texts alone has no score, and no reading."""
    run = Run(Anomaly(AnomalySettings()))
    for number in range(3):
        run.predictions(predictions(600, {"country": ["CN", "DE"] * 300}, start=number * PANE))
    run.finish()
    assert not run.readings
    assert len(run.state["forests"]["group"]) == 0


def test_a_number_given_to_another_version_gets_no_foreign_scores() -> None:
    """Until it is forgotten, the forest of a retired version is not used for whoever has its number."""
    rng = np.random.default_rng(6)
    run = Run(Anomaly(AnomalySettings()))
    for number in range(3):
        run.predictions(pane(number, 600, rng))
    other = Run(Anomaly(AnomalySettings()))
    other.predictions(predictions(5, {"age": [1.0] * 5}, model="churn"))
    table = predictions(5, {"age": [1.0] * 5}, model="churn")
    rows = other.profile.locate_predictions(table, 0, PANE, np.zeros(0, np.int32))
    assert other.monitor.measure(rows, other.profile, run.sealed)["scored"].tolist() == [0]


def test_forgetting_one_forest_leaves_the_others() -> None:
    """Numbers, series and masses of the rest stay together."""
    shape = forests.Shape(2, 1)
    planted = forests.planted(forests.empty(shape), [7], [GroupKey("b", "1")], [[4, 5]])
    planted = forests.planted(planted, [3, 9], [GroupKey("a", "1"), GroupKey("c", "1")], [[1, 2, 3], [6]])
    planted = forests.with_masses(planted, np.array([2]), np.full((1, 2, 2), 5), np.array([10]))
    kept = forests.take(planted, np.array([0, 2]))
    assert kept["names"] == [["a", "1"], ["c", "1"]]
    assert (kept["series"].tolist(), kept["end"].tolist(), kept["rows"].tolist()) == ([1, 2, 3, 6], [3, 4], [0, 10])
    assert kept["leaves"].sum() == 20


def test_forgetting_a_version_frees_its_forest() -> None:
    """`forget` drops forest, masses and tail."""
    rng = np.random.default_rng(7)
    run = Run(Anomaly(AnomalySettings()))
    for number in range(3):
        run.predictions(pane(number, 600, rng))
    assert run.state["forests"]["names"] == [["fraud", "1"]]
    state = run.monitor.forget(run.state, frozenset({0}), frozenset())
    assert state["forests"]["names"] == []
    assert state["forming"].shape == (0, 10, 256)
