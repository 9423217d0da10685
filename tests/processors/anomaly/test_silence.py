"""Silence: told when it is unusual, taken back when predictions return."""

from __future__ import annotations

import numpy as np
import pytest

from processors.anomaly.silence import Silence, SilenceSettings
from tests.processors.panes import PANE, Run, predictions

MINUTE = 6
"""Panes."""


def run_panes(run: Run, panes: list[int], version: str = "1") -> None:
    """Predictions in these panes; between them the deadlines are kept, as the pipeline keeps them."""
    for pane in panes:
        keep_deadlines(run, pane * PANE)
        run.predictions(predictions(3, start=pane * PANE, version=version))


def keep_deadlines(run: Run, until: int) -> None:
    """Judge at each deadline before `until`."""
    while (deadline := run.monitor.deadline(run.state)) is not None and deadline <= until:
        run.judge(run.monitor.empty(), deadline, deadline)


def silence() -> Run:
    """The monitor as it comes."""
    return Run(Silence(SilenceSettings()))


def test_a_model_that_stops_is_told_after_five_minutes_and_taken_back() -> None:
    """A steady model: fired at 5 minutes of nothing, by deadline alone; recovered with the first prediction."""
    run = silence()
    run_panes(run, list(range(60 * MINUTE)))
    keep_deadlines(run, 100 * MINUTE * PANE)
    (fired,) = run.findings
    assert (fired.kind, fired.severity, fired.since) == ("fired", "critical", 60 * MINUTE * PANE)
    assert fired.onset is not None
    assert fired.onset[0] <= fired.since <= fired.onset[1] <= fired.since + PANE
    assert run.end == 65 * MINUTE * PANE
    assert "no prediction since 1970-01-01 01:00 UTC (5 minutes" in fired.summary
    run_panes(run, [100 * MINUTE])
    assert [finding.kind for finding in run.findings] == ["fired", "recovered"]
    assert "40 minutes of silence" in run.findings[1].summary


def test_pauses_that_are_usual_are_not_told() -> None:
    """A job that runs for five minutes each half hour is silent only after three of its pauses."""
    run = silence()
    usual = [start + pane for start in range(0, 300 * MINUTE, 30 * MINUTE) for pane in range(5 * MINUTE)]
    run_panes(run, usual)
    assert not run.findings
    last = (usual[-1] + 1) * PANE
    keep_deadlines(run, last + 200 * MINUTE * PANE)
    (fired,) = run.findings
    assert run.end - last == pytest.approx(3 * 25 * MINUTE * PANE)
    assert fired.reference == 25 * 60


def test_a_job_of_the_night_is_not_missed_by_day_nor_on_a_weekend() -> None:
    """A quarter of an hour each working day, later or earlier by minutes: from the second night on, and on Sunday."""
    run, hour, minutes = silence(), 60 * MINUTE, 15 * MINUTE
    nights = [(day * 24 + 2) * hour + late * MINUTE for day, late in enumerate((0, 9, 3, 7, 1))]
    nights += [(day * 24 + 2) * hour + 8 * MINUTE for day in (7, 8)]
    run_panes(run, [begin + pane for begin in nights for pane in range(minutes)])
    assert not run.findings
    keep_deadlines(run, 30 * 24 * hour * PANE)
    (fired,) = run.findings
    assert fired.summary.startswith("Model fraud: no prediction since 1970-01-09 02:23 UTC (74.")


def test_one_outage_is_not_taken_for_usual() -> None:
    """On the second day, after an outage of an hour, the next one is told as soon."""
    run = silence()
    day = 24 * 60 * MINUTE
    run_panes(run, [*range(0, day + 1, MINUTE), *range(day + 60 * MINUTE, day + 90 * MINUTE)])
    keep_deadlines(run, 2 * day * PANE)
    assert [finding.kind for finding in run.findings] == ["fired", "recovered", "fired"]
    assert run.end == (day + 95 * MINUTE) * PANE


