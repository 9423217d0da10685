"""The CUSUM's account beside an e-detector of counts by bin: since when, and on what, does the evidence gather?

Log evidence adds up and never falls below its floor, which is 0; where it left the floor last is the estimated onset.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from processors.base import State
from processors.detectors.columns import Layout
from processors.rows import Bools, Floats, Ints


@dataclass(frozen=True, slots=True)
class Pane:
    """One pane's counts, shape (keys, bins), and their sums. Times in microseconds."""

    keys: Ints
    counts: Floats
    size: Floats
    start: int
    end: int

    def take(self, which: Bools) -> Pane:
        """Some of its series."""
        if which.all():
            return self
        return Pane(self.keys[which], self.counts[which], self.size[which], self.start, self.end)


def layout(bins: int, counts: type[np.float64 | np.float32] = np.float64) -> Layout:
    """Columns of the account, for detectors of so many bins."""
    return {
        "run": (np.float64, (), 0),  # log evidence since its floor
        "run_start": (np.int64, (), -1),
        "run_counts": (counts, (bins,), 0),
    }


def add(state: State, pane: Pane, gain: Floats) -> None:
    """Take in what a pane adds to the log evidence of each of its series; -inf: back to the floor."""
    keys = pane.keys
    old = state["run"][keys]
    new = np.maximum(old + gain, 0)
    goes_on = (old > 0) & (new > 0)
    state["run"][keys] = new
    state["run_start"][keys] = np.where(goes_on, state["run_start"][keys], np.where(new > 0, pane.start, -1))
    before = np.where(goes_on[:, None], state["run_counts"][keys], 0)
    state["run_counts"][keys] = before + np.where((new > 0)[:, None], pane.counts, 0)


def onset(state: State, pane: Pane, at: int) -> tuple[int, Floats]:
    """Since when, and on what counts, the evidence of the pane's series `at` gathers: this pane's if it does not."""
    key = int(pane.keys[at])
    if state["run"][key] > 0:
        return int(state["run_start"][key]), state["run_counts"][key]
    return pane.start, pane.counts[at]


def restart(state: State, keys: Ints) -> None:
    """Back to the floor."""
    state["run"][keys], state["run_counts"][keys], state["run_start"][keys] = 0, 0, -1
