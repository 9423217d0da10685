"""Every monitor passes the kit, and the kit fails what breaks its rules."""

from __future__ import annotations

import pytest

from processors.checks import check_monitor
from processors.registry import monitors

CASES = [
    pytest.param(check, id=f"{name}-{rule}")
    for name, monitor in monitors().items()
    for rule, check in check_monitor(monitor)
]


@pytest.mark.parametrize("check", CASES)
def test_every_monitor_passes_the_kit(check):
    """What is registered holds the contract, with its default settings."""
    check()
