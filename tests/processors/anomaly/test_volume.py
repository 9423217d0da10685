"""Volume: drops and surges are told, the hours of the day and burstiness are not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from processors.anomaly.volume import Volume, VolumeSettings
from processors.base import Summary
from tests.processors.panes import PANE, Run, predictions

HOUR = 360
"""Panes."""


def watch(rate: Callable[[int], float], panes: int, *, spread: float = 0.0, seed: int = 1) -> Run:
    """Counts with this mean by pane (gamma-mixed Poisson where `spread` > 0), given to the monitor as summaries."""
    rng = np.random.default_rng(seed)
    run = Run(Volume(VolumeSettings()), window_events=10**9, through_bytes=False)
    run.predictions(predictions(1))
    for pane in range(1, panes):
        mean = rate(pane) * (rng.gamma(1 / spread, spread) if spread else 1.0)
        count = int(rng.poisson(mean))
        summary = Summary(np.zeros(1, np.int32), {"n": np.array([count])}) if count else run.monitor.empty()
        run.judge(summary, pane * PANE, (pane + 1) * PANE)
    return run


def kinds(run: Run) -> list[tuple[str, str]]:
    """What was fired and recovered."""
    return [(finding.kind, finding.series) for finding in run.findings if finding.kind != "updated"]


def test_a_steady_stream_is_quiet() -> None:
    """A day of Poisson counts."""
    assert not watch(lambda _: 8.0, 24 * HOUR).findings


def test_a_bursty_stream_is_quiet() -> None:
    """Counts whose variance is many times their mean."""
    assert not watch(lambda _: 8.0, 24 * HOUR, spread=2.0).findings


def test_a_daily_cycle_is_quiet() -> None:
    """Four times as many at noon as at midnight, two days long."""
    cycle = watch(lambda pane: 10.0 + 6.0 * float(np.sin(2 * np.pi * pane / (24 * HOUR))), 48 * HOUR)
    assert not cycle.findings


def test_a_drop_fires_within_half_an_hour_and_recovers() -> None:
    """A fifth of the usual volume for two hours."""
    run = watch(lambda pane: 2.0 if 12 * HOUR <= pane < 14 * HOUR else 10.0, 20 * HOUR)
    assert kinds(run) == [("fired", "drop"), ("recovered", "drop")]
    assert abs(run.findings[0].since - 12 * HOUR * PANE) <= 60_000_000
    assert run.findings[0].onset is not None
    low, high = run.findings[0].onset
    assert low <= 12 * HOUR * PANE <= high <= low + 600_000_000
    assert "far fewer predictions than usual" in run.findings[0].summary


def test_a_drop_that_fired_before_an_upgrade_recovers_after_it() -> None:
    """The release before kept nothing of when its drop began to be seen."""
    run = watch(lambda pane: 2.0 if pane >= 12 * HOUR else 10.0, 13 * HOUR)
    older = {name: value for name, value in run.state.items() if name != "lags"}
    upgraded = run.monitor.upgrade(older, None, 2)
    assert upgraded is not None
    run.state, _ = upgraded
    for pane in range(13 * HOUR, 20 * HOUR):
        run.judge(Summary(np.zeros(1, np.int32), {"n": np.array([10])}), pane * PANE, (pane + 1) * PANE)
    assert kinds(run) == [("fired", "drop"), ("recovered", "drop")]


def test_a_surge_fires() -> None:
    """Five times the usual volume."""
    run = watch(lambda pane: 50.0 if pane >= 12 * HOUR else 10.0, 13 * HOUR)
    assert kinds(run)[0] == ("fired", "surge")
    assert run.findings[0].action == "scale"


def test_empty_blocks_are_a_drop() -> None:
    """Nothing at all for an hour, then a trickle: the pause counts when the next pane comes."""
    run = watch(lambda pane: 0.0 if 12 * HOUR <= pane < 13 * HOUR else 10.0, 12 * HOUR + HOUR // 2)
    assert kinds(run) == [("fired", "drop")]


def test_a_rollout_is_no_drop() -> None:
    """What one version loses the other wins."""
    run = Run(Volume(VolumeSettings()), through_bytes=False)
    for version in ("1", "2"):
        run.predictions(predictions(1, version=version))
    for pane in range(1, 14 * HOUR):
        new = min(max(pane / HOUR - 10, 0), 1)
        counts = np.array([round(20 * (1 - new)), round(20 * new)])
        keys = np.flatnonzero(counts).astype(np.int32)
        run.judge(Summary(keys, {"n": counts[keys]}), pane * PANE, (pane + 1) * PANE)
    assert not run.findings


def test_readings_count_events_of_each_version() -> None:
    """Events and events per second of the window."""
    run = Run(Volume(VolumeSettings()), window_events=200)
    for pane in range(2):
        run.predictions(predictions(100, start=pane * PANE))
    told = [(reading.series, reading.value) for reading in run.readings]
    assert told == [("events", 200.0), ("events_per_second", 10.0)]
