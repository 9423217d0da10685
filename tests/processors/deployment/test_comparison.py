"""The bets behind `deployment`: fair while the new version is no worse, and what a model may stake."""

from __future__ import annotations

import numpy as np
import pytest

from processors.base import State
from processors.deployment import comparison, stakes
from processors.deployment.served import BINS
from processors.detectors import columns
from processors.detectors.seasons import CELLS
from processors.durations import DAY_US, HOUR_US
from processors.rows import Floats

VERSIONS = 4_000
STAKE = 1e-6
PANE_US = 60_000_000
EFFECT = comparison.Effect(0.005, 0.02)


def _begun(lately: Floats) -> State:
    state = columns.empty(comparison.LAYOUT)
    columns.grow(state, comparison.LAYOUT, np.array([VERSIONS - 1]))
    for key in range(VERSIONS):
        comparison.begin(state, key, -1, lately[key], np.ones(CELLS), STAKE, 0)
    return state


def _counts(rng: np.random.Generator, n: int, rate: float) -> Floats:
    counts = np.zeros((VERSIONS, BINS, 2))
    counts[:, 0, 0], counts[:, 0, 1] = rng.binomial(n, rate, VERSIONS), n
    return counts


@pytest.mark.parametrize("canary", [True, False])
def test_evidence_has_a_mean_of_at_most_one_while_the_new_version_is_no_worse(canary: bool) -> None:
    """At the edge of what matters, whatever the traffic does to both: four standard errors of 4,000 versions."""
    rng = np.random.default_rng(3)
    old = np.zeros((VERSIONS, BINS, 2))
    state = _begun(old if canary else _counts(rng, 2_000, 0.1))
    keys, unknown = np.arange(VERSIONS, dtype=np.int32), np.full(VERSIONS, np.nan)
    served = np.full(VERSIONS, DAY_US if canary else -DAY_US)
    for pane in range(12):
        rate = 0.1 * (1.6 if canary and pane % 2 else 1.0)
        new = _counts(rng, 15, rate * 1.05)
        comparison.gather(state, keys, _counts(rng, 30, rate) if canary else old, new, unknown, served)
        comparison.step(state, keys, EFFECT, pane * PANE_US, (pane + 1) * PANE_US)
    evidence = state["evidence"].sum(axis=1) / STAKE
    assert evidence.mean() <= 1 + 4 * evidence.std() / VERSIONS**0.5
    assert evidence.std() > 0.1, "it bets on something"


def test_log_evidence_is_divided_by_what_outcomes_depend_on_each_other() -> None:
    """Four times as many outcomes that come in fours are worth no more."""
    grown = []
    for times, spread in ((1, 1.0), (4, 4.0)):
        state = _begun(np.tile([[100.0, 1_000.0]], (VERSIONS, BINS, 1)) * times)
        new = np.zeros((VERSIONS, BINS, 2))
        new[:, 0] = 10 * times, 40 * times
        keys = np.arange(VERSIONS, dtype=np.int32)
        comparison.gather(state, keys, 0 * new, new, np.full(VERSIONS, spread), np.full(VERSIONS, -DAY_US))
        comparison.step(state, keys, EFFECT, 0, PANE_US)
        grown.append(float(np.log(state["evidence"][0].sum() / STAKE)))
    assert grown[0] == pytest.approx(grown[1], abs=0.05)
    assert grown[0] > 0.5


def test_all_stakes_of_a_model_stay_within_its_budget_and_a_month_more() -> None:
    """Half of the purse for each new version, which fills up at the budget's rate, however many come."""
    rate = 0.05 / (30 * DAY_US)
    state = columns.empty(stakes.LAYOUT)
    taken = []
    for key in range(200):
        others = np.arange(key, dtype=np.int32)
        taken.append(stakes.take(state, key, others, rate, key * HOUR_US))
    assert taken[0] == pytest.approx(0.025)
    assert sum(taken) <= 0.05 + rate * 200 * HOUR_US
    assert min(taken) > 0
    assert stakes.take(state, 200, np.arange(200, dtype=np.int32), rate, 200 * DAY_US) == pytest.approx(0.025)
