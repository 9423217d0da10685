"""Every anomaly monitor keeps the contract."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from processors.anomaly.half_space_trees import Anomaly
from processors.anomaly.latency import Latency
from processors.anomaly.river_detector import RiverDetector, RiverSettings
from processors.anomaly.signals import Signals
from processors.anomaly.silence import Silence
from processors.anomaly.volume import Volume
from processors.checks import check_monitor

Check = Callable[[], None]


def checks(*monitors: Any) -> list[Any]:
    """The kit's checks of these monitor classes."""
    return [pytest.param(check, id=f"{each.name}-{name}") for each in monitors for name, check in check_monitor(each)]


@pytest.mark.parametrize("check", checks(Anomaly, Latency, RiverDetector, Signals, Silence, Volume))
def test_the_kit_passes(check: Check) -> None:
    """What `processors.checks` asks of every monitor."""
    check()


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
