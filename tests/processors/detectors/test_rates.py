"""The e-detector of rates: its promise, its speed, its onset, its recovery, its reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.detectors.change import Change
from processors.detectors.rates import Rates
from processors.detectors.tilts import TILTS
from processors.durations import DAY_US
from processors.packing import pack, unpack

PANE = 10_000_000
HORIZON = 30 * DAY_US


def stream(  # noqa: PLR0917 - a stream is many things
    detector: Rates,
    rates: Any,
    per_pane: int,
    series: int = 1,
    seed: int = 0,
    horizon: float = HORIZON,
    state: Any = None,
) -> tuple[Any, list[Change]]:
    """Binomial panes of `series` series; `rates` gives the rate of each pane."""
    rng = np.random.default_rng(seed)
    state = detector.initial() if state is None else state
    keys = np.arange(series, dtype=np.int32)
    weights = np.full(series, PANE / horizon / series)
    changes = []
    for pane, rate in enumerate(rates):
        hits = rng.binomial(per_pane, rate, series)
        trials = np.full(series, per_pane)
        changes += detector.step(state, keys, hits, trials, pane * PANE, (pane + 1) * PANE, weights)
    return state, changes


def test_false_alarms_stay_within_the_budget_at_the_edge_of_the_null() -> None:
    """With a known reference and the true rate at the null's edge, alarms are at most the weights spent, in the mean.

    400 series live for one horizon of 2,000 panes: at most 1 alarm each is promised, 400 in all.
    """
    detector = Rates(min_effect=0.02, beta=0.5)
    state = detector.initial()
    keys = np.arange(400, dtype=np.int32)
    detector.adopt(state, keys, np.full(400, 1e8), np.full(400, 1e9))
    _, changes = stream(detector, [0.12] * 2_000, 20, 400, horizon=2_000 * PANE / 400, state=state)
    fired = sum(change.kind == "fired" for change in changes)
    assert 0 < fired <= 400


def test_a_reference_estimated_from_few_outcomes_costs_no_false_alarms() -> None:
    """Design section 9: with an estimated baseline a plain detector fires 31 times a month; this one stays silent."""
    _, changes = stream(Rates(), [0.1] * 3_000, 5, 100)
    assert changes == []


def test_panes_that_depend_on_each_other_cost_few_false_alarms() -> None:
    """A rate that wanders (AR(1), 0.9) is scatter, not drift: at most 1 of 30 series fires in 2,000 panes."""
    rng = np.random.default_rng(1)
    level, rates = np.zeros(30), []
    for _ in range(2_000):
        level = 0.9 * level + rng.normal(0, 0.15, 30)
        rates.append(np.minimum(0.1 * np.exp(level), 1))
    _, changes = stream(Rates(), rates, 20, 30)
    assert len({change.key for change in changes}) <= 1


@pytest.mark.parametrize(
    ("direction", "before", "after", "events"),
    [
        ("up", 0.1, 0.2, 2_500),
        ("up", 0.1, 0.5, 200),
        ("up", 0.0, 1.0, 40),
        ("down", 0.9, 0.7, 1_500),
        ("both", 0.5, 0.8, 400),
        ("both", 0.5, 0.2, 400),
    ],
)
def test_a_real_change_is_found_within_so_many_events(direction: Any, before: float, after: float, events: int) -> None:
    """After 20,000 healthy events, with one alarm in 30 days as the budget."""
    per_pane, healthy = 20, 1_000
    _, changes = stream(Rates(direction=direction), [before] * healthy + [after] * 200, per_pane)
    first = changes[0]
    assert first.kind == "fired"
    assert first.direction == ("up" if after > before else "down")
    assert first.n <= events
    assert first.low <= after <= first.high
    assert first.reference == pytest.approx(before, abs=0.02)


def test_the_onset_is_where_the_change_was() -> None:
    """Within ten panes, though the alarm comes later."""
    _, changes = stream(Rates(), [0.1] * 1_000 + [0.25] * 200, 20)
    assert abs(changes[0].since - 1_000 * PANE) <= 10 * PANE


def test_a_change_too_small_to_matter_is_not_reported_at_a_million_rows() -> None:
    """The null contains it: sample size alone is no reason for an alert."""
    _, changes = stream(Rates(min_effect=0.02), [0.1] * 500 + [0.115] * 500, 1_000)
    assert changes == []


def test_35_rows_are_not_judged_like_a_thousand() -> None:
    """Without the warm-up's trials nothing is said, whatever they look like."""
    _, changes = stream(Rates(), [0.0] * 3 + [1.0] * 4, 5)
    assert changes == []


