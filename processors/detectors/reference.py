"""What was normal for a series, in counts by bin: adopted, or grown from its own panes.

Own panes wait twice. They gather in `young`; when those are numerous enough and there is no evidence against them,
they become `aged`, and what was aged joins the reference: so a change has as many events again to show itself before
it could be taken for normal. What gathers until an alarm is dropped, and nothing gathers until recovery. The first
`warmup` events become the reference at once, for there is nothing to judge them by; they come from a dozen panes at
least, however many events those hold, so that it is known how much panes scatter. It is finished when it spans a
week and holds 4,000 events, more of which would tell little more (a model of few events a day needs longer), or after
90 days.
An adopted reference never grows (its series still learn how much their panes scatter, see `dispersion`).
"""

from __future__ import annotations

import numpy as np

from processors.base import State
from processors.detectors.columns import Layout
from processors.durations import DAY_US
from processors.rows import Bools, Floats, Ints, Longs

SETTLE_US = 7 * DAY_US
SETTLE_EVENTS = 4_000
SETTLE_AT_LAST_US = 90 * DAY_US
FIRST_PANES = 12


def layout(bins: int) -> Layout:
    """Columns of a reference of `bins` bins."""
    return {
        "ref": (np.float64, (bins,), 0),
        "ref_start": (np.int64, (), -1),
        "ref_end": (np.int64, (), -1),
        "adopted": (np.bool_, (), 0),
        "first_panes": (np.int32, (), 0),  # that the reference was begun with
        "aged": (np.float64, (bins,), 0),
        "aged_end": (np.int64, (), -1),
        "young": (np.float64, (bins,), 0),
    }


def growing(state: State, keys: Ints) -> Bools:
    """Which of `keys` still learn?"""
    spans = state["ref_end"][keys] - state["ref_start"][keys]
    few = ~state["adopted"][keys] & (state["ref"][keys].sum(axis=1) < SETTLE_EVENTS)
    return np.asarray(spans < np.where(few, SETTLE_AT_LAST_US, SETTLE_US))


def learn(  # noqa: PLR0917 - a pane is its bounds and its counts
    state: State, keys: Ints, counts: Floats, calm: Bools, start: int, end: int, warmup: int
) -> Ints:
    """Take in a pane's `counts`, shape (keys, bins); `calm` says where there is no evidence against them.

    Returns the keys whose panes moved up by one stage.
    """
    known = state["ref"][keys].sum(axis=1)
    state["young"][keys] += counts
    begun = state["ref_start"][keys]
    state["ref_start"][keys] = np.where(begun < 0, start, begun)
    state["first_panes"][keys] += known <= 0
    enough = np.where(known > 0, np.maximum(warmup / 2, known / 10), warmup)
    many = (known > 0) | (state["first_panes"][keys] >= FIRST_PANES)
    moved = calm & many & (state["young"][keys].sum(axis=1) >= enough)
    first, later = keys[moved & (known <= 0)], keys[moved & (known > 0)]
    state["ref"][first] = state["young"][first]
    state["ref_end"][first] = state["aged_end"][first] = end
    own = later[~state["adopted"][later]]
    state["ref"][own] += state["aged"][own]
    state["ref_end"][later] = state["aged_end"][later]
    state["aged"][later], state["aged_end"][later] = state["young"][later], end
    state["young"][keys[moved]] = 0
    return np.asarray(keys[moved])


def adopt(state: State, keys: Ints, counts: Floats) -> None:
    """Let `counts`, shape (keys, bins), be the reference of `keys`, which are as new."""
    state["ref"][keys] = counts
    state["adopted"][keys] = True


def take_over(state: State, keys: Ints, counts: Floats, since: Longs, until: Longs) -> None:
    """Let what `keys`, which are as new, counted from `since` to `until` be their reference; it grows on from there."""
    state["ref"][keys] = counts
    state["ref_start"][keys], state["ref_end"][keys], state["aged_end"][keys] = since, until, until


def inherit(state: State, keys: Ints, others: Ints) -> None:
    """Let the reference of `others` be that of `keys`, which are as new; one that grows does so for each."""
    for name in ("ref", "ref_start", "ref_end", "adopted"):
        state[name][keys] = state[name][others]
    state["aged_end"][keys] = state["ref_end"][others]


def drop(state: State, keys: Ints) -> None:
    """Drop what waits: it led to an alarm."""
    for stage in ("young", "aged"):
        state[stage][keys] = 0
    state["aged_end"][keys] = state["ref_end"][keys]


def provisional(state: State, key: int) -> bool:
    """Does the reference of a series not yet span a day?"""
    return not state["adopted"][key] and int(state["ref_end"][key] - state["ref_start"][key]) < DAY_US
