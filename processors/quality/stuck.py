"""Has a feature been stuck at one value for unusually long?

A run is a stretch of panes in which every value of a series is the same. It is told once it has lasted three times as
long as the longest run before it, and at least `events` values, and would be less likely than 10^-9 if values were
drawn as usual: (largest share of a bin of the first values)^events. A rule, not a test: it spends no budget.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from processors.base import State, Summary
from processors.detectors import columns
from processors.kernels.binning import WIDTH
from processors.quality.counting import spread
from processors.rows import Bools, Ints

_LEARN = 1_000
_FACTOR = 3
_LOG_UNLIKELY = np.log(1e9)
_LAYOUT: columns.Layout = {
    "value": (np.float64, (), np.nan),
    "events": (np.int64, (), 0),
    "start": (np.int64, (), -1),
    "end": (np.int64, (), -1),
    "longest": (np.int64, (), 0),
    "bins": (np.int64, (WIDTH,), 0),
    "told": (np.bool_, (), 0),
}


@dataclass(frozen=True, slots=True)
class Stuck:
    """One series that got stuck, or came loose (`over`)."""

    series: int
    over: bool
    since: int
    events: int


def initial() -> State:
    """Nothing seen."""
    return columns.empty(_LAYOUT)


def step(state: State, series: Ints, summary: Summary, pane: tuple[int, int], events: int) -> list[Stuck]:
    """Take in one pane (start, end) of `series` (ascending; `summary` in the same order). Changes `state` in place."""
    start, end = pane
    some = ~np.isnan(spread(summary))
    series, low = series[some], summary["low"][some]
    columns.grow(state, _LAYOUT, series)
    same = spread(summary)[some] == 0
    goes_on = same & (state["value"][series] == low)
    found = _loosen(state, series[~goes_on])
    seen = (summary["cells"] - summary["bins"][:, 0])[some]
    state["value"][series] = np.where(same, low, np.nan)
    state["start"][series] = np.where(goes_on, state["start"][series], start)
    state["end"][series] = end
    state["events"][series] = np.where(same, seen, 0) + np.where(goes_on, state["events"][series], 0)
    told = _unusual(state, series, events) & same
    for at in series[told].tolist():
        state["told"][at] = True
        found.append(Stuck(at, False, int(state["start"][at]), int(state["events"][at])))
    learning = state["bins"][series].sum(axis=1) < _LEARN
    state["bins"][series[learning]] += summary["bins"][some][learning]
    return sorted(found, key=lambda one: one.series)


def forget(state: State, series: frozenset[int]) -> None:
    """Let these be as if never seen."""
    columns.clear(state, _LAYOUT, columns.numbers(series))


def _loosen(state: State, series: Ints) -> list[Stuck]:
    """Runs that this pane ends: those that were not told say how long usual ones are."""
    told = state["told"][series]
    lasted = np.where(np.isnan(state["value"][series]) | told, 0, state["end"][series] - state["start"][series])
    state["longest"][series] = np.maximum(state["longest"][series], lasted)
    state["told"][series] = False
    over = series[told].tolist()
    return [Stuck(at, True, int(state["start"][at]), int(state["events"][at])) for at in over]


def _unusual(state: State, series: Ints, events: int) -> Bools:
    bins = state["bins"][series]
    total = bins.sum(axis=1)
    share = (bins.max(axis=1, initial=0) + 1) / (total + 2)
    unlikely = -state["events"][series] * np.log(share) >= _LOG_UNLIKELY
    lasted = state["end"][series] - state["start"][series]
    long = (state["events"][series] >= events) & (lasted >= _FACTOR * state["longest"][series])
    return np.asarray((total >= _LEARN) & unlikely & long & ~state["told"][series])
