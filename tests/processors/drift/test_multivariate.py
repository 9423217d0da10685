"""Multivariate drift: found where every feature alone is as before, silent where nothing changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from processors.base import Finding
from processors.checks import check_monitor
from processors.drift.multivariate import MultivariateDrift, MultivariateDriftSettings
from tests.processors.panes import PANE, Run, predictions

EAGER = MultivariateDriftSettings(warmup=50, batch=1, pairs=2, min_effect=0.01)
ROWS = 200
Table = dict[str, list[Any]]


@pytest.mark.parametrize(("name", "check"), list(check_monitor(MultivariateDrift, EAGER)))
def test_it_keeps_the_contract_when_everything_happens(name: str, check: Callable[[], None]) -> None:
    """With bounds so tight that they are met."""
    check()


def _correlated(rng: np.random.Generator, correlation: float) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    first, noise = rng.normal(size=(2, ROWS))
    return first, correlation * first + np.sqrt(1 - correlation**2) * noise


def _usual(rng: np.random.Generator) -> Table:
    """Two features that go together, one of texts that goes with the first, and four on their own."""
    first, second = _correlated(rng, 0.8)
    colour = np.where(rng.random(ROWS) < 0.8, np.where(first > 0, "red", "blue"), "green")
    rest = {f"other_{place}": rng.normal(size=ROWS).tolist() for place in range(4)}
    return {"first": first.tolist(), "second": second.tolist(), "colour": colour.tolist(), **rest}


def _watched(change: Callable[[np.random.Generator, Table], Table], panes: int = 40, bad: int = 20) -> Run:
    """A stream that is as usual, then changed for `bad` panes, then as usual again."""
    rng, run = np.random.default_rng(0), Run(MultivariateDrift(MultivariateDriftSettings()))
    for number in range(panes + bad + panes):
        table = _usual(rng)
        if panes <= number < panes + bad:
            table = change(rng, table)
        run.predictions(predictions(ROWS, table, start=number * PANE))
    return run


def _fired(run: Run) -> list[Finding]:
    return [finding for finding in run.findings if finding.kind == "fired"]


def _permuted(rng: np.random.Generator, table: Table) -> Table:
    return table | {"first": rng.permutation(table["first"]).tolist()}


def _rotated(rng: np.random.Generator, table: Table) -> Table:
    """By a quarter of a turn: each has the other's values, one of them with its sign turned, as likely as before."""
    return table | {"first": table["second"], "second": [-value for value in table["first"]]}


def _joined(rng: np.random.Generator, table: Table) -> Table:
    """Two that had nothing to do with each other now go together."""
    one, other = _correlated(rng, 0.7)
    return table | {"other_0": one.tolist(), "other_1": other.tolist()}


def _filled_in(rng: np.random.Generator, table: Table) -> Table:
    """One of two that had nothing to do with each other is made up from the other."""
    one, other = _correlated(rng, 0.95)
    return table | {"other_0": one.tolist(), "other_1": other.tolist()}


@pytest.mark.parametrize(
    ("change", "named", "action"),
    [
        (_permuted, {"first"}, "fix_feature"),
        (_rotated, {"first", "second"}, "retrain"),
        (_joined, {"other_0", "other_1"}, "retrain"),
        (_filled_in, {"other_0", "other_1"}, "fix_feature"),
    ],
)
def test_a_change_that_no_feature_shows_alone_is_found_and_named(
    change: Callable[[np.random.Generator, Table], Table], named: set[str], action: str
) -> None:
    """One alert within 2,000 predictions, about a feature that changed; it ends once all is as before."""
    run = _watched(change)
    fired = _fired(run)
    assert len(fired) == 1
    assert fired[0].feature in named
    assert fired[0].action == action
    assert 39 * PANE <= fired[0].since <= 42 * PANE
    assert fired[0].onset is not None
    assert fired[0].onset[0] <= 40 * PANE <= fired[0].onset[1] <= fired[0].onset[0] + 20 * PANE
    first = next(place for place, finding in enumerate(run.findings) if finding.kind == "fired")
    assert fired[0].n <= 2_000
    assert [finding.kind for finding in run.findings[first:] if finding.kind != "updated"] == ["fired", "recovered"]


def test_a_feature_that_moves_on_its_own_is_left_to_feature_drift() -> None:
    """All values of one feature grow: its pairs are not judged, for how they agree follows from that."""
    run = _watched(lambda _, table: table | {"first": [value + 3 for value in table["first"]]})
    assert _fired(run) == []


def test_a_stable_stream_is_silent() -> None:
    """Nothing fires over two hundred panes, and the readings say that nothing moved."""
    run = _watched(lambda _, table: table, panes=90)
    assert run.findings == []
    moved = [reading.value for reading in run.series("dependence")]
    assert moved
    assert max(value for value in moved if value is not None) < 0.1


def test_dependence_that_is_not_monotone_is_seen_too() -> None:
    """A feature that is large when another is far from its middle, either way: broken, it is found."""
    rng, run = np.random.default_rng(1), Run(MultivariateDrift(MultivariateDriftSettings()))
    for number in range(60):
        angle = rng.normal(size=ROWS)
        load = np.abs(angle) + rng.normal(size=ROWS) * 0.2
        load = rng.permutation(load) if number >= 40 else load
        run.predictions(predictions(ROWS, {"angle": angle.tolist(), "load": load.tolist()}, start=number * PANE))
    assert [finding.feature in {"angle", "load"} for finding in _fired(run)] == [True]


def test_pairs_are_bounded_and_those_left_out_are_counted() -> None:
    """Of more than may be watched forecasts and the most dependent pairs are, and readings say how many of how many."""
    rng, run = np.random.default_rng(2), Run(MultivariateDrift(MultivariateDriftSettings(pairs=3)))
    for number in range(60):
        table = _usual(rng)
        table = _permuted(rng, table) if number >= 40 else table
        run.predictions(predictions(ROWS, table, start=number * PANE))
    assert len(_fired(run)) == 1
    assert run.series("dependence")[-1].details["pairs"] == 3
    assert run.series("dependence")[-1].details["of"] == 21 + 7
