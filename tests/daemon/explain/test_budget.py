"""The CPU budget."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.explain.budget import CpuBudget


@given(st.lists(st.floats(0.001, 20), max_size=60), st.floats(0.01, 1))
def test_in_the_long_run_no_more_than_the_share_is_used(costs: list[float], share: float) -> None:
    """Beyond what was saved up (a minute's share) and the last request, whose cost nobody knew."""
    budget, now, spent = CpuBudget(share, 0.0), 0.0, 0.0
    for cost in costs:
        now += budget.wait_s(now)
        assert spent <= share * (now + 60) + 1e-6
        budget.charge(cost)
        spent += cost


def test_what_is_not_used_is_kept_for_a_minute_only() -> None:
    """After a night of silence there is no burst."""
    budget = CpuBudget(0.1, 0.0)
    assert budget.wait_s(1e6) == 0
    budget.charge(7.0)
    assert budget.wait_s(1e6) == pytest.approx(10.0)
