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
from processors.performance.entries import Entries
from processors.rows import Longs

_SETTLED = 16_000
"""Labels from which on a frozen calibration is not replaced."""


def initial() -> State:
    """No calibration is frozen."""
    return {"size": {}, "table": {"id": np.zeros(0, np.int64), "code": np.zeros(0, np.int64), "doubt": np.zeros(0)}}


def due(state: State, base: int, labels: int, fewest: int) -> bool:
    """Should a version's calibration be frozen (anew) now that it has so many labels?"""
    before = int(state["size"].get(base, 0))
    return before < _SETTLED and labels >= max(fewest, 2 * before)


def freeze(state: State, base: int, learnt: Entries, labels: int, *, joint: bool) -> None:
    """Let expected errors of a version be counted by what was learnt so far."""
    owner = np.full(len(learnt), base, np.int64)
    calibration = Calibration.of(owner, learnt, np.full(len(learnt), joint))
    rate = calibration.hits[calibration.block] / calibration.size[calibration.block]
    facet = calibration.curve & ((1 << 16) - 1)
    parts = [_rows(base, facet, calibration.code, np.where(counts.is_said(facet), 1 - rate, rate), joint)]
    if joint:
        shared = counts.is_scored(facet)
        parts.append(_rows(base, facet[shared] + 1, calibration.code[shared], 1 - rate[shared], joint))
    kept = _without(state["table"], base)
    table = {name: np.concatenate([kept[name], *(part[name] for part in parts)]) for name in kept}
    order = np.lexsort((table["code"], table["id"]))
    state["table"] = {name: column[order] for name, column in table.items()}
    state["size"][base] = labels


def forget(state: State, groups: frozenset[int]) -> None:
    """Drop the frozen calibrations of these versions."""
    for base in sorted(groups):
        if state["size"].pop(base, None) is not None:
            state["table"] = _without(state["table"], base)


def _rows(base: int, facet: Longs, code: Longs, doubt: Any, joint: bool) -> dict[str, Any]:
    """Rows of a table; of a multiclass model only the predicted class decides."""
    mine = np.full(len(facet), True) if joint else counts.is_said(facet)
    return {"id": counts.table_id(np.int64(base), facet[mine]), "code": code[mine], "doubt": doubt[mine]}


def _without(table: dict[str, Any], base: int) -> dict[str, Any]:
    other = table["id"] >> 16 != base
    return {name: column[other] for name, column in table.items()}
