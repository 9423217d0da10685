"""Bins that crowd: found soon, one of many; at its edge no more often than was paid for; and done with when over."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from processors.detectors.change import Change
from processors.detectors.crowding import Crowding
from processors.durations import DAY_US
from processors.kernels.hashing import WIDTH

SERIES, ROWS = 200, 50
PANE = 10_000_000
START = 20_000 * DAY_US
EVEN = np.full(WIDTH, 1 / WIDTH)
HOT = 5


def crowded(gain: float) -> npt.NDArray[np.float64]:
    """Shares of which one has gained so much of all events."""
    shares = EVEN * (1 - gain)
    shares[HOT] += gain
    return shares


def run(shares: list[npt.NDArray[np.float64]], weight: float, seed: int = 0) -> list[tuple[int, Change]]:
    """(pane, change) of many series whose reference is even and adopted, each with a weight a pane."""
    detector, rng = Crowding(), np.random.default_rng(seed)
    state, keys = detector.initial(), np.arange(SERIES, dtype=np.int32)
    detector.adopt(state, keys, rng.multinomial(5_000, EVEN, SERIES))
    found = []
    for number, share in enumerate(shares):
        counts = rng.multinomial(ROWS, share, SERIES)
        start = START + number * PANE
        changes = detector.step(state, keys, counts, start, start + PANE, np.full(SERIES, weight))
        found += [(number, change) for change in changes]
    return found


def test_a_bin_that_gains_a_sixth_of_all_events_is_found_in_each_series() -> None:
    """Within 2,000 events at one false alarm in a million panes; the share told is what it is."""
    fired = [(number, change) for number, change in run([crowded(1 / 6)] * 40, 1e-6) if change.kind == "fired"]
    assert len(fired) == SERIES
    told = np.array([change.value for _, change in fired])
    assert abs(np.median(told) - crowded(1 / 6)[HOT]) < 0.02
    assert all(change.reference < 0.06 for _, change in fired)


def test_gains_that_do_not_matter_fire_no_more_often_than_was_paid_for() -> None:
    """A gain of just `min_effect`: 200 series x 200 panes at a weight of 1 in 4,000 may cost ten alarms in the mean."""
    fired = [change for _, change in run([crowded(0.05)] * 200, 1 / 4_000) if change.kind == "fired"]
    assert len(fired) <= 20


def test_it_recovers_when_the_bin_is_as_it_was() -> None:
    """Each series fires once and recovers once."""
    kinds = [change.kind for _, change in run([crowded(0.3)] * 40 + [EVEN] * 80, 1e-6) if change.kind != "updated"]
    assert sorted(kinds) == ["fired"] * SERIES + ["recovered"] * SERIES


def test_a_value_whose_share_wanders_is_quiet_in_whichever_bin_it_is() -> None:
    """A tenth of all events, in log-odds an AR(1) of 0.9 from pane to pane with a standard deviation of 0.6.

    A hundred series over ten days, two alarms of each paid for. Told by the odd bins alone, of which the value's own
    may not be one, panes seemed to scatter a tenth as much as that bin's share does: hundreds of alarms.
    """
    detector, rng = Crowding(), np.random.default_rng(7)
    size = 100
    state, keys = detector.initial(), np.arange(size, dtype=np.int32)
    wander, pane, fired = rng.normal(0, 0.6, size), 300_000_000, 0
    for number in range(10 * DAY_US // pane):
        wander = 0.9 * wander + rng.normal(0, 0.6 * np.sqrt(1 - 0.9**2), size)
        same = rng.binomial(300, 1 / (1 + 9 * np.exp(-wander)))
        counts = rng.multinomial(300 - same, EVEN)
        counts[keys, keys % WIDTH] += same
        start = START + number * pane
        weights = np.full(size, 2 * pane / (10 * DAY_US))
        fired += sum(
            change.kind == "fired" for change in detector.step(state, keys, counts, start, start + pane, weights)
        )
    assert fired <= 2 * size
