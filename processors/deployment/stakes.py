"""What a model's new versions may stake: the probability with which one is found worse though it is not.

A model has a purse of what its false-alarm budget for this is worth in a month. A new version takes half of what is
there, and the purse fills up again at the budget's rate. So the expected number of false alarms is at most the budget's
of the time that has passed, and of a month more, however many versions come; and a version that comes after a quiet
month is judged with more power than the tenth of one day.
"""

from __future__ import annotations

import numpy as np

from processors.base import State
from processors.detectors import columns
from processors.durations import DAY_US
from processors.rows import Ints

_FULL_US = 30 * DAY_US
_PART = 0.5

LAYOUT: columns.Layout = {"left": (np.float64, (), 0), "left_at": (np.int64, (), -1)}
"""What was left in the model's purse when a version had taken its part, and when that was."""


def take(state: State, key: int, others: Ints, alarms_per_us: float, time: int) -> float:
    """The stake of a new version; `others` are those of its model that are known."""
    columns.grow(state, LAYOUT, np.array([key]))
    known = others[others < len(state["left_at"])]
    known = known[state["left_at"][known] >= 0]
    full = purse = alarms_per_us * _FULL_US
    if len(known):
        last = state["left_at"][known].max()
        left = float(state["left"][known[state["left_at"][known] == last]].min())
        purse = min(full, left + alarms_per_us * float(time - last))
    stake = purse * _PART
    state["left"][key], state["left_at"][key] = purse - stake, time
    return stake
