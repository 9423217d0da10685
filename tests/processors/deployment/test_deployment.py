"""A new version against the one before it: what is found, what is not, and what is said."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from processors.base import Finding, Judging
from processors.deployment.deployment import Deployment
from processors.durations import DAY_US, HOUR_US
from processors.examples import START_US, Event, outcomes_of, predictions_of, signals_of
from processors.profile import Profile
from processors.slices import BothRows
from tests.processors.deployment.serving import ALARMS_PER_US, PANE_US, Serving, event

DAY = DAY_US // PANE_US


def test_a_canary_that_is_bad_from_its_first_prediction_is_to_be_rolled_back() -> None:
    """It has no better days of its own: it is worse than the version beside it, on the same traffic."""
    serving = Serving()
    serving.serve(120, v1=0.1)
    began = serving.now
    found = serving.serve(30, n=10, v1=0.1, v2=0.35)
    fired = found[0]
    assert (fired.kind, fired.group.version, fired.action, fired.severity) == ("fired", "2", "rollback", "critical")
    assert fired.since == began
    assert fired.n <= 200
    assert not fired.provisional
    assert fired.evidence["same_traffic"] == 1.0
    assert fired.evidence["version_before"]["version"] == "1"
    assert fired.value is not None
    assert fired.reference is not None
    assert fired.value > fired.reference + 0.1
    assert "Model fraud v2 is worse than v1: error rate " in fired.summary
    assert "on the same traffic" in fired.summary
    assert "v1 still serves" in fired.reason


def test_a_bad_version_that_takes_over_is_held_against_the_last_outcomes_of_the_one_before() -> None:
    """Nothing is left on the same traffic. Without two days of the hours' usual rates it is provisional."""
    serving = Serving()
    serving.serve(200, v1=0.1)
    fired = serving.serve(90, n=10, v2=0.35)[0]
    assert (fired.kind, fired.group.version, fired.action) == ("fired", "2", "rollback")
    assert fired.provisional
    assert fired.evidence["same_traffic"] == 0.0
    assert "before it" in fired.summary


def test_labels_of_a_version_that_is_gone_are_not_of_the_same_traffic() -> None:
    """They come for hours after it was replaced: they are its last outcomes, and it is said so."""
    serving = Serving()
    serving.serve(200, lag=2, v1=0.1)
    serving.serve(110, n=10, lag=2, gone="1", v1=0.1)
    fired = serving.serve(60, n=10, lag=2, gone="1", v1=0.1, v2=0.35)[0]
    assert fired.evidence["same_traffic"] < 0.5
    assert "before it" in fired.summary


@pytest.mark.parametrize("seed", range(2))
def test_a_new_version_as_good_as_the_old_one_is_no_news(seed: int) -> None:
    """Neither as a canary nor in its place, for as long as it is compared."""
    serving = Serving("123", seed)
    serving.serve(200, v1=0.2)
    serving.serve(200, v1=0.2, v2=0.2)
    serving.serve(200, v3=0.2)
    assert not serving.findings


def test_a_version_that_is_as_bad_as_the_old_one_was_lately_is_no_regression() -> None:
    """The world has changed: the old version was good once, and what is trained anew does what can be done."""
    serving = Serving()
    serving.serve(300, v1=0.05)
    serving.serve(130, v1=0.3)
    assert not serving.serve(300, v2=0.3)


def test_versions_that_begin_together_are_not_compared() -> None:
    """None of them is new: champion and challenger may well differ."""
    serving = Serving()
    assert not serving.serve(300, v1=0.1, v2=0.3)


def test_a_version_that_serves_again_after_a_rollback_is_not_compared() -> None:
    """It was there before, and is what one goes back to."""
    serving = Serving()
    serving.serve(200, v1=0.3)
    serving.serve(200, v2=0.1)
    assert not serving.serve(200, v1=0.3)


def test_of_several_versions_the_one_that_serves_most_is_what_a_new_one_is_compared_with() -> None:
    """Not a shadow that was always bad."""
    serving = Serving("123")
    serving.serve(100, n=4, v1=0.4)
    serving.serve(200, n=20, v2=0.05)
    fired = serving.serve(40, v2=0.05, v3=0.3)[0]
    assert (fired.group.version, fired.evidence["version_before"]["version"]) == ("3", "2")


def test_a_version_before_that_is_hardly_known_is_none() -> None:
    """Fifty outcomes at least."""
    serving = Serving()
    serving.serve(2, v1=0.0)
    assert not serving.serve(100, v2=0.4)


def test_labels_that_come_soon_are_compared_with_labels_that_came_as_soon() -> None:
    """A new version's first labels are the quick ones: here they are errors three times as often, of both versions."""
    serving = Serving()
    for _ in range(150):
        serving.serve(1, n=2, lag=0, v1=0.6)
        serving.serve(1, n=18, lag=2, v1=0.1)
    assert not serving.serve(200, n=2, lag=0, v2=0.6)


