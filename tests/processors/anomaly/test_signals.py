"""Signals: what a window held, and an alert when they leave their usual range."""

from __future__ import annotations

import numpy as np
import pytest

from processors.anomaly.signals import Signals, SignalsSettings
from tests.processors.panes import PANE, Run, signals


def test_readings_describe_the_window() -> None:
    """Mean, least, greatest and last of its values; what is not finite is left out."""
    values = np.random.default_rng(1).normal(50, 5, 40)
    run = Run(Signals(SignalsSettings()), window_events=40)
    for pane in range(4):
        run.signals(signals([*values[pane * 10 : pane * 10 + 10], np.nan, np.inf], start=pane * PANE))
    said = {reading.series: reading.value for reading in run.readings}
    assert said["signal_mean"] == pytest.approx(float(values.mean()), abs=1e-12)
    assert said["signal_min"] == float(values.min())
    assert said["signal_max"] == float(values.max())
    assert said["signal_last"] == float(values[-1])
    assert {reading.feature for reading in run.readings} == {"gpu_mem_mb"}


@pytest.mark.parametrize("shift", [-60.0, 60.0])
def test_a_signal_that_leaves_its_range_fires_and_recovers(shift: float) -> None:
    """Above or below, from pane 200 to 260."""
    rng = np.random.default_rng(2)
    run = Run(Signals(SignalsSettings()))
    for pane in range(500):
        level = 100 + (shift if 200 <= pane < 260 else 0)
        run.signals(signals(rng.normal(level, 10, 3), start=pane * PANE))
    told = [finding for finding in run.findings if finding.kind != "updated"]
    assert [finding.kind for finding in told] == ["fired", "recovered"]
    assert abs(told[0].since - 200 * PANE) <= PANE
    assert told[0].onset is not None
    assert told[0].onset[0] <= 200 * PANE <= told[0].onset[1] <= told[0].onset[0] + 10 * PANE
    assert told[0].feature == "gpu_mem_mb"
    assert "signal gpu_mem_mb has left its usual range" in told[0].summary


def test_a_signal_that_is_constant_or_noisy_is_quiet() -> None:
    """Neither a constant nor heavy tails are news."""
    rng = np.random.default_rng(3)
    run = Run(Signals(SignalsSettings()), through_bytes=False)
    for pane in range(1_000):
        run.signals(signals([5.0], "workers", start=pane * PANE))
        run.signals(signals(rng.standard_t(3, 3), "loss", start=pane * PANE))
    assert not run.findings


def test_a_constant_that_moves_a_little_is_quiet_and_a_lot_is_not() -> None:
    """Within 1% of its size it may move."""
    run = Run(Signals(SignalsSettings()), through_bytes=False)
    for pane in range(600):
        run.signals(signals([1000.0 if pane < 400 else 1005.0 if pane < 500 else 1100.0], start=pane * PANE))
    (fired,) = run.findings
    assert fired.since == 500 * PANE
