"""What a version has begun with is its usual rate, unless no other version of the model has anything like it."""

from __future__ import annotations

import numpy as np

from processors.base import State
from processors.detectors.rates import Rates
from processors.profile import Profile, lending
from processors.quality.counting import DUPLICATE, MISSING, NOVEL, WRONG, place_of
from processors.rows import Ints

OF_VALUES = (WRONG, NOVEL)
"""What is counted by bins: of a series that has the bins of another, by that one's."""
_WITHOUT = 0.5
"""So much more of a feature is missing in a version than in any other: that is no usual rate to begin with."""


def compare(rates: Rates, state: State, places: Ints, profile: Profile) -> None:
    """Where a version began without a feature that all others have, let their rate be what is usual there."""
    for place in places.tolist():
        others = place_of(np.array(profile.namesakes(place // DUPLICATE), np.int32), MISSING)
        hits, trials = rates.reference_of(state, others)
        (own,), (of,) = rates.reference_of(state, np.array([place]))
        known = trials >= rates.warmup
        if known.any() and own / of >= (hits[known] / trials[known]).max() + _WITHOUT:
            last = np.flatnonzero(known)[-1:]
            rates.adopt(state, np.array([place]), hits[last], trials[last])


def inherit(rates: Rates, state: State, profile: Profile) -> Ints:
    """Where a feature has the bins of another version (see `profile.lending`), let that one's rates be the usual.

    Returns the places of rates that wait for these.
    """
    borrowers, lenders = lending.pairs(profile.loans)
    places = [(place_of(borrowers, kind), place_of(lenders, kind)) for kind in OF_VALUES]
    return np.concatenate([rates.inherit(state, *pair) for pair in places])
