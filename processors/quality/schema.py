"""Which features does a version send that it did not send when its features were sealed?

A feature that disappears has its missing rate go to 100%; this is for those that appear.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from processors.base import State
from processors.detectors import columns
from processors.kernels.binning import CATEGORICAL, NUMERIC, UNSEALED
from processors.profile import Profile
from processors.rows import Ints

_UNKNOWN, _KNOWN, _NEW = range(3)
_SERIES: columns.Layout = {"status": (np.int8, (), _UNKNOWN), "since": (np.int64, (), -1)}
_GROUPS: columns.Layout = {"settled": (np.bool_, (), 0)}


@dataclass(frozen=True, slots=True)
class Appeared:
    """A feature that appeared, or belongs to the schema now (`over`)."""

    series: int
    over: bool
    since: int


def initial() -> State:
    """No version is known."""
    return {"series": columns.empty(_SERIES), "groups": columns.empty(_GROUPS)}


def step(state: State, groups: Ints, present: Ints, profile: Profile, start: int) -> list[Appeared]:
    """Take in which versions predicted in a pane, and which series had values. Changes `state` in place.

    A version's schema is what it has sent by the time its features are sealed; a newcomer joins once sealed itself.
    """
    columns.grow(state["groups"], _GROUPS, groups)
    series = np.arange(len(profile.series_group), dtype=np.int32)
    columns.grow(state["series"], _SERIES, series)
    status, kind, owner = state["series"]["status"], profile.series_type, profile.series_group
    sealed = (kind == NUMERIC) | (kind == CATEGORICAL)
    fresh = np.intersect1d(groups[~state["groups"]["settled"][groups]], owner[sealed])
    if len(fresh):
        state["groups"]["settled"][fresh] = True
        status[series[np.isin(owner, fresh)]] = _KNOWN
    settled = state["groups"]["settled"][owner[present]] & (owner[present] >= 0)
    new = present[settled & (status[present] == _UNKNOWN) & (kind[present] == UNSEALED)]
    status[new], state["series"]["since"][new] = _NEW, start
    joined = present[(status[present] == _NEW) & sealed[present]]
    status[joined] = _KNOWN
    since = state["series"]["since"]
    found = [Appeared(at, False, start) for at in new.tolist()]
    return found + [Appeared(at, True, int(since[at])) for at in joined.tolist()]


def forget(state: State, groups: frozenset[int], series: frozenset[int]) -> None:
    """Let these be as if never seen."""
    columns.clear(state["series"], _SERIES, columns.numbers(series))
    columns.clear(state["groups"], _GROUPS, columns.numbers(groups))
