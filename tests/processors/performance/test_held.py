"""What is due is read some units at a time, from what the shelf held when it fell due."""

from __future__ import annotations

import numpy as np
import pytest

from processors.performance.entries import COUNT, Entries, Shelf, gathered
from processors.performance.readings import _portions


def counts(seed: int) -> Entries:
    """A few hundred counts of twenty units."""
    rng = np.random.default_rng(seed)
    what = np.full(500, COUNT, np.int32)
    return gathered(rng.integers(0, 20, 500), what, rng.integers(0, 40, 500), rng.integers(1, 5, 500))


def test_what_is_held_stays_though_the_shelf_changes() -> None:
    """Units are taken from the shelf, and others put on it, before what is due is read."""
    shelf = Shelf(1_000, 100_000)
    runs = shelf.initial()
    for seed in range(3):
        shelf.add(runs, counts(seed))
    units = np.arange(0, 20, 3)
    before, held = shelf.read(runs, units), shelf.held(runs)
    shelf.remove(runs, units)
    shelf.add(runs, counts(7))
    assert held.read(units).to_state().keys() == before.to_state().keys()
    for name, column in held.read(units).to_state().items():
        assert column.tolist() == before.to_state()[name].tolist()
    assert (held.most(units) >= np.bincount(np.searchsorted(units, before.unit), minlength=len(units))).all()


def test_portions_are_all_units_and_all_their_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fits into a portion, each unit is in one of them, whole."""
    monkeypatch.setattr("processors.performance.readings.PORTION", 60)
    shelf = Shelf(1_000, 100_000)
    runs = shelf.initial()
    for seed in range(3):
        shelf.add(runs, counts(seed))
    units = np.arange(1, 20, 2)
    whole = shelf.read(runs, units)
    portions = list(_portions(shelf.held(runs), units))
    assert len(portions) > 1
    assert [place for _, first, end in portions for place in range(first, end)] == list(range(len(units)))
    for name, column in whole.to_state().items():
        assert np.concatenate([portion.to_state()[name] for portion, _, _ in portions]).tolist() == column.tolist()
