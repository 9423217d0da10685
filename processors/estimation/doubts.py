"""Doubts: calibrations that stand still, by which the expected errors of predictions are counted for alerts.

An alert says that the model meets more of what it is unsure of. With a calibration that changes as labels come its own
changes would look like that, so alerts use one that is frozen, and begin anew when it is replaced: once there are
twice as many labels, until those are so many that more would tell little more.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from processors.base import State
from processors.estimation import counts
from processors.estimation.calibration import Calibration
from processors.performance.entries import Entries, group_of
from processors.rows import Bools, Ints, Longs

_SETTLED = 16_000
"""Labels from which on a frozen calibration is not replaced."""


def initial() -> State:
    """No calibration is frozen."""
    return {"size": {}, "table": {"id": np.zeros(0, np.int64), "code": np.zeros(0, np.int64), "doubt": np.zeros(0)}}


def due(state: State, base: int, labels: int, fewest: int) -> bool:
    """Should a version's calibration be frozen (anew) now that it has so many labels?"""
    before = int(state["size"].get(base, 0))
    return before < _SETTLED and labels >= max(fewest, 2 * before)


def freeze(state: State, bases: Ints, learnt: Entries, labels: Longs, joint: Bools) -> None:
    """Let expected errors of these versions (ascending) be counted by what was learnt of them so far.

    `labels` are how many that rests on, `joint` says which are binary.
    """
    owner = group_of(learnt.unit)
    calibration = Calibration.of(owner, learnt, joint[np.searchsorted(bases, owner)])
    rate = calibration.hits[calibration.block] / calibration.size[calibration.block]
    owner, facet = calibration.curve >> 16, calibration.curve & ((1 << 16) - 1)
    said, both = counts.is_said(facet), joint[np.searchsorted(bases, owner)]
    # Of a multiclass model only the predicted class decides; of a binary one both sides of a score are in one curve.
    alone, shared = said | both, both & counts.is_scored(facet)
    kept = _without(state["table"], bases)
    fresh = {
        "id": counts.table_id(
            np.concatenate([owner[alone], owner[shared]]), np.concatenate([facet[alone], facet[shared] + 1])
        ),
        "code": np.concatenate([calibration.code[alone], calibration.code[shared]]),
        "doubt": np.concatenate([np.where(said, 1 - rate, rate)[alone], 1 - rate[shared]]),
    }
    table = {name: np.concatenate([kept[name], fresh[name]]) for name in kept}
    order = np.lexsort((table["code"], table["id"]))
    state["table"] = {name: column[order] for name, column in table.items()}
    state["size"] |= dict(zip(bases.tolist(), labels.tolist(), strict=True))


def forget(state: State, groups: frozenset[int]) -> None:
    """Drop the frozen calibrations of these versions."""
    gone = [base for base in sorted(groups) if state["size"].pop(base, None) is not None]
    if gone:
        state["table"] = _without(state["table"], np.array(gone, np.int32))


def _without(table: dict[str, Any], bases: Ints) -> dict[str, Any]:
    other = ~np.isin(table["id"] >> 16, bases)
    return {name: column[other] for name, column in table.items()}
