"""Label drift: shares of labels that have settled, and whether answers moved along."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from processors.base import Finding, Judging
from processors.drift import settling
from processors.drift.labels import LabelDrift
from processors.durations import HOUR_US, MINUTE_US
from processors.profile import Profile
from processors.rows import Predictions
from processors.slices import BothRows
from tests.processors.panes import DAY_ALARMS, NO_SIGNALS, outcomes, predictions

PANE = 180_000_000
HOURS = 12
SEED = 11


class Stream:
    """Predictions over twelve hours, from the eighth of which on something is different, and their labels."""

    def __init__(self, count: int = 9_000, growth: float = 1.0) -> None:
        """`growth`: so many times as many a second in the last four hours as before."""
        self.rng = np.random.default_rng(SEED)
        place = self.rng.random(count) * (8 + 4 * growth)
        hours = np.where(place < 8, place, 8 + (place - 8) / growth)
        self.time = np.sort(hours * HOUR_US).astype(np.int64)
        self.changed = self.time >= 8 * HOUR_US
        self.lag = np.full(count, 20_000_000)
        self.labelled = np.ones(count, np.bool_)
        self.label: Any = np.zeros(count, np.int64)
        self.answer: Any = np.zeros(count, np.int64)
        self.score: Any = None

    def classes(self, positive: Any, spread: float = 2.0) -> None:
        """Labels with this share of positives, and scores that tell them apart as ever."""
        self.label = (self.rng.random(len(self.time)) < positive).astype(np.int64)
        logit = self.rng.normal(0, 1, len(self.time)) + spread * (self.label - 0.5)
        self.score = 1 / (1 + np.exp(-logit))
        self.answer = (self.score > 0.5).astype(np.int64)


def run(stream: Stream, monitor: LabelDrift | None = None) -> list[Finding]:
    """What is found, pane after pane, through a profile as in the daemon."""
    monitor = monitor or LabelDrift(LabelDrift.Settings())
    profile, state, sealed = Profile(), monitor.initial(), None
    table = predictions(len(stream.time), prediction=stream.answer.tolist(), score=stream.score)
    table = replace(table, time=stream.time, ts=stream.time, arrival=stream.time)
    came = np.where(stream.labelled, stream.time + stream.lag, 2**62)
    found: list[Finding] = []
    for start in range(0, HOURS * HOUR_US, PANE):
        made = table.take(np.arange(*np.searchsorted(stream.time, [start, start + PANE])))
        due = np.flatnonzero((came >= start) & (came < start + PANE))
        profile.admit(made, NO_SIGNALS)
        rows = _both(profile, made, table.take(due), stream.label[due], came[due], start)
        context = Judging(start, start + PANE, profile, DAY_ALARMS, 500, HOUR_US, PANE)
        verdict = monitor.judge(state, monitor.measure(rows, profile, sealed), context)
        profile.learn(rows.predictions)
        state, sealed = verdict.state, verdict.sealed
        found += verdict.findings
    return found


def _both(  # noqa: PLR0917 - what a pane brings
    profile: Profile, made: Predictions, of: Predictions, label: Any, came: Any, start: int
) -> BothRows:
    told = replace(outcomes(of, label.tolist()), time=came, label_ts=came)
    profile.admit_labels(told)
    return BothRows(
        profile.locate_predictions(made, start, start + PANE, np.zeros(0, np.int32)),
        profile.locate_outcomes(told, start, start + PANE),
    )


def test_positive_labels_that_get_lost_are_found_and_the_labels_are_to_be_checked() -> None:
    """Answers stay, labels of one class come no more: coverage falls, and nothing is wrong with the model."""
    stream = Stream()
    stream.classes(0.4)
    stream.labelled = ~(stream.changed & (stream.label == 1))
    first = run(stream)[0]
    assert (first.kind, first.action, first.evidence["lost"]) == ("fired", "check_labels", "class 1")
    assert 0 <= first.since - 8 * HOUR_US < HOUR_US / 2
    assert "labels are lost or late" in first.reason
    assert first.evidence["label_coverage"] < 0.8 < first.evidence["usual_label_coverage"]
    assert first.evidence["answers_followed"]["high"] < 0.5


def test_a_class_that_became_more_frequent_asks_for_other_weights() -> None:
    """Members of each class look as before: scores move as far as the new shares make them."""
    stream = Stream()
    stream.classes(np.where(stream.changed, 0.7, 0.3))
    first = run(stream)[0]
    assert (first.kind, first.action) == ("fired", "reweigh")
    assert 0.7 < first.evidence["answers_followed"]["value"] < 1.3
    assert re.search("class (1 went from (29|30|31)|0 went from (69|70|71))%", first.summary)


def test_labels_recorded_otherwise_are_to_be_checked_and_none_is_said_to_be_lost() -> None:
    """A third of one class is recorded as the other: as many labels come, and answers are as before."""
    stream = Stream()
    stream.classes(0.5)
    stream.label = np.where(stream.changed & (stream.rng.random(len(stream.time)) < 0.5), 0, stream.label)
    first = run(stream)[0]
    assert first.action == "check_labels"
    assert "lost" not in first.evidence
    assert "If the labels are right, retrain." in first.reason


def test_a_rare_class_that_vanishes_is_found() -> None:
    """Six in a hundred is less than the least effect of frequent ones, and matters all the same."""
    stream = Stream(60_000)
    stream.classes(0.06)
    stream.labelled = ~(stream.changed & (stream.label == 1))
    first = run(stream)[0]
    assert (first.action, first.evidence["lost"]) == ("check_labels", "class 1")
    assert first.since >= 7 * HOUR_US


def _three(count: int = 30_000) -> Stream:
    """Three classes, of which the last has five in a hundred, and a model that is right nine times in ten."""
    stream = Stream(count)
    stream.label = stream.rng.choice(3, len(stream.time), p=[0.55, 0.4, 0.05])
    right = stream.rng.random(len(stream.time)) < 0.9
    stream.answer = np.where(right, stream.label, stream.rng.integers(0, 3, len(stream.time)))
    return stream


@pytest.mark.parametrize("recorded_as", [None, 0])
def test_a_rare_class_of_several_that_vanishes_is_found_and_named(recorded_as: int | None) -> None:
    """Five in a hundred of three classes, lost or recorded as another: less than what matters for all together."""
    stream = _three()
    gone = stream.changed & (stream.label == 2)
    if recorded_as is None:
        stream.labelled = ~gone
    else:
        stream.label = np.where(gone, recorded_as, stream.label)
    told = run(stream)
    first = told[0]
    assert (first.kind, first.series, first.action) == ("fired", "labels/2", "check_labels")
    assert first.evidence["lost"] == "class 2"
    assert "labels of class 2 moved: they went from 5" in first.summary
    assert first.onset is not None
    assert first.onset[0] <= 8 * HOUR_US <= first.onset[1]
    assert {found.series for found in told} == {"labels/2"}


def test_a_rare_class_of_several_that_comes_back_is_said_to_be_back() -> None:
    """An hour and a half without it; the rest of the day as before."""
    stream = _three(60_000)
    stream.changed = (stream.time >= 5 * HOUR_US) & (stream.time < 6.5 * HOUR_US)
    stream.labelled = ~(stream.changed & (stream.label == 2))
    kinds = [found.kind for found in run(stream) if found.kind != "updated"]
    assert kinds == ["fired", "recovered"]


def test_several_classes_that_stay_as_they_are_raise_nothing() -> None:
    """Of ten classes, the rarest with one label in a hundred."""
    stream = Stream(20_000)
    stream.label = stream.rng.choice(10, len(stream.time), p=[0.3, 0.2, 0.1, 0.1, 0.1, 0.08, 0.05, 0.04, 0.02, 0.01])
    stream.answer = stream.label
    assert run(stream) == []


def test_targets_of_a_regression_that_move_are_found() -> None:
    """By intervals chosen from the first targets; the answers follow, for the model still knows."""
    stream = Stream()
    stream.label = stream.rng.normal(100, 10, len(stream.time)) + np.where(stream.changed, 15, 0)
    stream.answer = stream.label + stream.rng.normal(0, 4, len(stream.time))
    first = run(stream)[0]
    assert (first.kind, first.action) == ("fired", "reweigh")


@pytest.mark.parametrize("growth", [1.0, 5.0])
def test_classes_that_are_labelled_later_than_others_raise_nothing(growth: float) -> None:
    """Negatives at once, positives half an hour later, and five times the traffic all of a sudden.

    Labels as they arrive have another share then; those of settled predictions have not.
    """
    stream = Stream(12_000, growth)
    stream.classes(0.4)
    slow = stream.rng.uniform(20 * MINUTE_US, 30 * MINUTE_US, len(stream.time)).astype(np.int64)
    stream.lag = np.where(stream.label == 1, slow, stream.lag)
    came = stream.time + stream.lag
    arrived = stream.label[(came >= 8 * HOUR_US) & (came < 8.3 * HOUR_US)].mean()
    assert (arrived < 0.3) == (growth > 1)
    assert run(stream) == []


def test_the_age_grows_until_each_class_is_labelled_within_it_and_only_grows() -> None:
    """It is the least by which nineteen of twenty labels of each class had come; shorter lags later change nothing."""
    state, base = settling.initial(), np.array([0], np.int32)

    def learn(counts: dict[tuple[int, int], int]) -> int:
        lags = np.zeros((1, 32, len(settling.AGES_US)))
        for (label, age), n in counts.items():
            lags[0, label, age] = n
        settling.learn(state, base, lags, np.array([settling.AGES_US[8]]), 10_000_000, np.zeros(1, np.bool_))
        return int(state["ages"]["age"][0])

    assert learn({(4, 0): 99}) == 0
    assert learn({(4, 0): 400}) == settling.AGES_US[0]
    assert learn({(4, 0): 400, (5, 6): 19}) == settling.AGES_US[0]
    assert learn({(4, 0): 400, (5, 6): 30}) == settling.AGES_US[6]
    assert learn({(4, 11): 4_000}) == settling.AGES_US[6]
    assert learn({(4, 0): 9_000, (5, 0): 9_000}) == settling.AGES_US[6]