def test_a_rollout_is_no_silence() -> None:
    """Version 2 takes over from version 1, and version 1 is retired: the model goes on."""
    run = silence()
    run_panes(run, list(range(60 * MINUTE)))
    run_panes(run, list(range(60 * MINUTE, 120 * MINUTE)), version="2")
    run.state = run.monitor.forget(run.state, frozenset({0}), frozenset())
    keep_deadlines(run, 124 * MINUTE * PANE)
    assert not run.findings


def test_a_model_hardly_seen_is_not_judged() -> None:
    """Less than half an hour, or few panes: nothing is known of its pauses."""
    run = silence()
    run_panes(run, list(range(20 * MINUTE)))
    assert run.monitor.deadline(run.state) is None
    rare = silence()
    run_panes(rare, list(np.arange(10) * 10 * MINUTE))
    assert rare.monitor.deadline(rare.state) is None


def test_a_retired_model_is_not_missed() -> None:
    """When its last version is forgotten there is nothing to wait for."""
    run = silence()
    run_panes(run, list(range(60 * MINUTE)))
    run.state = run.monitor.forget(run.state, frozenset({0}), frozenset())
    assert run.monitor.deadline(run.state) is None


def test_a_sparse_stream_pauses_by_chance() -> None:
    """One prediction a minute at random, for hours: no silence is told, and its end is, within half an hour."""
    rng = np.random.default_rng(5)
    for _ in range(3):
        run = silence()
        times = np.cumsum(rng.exponential(MINUTE, 8 * 60))
        run_panes(run, np.unique(times.astype(int)).tolist())
        assert not run.findings
        last = run.end
        keep_deadlines(run, last + 60 * MINUTE * PANE)
        assert [finding.kind for finding in run.findings] == ["fired"]
        assert run.end - last <= 31 * MINUTE * PANE


def fleet(run: Run, panes: list[int], models: int, rest: frozenset[int] = frozenset()) -> None:
    """Predictions of several models in these panes; of those in `rest` none."""
    for pane in panes:
        keep_deadlines(run, pane * PANE)
        for number in set(range(models)) - rest:
            run.predictions(predictions(3, start=pane * PANE, model=f"m{number}"))


def test_a_whole_fleet_that_stops_is_one_alert() -> None:
    """Also if one model stopped a minute earlier; models that do not come back with the others are missed by name."""
    run = silence()
    fleet(run, list(range(60 * MINUTE)), 5)
    fleet(run, list(range(60 * MINUTE, 61 * MINUTE)), 5, frozenset({3}))
    fleet(run, list(range(100 * MINUTE, 120 * MINUTE)), 5, frozenset({4}))
    told = [(finding.kind, finding.group.model) for finding in run.findings]
    assert told == [("fired", ""), ("recovered", ""), ("fired", "m4")]
    assert "No prediction of any of 5 models since 1970-01-01 01:01 UTC (5 minutes)" in run.findings[0].summary
    assert run.findings[2].since == 61 * MINUTE * PANE


def test_one_of_a_fleet_that_stops_is_told_by_name() -> None:
    """After five minutes, while the others go on."""
    run = silence()
    fleet(run, list(range(60 * MINUTE)), 3)
    fleet(run, list(range(60 * MINUTE, 80 * MINUTE)), 3, frozenset({1}))
    (fired,) = run.findings
    assert (fired.group.model, fired.since) == ("m1", 60 * MINUTE * PANE)
    assert fired.value == 5 * 60


def test_an_outage_of_everything_is_no_models_usual_pause() -> None:
    """Two hours of nothing, twice: the third time a model alone is missed after five minutes as ever."""
    run = silence()
    for hour in (0, 3, 6):
        fleet(run, list(range(hour * 60 * MINUTE, (hour + 1) * 60 * MINUTE)), 3)
    fleet(run, list(range(7 * 60 * MINUTE, 7 * 60 * MINUTE + 10 * MINUTE)), 3, frozenset({1}))
    assert [(finding.kind, finding.group.model) for finding in run.findings][-1] == ("fired", "m1")
    assert run.findings[-1].value == 5 * 60
