"""Latency: quantiles as numpy's, an alert when slow answers become frequent."""

from __future__ import annotations

import numpy as np
import pytest

from processors.anomaly.latency import Latency, LatencySettings
from tests.processors.panes import PANE, Run, predictions


def test_readings_equal_numpys() -> None:
    """The mean exactly, quantiles within 2%."""
    values = np.random.default_rng(1).lognormal(2, 0.7, 5_000)
    run = Run(Latency(LatencySettings()), window_events=5_000)
    for pane in range(5):
        run.predictions(predictions(1_000, latency_ms=values[pane * 1_000 :][:1_000], start=pane * PANE))
    said = {reading.series: reading.value for reading in run.readings}
    assert said["latency_ms_mean"] == pytest.approx(float(values.mean()), abs=1e-6)
    for series, share in (("latency_ms_p50", 0.5), ("latency_ms_p95", 0.95), ("latency_ms_p99", 0.99)):
        assert said[series] == pytest.approx(float(np.quantile(values, share)), rel=0.02)


def test_slowness_fires_and_recovers() -> None:
    """Twice as slow from pane 60 to 90; lower latency is no news."""
    rng = np.random.default_rng(2)
    run = Run(Latency(LatencySettings()))
    for pane in range(200):
        pace = 2.0 if 60 <= pane < 90 else 0.5 if pane > 150 else 1.0
        run.predictions(predictions(100, latency_ms=pace * rng.lognormal(2, 0.4, 100), start=pane * PANE))
    told = [finding for finding in run.findings if finding.kind != "updated"]
    assert [finding.kind for finding in told] == ["fired", "recovered"]
    assert told[0].action == "scale"
    assert 58 * PANE <= told[0].since <= 62 * PANE
    assert told[0].onset is not None
    assert told[0].onset[0] <= 60 * PANE <= told[0].onset[1] <= told[0].onset[0] + 10 * PANE
    assert "of predictions take" in told[0].summary


def test_a_healthy_stream_is_quiet() -> None:
    """Six hours of the same distribution."""
    rng = np.random.default_rng(3)
    run = Run(Latency(LatencySettings()), through_bytes=False)
    for pane in range(700):
        run.predictions(predictions(30, latency_ms=rng.lognormal(2, 0.6, 30), start=pane * 3 * PANE))
    assert not run.findings


def test_what_is_no_latency_is_left_out() -> None:
    """NaN, infinities and negative numbers do not count."""
    run = Run(Latency(LatencySettings()), window_events=1)
    run.predictions(predictions(5, latency_ms=[np.nan, np.inf, -1.0, 3.0, 5.0]))
    assert [(reading.value, reading.n) for reading in run.series("latency_ms_mean")] == [(4.0, 2)]
