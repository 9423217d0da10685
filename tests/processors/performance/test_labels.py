"""How labels come: their lag, corrections, assumptions and coverage."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from processors.base import Judging, Reading
from processors.performance.labels import Labels, LabelsSettings
from processors.profile import Profile
from processors.rows import CORRECTION, FIRST, IMPLICIT
from tests.processors.panes import NO_SIGNALS, PANE, outcomes, predictions

S = 1_000_000


def read(lag_s: list[float], how: list[int]) -> dict[str, Reading]:
    """The readings of one window of outcomes whose labels came so much later, in such ways."""
    table, profile, monitor = predictions(len(how)), Profile(), Labels(LabelsSettings())
    profile.admit(table, NO_SIGNALS)
    lags = (np.array(lag_s) * S).astype(np.int64)
    matched = replace(outcomes(table, [0] * len(how)), label_ts=table.ts + lags, how=np.array(how, np.uint8))
    rows = profile.locate_outcomes(matched, 0, PANE)
    coverage = {"fraud": {"coverage": 0.75, "keep_rate": 0.5}}
    context = Judging(0, PANE, profile, 0.0, len(how), PANE, PANE, coverage=coverage)
    verdict = monitor.judge(monitor.initial(), monitor.measure(rows, profile, None), context)
    return {reading.series: reading for reading in verdict.readings}


def test_lags_are_those_of_labels_that_somebody_sent() -> None:
    """Mean exactly, quantiles to 3%; a label from before its prediction took no time."""
    rng = np.random.default_rng(1)
    lags = [-5.0, *rng.lognormal(8, 1, 2_000).round(3).tolist()]
    found = read([*lags, 1e6, 2e6], [FIRST] * len(lags) + [IMPLICIT, CORRECTION])
    usual = np.maximum(lags, 0)
    assert found["label_lag_s_mean"].value == pytest.approx(usual.mean())
    assert found["label_lag_s_p50"].value == pytest.approx(np.quantile(usual, 0.5), rel=0.03)
    assert found["label_lag_s_p95"].value == pytest.approx(np.quantile(usual, 0.95), rel=0.03)
    assert found["label_lag_s_p95"].n == len(lags)


def test_corrections_and_assumptions_are_counted_and_coverage_told() -> None:
    """Coverage is the model's, over its versions, since it began."""
    found = read([1.0] * 6, [FIRST, FIRST, IMPLICIT, CORRECTION, CORRECTION, CORRECTION])
    assert (found["label_corrections"].value, found["implicit_labels"].value) == (3, 1)
    coverage = found["label_coverage"]
    assert (coverage.value, coverage.scope, coverage.group.version) == (0.75, "total", "")
    assert coverage.details == {"keep_rate": 0.5}


def test_without_a_sent_label_there_is_no_lag() -> None:
    """Not a lag of zero."""
    assert not [series for series in read([9.0], [IMPLICIT]) if series.startswith("label_lag")]
