"""Features that wait for labels, version by version."""

from __future__ import annotations

import numpy as np

from processors.estimation import counts, shift
from processors.kernels.binning import REGULAR
from processors.performance import entries as cube
from processors.performance.entries import Entries
from processors.profile import Profile
from tests.processors.panes import NO_SIGNALS, predictions

FEATURES = [f"f{number:02}" for number in range(11)]


def _seen(series: int) -> Entries:
    """Ten values of one series of the first version."""
    what = np.array([counts.FEATURE + cube.KINDS * series], np.int32)
    unit = cube.group_unit(np.array([0], np.int32))
    return cube.gathered(unit, what, np.array([REGULAR]), np.array([10]))


def test_a_window_of_a_version_may_close_before_any_of_its_features_was_binned() -> None:
    """Room for series grows ahead of need, so a new version's may have room while the version itself has none yet."""
    profile = Profile()
    profile.admit(predictions(4, {name: [1.0, 2.0, 3.0, 4.0] for name in FEATURES}), NO_SIGNALS)
    profile.admit(predictions(4, {"f00": [1.0, 2.0, 3.0, 4.0]}, version="2"), NO_SIGNALS)
    newest = profile.number("fraud", "2")
    state = shift.initial()
    for series in (len(FEATURES) - 2, len(FEATURES) - 1):
        shift.add(state, _seen(series))
    assert max(profile.series_of(newest).values()) < len(state["recent"])

    shift.close(state, newest, profile, 1_000)

    shift.learn(state, np.array([newest], np.int32), np.array([1_000]), profile)
    assert shift.moved(state, newest, profile) is None, "nothing was seen of it, so nothing can have moved"
