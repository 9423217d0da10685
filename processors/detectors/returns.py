"""Alarms that went away: what leaves its reference and comes back, again and again, scatters more than was seen.

How much panes scatter is learnt from calm ones (`dispersion`). Of a series whose every excursion ends in an alarm it is
never learnt, and each next one would be an alarm, too. So an alarm that is over within three days doubles what later
evidence is divided by, up to 64 times the dispersion; each week without one halves that again, until the dispersion,
which may have learnt meanwhile, is more. What breaks for good, and breaks badly, is found as surely, some panes later.
Measured only (`make bench-alarms`); the promise of the detectors, which holds for any divisor above 1, is untouched.
"""

from __future__ import annotations

import numpy as np

from processors.base import State
from processors.detectors import seasons
from processors.detectors.columns import Layout
from processors.durations import DAY_US
from processors.rows import Floats, Ints

_FORGOTTEN_US = 7 * DAY_US
"""In so long without an alarm one doubling is forgotten."""
_MOST = 64.0

LAYOUT: Layout = {
    "least": (np.float64, (), 0),  # what evidence was to be divided by, at least, when ...
    "returned": (np.int64, (), 0),  # ... the series returned
}


def divisor(state: State, keys: Ints, now: int) -> Floats:
    """What to divide the evidence of each of `keys` by: their dispersion, or more."""
    least = state["least"][keys] * 0.5 ** ((now - state["returned"][keys]) / _FORGOTTEN_US)
    return np.asarray(np.maximum(state["dispersion"][keys], least))


def over(state: State, key: int, now: int) -> None:
    """The alarm of a series, on since its `since`, is over: its season learns of it, and the next one is harder."""
    lasted = now - int(state["since"][key])
    seasons.recovered(state, key, lasted)
    if lasted <= seasons.PASSING_US:
        doubled = 2 * float(divisor(state, np.array([key], np.int32), now)[0])
        state["least"][key] = min(doubled, _MOST * float(state["dispersion"][key]))
        state["returned"][key] = now