def test_the_usual_rise_of_the_day_is_not_held_against_a_version_that_took_over_at_night() -> None:
    """Errors follow the hours, as they did for three days with the version before; the same without is found."""

    def daily(time: int) -> float:
        return 0.15 - 0.1 * math.cos(2 * math.pi * (time % DAY_US) / DAY_US)

    found = []
    for known_days in (3, 0):
        serving = Serving(pane_us=10 * PANE_US)
        serving.now -= serving.now % DAY_US
        serving.serve(known_days * DAY // 10 or 60, n=30, v1=daily if known_days else 0.05)
        found.append(serving.serve(72 if known_days else 36, n=30, v2=daily if known_days else 0.35))
    assert not found[0]
    assert found[1][0].kind == "fired"


def test_without_the_hours_usual_rates_only_the_first_hours_count() -> None:
    """What errs more only six hours after it took over may be the time of the day."""
    serving = Serving(pane_us=10 * PANE_US)
    began = serving.now
    serving.serve(20, n=30, v1=0.1)
    assert not serving.serve(80, n=30, v2=lambda time: 0.1 if time < began + 7 * HOUR_US else 0.3)


def test_a_version_that_gets_as_good_as_the_one_before_is_well_again() -> None:
    """By its own test, on the same traffic, or against what the old one did when it is gone."""
    still: dict[str, Any] = {"v1": 0.1}
    for after in (still, {}):
        serving = Serving()
        serving.serve(120, v1=0.1)
        assert serving.serve(40, v1=0.1, v2=0.4)[0].kind == "fired"
        later = serving.serve(300, v2=0.02, **after)
        assert later[-1].kind == "recovered"
        assert later[-1].action == "none"
        assert "no longer worse" in later[-1].summary
        assert not serving.serve(100, v1=0.1, v2=0.4), "it is compared once"


def test_a_version_that_goes_bad_while_it_is_compared_is_so_since_then() -> None:
    """Not since it began: whatever else tells of it belongs to the same incident."""
    serving = Serving()
    serving.serve(120, v1=0.1)
    serving.serve(60, n=10, v1=0.1, v2=0.1)
    onset = serving.now
    fired = serving.serve(60, n=10, v1=0.1, v2=0.4)[0]
    assert abs(fired.since - onset) <= 10 * PANE_US
    assert fired.onset is not None
    assert fired.onset[0] < fired.since < fired.onset[1]
    assert fired.value == pytest.approx(0.4, abs=0.1)


def test_while_it_fires_it_is_said_anew_as_outcomes_double() -> None:
    """What is said at first rests on few."""
    serving = Serving()
    serving.serve(120, v1=0.1)
    kinds = [found.kind for found in serving.serve(120, v1=0.1, v2=0.4)]
    assert kinds[0] == "fired"
    assert kinds[1:] == ["updated"] * len(kinds[1:])
    assert 3 <= len(kinds) <= 10


def test_what_is_accepted_is_not_found_again() -> None:
    """Somebody wants this version as it is."""
    serving = Serving()
    serving.serve(120, v1=0.1)
    serving.serve(40, v1=0.1, v2=0.4)
    serving.state = serving.monitor.accept(serving.state, frozenset({serving.number("2")}), frozenset())
    assert not serving.serve(200, v1=0.1, v2=0.4)


def test_the_version_before_may_retire_while_it_is_compared() -> None:
    """The new one goes on with what is known; its number is given to others. Nothing can be gone back to any more."""
    serving = Serving()
    serving.serve(200, v1=0.1)
    serving.serve(2, n=10, v2=0.35)
    serving.forget("1")
    fired = serving.serve(120, n=10, v2=0.35)[0]
    assert (fired.kind, fired.action) == ("fired", "retrain")
    assert "than v1" in fired.summary


def test_what_served_too_long_ago_is_not_to_be_gone_back_to() -> None:
    """A day without either: the advice is to train anew."""
    serving = Serving()
    serving.serve(200, v1=0.1)
    serving.rest(DAY)
    fired = serving.serve(90, v2=0.35)[0]
    assert fired.action == "retrain"
    assert "too long" in fired.reason


def test_memory_does_not_grow_with_time() -> None:
    """Arrays by version, and nothing else."""
    serving = Serving()
    serving.serve(50, v1=0.1, v2=0.1)
    before = {name: {key: column.shape for key, column in part.items()} for name, part in _arrays(serving).items()}
    serving.serve(300, v1=0.1, v2=0.1)
    after = {name: {key: column.shape for key, column in part.items()} for name, part in _arrays(serving).items()}
    assert before == after


def _arrays(serving: Serving) -> dict[str, dict[str, Any]]:
    return {name: serving.state[name] for name in ("served", "compared", "stakes", "reported")}


def _pane(version: str, start: int, errors: list[float]) -> list[Event]:
    """A regression's answers that are so far off."""
    return [event(version, start + at, prediction=100.0 + error, label=100.0) for at, error in enumerate(errors)]


def test_a_regression_errs_where_it_is_further_off_than_the_version_before_mostly_was() -> None:
    """Through the profile: the old version's errors give the scale, by which both are measured."""
    monitor = Deployment(Deployment.Settings())
    rng = np.random.default_rng(4)
    profile, state, sealed = Profile(), monitor.initial(), None
    found: list[Finding] = []
    for pane in range(160):
        start = START_US + pane * PANE_US
        events = _pane("1", start, rng.normal(0, 1, 20).tolist())
        if pane >= 100:
            events += _pane("2", start + 1_000, rng.normal(0, 3, 20).tolist())
        made, told = predictions_of(events), outcomes_of(events)
        profile.admit(made, signals_of([]))
        profile.admit_labels(told)
        end = start + PANE_US
        rows = BothRows(
            profile.locate_predictions(made, start, end, np.zeros(0, np.int32)),
            profile.locate_outcomes(told, start, end),
        )
        context = Judging(start, end, profile, ALARMS_PER_US, 500, 2**60, PANE_US)
        verdict = monitor.judge(state, monitor.measure(rows, profile, sealed), context)
        state, sealed = verdict.state, verdict.sealed
        found += verdict.findings
    assert found[0].series == "large_error_rate"
    assert found[0].group.version == "2"
    assert found[0].since == START_US + 100 * PANE_US
    assert found[0].reference == pytest.approx(0.1, abs=0.05)
    assert found[0].value == pytest.approx(0.58, abs=0.2)
    assert "share of large errors" in found[0].summary
