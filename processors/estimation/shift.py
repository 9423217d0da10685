"""Have the features left what the calibration was learnt from?

An estimate without labels holds as long as a score means what it meant. That can be checked only afterwards; what can
be seen at once is whether features still are what they were when the predictions were made whose labels were learnt
from. Histograms of each version's features wait here until labels of later predictions have come, then join those.
"""

from __future__ import annotations

import numpy as np

from processors.base import State
from processors.detectors.projection import sampling_error, total_variation
from processors.estimation import counts
from processors.kernels.binning import WIDTH
from processors.performance import entries as cube
from processors.performance.entries import Entries
from processors.profile import Profile
from processors.rows import Ints, Longs

_STAGES = ("recent", "waiting", "learnt")
_MOST = 100_000.0
"""Predictions beyond which what was learnt is halved."""
_NOTHING = np.iinfo(np.int64).max
_CAUTION = 7.0
"""Log-odds against taking chance for a shift."""


def initial() -> State:
    """Nothing was seen."""
    stages: State = {name: np.zeros((0, WIDTH), np.float32) for name in _STAGES}
    return {**stages, "until": np.zeros(0, np.int64)}


def add(state: State, entries: Entries) -> None:
    """Take in the features of a pane's predictions."""
    mine = entries.take(entries.what % cube.KINDS == counts.FEATURE)
    if not len(mine):
        return
    series = mine.what // cube.KINDS
    _grow(state, int(series.max()) + 1, int(cube.group_of(mine.unit[-1])) + 1)
    state["recent"][series, mine.code] += mine.value


def moved(state: State, base: int, profile: Profile) -> tuple[float, str] | None:
    """The largest total variation of a version's features in the window that closes, beyond chance, and whose it is.

    None while nothing was learnt of any of them.
    """
    found = [
        (number, name) for name, number in sorted(profile.series_of(base).items()) if number < len(state["recent"])
    ]
    numbers = np.array([number for number, _ in found], np.int64)
    now, learnt = (state[name][numbers].astype(np.float64) for name in ("recent", "learnt"))
    size, known = now.sum(axis=1), learnt.sum(axis=1)
    drawn = np.flatnonzero((size > 0) & (known > 0))
    if not len(drawn):
        return None
    size, known = size[drawn], known[drawn]
    p, q = learnt[drawn] / known[:, None], now[drawn] / size[:, None]
    chance = sampling_error(p, 1 / (1 / size + 1 / known), _CAUTION)
    beyond = np.maximum(total_variation(p, q) - chance, 0.0)
    at = int(np.argmax(beyond))
    return float(beyond[at]), found[drawn[at]][1]


def close(state: State, base: int, profile: Profile, end: int) -> None:
    """A version's window closed at `end`: its features wait for labels of what comes then."""
    numbers = _series(state, base, profile)
    if not len(numbers):
        return
    _grow(state, 0, base + 1)  # none of its features may have been binned yet
    state["waiting"][numbers] += state["recent"][numbers]
    state["recent"][numbers] = 0
    state["until"][base] = end


def learn(state: State, bases: Ints, newest: Longs, profile: Profile) -> None:
    """Labels of predictions made as late as `newest` have come, of each of `bases`."""
    for base, time in zip(bases.tolist(), newest.tolist(), strict=True):
        if base >= len(state["until"]) or time < state["until"][base]:
            continue
        numbers = _series(state, base, profile)
        state["learnt"][numbers] += state["waiting"][numbers]
        state["waiting"][numbers] = 0
        many = numbers[state["learnt"][numbers].sum(axis=1) > _MOST]
        state["learnt"][many] *= 0.5
        state["until"][base] = _NOTHING


def adopt(state: State, entries: Entries) -> None:
    """Learn the features of a reference, which has its labels."""
    mine = entries.take(entries.what % cube.KINDS == counts.FEATURE)
    if len(mine):
        series = mine.what // cube.KINDS
        _grow(state, int(series.max()) + 1, int(cube.group_of(mine.unit[-1])) + 1)
        state["learnt"][np.unique(series)] = 0
        state["learnt"][series, mine.code] += mine.value


def forget(state: State, groups: frozenset[int], series: frozenset[int]) -> None:
    """Free what is held of retired versions."""
    gone = [number for number in sorted(series) if number < len(state["recent"])]
    for name in _STAGES:
        state[name][gone] = 0
    state["until"][[group for group in sorted(groups) if group < len(state["until"])]] = _NOTHING


def _series(state: State, base: int, profile: Profile) -> Longs:
    numbers = [number for number in profile.series_of(base).values() if number < len(state["recent"])]
    return np.array(sorted(numbers), np.int64)


def _grow(state: State, series: int, bases: int) -> None:
    have = len(state["recent"])
    if series > have:
        more = np.zeros((series + have // 8 - have, WIDTH), np.float32)
        for name in _STAGES:
            state[name] = np.concatenate([state[name], more])
    if bases > len(state["until"]):
        state["until"] = np.concatenate([state["until"], np.full(bases - len(state["until"]), _NOTHING)])
