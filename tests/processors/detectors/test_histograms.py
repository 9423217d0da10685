"""The e-detector of distributions: its promise, its speed, its recovery."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from processors.detectors.change import Change
from processors.detectors.histograms import Histograms
from processors.durations import DAY_US
from processors.kernels.binning import ABOVE, ABSENT, REGULAR, WIDTH
from processors.packing import pack, unpack
from processors.rows import Floats

PANE = 10_000_000
HORIZON = 30 * DAY_US


def shares(*regular: float, **special: float) -> Floats:
    """A histogram of regular bins, and of special ones by name."""
    p = np.zeros(WIDTH)
    p[REGULAR : REGULAR + len(regular)] = regular
    for name, share in special.items():
        p[{"absent": ABSENT, "above": ABOVE}[name]] = share
    return np.asarray(p / p.sum())


EVEN = shares(*[1.0] * 10)


def stream(
    detector: Histograms, stages: list[tuple[int, Floats]], per_pane: int, series: int = 1, state: Any = None
) -> tuple[Any, list[Change]]:
    """Multinomial panes: (how many, their distribution) for each stage."""
    rng = np.random.default_rng(0)
    state = detector.initial() if state is None else state
    keys, weights, changes, pane = np.arange(series, dtype=np.int32), np.full(series, PANE / HORIZON / series), [], 0
    for panes, p in stages:
        for _ in range(panes):
            counts = rng.multinomial(per_pane, p, series)
            changes += detector.step(state, keys, counts, pane * PANE, (pane + 1) * PANE, weights)
            pane += 1
    return state, changes


def test_false_alarms_stay_within_the_budget_inside_the_null() -> None:
    """A distribution just within min_effect of a known reference fires no more than the weights allow.

    200 series live for one horizon each of 1,000 panes: at most 200 alarms are promised.
    """
    detector = Histograms(min_effect=0.1)
    state, keys = detector.initial(), np.arange(200, dtype=np.int32)
    detector.adopt(state, keys, np.tile(EVEN * 1e9, (200, 1)))
    moved = EVEN.copy()
    moved[REGULAR] += 0.0999
    moved[REGULAR + 1] -= 0.0999
    rng, changes = np.random.default_rng(2), []
    for pane in range(1_000):
        counts = rng.multinomial(20, moved, 200)
        changes += detector.step(state, keys, counts, pane * PANE, (pane + 1) * PANE, np.full(200, 1e-3))
    assert len([change for change in changes if change.kind == "fired"]) <= 200


def test_a_reference_made_of_own_panes_costs_no_false_alarms() -> None:
    """50 stable series of 28 bins for 1,500 panes: silence."""
    _, changes = stream(Histograms(), [(1_500, shares(*[1.0] * 28))], 10, 50)
    assert changes == []


@pytest.mark.parametrize(
    ("after", "events"),
    [
        pytest.param(shares(above=1.0), 150, id="a thousand times larger"),
        pytest.param(shares(absent=1.0), 150, id="missing"),
        pytest.param(np.roll(EVEN, 5), 300, id="offset by half the range"),
        pytest.param(shares(*[1.0] * 10, absent=4.0), 600, id="missing in 29%"),
        pytest.param(shares(0.4, *[0.6 / 9] * 9), 600, id="one category at 40%"),
    ],
)
def test_a_strong_shift_is_found_within_a_few_hundred_events(after: Floats, events: int) -> None:
    """After 10,000 healthy events, with one alarm in 30 days as the budget."""
    per_pane, healthy = 10, 1_000
    _, changes = stream(Histograms(), [(healthy, EVEN), (100, after)], per_pane)
    first = changes[0]
    assert first.kind == "fired"
    assert healthy * PANE <= first.since < healthy * PANE + events * PANE / per_pane
    assert first.n <= events
    assert first.counts is not None
    assert first.counts.sum() == first.n
    np.testing.assert_allclose(first.value, np.abs(after - EVEN).sum() / 2, atol=0.15)


def test_permuted_categories_are_a_shift() -> None:
    """The same shares under other names: an encoder that changed its order."""
    p = shares(0.6, 0.2, 0.1, 0.05, 0.05)
    _, changes = stream(Histograms(), [(1_000, p), (60, shares(0.05, 0.05, 0.1, 0.2, 0.6))], 10)
    assert changes[0].kind == "fired"
    assert changes[0].n <= 300


def test_a_negligible_shift_is_not_reported_at_a_million_rows() -> None:
    """5% of the values moved, seen with all certainty, are still fewer than anyone cares about."""
    tilted = shares(*np.linspace(0.8, 1.2, 10))
    assert np.abs(tilted - EVEN).sum() / 2 > 0.049
    _, changes = stream(Histograms(min_effect=0.1), [(500, EVEN), (500, tilted)], 2_000)
    assert changes == []


def test_an_alarm_is_raised_once_and_ends_after_recovery() -> None:
    """fired, recovered, and fired again when it comes back."""
    missing = shares(absent=1.0)
    _, changes = stream(Histograms(), [(500, EVEN), (200, missing), (200, EVEN), (50, missing)], 10)
    assert [change.kind for change in changes] == ["fired", "recovered", "fired"]
    assert changes[1].since == changes[0].since
    assert changes[1].value < 0.2


def test_one_trouble_that_turns_into_another_is_no_recovery() -> None:
    """The bins that had gained are empty again, but the distribution is still not the reference's."""
    first, then = shares(absent=1.0), shares(above=1.0)
    _, changes = stream(Histograms(), [(500, EVEN), (200, first), (500, then)], 10)
    assert "recovered" not in [change.kind for change in changes]


def test_the_reference_takes_in_nothing_from_an_incident() -> None:
    """It is the distribution of the healthy panes, before and after."""
    detector = Histograms()
    state, _ = stream(detector, [(500, EVEN), (300, shares(absent=1.0)), (500, EVEN)], 10)
    reference = detector.shares(state, np.array([0], np.int32))[0]
    assert reference[ABSENT] == 0
    np.testing.assert_allclose(reference, EVEN, atol=0.02)


def test_without_enough_events_there_is_no_reference_and_no_alarm() -> None:
    """35 rows are not judged like 1,000."""
    detector = Histograms(warmup=200)
    state, changes = stream(detector, [(3, EVEN), (4, shares(absent=1.0))], 5)
    assert changes == []
    assert np.isnan(detector.shares(state, np.array([0], np.int32))).all()


def test_packing_the_state_anywhere_changes_nothing() -> None:
    """encode, decode, continue equals continue."""
    detector, rng = Histograms(warmup=50), np.random.default_rng(4)
    straight, packed, key = detector.initial(), detector.initial(), np.array([2], np.int32)
    for t in range(200):
        p = EVEN if t < 80 or t > 140 else shares(absent=1.0)
        pane = (rng.multinomial(10, p, 1), t * PANE, (t + 1) * PANE, [1e-4])
        assert detector.step(straight, key, *pane) == detector.step(packed, key, *pane)
        packed = unpack(pack(packed))
    assert pack(straight) == pack(packed)


def test_forgotten_series_start_anew() -> None:
    """The state of one that was forgotten is that of one never seen."""
    detector = Histograms()
    state, _ = stream(detector, [(100, EVEN), (50, shares(absent=1.0))], 10, series=2)
    detector.forget(state, frozenset({0, 1}))
    fresh, _ = stream(detector, [(1, EVEN)], 10, series=2)
    detector.forget(fresh, frozenset({0, 1}))
    assert pack(state) == pack(fresh)
