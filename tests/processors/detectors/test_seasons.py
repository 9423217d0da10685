"""What is usual at this time of the day?"""

from __future__ import annotations

import math

import numpy as np
import pytest

from processors.base import State
from processors.detectors import columns, seasons
from processors.detectors.change import Change
from processors.detectors.histograms import Histograms
from processors.detectors.rates import Rates
from processors.durations import DAY_US, HOUR_US
from processors.rows import Floats

MONDAY = 1_767_571_200_000_000
PANE = 120_000_000
A_DAY = DAY_US // PANE
PER_PANE = 600
KEYS = np.zeros(1, np.int32)
HOURS = np.arange(16 * A_DAY) * PANE / HOUR_US


def cycle() -> Floats:
    """An error rate from 3% at night to 21% in the afternoon."""
    return 0.12 + 0.09 * np.sin(2 * math.pi * HOURS / 24)


def cycle_with_incident() -> Floats:
    """The same, and two hours at 32% at the usual peak of the eleventh day."""
    errors = cycle()
    errors[10 * A_DAY + A_DAY // 4 : 10 * A_DAY + A_DAY // 3] = 0.32
    return errors


def weekends() -> Floats:
    """Saturdays and Sundays at 20%, other days at 12%."""
    return np.where(HOURS // 24 % 7 >= 5, 0.2, 0.12)


def same_hours_twice() -> Floats:
    """Two hours at 30% on the second day, and again on the eleventh."""
    errors = np.full(len(HOURS), 0.12)
    for day in (1, 10):
        errors[day * A_DAY + A_DAY // 2 : day * A_DAY + A_DAY // 2 + A_DAY // 12] = 0.3
    return errors


LIVES = {life.__name__: life for life in (cycle, cycle_with_incident, weekends, same_hours_twice)}


@pytest.fixture(scope="module")
def said() -> dict[str, list[Change]]:
    """What the detector of rates says of each life, all of them judged side by side."""
    rng, detector = np.random.default_rng(0), Rates()
    state = detector.initial()
    said: dict[str, list[Change]] = {name: [] for name in LIVES}
    keys, trials = np.arange(len(LIVES), dtype=np.int32), np.full(len(LIVES), PER_PANE)
    weights = np.full(len(LIVES), PANE / (30 * DAY_US))
    for number, rate in enumerate(np.stack([life() for life in LIVES.values()], axis=1)):
        start = MONDAY + number * PANE
        for change in detector.step(state, keys, rng.binomial(trials, rate), trials, start, start + PANE, weights):
            if change.kind != "updated":
                said[list(LIVES)[change.key]].append(change)
    return said


def days(changes: list[Change]) -> list[int]:
    """On which days alarms began."""
    return [(change.since - MONDAY) // DAY_US for change in changes if change.kind == "fired"]


def test_a_daily_cycle_is_no_alarm(said: dict[str, list[Change]]) -> None:
    """On the first day the slow rise counts as dependence; later days are known, weekends taken for other days."""
    assert said["cycle"] == []


def test_a_weekend_is_an_alarm_once(said: dict[str, list[Change]]) -> None:
    """Saturday and Sunday are two days of their kind: the second weekend is as usual."""
    assert days(said["weekends"]) == [5]


def test_an_incident_at_the_usual_peak_is_still_found(said: dict[str, list[Change]]) -> None:
    """What is usual in the morning does not excuse more than that."""
    late = [change for change in said["cycle_with_incident"] if change.since > MONDAY + 5 * DAY_US]
    assert [change.kind for change in late] == ["fired", "recovered"]
    assert abs(late[0].since - (MONDAY + 10 * DAY_US + DAY_US // 4)) <= 10 * PANE


def test_one_incident_does_not_become_usual(said: dict[str, list[Change]]) -> None:
    """The same two hours are bad twice, nine days apart: both are told."""
    assert days(said["same_hours_twice"]) == [1, 10]


def test_without_a_cycle_nothing_is_conceded() -> None:
    """Cells that differ by chance alone leave the edge where one reference puts it."""
    rng, keys = np.random.default_rng(3), np.arange(50, dtype=np.int32)
    state = holding(50)
    for slot in range(4 * 12):
        seasons.enter(state, keys, MONDAY + slot * 2 * HOUR_US)
        seasons.fold(
            state, keys, rng.binomial(1_000, 0.1, 50).astype(np.float64), np.full(50, 1_000.0), np.zeros(50, np.bool_)
        )
    usual, error, known = seasons.usual_rates(state, keys)
    assert known.all()
    assert (error == 0).mean() > 0.95
    np.testing.assert_allclose(usual[error == 0], 0.1, atol=0.01)


def test_a_distribution_that_follows_the_day_is_known() -> None:
    """Values move by 0.7 standard deviations up and down over the day: no alarm."""
    rng, detector = np.random.default_rng(0), Histograms(warmup=500)
    state, fired = detector.initial(), []
    for number, hour in enumerate(HOURS[: 14 * A_DAY].tolist()):
        start = MONDAY + number * PANE
        values = rng.normal(0.7 * math.sin(2 * math.pi * hour / 24), 1, PER_PANE)
        counts = np.bincount(4 + np.clip(np.round(values * 4 + 10), 0, 20).astype(int), minlength=32)[None]
        fired += [
            change
            for change in detector.step(state, KEYS, counts, start, start + PANE, [PANE / (30 * DAY_US)])
            if change.kind == "fired"
        ]
    assert fired == []


@pytest.mark.parametrize("seen", [1, 2])
def test_a_cell_counts_once_seen_on_two_days(seen: int) -> None:
    """One day is an incident, two are a habit."""
    state = holding(1)
    for day in range(seen):
        seasons.enter(state, KEYS, MONDAY + day * DAY_US)
        seasons.fold(state, KEYS, np.array([30.0]), np.array([100.0]), np.array([False]))
    *_, known = seasons.usual_rates(state, KEYS)
    assert known.any() == (seen == 2)


def test_what_came_while_firing_counts_only_if_it_passed_and_came_again() -> None:
    """Two alarms at the same time of day join the usual; one that lasted for days does not."""
    for lasted, joined in ((2 * HOUR_US, True), (4 * DAY_US, False)):
        state = holding(1)
        for day in range(2):
            seasons.enter(state, KEYS, MONDAY + day * DAY_US)
            seasons.fold(state, KEYS, np.array([30.0]), np.array([100.0]), np.array([True]))
            seasons.recovered(state, 0, lasted)
        *_, known = seasons.usual_rates(state, KEYS)
        assert known.any() == joined


def holding(series: int) -> State:
    """A state with room for so many series."""
    state = columns.empty(seasons.LAYOUT)
    columns.grow(state, seasons.LAYOUT, np.arange(series, dtype=np.int32))
    return state
