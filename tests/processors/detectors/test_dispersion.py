"""How much more than independent draws do rates vary?"""

from __future__ import annotations

import numpy as np

from processors.detectors import columns, dispersion
from processors.rows import Floats


def measured(rates: Floats, per_pane: int) -> Floats:
    """Dispersion of each series; `rates` has shape (panes, series)."""
    rng = np.random.default_rng(0)
    keys = np.arange(rates.shape[1], dtype=np.int32)
    state = columns.empty(dispersion.LAYOUT)
    columns.grow(state, dispersion.LAYOUT, keys)
    for rate in rates:
        hits = rng.binomial(per_pane, rate).astype(np.float64)
        dispersion.add_pane(state, keys, hits, np.full(len(keys), float(per_pane)), 0)
    dispersion.promote(state, keys)
    dispersion.promote(state, keys)
    return dispersion.dispersion(state, keys)


def test_independent_panes_are_hardly_dispersed() -> None:
    """The upper bound of a true 1 stays below 1.6 in the mean of 100 series of 4,000 panes."""
    spread = measured(np.full((4_000, 100), 0.1), 20)
    assert (spread >= 1).all()
    assert spread.mean() < 1.6


def test_dependent_panes_are_found_out_at_the_longer_scales() -> None:
    """AR(1) 0.9: in the long run the level varies 19 times as much as its panes do."""
    rng = np.random.default_rng(1)
    level, rates = np.zeros(20), []
    for _ in range(4_000):
        level = 0.9 * level + rng.normal(0, 0.01, 20)
        rates.append(np.clip(0.3 + level, 0, 1))
    spread = measured(np.array(rates), 50)
    # Per pane: 0.01^2 / (1 - 0.81) against 0.21 / 50 of the draws; in the long run 19 times that.
    long_run = 1 + 0.01**2 / (1 - 0.81) * 19 / (0.21 / 50)
    assert spread.mean() > 0.9 * long_run
    assert (spread > 0.5 * long_run).all()


def test_dependence_that_has_not_ended_is_taken_to_go_on() -> None:
    """After 400 panes nothing is known of 256 at once: what varies slowly counts for more than 16 panes show."""
    rng = np.random.default_rng(2)
    level, rates = np.zeros(20), []
    for _ in range(400):
        level = 0.97 * level + rng.normal(0, 0.012, 20)
        rates.append(np.clip(0.4 + level, 0.05, 0.95))
    slow, independent = measured(np.array(rates), 50), measured(np.full((400, 20), 0.4), 50)
    at_16_panes = 1 + 16 * 0.012**2 / (1 - 0.97**2) / (0.24 / 50)
    assert np.median(slow) > 2 * at_16_panes
    assert independent.max() < 2.5


def test_what_led_to_an_alarm_is_dropped() -> None:
    """Panes of an incident say nothing of the usual scatter."""
    keys = np.zeros(1, np.int32)
    state = columns.empty(dispersion.LAYOUT)
    columns.grow(state, dispersion.LAYOUT, keys)
    for pane in range(400):
        hits = np.array([2.0 + 2.0 * (pane % 2) if pane < 300 else 20.0])
        if pane == 300:
            dispersion.promote(state, keys)
            dispersion.promote(state, keys)
            before = dispersion.dispersion(state, keys)
        dispersion.add_pane(state, keys, hits, np.full(1, 20.0), 0)
    dispersion.drop(state, keys)
    dispersion.promote(state, keys)
    dispersion.promote(state, keys)
    np.testing.assert_array_equal(dispersion.dispersion(state, keys), before)
