"""Concept drift: errors of classifiers and regressions, by version and segment."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from processors.drift.concept import ConceptDrift
from processors.examples import START_US, Event
from tests.processors.drift.conftest import Run

HEALTHY, BROKEN = 150, 60


def panes(kind: str, bad_share: float, only: str = "", corrections: bool = False) -> list[list[Event]]:
    """Panes of 20 outcomes with 10% errors; from pane 150 on with `bad_share`, in region `only` if given."""
    rng = np.random.default_rng(3)
    made = []
    for pane in range(HEALTHY + BROKEN):
        events: list[Event] = []
        for row in range(20):
            region = ("eu", "asia")[row % 2]
            share = bad_share if pane >= HEALTHY and only in ("", region) else 0.1
            wrong = bool(rng.random() < share)
            answer: dict[str, Any] = {"prediction": row % 3 == 0, "label": (row % 3 == 0) ^ wrong}
            if kind == "multiclass":
                answer = {"prediction": "abc"[row % 3], "label": "abc"[(row + wrong) % 3]}
            if kind == "regression":
                target = float(rng.normal(100, 20))
                answer = {"prediction": target + float(rng.normal(0, 30 if wrong else 1)), "label": target}
            if corrections and pane >= HEALTHY:
                answer["before"] = answer["prediction"]
            events.append(
                {
                    "id": f"{pane}-{row}",
                    "model": "fraud",
                    "version": "3",
                    "ts": START_US + pane * 10_000_000 + row,
                    "features": {},
                    "segment": {"region": region},
                }
                | answer
            )
        made.append(events)
    return made


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_more_errors_are_found_and_told(run: Run, kind: str) -> None:
    """Whatever the task: one alarm of the whole version, with rate, interval, reference and onset."""
    said = run(ConceptDrift(ConceptDrift.Settings()), panes(kind, 0.5))
    fired = next(finding for finding in said.findings if not finding.group.segment)
    assert (fired.kind, fired.action, fired.severity) == ("fired", "retrain", "critical")
    assert fired.series == ("large_error_rate" if kind == "regression" else "error_rate")
    assert fired.value is not None
    assert fired.low is not None
    assert fired.high is not None
    assert fired.low < fired.value < fired.high
    assert fired.reference == pytest.approx(0.1, abs=0.05)
    assert abs(fired.since - (START_US + HEALTHY * 10_000_000)) <= 100_000_000
    assert "Model fraud v3: " in fired.summary
    assert " rose from " in fired.summary


def test_a_segment_alone_is_named(run: Run) -> None:
    """What goes wrong in one region only is told of that region, not of the other."""
    said = run(ConceptDrift(ConceptDrift.Settings()), panes("binary", 0.6, only="asia"))
    values = {finding.group.value for finding in said.findings}
    assert "asia" in values
    assert "eu" not in values


def test_a_healthy_model_raises_nothing(run: Run) -> None:
    """10% errors before and after."""
    for kind in ("binary", "regression"):
        assert run(ConceptDrift(ConceptDrift.Settings()), panes(kind, 0.1)).findings == []


def test_corrections_do_not_count(run: Run) -> None:
    """Detectors see first labels only (design section 3)."""
    said = run(ConceptDrift(ConceptDrift.Settings()), panes("binary", 0.6, corrections=True))
    assert said.findings == []


def test_readings_are_the_windows_error_rates(run: Run) -> None:
    """Rate and Wilson interval as scipy has them."""
    events = panes("binary", 0.1)
    said = run(ConceptDrift(ConceptDrift.Settings()), events)
    reading = [reading for reading in said.readings if not reading.group.segment][-1]
    inside = [event for pane in events for event in pane if reading.start <= event["ts"] < reading.end]
    errors = sum(event["prediction"] != event["label"] for event in inside)
    interval = binomtest(errors, len(inside)).proportion_ci(0.95, method="wilson")
    assert (reading.n, reading.value) == (len(inside), errors / len(inside))
    assert reading.low == pytest.approx(interval.low, abs=1e-4)
    assert reading.high == pytest.approx(interval.high, abs=1e-4)
