"""How long a reference of own panes grows."""

from __future__ import annotations

import numpy as np
import pytest

from processors.base import State
from processors.detectors import columns, reference
from processors.durations import DAY_US, HOUR_US

KEY = np.array([0], np.int32)


def grown(panes: int, events: int, span: int) -> State:
    """A reference after so many panes of so many events, one each `span` of time, all of them calm."""
    state = columns.empty(reference.layout(2))
    columns.grow(state, reference.layout(2), KEY)
    for number in range(panes):
        if reference.growing(state, KEY)[0]:
            counts = np.array([[1.0, events - 1.0]])
            reference.learn(state, KEY, counts, np.array([True]), number * span, (number + 1) * span, 200)
    return state


@pytest.mark.parametrize(("events", "days"), [(1, 90), (10, 18), (1_000, 7)])
def test_a_reference_is_finished_after_a_week_if_it_holds_enough(events: int, days: int) -> None:
    """A week is enough for many events; few ones go on gathering until there are 4,000, for 90 days at most."""
    state = grown(24 * 120, events, HOUR_US)
    span = (state["ref_end"][0] - state["ref_start"][0]) / DAY_US
    assert span == pytest.approx(days, rel=0.25)
    assert not reference.growing(state, KEY)[0]


def test_a_reference_begins_with_a_dozen_panes() -> None:
    """One pane of many events says nothing of how much panes scatter."""
    assert grown(11, 10_000, HOUR_US)["ref"].sum() == 0
    assert grown(12, 10_000, HOUR_US)["ref"].sum() == 120_000
