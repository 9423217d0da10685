"""Feature drift: what it finds, what it says, what it measures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from processors.checks import example_rows
from processors.drift.features import FeatureDrift
from processors.examples import START_US, Event
from processors.kernels.binning import ABSENT, WIDTH
from processors.slices import PredictionRows
from tests.processors.drift.conftest import Run

HEALTHY, BROKEN = 150, 40
HOUR = 30
"""Panes, in a world of short hours."""


def panes(broken: dict[str, Any] | None, numbers: range) -> list[list[Event]]:
    """Panes of 20 predictions of one version; from pane 150 on with `broken` features."""
    rng = np.random.default_rng(8)
    made = []
    for pane in numbers:
        events: list[Event] = []
        for row in range(20):
            features = {
                "amount": float(rng.lognormal(3, 1)),
                "age": int(rng.integers(18, 90)),
                "country": str(rng.choice(["AT", "CN", "DE"], p=[0.6, 0.3, 0.1])),
            }
            if broken is not None and pane >= HEALTHY:
                features |= {name: change(features[name], rng) for name, change in broken.items()}
                features = {name: value for name, value in features.items() if value is not ...}
            events.append(
                {
                    "id": f"{pane}-{row}",
                    "model": "fraud",
                    "version": "3",
                    "ts": START_US + pane * 10_000_000 + row,
                    "features": features,
                    "prediction": 0,
                    "segment": {"region": "eu"},
                }
            )
        made.append(events)
    return made


@pytest.mark.parametrize(
    ("feature", "change", "action", "words"),
    [
        ("amount", lambda value, _: value * 1000, "fix_feature", "feature amount is above its known range in 100%"),
        (
            "amount",
            lambda _value, _: None,
            "fix_feature",
            "feature amount is missing in 100% of the predictions, was 0%",
        ),
        ("amount", lambda _value, _: ..., "fix_feature", "feature amount is missing in 100%"),
        ("amount", lambda value, _: str(value), "fix_feature", "feature amount has the wrong type in 100%"),
        ("amount", lambda value, _: -value, "fix_feature", "feature amount is below its known range in 100%"),
        ("country", lambda value, _: value.lower(), "fix_feature", "feature country has a category never seen before"),
        (
            "country",
            lambda value, _: {"AT": "DE", "CN": "AT", "DE": "CN"}[value],
            "retrain",
            "country moved: DE went from",
        ),
        ("age", lambda _value, rng: int(rng.integers(18, 40)), "retrain", "feature age moved: "),
    ],
)
def test_a_broken_feature_is_named_with_what_to_do(
    run: Run, feature: str, change: Any, action: str, words: str
) -> None:
    """Within 300 predictions; values that cannot be right are to be fixed upstream, others to be learnt."""
    said = run(FeatureDrift(FeatureDrift.Settings()), panes({feature: change}, range(HEALTHY + BROKEN)))
    assert {finding.feature for finding in said.findings} == {feature}
    fired = said.findings[0]
    assert (fired.kind, fired.action, fired.n <= 300) == ("fired", action, True)
    assert fired.summary.startswith("Model fraud v3: ")
    assert words in fired.summary
    assert START_US + HEALTHY * 10_000_000 <= fired.since <= START_US + (HEALTHY + 10) * 10_000_000
    assert fired.evidence["moved"]
    assert fired.provisional


def test_healthy_features_raise_nothing(run: Run) -> None:
    """A stable stream is silent, and its readings are near zero."""
    said = run(FeatureDrift(FeatureDrift.Settings()), panes(None, range(HEALTHY + BROKEN)))
    assert said.findings == []
    assert all(
        reading.value < 0.15 for reading in said.readings if reading.series == "distance" and reading.value is not None
    )


def test_readings_are_those_of_an_offline_computation(run: Run) -> None:
    """Mean, Jensen-Shannon distance and index of a window, against numpy and scipy on the same rows."""
    events = panes(None, range(HEALTHY + BROKEN))
    said = run(FeatureDrift(FeatureDrift.Settings()), events)
    mean = [reading for reading in said.readings if (reading.series, reading.feature) == ("mean", "age")][-1]
    inside = [event for pane in events for event in pane if mean.start <= event["ts"] < mean.end]
    assert mean.n == len(inside) == 500
    assert mean.value == pytest.approx(np.mean([event["features"]["age"] for event in inside]))
    distance = [reading for reading in said.readings if (reading.series, reading.feature) == ("distance", "country")][
        -1
    ]
    now = np.array([sum(event["features"]["country"] == name for event in inside) for name in ("AT", "CN", "DE")]) / 500
    assert distance.value == pytest.approx(np.abs(now - [0.6, 0.3, 0.1]).sum() / 2, abs=0.05)
    assert distance.details["jensen_shannon"] == pytest.approx(jensenshannon(now, [0.6, 0.3, 0.1], base=2), abs=0.05)
    assert 0 <= distance.details["psi"] < 0.1


def test_counts_say_where_each_value_fell_and_which_were_absent() -> None:
    """Of every sealed feature the counts over the bins add up to the version's rows."""
    stream = example_rows("predictions", ugly=True)
    monitor = FeatureDrift(FeatureDrift.Settings())
    for rows in stream.panes[:5]:
        assert isinstance(rows, PredictionRows)
        summary = monitor.measure(rows, stream.profile, None)
        assert summary["counts"].shape == (len(summary), WIDTH)
        bases = stream.profile.series_group[summary.keys]
        np.testing.assert_array_equal(summary["counts"].sum(axis=1), np.bincount(rows.base)[bases])
        assert summary["counts"][:, ABSENT].sum() > 0


def test_the_hour_is_no_drift_of_the_hour(run: Run) -> None:
    """All of its values are new at once, each time; a feature that is drawn beside it is watched as ever."""
    drawn = panes({"age": lambda _value, rng: int(rng.integers(18, 40))}, range(HEALTHY + BROKEN))
    events: list[list[Event]] = []
    for pane, rows in enumerate(drawn):
        clock = {"hour": pane // HOUR, "weekend": pane >= 4 * HOUR}
        events.append([{**event, "features": {**event["features"], **clock}} for event in rows])
    said = run(FeatureDrift(FeatureDrift.Settings()), events)
    assert {finding.feature for finding in said.findings} == {"age"}


def test_a_feature_that_a_new_version_has_in_another_unit_is_judged_by_what_the_others_have(run: Run) -> None:
    """Also where all of its values are within their range, crammed together; it ends when they are as in the others."""
    rng = np.random.default_rng(3)

    def crammed(pane: int) -> dict[str, Any]:
        return {"amount": 20 + float(rng.lognormal(3, 1)) / 1_000} if 80 <= pane < 170 else {}

    events: list[list[Event]] = []
    for pane, rows in enumerate(panes(None, range(220))):
        new = [{**row, "id": f"new-{row['id']}", "version": "4"} for row in rows if pane >= 80]
        new = [{**row, "features": row["features"] | crammed(pane)} for row in new]
        events.append([*rows, *sorted(new, key=lambda row: str(row["id"]))])
    said = run(FeatureDrift(FeatureDrift.Settings()), events)
    told = [finding for finding in said.findings if finding.kind != "updated"]
    assert [(one.kind, one.feature, one.group.version) for one in told] == [
        ("fired", "amount", "4"),
        ("recovered", "amount", "4"),
    ]
    assert (told[0].action, told[0].since) == ("fix_feature", START_US + 80 * 10_000_000)
    assert "from its first value on this version has sent 20.00" in told[0].summary
