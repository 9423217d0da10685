"""What goes away and comes back, again and again, is said ever more seldom, and what breaks for good is still said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from processors.detectors import columns, returns, seasons
from processors.detectors.change import Change
from processors.detectors.crowding import Crowding
from processors.detectors.histograms import Histograms
from processors.detectors.rates import Rates
from processors.durations import DAY_US, HOUR_US
from processors.kernels.binning import REGULAR, WIDTH
from processors.rows import Floats, Ints

PANE = 60_000_000
SERIES = 20
EVENTS = 30


class Series:
    """Twenty series of one detector, with a reference that is known well, pane after pane."""

    def __init__(self, detector: Any) -> None:
        self.detector, self.rng, self.pane = detector, np.random.default_rng(5), 0
        self.keys: Ints = np.arange(SERIES, dtype=np.int32)
        self.state = detector.initial()
        reference = [1_000, 10_000] if isinstance(detector, Rates) else [_shares(0.1) * 10_000]
        detector.adopt(self.state, self.keys, *(np.tile(each, (SERIES, *[1] * np.ndim(each))) for each in reference))

    def live(self, panes: int, share: float) -> list[Change]:
        """So many panes in which one bin, or the hits, have this share; it was a tenth."""
        found: list[Change] = []
        for _ in range(panes):
            if isinstance(self.detector, Rates):
                counts: tuple[Any, ...] = self.rng.binomial(EVENTS, share, SERIES), np.full(SERIES, EVENTS)
            else:
                counts = (self.rng.multinomial(EVENTS, _shares(share), SERIES),)
            start, weights = self.pane * PANE, np.full(SERIES, PANE / (30 * DAY_US) / SERIES)
            found += self.detector.step(self.state, self.keys, *counts, start, start + PANE, weights)
            self.pane += 1
        return found


def _shares(first: float) -> Floats:
    shares = np.zeros(WIDTH)
    shares[REGULAR : REGULAR + 10] = (1 - first) / 9
    shares[REGULAR] = first
    return shares


DETECTORS = [Rates(), Histograms(), Crowding()]


def _fired(changes: list[Change]) -> int:
    return sum(change.kind == "fired" for change in changes)


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda each: type(each).__name__)
def test_what_comes_back_again_and_again_is_said_ever_more_seldom(detector: Any) -> None:
    """Half an hour in three; what breaks for good, and worse than that, is found within three hours."""
    series = Series(detector)
    said = [_fired(series.live(30, 0.4)) + _fired(series.live(150, 0.1)) for _ in range(16)]
    assert sum(said[:2]) >= 1.5 * SERIES, "at first each time"
    assert sum(said[-8:]) <= SERIES, "at last not every other time"
    for_good = series.live(180, 0.8)
    assert len({change.key for change in for_good if change.kind == "fired"}) == SERIES


def test_each_return_doubles_what_evidence_is_divided_by_and_each_calm_week_halves_it() -> None:
    """Up to 64 times the dispersion, and never less than that; what took longer than three days did not pass."""
    layout = {**returns.LAYOUT, **seasons.LAYOUT}
    state, key = columns.empty(layout), np.array([0], np.int32)
    columns.grow(state, layout, key)
    state |= {"dispersion": np.array([3.0]), "since": np.array([DAY_US - HOUR_US])}
    assert returns.divisor(state, key, 0) == 3
    for number in range(1, 9):
        returns.over(state, 0, DAY_US)
        assert returns.divisor(state, key, DAY_US) == 3 * min(2**number, 64)
    assert returns.divisor(state, key, 8 * DAY_US) == 3 * 32
    state["since"][0] = 8 * DAY_US
    returns.over(state, 0, 12 * DAY_US)
    assert returns.divisor(state, key, 15 * DAY_US) == 3 * 16
    state["dispersion"] = np.array([70.0])
    assert returns.divisor(state, key, 15 * DAY_US) == 70, "learnt meanwhile"
    assert returns.divisor(state, key, 99 * DAY_US) == 70


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda each: type(each).__name__)
def test_a_state_of_a_release_that_did_not_know_of_returns_goes_on(detector: Any) -> None:
    """Its series have none."""
    series = Series(detector)
    series.live(30, 0.1)
    for name in returns.LAYOUT:
        del series.state[name]
    assert _fired(series.live(60, 0.4)) == SERIES
    assert not series.state["least"].any()
