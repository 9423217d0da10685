"""Thresholds that operators set on readings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from pydantic import ValidationError

from processors.base import Finding, Judging, Reading
from processors.checks import check_monitor
from processors.examples import PANE_US, START_US
from processors.packing import pack, unpack
from processors.performance.performance import Performance, PerformanceSettings
from processors.performance.thresholds import Threshold, Thresholds, ThresholdSettings
from processors.profile import BINARY, GroupKey, ModelSpec, Profile
from tests.processors.performance.streams import Run, outcome

CROSSED = ThresholdSettings(thresholds=(Threshold(series="accuracy", below=0.75, min_n=20),))
"""The kit's readings of accuracy fall from 0.9 to 0.6."""


@pytest.mark.parametrize(("name", "check"), list(check_monitor(Thresholds, CROSSED)))
def test_it_keeps_the_contract(name: str, check: Callable[[], None]) -> None:
    """With a bound that the kit's readings cross."""
    check()


class Watched:
    """Performance and, behind it, thresholds on its readings; each pane goes on from packed state."""

    def __init__(self, threshold: Threshold, profile: Profile | None = None, window_events: int = 10) -> None:
        self.run = Run(Performance(PerformanceSettings()), profile, window_events=window_events)
        self.monitor = Thresholds(ThresholdSettings(thresholds=(threshold,)))
        self.state = self.monitor.initial()
        self.findings: list[Finding] = []

    def add(self, events: list[dict[str, object]], at: int = START_US) -> None:
        """One pane of outcomes."""
        self.see(self.run.add(events, at), at)

    def see(self, readings: list[Reading], at: int = START_US) -> None:
        """One pane of readings."""
        pane = Judging(at, at + PANE_US, self.run.profile, 0.0, 10, PANE_US, PANE_US, readings=tuple(readings))
        verdict = self.monitor.judge(self.state, self.monitor.empty(), pane)
        self.state = unpack(pack(verdict.state))
        self.findings += verdict.findings


@pytest.mark.parametrize("bounds", [{}, {"below": 0.5, "above": 0.7}])
def test_a_threshold_has_one_bound(bounds: dict[str, float]) -> None:
    """Neither none nor both."""
    with pytest.raises(ValidationError, match="either 'below' or 'above'"):
        Threshold(series="accuracy", **bounds)


def test_a_threshold_fires_and_recovers_only_when_the_whole_interval_has_crossed() -> None:
    """What lies across changes nothing; a window with few outcomes neither; each fires once."""
    threshold = Threshold(series="accuracy", below=0.8, min_n=50, severity="critical")
    watched = Watched(threshold, Profile({"m": ModelSpec(task=BINARY, classes=("0", "1"))}))
    for pane, (right, n) in enumerate([(95, 100), (0, 20), (78, 100), (60, 100), (70, 100), (82, 100), (99, 100)]):
        watched.add([outcome(i, 1, int(i < right)) for i in range(n)], START_US + pane * PANE_US)
    assert [(finding.kind, finding.value) for finding in watched.findings] == [
        ("fired", 0.60),
        ("updated", 0.70),
        ("recovered", 0.99),
    ]
    fired, _, recovered = watched.findings
    assert (fired.severity, fired.reference, fired.since) == ("critical", 0.8, START_US + 3 * PANE_US)
    assert (fired.monitor, fired.series) == ("threshold", "accuracy below 0.8")
    assert recovered.since == fired.since
    assert fired.summary == (
        "Model m v1: accuracy is below 0.8: 0.6, between 0.502 and 0.691 "
        "(100 outcomes since 2025-11-22 03:00 UTC; crossed 2025-11-22 03:00 UTC)."
    )
    assert "is back from below 0.8" in recovered.summary


def test_a_threshold_above_looks_the_other_way() -> None:
    """The log loss of confident mistakes rises beyond its bound; before and at it nothing is said."""
    profile = Profile({"m": ModelSpec(task=BINARY, classes=("0", "1"), positive_class="1")})
    watched = Watched(Threshold(series="log_loss", above=1.0), profile)
    for pane, wrong in enumerate((10, 30, 200)):
        watched.add(
            [outcome(i, 1, i % 2, score=0.9 if (i % 2) ^ (i < wrong) else 0.1) for i in range(300)],
            START_US + pane * PANE_US,
        )
    assert [(finding.kind, finding.since) for finding in watched.findings] == [("fired", START_US + 2 * PANE_US)]
    assert "log loss is above 1:" in watched.findings[0].summary


def test_a_series_without_an_interval_is_taken_at_its_value() -> None:
    """A bound on R2 must not be ignored in silence."""
    watched = Watched(Threshold(series="r2", below=0.5, min_n=2), window_events=2)
    watched.add([outcome(0, 1.5, 9.25), outcome(1, 2.5, 1.5)])
    assert [finding.kind for finding in watched.findings] == ["fired"]
    assert "r2 is below 0.5: -1.03 (2 outcomes" in watched.findings[0].summary


def test_each_feature_and_each_model_as_a_whole_is_compared_apart() -> None:
    """A bound is on any monitor's readings; one feature's recovery says nothing about another's."""
    watched = Watched(Threshold(series="missing_rate", above=0.5, min_n=1))
    watched.add([outcome(0, 1, 1)])
    group = watched.run.profile.groups[0]
    here = Reading("data_quality", "missing_rate", group, 0.9, 10, START_US, START_US + PANE_US, feature="a")
    whole = replace(here, group=GroupKey(group.model, ""), feature=None)
    watched.see([here, replace(here, feature="b"), whole])
    watched.see([replace(here, value=0.1)])
    told = [(finding.kind, finding.feature, finding.group.version) for finding in watched.findings]
    assert told == [("fired", "a", "1"), ("fired", "b", "1"), ("fired", None, ""), ("recovered", "a", "1")]
