"""Estimated performance over streams: before labels, once they come, when scores or features move."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from processors.base import Reading
from processors.estimation.performance import EstimatedPerformance, EstimatedPerformanceSettings
from processors.profile import ModelSpec, Profile
from processors.rows import Predictions
from processors.slices import BothRows
from tests.processors.panes import NO_SIGNALS, PANE, Run, outcomes, predictions

ROWS = 250
Floats = npt.NDArray[np.float64]


def _run(**settings: Any) -> Run:
    profile = Profile({"*": ModelSpec(classes=("0", "1"), positive_class="1")})
    return Run(EstimatedPerformance(EstimatedPerformanceSettings(**settings)), profile, window_events=1_000)


def _pane(  # noqa: PLR0917 - a pane is its number, scores and labels; the rest is seldom said
    run: Run, number: int, score: Floats, labels: Sequence[int] | None, of: Predictions | None = None,
    shift: float = 0, parts: Sequence[str] = (),
) -> Predictions:  # fmt: skip
    """One pane of predictions with these scores, and labels of them, of a pane before (`of`), or none at all."""
    table = predictions(
        len(score),
        {"amount": (np.random.default_rng(number).normal(size=len(score)) + shift).tolist()},
        start=number * PANE,
        score=score,
        prediction=[int(one > 0.5) for one in score.tolist()],
        segments={"region": [parts[at % len(parts)] for at in range(len(score))]} if parts else {},
    )
    run.profile.admit(table, NO_SIGNALS)
    labelled = table if of is None else of
    matched = outcomes(labelled, labels if labels is not None else [0] * len(labelled))
    if labels is None:
        matched = matched.take(np.zeros(0, np.int64))
    run.profile.admit_labels(matched)
    start, end = number * PANE, (number + 1) * PANE
    located = run.profile.locate_predictions(table, start, end, np.zeros(0, np.int32))
    rows = BothRows(located, run.profile.locate_outcomes(matched, start, end))
    run.judge(run.monitor.measure(rows, run.profile, run.sealed), start, end)
    run.profile.learn(located)
    return table


def _scores(rng: np.random.Generator, spread: float = 1.0) -> Floats:
    return np.asarray(1 / (1 + np.exp(-spread * 3 * rng.normal(size=ROWS))))


def _truth(rng: np.random.Generator, score: Floats) -> list[int]:
    """The model is overconfident: a score of 0.9 comes true in 0.74 of the cases."""
    return [int(one) for one in rng.random(len(score)) < 0.2 + 0.6 * score]


def _values(run: Run, series: str) -> list[float]:
    return [reading.value for reading in run.series(series) if reading.value is not None]


def test_without_labels_it_tells_what_they_would_show() -> None:
    """An overconfident model is estimated by what its scores were worth; nothing is said before that is known."""
    rng, run = np.random.default_rng(0), _run()
    for number in range(20):
        score = _scores(rng)
        _pane(run, number, score, _truth(rng, score))
    assert run.series("estimated_accuracy")[0].details["labels"] >= 300
    learnt = len(run.series("estimated_accuracy"))
    right = []
    for number in range(20, 40):
        score = _scores(rng)
        _pane(run, number, score, None)
        right.append(np.where(score > 0.5, 0.2 + 0.6 * score, 0.8 - 0.6 * score).mean())
    estimates = run.series("estimated_accuracy")[learnt:]
    assert len(estimates) == 5
    for place, reading in enumerate(estimates):
        truth = float(np.mean(right[4 * place : 4 * place + 4]))
        assert reading.value is not None
        assert reading.low is not None
        assert reading.high is not None
        assert reading.low < truth < reading.high
        assert abs(reading.value - truth) < 0.03
        assert reading.details["reliable"]


def test_estimates_are_checked_on_the_windows_that_they_were_of() -> None:
    """Labels that come twenty panes late score the very windows of their predictions; the errors are small."""
    rng, run = np.random.default_rng(1), _run()
    waiting: list[tuple[Predictions, list[int]]] = []
    for number in range(60):
        score = _scores(rng)
        late = waiting.pop(0) if len(waiting) >= 20 else None
        table = _pane(run, number, score, *(late[::-1] if late else (None,)))
        waiting.append((table, _truth(rng, score)))
    checked = run.series("estimation_error_accuracy")
    estimated = {(reading.start, reading.end): reading.value for reading in run.series("estimated_accuracy")}
    assert len(checked) >= 3
    for reading in checked:
        assert reading.n >= 950
        assert reading.coverage is not None
        assert reading.coverage >= 0.95
        assert reading.details["estimated"] == estimated[reading.start, reading.end]
        assert reading.value == pytest.approx(reading.details["estimated"] - reading.details["realised"])
        assert abs(reading.value or 0) < 0.06


def test_a_model_that_grows_unsure_raises_an_alert_before_any_label() -> None:
    """Scores crowd around a half: the expected error rate rises, and the sentence says so.

    It ends when they are back.
    """
    rng, run = np.random.default_rng(2), _run()
    for number in range(60):
        score = _scores(rng)
        _pane(run, number, score, _truth(rng, score))
    assert run.findings == []
    for number in range(60, 90):
        _pane(run, number, _scores(rng, 0.1), None)
    fired = [finding for finding in run.findings if finding.kind == "fired"]
    assert [finding.series for finding in fired] == ["estimated_error_rate"]
    assert fired[0].severity == "warning"
    assert fired[0].value is not None
    assert fired[0].reference is not None
    assert fired[0].value > fired[0].reference + 0.1
    assert "expected from its scores rose from" in fired[0].summary
    assert fired[0].onset is not None
    assert fired[0].onset[0] <= 60 * PANE <= fired[0].onset[1] <= fired[0].onset[0] + 20 * PANE
    for number in range(90, 200):
        _pane(run, number, _scores(rng), None)
    assert [finding.kind for finding in run.findings if finding.kind != "updated"] == ["fired", "recovered"]


def test_an_estimate_of_features_never_labelled_says_that_it_may_be_off() -> None:
    """A feature moves once labels have stopped: from the next window on estimates are not reliable, and say why."""
    rng, run = np.random.default_rng(3), _run()
    for number in range(40):
        score = _scores(rng)
        _pane(run, number, score, _truth(rng, score), parts=("eu", "us"))
    for number in range(40, 60):
        _pane(run, number, _scores(rng), None, shift=2.0 * (number >= 48), parts=("eu", "us"))
    said = [reading for reading in run.series("estimated_f1") if reading.start >= 40 * PANE]
    assert [reading.details["reliable"] for reading in said if not reading.group.segment] == [True, True] + [False] * 3
    assert "feature amount moved" in said[-1].details["why"]
    # Segments have no features of their own: theirs moved, too.
    parts = [reading for reading in said if reading.group.segment and reading.end > 52 * PANE]
    assert {reading.group.value for reading in parts} == {"eu", "us"}
    assert not any(reading.details["reliable"] for reading in parts)


def test_an_estimate_that_labels_refuted_is_not_relied_on() -> None:
    """The concept drifts: scores mean less than they did, the checked estimate is off, the next ones say so."""
    rng, run = np.random.default_rng(4), _run()
    for number in range(60):
        score = _scores(rng)
        labels = _truth(rng, score) if number < 40 else rng.integers(0, 2, ROWS).tolist()
        _pane(run, number, score, labels)
    off = [reading for reading in run.series("estimation_error_accuracy") if abs(reading.value or 0) > 0.1]
    assert off
    after = [reading for reading in run.series("estimated_accuracy") if reading.start >= off[0].end]
    assert after
    assert not after[0].details["reliable"]
    assert "off by +0." in after[0].details["why"]


def test_calibration_follows_the_labels() -> None:
    """Once old outcomes count half again and again, the estimate is of what scores are worth now."""
    rng, run = np.random.default_rng(5), _run(labels=2_000)
    for number in range(100):
        score = _scores(rng)
        labels = _truth(rng, score) if number < 50 else rng.integers(0, 2, ROWS).tolist()
        _pane(run, number, score, labels)
    assert _values(run, "estimated_accuracy")[-1] == pytest.approx(0.5, abs=0.04)


def test_nothing_is_estimated_of_a_version_without_labels() -> None:
    """No outcome, no calibration, no estimate; the scores' own word is not taken for it."""
    rng, run = np.random.default_rng(6), _run()
    for number in range(20):
        _pane(run, number, _scores(rng), None)
    said: list[Reading] = run.readings
    assert said == []
