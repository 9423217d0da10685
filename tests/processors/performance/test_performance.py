"""The performance monitor passes the kit that every monitor passes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from processors.checks import check_monitor
from processors.performance.performance import Performance, PerformanceSettings

BUSY = PerformanceSettings(
    quantile=0.8,
    score_points=64,
    group_cohorts=1,
    entries=10_000,
)


@pytest.mark.parametrize(("name", "check"), list(check_monitor(Performance, BUSY)))
def test_it_keeps_the_contract_with_everything_switched_on(name: str, check: Callable[[], None]) -> None:
    """With bounds so tight that they are met."""
    check()