def test_an_alarm_is_raised_once_refreshed_by_the_hour_and_ends_after_recovery() -> None:
    """fired, updated at most hourly, recovered; then it may fire again."""
    rates = [0.1] * 1_000 + [0.3] * 1_000 + [0.1] * 600 + [0.3] * 100
    _, changes = stream(Rates(), rates, 20)
    kinds = [change.kind for change in changes]
    assert kinds == ["fired", "updated", "updated", "recovered", "fired"]
    recovered = changes[3]
    assert recovered.since == changes[0].since
    assert recovered.value == pytest.approx(0.1, abs=0.03)
    assert recovered.low <= 0.1 <= recovered.high


def test_evidence_of_a_long_incident_does_not_delay_its_end() -> None:
    """Recovery after ten hours of trouble takes as long as after one (design section 9)."""

    def time_to_recover(bad: int) -> int:
        _, changes = stream(Rates(), [0.1] * 1_000 + [0.3] * bad + [0.1] * 600, 20)
        return changes[-1].n if changes[-1].kind == "recovered" else 10**9

    assert time_to_recover(3_600) <= 1.5 * time_to_recover(360)


def _ends(back: float) -> tuple[int, int]:
    """Of 40 series that know 0.1 well and then have 0.3: panes in which half are well again at `back`; how many are."""
    detector, state = Rates(min_effect=0.02), Rates(min_effect=0.02).initial()
    detector.adopt(state, np.arange(40, dtype=np.int32), np.full(40, 1_000), np.full(40, 10_000))
    _, changes = stream(detector, [0.3] * 400 + [back] * 1_000, 5, 40, state=state)
    panes = sorted(change.n // 5 for change in changes if change.kind == "recovered")
    return (panes[len(panes) // 2] if panes else 0), len(panes)


def test_an_incident_is_over_soon_after_the_rate_is_back() -> None:
    """It must have left what it rose to, not be proved to be below what matters: that takes thousands of outcomes."""
    panes, well = _ends(0.1)
    assert well == 40
    assert panes < 70


def test_a_rate_that_is_better_and_still_bad_is_not_well() -> None:
    """Half-way down is not back: what came since must itself not matter any more."""
    assert _ends(0.17)[1] <= 2


def test_what_is_neither_bad_nor_well_for_long_recovers_when_it_is_well() -> None:
    """Nothing is piled up meanwhile that would call it well, or hold it back for as long."""
    detector, state = Rates(min_effect=0.02), Rates(min_effect=0.02).initial()
    detector.adopt(state, np.arange(1, dtype=np.int32), [100_000], [1_000_000])
    rates = [0.5] * 200 + [0.17] * 3_000 + [0.5] * 100
    state, changes = stream(detector, [*rates, *[0.1] * 400], 20, state=state)
    said = [change for change in changes if change.kind != "updated"]
    assert [change.kind for change in said] == ["fired", "recovered"]
    assert said[1].n <= 400 * 20
    assert not state["fall"].any()


def test_the_reference_takes_in_nothing_from_an_incident() -> None:
    """It is the rate of the healthy panes, before and after."""
    detector = Rates()
    state, _ = stream(detector, [0.1] * 1_000 + [0.5] * 500 + [0.1] * 1_000, 20)
    hits, trials = detector.reference_of(state, np.array([0], np.int32))
    assert trials[0] > 15_000
    assert hits[0] / trials[0] == pytest.approx(0.1, abs=0.01)


def test_what_is_judged_by_less_than_a_day_is_provisional() -> None:
    """Own panes of an hour are no reference to be sure of; an adopted one is."""
    detector = Rates()
    _, changes = stream(detector, [0.1] * 500 + [0.5] * 50, 20)
    assert changes[0].provisional
    state = detector.initial()
    detector.adopt(state, np.array([0], np.int32), [1_000], [10_000])
    _, changes = stream(detector, [0.5] * 50, 20, state=state)
    assert not changes[0].provisional
    assert changes[0].reference == 0.1


def test_forgotten_series_start_anew() -> None:
    """Their numbers will be given to others."""
    detector = Rates()
    state, _ = stream(detector, [0.1] * 500 + [0.5] * 50, 20, series=2)
    detector.forget(state, frozenset({0}))
    fresh = detector.initial()
    detector.step(fresh, np.array([1], np.int32), [0], [0], 0, PANE, [0.0])
    assert not detector.firing(state, np.array([0, 1], np.int32))[0]
    assert detector.firing(state, np.array([0, 1], np.int32))[1]
    assert detector.reference_of(state, np.array([0], np.int32))[1][0] == 0


def test_a_series_does_not_notice_its_neighbours() -> None:
    """The vectorised detector gives each series what it would get alone."""
    detector, rng = Rates(direction="both"), np.random.default_rng(5)
    panes = [(rng.binomial(30, [0.1, 0.5, 0.9 if t < 400 else 0.2]), np.full(3, 30)) for t in range(600)]
    together, alone = detector.initial(), detector.initial()
    all_changes, own_changes = [], []
    for t, (hits, trials) in enumerate(panes):
        bounds = (t * PANE, (t + 1) * PANE)
        all_changes += detector.step(together, np.arange(3, dtype=np.int32), hits, trials, *bounds, np.full(3, 1e-6))
        own_changes += detector.step(alone, np.array([2], np.int32), hits[2:], trials[2:], *bounds, np.array([1e-6]))
    assert own_changes
    assert [change for change in all_changes if change.key == 2] == own_changes


def test_the_evidence_is_a_mixture_of_likelihood_ratios() -> None:
    """One pane's factor equals the binomial likelihood ratios computed by scipy, weighted and added."""
    from scipy.stats import binom

    detector = Rates(beta=0.5)
    state, key = detector.initial(), np.array([0], np.int32)
    detector.adopt(state, key, [1e9], [1e10])
    detector.step(state, key, [4], [20], 0, PANE, [1e-3])
    edge = state["edge"][0, 0]
    odds = edge / (1 - edge) * np.exp(TILTS)
    wanted = 1e-3 / len(TILTS) * binom.pmf(4, 20, odds / (1 + odds)) / binom.pmf(4, 20, edge)
    np.testing.assert_allclose(state["evidence"][0, 0], wanted, rtol=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=5, max_size=60), st.integers(1, 50))
def test_packing_the_state_anywhere_changes_nothing(panes: list[tuple[int, int]], cut: int) -> None:
    """encode, decode, continue equals continue, for any counts (more hits than trials included)."""
    detector, key = Rates(direction="both", warmup=20), np.array([3], np.int32)
    straight, packed = detector.initial(), detector.initial()
    for t, (hits, trials) in enumerate(panes):
        pane = ([hits], [trials], t * PANE, (t + 1) * PANE, [0.05])
        assert detector.step(straight, key, *pane) == detector.step(packed, key, *pane)
        if t % cut == 0:
            packed = unpack(pack(packed))
    assert pack(straight) == pack(packed)


def test_changes_come_in_the_order_of_their_keys() -> None:
    """Nothing about the order depends on what fired and what recovered."""
    detector = Rates()
    state, _ = stream(detector, [0.1] * 500, 20, series=12)
    keys = np.arange(12, dtype=np.int32)
    changes = detector.step(state, keys, np.full(12, 20), np.full(12, 20), 500 * PANE, 501 * PANE, np.full(12, 1e-6))
    assert [change.key for change in changes] == list(range(12))
