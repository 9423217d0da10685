"""Onsets: the interval is where the change is, and no wider than what events tell."""

from __future__ import annotations

import numpy as np
import pytest

from processors.detectors import onset
from processors.detectors.rates import Rates

PANE = 10_000_000


def _change(rng: np.random.Generator, before: float, after: float, per_pane: int) -> tuple[tuple[int, int], int]:
    """Bounds that are told when a rate has changed, and when it did."""
    detector = Rates(min_effect=0.02, warmup=200)
    state = detector.initial()
    at = 400 + int(rng.integers(50))
    for pane in range(2_000):
        hits = rng.binomial(per_pane, before if pane < at else after)
        changes = detector.step(
            state, np.array([0], np.int32), [hits], [per_pane], pane * PANE, (pane + 1) * PANE, [1e-6]
        )
        if changes and pane >= at:
            assert changes[0].onset is not None
            return changes[0].onset, at * PANE
        state["side"][:] = 0
    raise AssertionError("not found")


@pytest.mark.parametrize(("before", "after", "per_pane"), [(0.1, 0.3, 10), (0.1, 0.6, 4), (0.3, 0.45, 50)])
def test_the_onset_lies_between_its_bounds(before: float, after: float, per_pane: int) -> None:
    """In nine of ten changes at least, whatever their size."""
    rng = np.random.default_rng(7)
    found = [_change(rng, before, after, per_pane) for _ in range(60)]
    inside = sum(low <= at <= high for (low, high), at in found)
    assert inside >= 51
    events = np.array([(high - low) / PANE * per_pane for (low, high), _ in found])
    kl = after * np.log(after / before) + (1 - after) * np.log((1 - after) / (1 - before))
    assert np.median(events) <= 2.5 * (2 * np.log(20) / kl) + 2 * per_pane


def test_what_says_more_is_told_closer() -> None:
    """A change to certain errors is told to the pane; panes that depend on each other tell less."""
    usual, all_wrong, some = np.array([0.1, 0.9]), np.array([0.99, 0.01]), np.array([0.2, 0.8])
    end = 100 * PANE

    def width(after: np.ndarray, dispersion: float) -> int:
        low, high = onset.between(usual, after, 50 * PANE, end, 500.0, dispersion, PANE)
        assert 0 <= low <= 50 * PANE <= high <= end
        return high - low

    assert width(all_wrong, 1.0) <= 4 * PANE
    assert width(all_wrong, 1.0) < width(some, 1.0) <= width(some, 4.0)
