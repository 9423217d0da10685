"""River's objects keep the contract of monitors, of every kind and on every kind of series."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from processors.anomaly.river_detector import RiverDetector, RiverSettings
from processors.checks import check_monitor

Check = Callable[[], None]


RIVER_ON: list[dict[str, Any]] = [
    {"river": "drift.ADWIN", "series": "signal:gpu_mem_mb"},
    {"river": "drift.PageHinkley", "series": "accuracy"},
    {"river": "metrics.Accuracy", "series": "outcomes", "threshold": 0.9, "beyond": "below"},
    {"river": "anomaly.GaussianScorer", "series": "feature:amount", "threshold": 0.5},
]


@pytest.mark.parametrize(
    "check",
    [
        pytest.param(check, id=f"{settings['river']}-{settings['series']}-{name}")
        for settings in RIVER_ON
        for name, check in check_monitor(RiverDetector, RiverSettings.model_validate(settings))
    ],
)
def test_the_kit_passes_for_any_river_object_and_series(check: Check) -> None:
    """Each kind of object and each kind of series."""
    check()
