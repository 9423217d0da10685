"""Prediction drift: classes, values and scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from processors.drift.predictions import PredictionDrift
from processors.examples import START_US, Event
from tests.processors.drift.conftest import Run

HEALTHY, CHANGED = 150, 60


def panes(answer: Any) -> list[list[Event]]:
    """Panes of 20 predictions; `answer(rng, changed)` gives what a prediction says."""
    rng = np.random.default_rng(4)
    return [
        [
            {
                "id": f"{pane}-{row}",
                "model": "m",
                "version": "1",
                "ts": START_US + pane * 10_000_000 + row,
                "features": {},
            }
            | answer(rng, pane >= HEALTHY)
            for row in range(20)
        ]
        for pane in range(HEALTHY + CHANGED)
    ]


@pytest.mark.parametrize(
    ("answer", "series", "words"),
    [
        (
            lambda rng, changed: {"prediction": int(rng.random() < (0.6 if changed else 0.1))},
            "predictions",
            "class 1 went from 1",
        ),
        (
            lambda rng, changed: {"prediction": 0, "score": float(rng.beta(8 if changed else 1, 3))},
            "scores",
            "Model m v1: scores moved: ",
        ),
        (
            lambda rng, changed: {"prediction": float(rng.normal(1_000 + 10 * changed, 5))},
            "predictions",
            "Model m v1: predictions moved: ",
        ),
        (
            lambda rng, changed: {
                "prediction": str(rng.choice(["c", "b", "a"] if changed else ["a", "b", "c"], p=[0.8, 0.1, 0.1]))
            },
            "predictions",
            "class c went from 1",
        ),
    ],
)
def test_a_model_that_answers_otherwise_is_found(run: Run, answer: Any, series: str, words: str) -> None:
    """Classes, scores and the values of a regression, whatever their location and scale."""
    said = run(PredictionDrift(PredictionDrift.Settings()), panes(answer))
    assert said.findings[0].kind == "fired"
    assert said.findings[0].series == series
    assert words in said.findings[0].summary
    assert said.findings[0].n <= 600
    assert {finding.series for finding in said.findings} == {series}


@pytest.mark.parametrize(
    "answer",
    [
        lambda rng, _: {"prediction": int(rng.random() < 0.1), "score": float(rng.beta(1, 3))},
        lambda rng, _: {"prediction": float(rng.normal(1_000, 5))},
    ],
)
def test_a_model_that_answers_as_before_raises_nothing(run: Run, answer: Any) -> None:
    """Silence, and small distances."""
    said = run(PredictionDrift(PredictionDrift.Settings()), panes(answer))
    assert said.findings == []
    assert said.readings
    assert all(reading.value is not None and reading.value < 0.2 for reading in said.readings)
