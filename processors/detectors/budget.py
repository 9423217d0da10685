"""How a monitor's false-alarm budget is divided among a model's live series, and over time.

A model may cost `alarms_per_us` expected false alarms per microsecond. A series that brings a pane gets

    w = alarms_per_us * elapsed * share / (sum of the shares of the model's live series),

`elapsed` being the time since its previous pane (at most an hour; one pane for its first). The weights are set before
the pane's counts are looked at, and sum over a model's series and any span of time to no more than the span is worth:
that is all that the detectors' promise needs (`detectors.rates`). A series is live from its first pane until it is
forgotten; idle ones leave their share unspent.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from processors.base import Judging, State
from processors.detectors import columns
from processors.durations import HOUR_US
from processors.profile import Profile
from processors.rows import Floats, Ints

_LAYOUT: columns.Layout = {
    "owner": (np.int32, (), -1),
    "share": (np.float64, (), 0),
    "seen": (np.int64, (), -1),
}


def initial() -> State:
    """No live series."""
    return columns.empty(_LAYOUT)


def weights(  # noqa: PLR0917 - the last two are seldom said
    state: State,
    keys: Ints,
    owners: Ints,
    context: Judging,
    shares: npt.ArrayLike | None = None,
    part: float | Floats = 1.0,
) -> Floats:
    """Weights of the series `keys` (ascending) for this pane, shape (keys,). Changes `state` in place.

    `owners` says whose budget each draws on (see `models_of`), `shares` its weight beside the owner's other series
    (1 by default), `part` which part of the budget it is that owners share out (all of it by default).
    """
    columns.grow(state, _LAYOUT, keys)
    share = np.ones(len(keys)) if shares is None else np.asarray(shares, np.float64)
    state["owner"][keys], state["share"][keys] = owners, share
    live = state["owner"] >= 0
    total = np.bincount(state["owner"][live], state["share"][live], minlength=int(owners.max(initial=-1)) + 1)
    seen = state["seen"][keys]
    elapsed = np.where(seen < 0, context.end - context.start, np.minimum(context.end - seen, HOUR_US))
    state["seen"][keys] = context.end
    return np.asarray(context.alarms_per_us * part * np.maximum(elapsed, 0) * share / np.maximum(total[owners], 1e-300))


def forget(state: State, keys: frozenset[int]) -> None:
    """Free the shares of `keys`."""
    columns.clear(state, _LAYOUT, columns.numbers(keys))


def models_of(profile: Profile, bases: Ints) -> Ints:
    """A number for the model of each base group: its lowest live base group's, so that versions share one budget."""
    return profile.model_base[bases]
