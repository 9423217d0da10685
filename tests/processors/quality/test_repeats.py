"""Repeated values: one value that comes too often is told by name; what drifts, or always repeated, is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from processors.quality.repeats import RepeatedValues, RepeatedValuesSettings
from tests.processors.panes import PANE, Run, predictions

ROWS = 50
BROKEN, MENDED, END = 120, 200, 260
Column = npt.NDArray[Any]


def run_with(draw: Callable[[np.random.Generator, int], Column]) -> Run:
    """A monitor over panes whose `amount` is drawn by pane number."""
    rng = np.random.default_rng(3)
    run = Run(RepeatedValues(RepeatedValuesSettings()), through_bytes=False)
    for number in range(END):
        run.through_bytes = number % 20 == 0
        run.predictions(predictions(ROWS, {"amount": draw(rng, number).tolist()}, start=number * PANE))
    return run


def _broken(number: int) -> bool:
    return BROKEN <= number < MENDED


def clipped(rng: np.random.Generator, number: int) -> Column:
    """A fifth of the amounts lie beyond a limit that appears."""
    amount = rng.normal(100, 10, ROWS)
    return np.minimum(amount, 108.4) if _broken(number) else amount


def filled(rng: np.random.Generator, number: int) -> Column:
    """An eighth of the amounts become zero; half of them were one value as ever."""
    amount = np.where(rng.random(ROWS) < 0.5, 7.0, rng.normal(100, 10, ROWS))
    return np.where(rng.random(ROWS) < 0.125, 0.0, amount) if _broken(number) else amount


def shifted(rng: np.random.Generator, number: int) -> Column:
    """All amounts grow by a deviation."""
    return rng.normal(110 if _broken(number) else 100, 10, ROWS)


def aged(rng: np.random.Generator, number: int) -> Column:
    """Ages in whole years, a third of a deviation older."""
    return np.round(rng.normal(44 if _broken(number) else 40, 12, ROWS))


@pytest.mark.parametrize(("draw", "value"), [(clipped, 108.4), (filled, 0.0)])
def test_a_value_that_comes_too_often_is_told_by_name_and_taken_back(
    draw: Callable[[np.random.Generator, int], Column], value: float
) -> None:
    """One alert, within two thousand events, that says which value and where to look; and its end."""
    told = [finding for finding in run_with(draw).findings if finding.kind != "updated"]
    assert [(finding.kind, finding.feature) for finding in told] == [("fired", "amount"), ("recovered", "amount")]
    fired = told[0]
    assert fired.evidence == {"value": repr(value)}
    assert f"feature amount is exactly {value:g} in " in fired.summary
    assert fired.action == "fix_feature"
    assert fired.onset is not None
    assert fired.onset[0] <= BROKEN * PANE <= fired.onset[1]
    assert fired.n <= 2_000


@pytest.mark.parametrize("draw", [shifted, aged])
def test_values_that_drift_are_no_repetition(draw: Callable[[np.random.Generator, int], Column]) -> None:
    """That is for `feature_drift` to say."""
    assert run_with(draw).findings == []


def test_the_value_is_named_also_where_panes_hold_few_predictions() -> None:
    """Two predictions a pane: what was suspected in panes before counts, too."""
    rng, run = np.random.default_rng(4), Run(RepeatedValues(RepeatedValuesSettings()), through_bytes=False)
    for number in range(4_000):
        amount = np.minimum(rng.normal(100, 10, 2), 106.0 if number >= 3_000 else np.inf)
        run.predictions(predictions(2, {"amount": amount.tolist()}, start=number * PANE))
    fired = [finding for finding in run.findings if finding.kind == "fired"]
    assert [finding.evidence for finding in fired] == [{"value": "106.0"}]


def test_examples_are_predictions_with_that_value() -> None:
    """They are asked for in the pane that fires."""
    run = run_with(clipped)
    fired = next(finding for finding in run.findings if finding.kind == "fired")
    table = predictions(3, {"amount": [1.0, 108.4, 2.0]}, start=END * PANE)
    rows = run.profile.locate_predictions(table, END * PANE, (END + 1) * PANE, np.zeros(0, np.int32))
    shows = run.monitor.examples(fired, rows, run.profile, run.sealed)
    assert shows is not None
    assert shows.tolist() == [False, True, False]
