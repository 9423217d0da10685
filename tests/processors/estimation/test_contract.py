"""Estimated performance passes the kit that every monitor passes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from processors.checks import check_monitor
from processors.estimation.performance import EstimatedPerformance, EstimatedPerformanceSettings

EAGER = EstimatedPerformanceSettings(
    min_labels=50, segment_labels=50, alert_labels=100, warmup=50, labels=1_000, windows=2, entries=10_000
)


@pytest.mark.parametrize(("name", "check"), list(check_monitor(EstimatedPerformance, EAGER)))
def test_it_keeps_the_contract_when_everything_happens(name: str, check: Callable[[], None]) -> None:
    """With so few labels needed, and so little kept, that it estimates, checks, freezes, fades and fires."""
    check()
