"""Estimated errors of regressions: before labels, once they come, where nothing is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from processors.base import Reading
from processors.checks import check_monitor
from processors.estimation.error import EstimatedError, EstimatedErrorSettings
from processors.profile import REGRESSION, ModelSpec, Profile
from processors.slices import BothRows
from tests.processors.panes import NO_SIGNALS, PANE, Run, outcomes, predictions

EAGER = EstimatedErrorSettings(min_labels=50, segment_labels=50, labels=1_000, windows=1)
ROWS = 250


@pytest.mark.parametrize(("name", "check"), list(check_monitor(EstimatedError, EAGER)))
def test_it_keeps_the_contract_when_everything_happens(name: str, check: Callable[[], None]) -> None:
    """With bounds so tight that they are met."""
    check()


def _run() -> Run:
    return Run(EstimatedError(EstimatedErrorSettings()), Profile({"*": ModelSpec(task=REGRESSION)}))


def _pane(
    run: Run, number: int, value: npt.NDArray[np.float64], *, labelled: bool, shift: float = 0.0
) -> npt.NDArray[np.float64]:
    """One pane of predictions whose errors grow with what is predicted; returns the errors."""
    rng = np.random.default_rng(number)
    error = rng.normal(size=len(value)) * (1 + np.abs(value))
    table = predictions(
        len(value),
        {"amount": (rng.normal(size=len(value)) + shift).tolist()},
        start=number * PANE,
        prediction=value.tolist(),
        segments={"region": ["eu" if at % 4 else "us" for at in range(len(value))]},
    )
    run.profile.admit(table, NO_SIGNALS)
    matched = outcomes(table, (value + error).tolist())
    matched = matched if labelled else matched.take(np.zeros(0, np.int64))
    run.profile.admit_labels(matched)
    start, end = number * PANE, (number + 1) * PANE
    located = run.profile.locate_predictions(table, start, end, np.zeros(0, np.int32))
    rows = BothRows(located, run.profile.locate_outcomes(matched, start, end))
    run.judge(run.monitor.measure(rows, run.profile, run.sealed), start, end)
    run.profile.learn(located)
    return np.asarray(error)


def _whole(run: Run, series: str) -> list[Reading]:
    """Readings of the whole version."""
    return [reading for reading in run.series(series) if not reading.group.segment]


def test_without_labels_it_tells_how_large_errors_are_likely_to_be() -> None:
    """Larger predictions have larger errors: when more of them come, the estimate rises as the errors do."""
    rng, run = np.random.default_rng(0), _run()
    for number in range(40):
        _pane(run, number, rng.normal(size=ROWS), labelled=True)
    errors = [_pane(run, number, rng.normal(1.0, 0.5, size=ROWS), labelled=False) for number in range(40, 60)]
    before = next(reading for reading in _whole(run, "estimated_mae") if reading.details["labels"] > 5_000)
    after = [reading for reading in _whole(run, "estimated_mae") if reading.start >= 40 * PANE]
    rmse = [reading for reading in _whole(run, "estimated_rmse") if reading.start >= 40 * PANE]
    assert len(after) == 5
    for place in range(5):
        mine = np.concatenate(errors[4 * place : 4 * place + 4])
        mae, root = after[place], rmse[place]
        # Within an interval errors are taken to be alike, which they are not quite here.
        assert mae.value == pytest.approx(np.abs(mine).mean(), rel=0.1)
        assert root.value == pytest.approx(np.sqrt((mine**2).mean()), rel=0.1)
        assert (mae.value or 0) > (before.value or 0) * 1.05
        assert mae.details["reliable"]


def test_estimates_are_checked_once_labels_have_come() -> None:
    """The error of an estimate is small beside the estimate while nothing changes."""
    rng, run = np.random.default_rng(1), _run()
    for number in range(40):
        _pane(run, number, rng.normal(size=ROWS), labelled=True)
    checked = _whole(run, "estimation_error_mae")
    assert len(checked) >= 6
    for reading in checked:
        assert (reading.low or 0) < 0 < (reading.high or 0)
        assert abs(reading.value or 0) < 0.1 * reading.details["realised"]


def test_predictions_beyond_all_that_was_labelled_are_not_relied_on() -> None:
    """Values never predicted before have no errors to go by: the estimate says so."""
    rng, run = np.random.default_rng(2), _run()
    for number in range(40):
        _pane(run, number, rng.normal(size=ROWS), labelled=True)
    for number in range(40, 48):
        _pane(run, number, rng.normal(10.0, size=ROWS), labelled=False)
    last = _whole(run, "estimated_rmse")[-1]
    assert not last.details["reliable"]
    assert "few labels" in last.details["why"]
    assert (_whole(run, "estimate_support")[-1].value or 0) < 0.1


def test_a_feature_that_moved_makes_estimates_of_segments_unreliable_too() -> None:
    """Features are watched of versions; a segment's estimate rests on the same ones."""
    rng, run = np.random.default_rng(3), _run()
    for number in range(60):
        _pane(run, number, rng.normal(size=ROWS), labelled=number < 40, shift=2.0 * (number >= 44))
    last = {reading.group.value: reading for reading in run.series("estimated_mae")}
    assert set(last) == {"", "eu", "us"}
    assert {reading.details["why"] for reading in last.values()} == {
        "feature amount moved away from what labels are known of"
    }
