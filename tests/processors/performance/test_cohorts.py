"""Cohorts follow late and corrected labels, are said to be final, and are bounded."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.base import Reading
from processors.examples import PANE_US, START_US
from processors.performance.performance import Performance, PerformanceSettings
from processors.profile import BINARY, MULTICLASS, REGRESSION, ModelSpec, Profile
from tests.processors.performance.streams import HOUR_US, Run, by_series, outcome

FIRST_HOUR = START_US // HOUR_US * HOUR_US
DAY_US = 24 * HOUR_US

SPECS = {
    "binary": ModelSpec(task=BINARY, classes=("0", "1"), positive_class="1"),
    "multiclass": ModelSpec(task=MULTICLASS, classes=("0", "1", "2")),
    "regression": ModelSpec(task=REGRESSION),
}


def made_up(task: str, number: int, label: int) -> dict[str, Any]:
    """Outcome `number` of a model of this task; all but its label depends on its number alone."""
    rng = np.random.default_rng(number)
    more: dict[str, Any] = {"ts": FIRST_HOUR + (number % 3) * HOUR_US + number, "segment": {"s": f"s{number % 2}"}}
    if task == "regression":
        return outcome(number, float(rng.normal()), [0.1, -1e6, 1 / 3][label], **more)
    probabilities = rng.dirichlet(np.ones(3 if task == "multiclass" else 2))
    more["proba"] = {str(place): float(share) for place, share in enumerate(probabilities)}
    if task == "binary":
        more["score"], label = float(probabilities[1].round(1)), label % 2
    return outcome(number, int(probabilities.argmax()), label, **more)


def told(reading: Reading) -> tuple[Any, ...]:
    """What a reading says, without when it was said."""
    details = {name: value for name, value in reading.details.items() if name not in ("as_of", "revision")}
    where = (reading.series, reading.group, reading.start if reading.scope == "cohort" else 0)
    return (*where, reading.value, reading.n, reading.low, reading.high, str(details))


def said_last(readings: list[Reading], scope: str) -> list[tuple[Any, ...]]:
    """The last revision of every cohort or total."""
    units: dict[Any, list[Reading]] = {}
    for reading in readings:
        if reading.scope == scope:
            unit = (reading.group, reading.start if scope == "cohort" else 0)
            moment = reading.details.get("as_of", reading.end)
            if unit in units and units[unit][0].details.get("as_of", units[unit][0].end) != moment:
                del units[unit]
            units.setdefault(unit, []).append(reading)
    return sorted((told(reading) for unit in units.values() for reading in unit), key=repr)


@pytest.mark.parametrize("task", SPECS)
@settings(max_examples=25, deadline=None)
@given(
    panes=st.lists(st.lists(st.tuples(st.integers(0, 15), st.integers(0, 2)), max_size=8), max_size=8),
    restart=st.booleans(),
)
def test_after_any_history_of_labels_it_is_as_if_the_last_had_come_first(
    task: str, panes: list[list[tuple[int, int]]], restart: bool
) -> None:
    """Cohorts and totals equal those of a run that saw each final label only: to the bit, intervals too."""
    run = Run(Performance(PerformanceSettings()), Profile({"m": SPECS[task]}), restart=restart, window_events=10)
    known: dict[int, dict[str, Any]] = {}
    now = FIRST_HOUR + 3 * HOUR_US
    for pane in panes:
        events = []
        for number, label in dict(pane).items():
            event = made_up(task, number, label)
            before = {"before": known[number]["label"]} if number in known else {}
            known[number] = event
            events.append({**event, **before})
        run.add(events, now)
        now += 60 * PANE_US
    run.finish(now)
    fresh = Run(Performance(PerformanceSettings()), Profile({"m": SPECS[task]}))
    fresh.add(list(known.values()), now)
    fresh.finish(now + PANE_US)
    for scope in ("cohort", "total"):
        assert said_last(run.readings, scope) == said_last(fresh.readings, scope)


def test_windows_see_first_labels_only() -> None:
    """A correction touches no window, and a pane of nothing else opens none."""
    run = Run(Performance(PerformanceSettings()), Profile({"m": SPECS["binary"]}))
    events = [outcome(i, 1, 1) for i in range(4)]
    run.add(events)
    first = run.finish(START_US + PANE_US)
    assert by_series(first, "window")["accuracy"].value == 1.0
    second = run.add([{**events[0], "label": 0, "before": 1}], START_US + 2 * PANE_US, last=True)
    assert not [reading for reading in second if reading.scope == "window"]
    assert by_series(second, "total")["accuracy"].value == by_series(second, "cohort")["accuracy"].value == 0.75


def test_a_cohort_is_final_when_labels_stop_waiting_and_nothing_is_added_after() -> None:
    """Its last reading says so; what comes later is in the total and in its `after_final`."""
    run = Run(Performance(PerformanceSettings()), Profile({"m": SPECS["binary"]}), coverage={"m": {"wait_us": DAY_US}})
    events = [outcome(i, 1, 1, ts=FIRST_HOUR + i) for i in range(4)]
    run.add(events, FIRST_HOUR)
    assert by_series(run.add([], FIRST_HOUR + HOUR_US), "cohort")["accuracy"].details["final"] is False
    assert not run.add([], FIRST_HOUR + DAY_US + HOUR_US - 2 * PANE_US)
    assert run.monitor.deadline(run.state) == FIRST_HOUR + DAY_US + HOUR_US
    final = by_series(run.add([], FIRST_HOUR + DAY_US + HOUR_US), "cohort")["accuracy"]
    assert (final.value, final.details["final"], final.details["revision"]) == (1.0, True, 2)
    late = run.add([{**events[0], "label": 0, "before": 1}], FIRST_HOUR + 2 * DAY_US, last=True)
    assert not [reading for reading in late if reading.scope == "cohort"]
    total = by_series(late, "total")["accuracy"]
    assert (total.value, total.details["after_final"]) == (0.75, 1)


def test_a_backfill_waits_from_when_it_came() -> None:
    """Predictions of long ago get a cohort too, open for as long as labels are waited for."""
    run = Run(Performance(PerformanceSettings()), Profile({"m": SPECS["binary"]}), coverage={"m": {"wait_us": DAY_US}})
    run.add([outcome(0, 1, 1, ts=FIRST_HOUR - 30 * DAY_US)], FIRST_HOUR)
    run.add([outcome(1, 1, 0, ts=FIRST_HOUR - 30 * DAY_US + 1)], FIRST_HOUR + HOUR_US)
    final = by_series(run.add([], FIRST_HOUR + DAY_US), "cohort", final=True)["accuracy"]
    assert (final.value, final.n, final.start) == (0.5, 2, FIRST_HOUR - 30 * DAY_US)


def test_a_cohort_is_read_at_most_once_a_span_and_when_a_tenth_is_new() -> None:
    """Labels that trickle in must not make a reading a pane."""
    run = Run(Performance(PerformanceSettings()), Profile({"m": SPECS["binary"]}), window_span=10 * PANE_US)
    for pane in range(100):
        first, start = 20 * pane, FIRST_HOUR + HOUR_US + pane * PANE_US
        run.add([outcome(i, 1, 1, ts=FIRST_HOUR + i) for i in range(first, first + 20)], start)
    seen = [r for r in run.readings if r.scope == "cohort" and r.series == "accuracy"]
    assert [reading.details["revision"] for reading in seen] == list(range(1, len(seen) + 1))
    assert all(b.details["as_of"] - a.details["as_of"] >= 10 * PANE_US for a, b in pairwise(seen))
    assert len(seen) == 10
    trickle = run.add([outcome(9_999, 1, 1, ts=FIRST_HOUR)], FIRST_HOUR + HOUR_US + 200 * PANE_US)
    assert not [reading for reading in trickle if reading.scope == "cohort"]


def test_a_small_cohort_is_read_once_a_day() -> None:
    """One that holds fewer outcomes than a window must is not read again for each of them."""
    run = Run(Performance(PerformanceSettings()), Profile({"m": SPECS["binary"]}), enough=3)
    run.add([outcome(0, 1, 1)])
    day_later = START_US + 25 * HOUR_US
    assert by_series(run.add([outcome(1, 1, 0)], START_US + 2 * HOUR_US), "cohort") == {}
    assert by_series(run.add([], day_later), "cohort")["accuracy"].n == 2
    found = run.add([outcome(n, 1, 1) for n in (2, 3)], day_later + HOUR_US)
    assert by_series(found, "cohort")["accuracy"].n == 4


def test_a_cohort_is_not_read_before_its_hour_is_over() -> None:
    """Half an hour's outcomes are not the hour's."""
    run = Run(Performance(PerformanceSettings()), Profile({"m": SPECS["binary"]}))
    for minute in (0, 15, 30, 45):
        run.add([outcome(minute, 1, 1, ts=FIRST_HOUR + minute)], FIRST_HOUR + minute * 60_000_000)
    assert not [reading for reading in run.readings if reading.scope == "cohort"]
    assert by_series(run.add([], FIRST_HOUR + HOUR_US), "cohort")["accuracy"].n == 4


def test_beyond_its_bound_the_oldest_cohort_becomes_final_early() -> None:
    """Of a group by `group_cohorts`, of all by `cohorts`; the reading says that it came early."""
    run = Run(Performance(PerformanceSettings(group_cohorts=2)), Profile({"m": SPECS["binary"]}))
    for hour in range(3):
        run.add([outcome(hour, 1, 1, ts=FIRST_HOUR + hour * HOUR_US)], FIRST_HOUR + hour * HOUR_US)
    early = by_series([r for r in run.readings if r.details.get("early")], "cohort")["accuracy"]
    assert (early.start, early.details["final"]) == (FIRST_HOUR, True)
    assert len(run.state["cohorts"]["table"]["unit"]) == 2
    few = Run(Performance(PerformanceSettings(cohorts=3)), Profile({"m": SPECS["binary"]}))
    events = [outcome(i, 1, 1, model=f"m{i % 2}", ts=FIRST_HOUR + i // 2 * HOUR_US) for i in range(8)]
    few.add(events, FIRST_HOUR + 4 * HOUR_US)
    assert len(few.state["cohorts"]["table"]["unit"]) == 3
    assert {r.start for r in few.readings if r.details.get("early")} == {
        FIRST_HOUR,
        FIRST_HOUR + HOUR_US,
        FIRST_HOUR + 2 * HOUR_US,
    }


def test_forgetting_a_group_frees_all_that_is_kept_for_it() -> None:
    """Its number may be given to another group, which must start from nothing."""
    run = Run(Performance(PerformanceSettings()), Profile())
    run.add([outcome(i, 1, i % 2, model=f"m{i % 2}", score=0.5) for i in range(10)])
    run.monitor.forget(run.state, frozenset({0}), frozenset())
    units = [run_["unit"] for part in ("recent",) for run_ in run.state[part]]
    units += [run_["unit"] for part in ("totals", "cohorts") for run_ in run.state[part]["runs"]]
    assert {group for unit in units for group in (unit >> 33).tolist()} == {1}
    assert {reading.group.model for reading in run.finish(START_US + PANE_US)} == {"m1"}


def test_what_is_kept_stays_within_its_budget() -> None:
    """A hundred groups with ever new scores: scores are taken together, counts stay exact."""
    budget = 20_000
    run = Run(Performance(PerformanceSettings(entries=budget, score_points=512)), Profile())
    rng = np.random.default_rng(1)
    for pane in range(30):
        events = [
            outcome(i, i % 2, i % 3 % 2, model=f"m{i % 100}", score=float(rng.random()))
            for i in range(pane * 2_000, pane * 2_000 + 2_000)
        ]
        run.add(events, START_US + pane * PANE_US)
    for part in ("totals", "cohorts"):
        assert sum(len(kept["unit"]) for kept in run.state[part]["runs"]) < 2 * budget
    totals = [r for r in run.finish(START_US + 31 * PANE_US) if r.scope == "total" and r.series == "roc_auc"]
    assert len(totals) == 100
    assert sum(reading.n for reading in totals) == 60_000
