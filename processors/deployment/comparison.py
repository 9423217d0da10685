"""Does a new version err more often than the one before it? Errors of both, set against each other.

Of n_b outcomes of the new version and n_a of the old one, taken together, h_b + h_a were errors. If the new one's error
rate is at most `ratio` times the old one's, each error is the new one's with a chance of at most

    s = n_b ratio / (n_b ratio + n_a),

and a bet on more (`detectors.tilts`, h_b hits of h_b + h_a trials at the edge s) gains nothing in the mean.

Proved: for independent outcomes with any error probabilities, which may differ from outcome to outcome and from pane to
pane, the bet's mean is at most 1 as long as in each block the new version's mean probability is at most `ratio` times
the old one's: E exp(h_b d - (h_a + h_b) c) <= exp(n_b p_b (e^(d - c) - 1) + n_a p_a (e^-c - 1)) <= 1 for
e^c = 1 + s (e^d - 1). The old one's uncertainty is in it, for its errors are counted, not known. It is the test of two
Poisson rates [1] as an e-value [2], conservative for Bernoulli outcomes. Blocks multiply; weights below 1 may be put on
the old one's outcomes, for e^(-w c) is convex in w.

While both serve, a block has the outcomes that both got in the same panes, so that whatever befalls the traffic befalls
both. What the new one has alone is set against a pool of the old one's last outcomes, each used up to once: two of it
for each at first, fewer later. Here the old one's are known before the bets are placed, and a lucky pool is lucky for
long: stopping at the best moment doubles the chance of a false alarm at most.

Measured only (`make bench-deployments`): outcomes that depend on each other. Log evidence is divided by the
variance ratio D of the old version's panes (`detectors.dispersion`); of its excess over 1 half is taken to be the
version's own where both had the same traffic.

[1] J. Przyborowski & H. Wilenski (1940), "Homogeneity of results in testing samples from Poisson series", Biometrika.
[2] P. Grünwald, R. de Heide & W. Koolen (2024), "Safe testing", JRSS B 86.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from processors.base import State
from processors.deployment.served import BINS, LAGS_US
from processors.detectors import columns, seasons
from processors.detectors.tilts import MOST_LOG, TILTS, log_ratios
from processors.durations import DAY_US, HOUR_US, MINUTE_US
from processors.rows import Bools, Floats, Ints, Longs

IDLE, JUDGED, FIRING = range(3)
"""Phases of a version: nothing to compare (yet, or any more), compared, and found worse."""

_FEWEST = 10
"""Outcomes of the new version that make a block; fewer after an hour."""
_RARE = 20
"""Where the old version has less than one outcome to so many of the new one, it does not serve the same traffic."""
_LATELY_US = 10 * MINUTE_US
"""A version that has not predicted for longer serves no more."""
_EACH = 2.0
"""Outcomes of the old version for each of the new one, while there are many."""
_OWN = 0.5
_WITHOUT_DAYS_US = 3 * HOUR_US
"""Predictions this long after the new version began are compared across time only if the hours of the day are known."""
_HARDLY_KNOWN = 4.0
"""So many times as much may the old version's errors scatter from then to now while its days are not known."""
_ENOUGH, _MOST = 2_000, 20_000
"""Outcomes (over D) after which a comparison is over: with a day, and at any rate."""
_LONGEST_US = 7 * DAY_US
_SOON = 50
"""An onset within so many outcomes is that of the version."""
_SURELY_NOT = 0.05
"""Probability with which a comparison may end early although the new version is worse."""
_RECOVERY_US = DAY_US

LAYOUT: columns.Layout = {
    "phase": (np.int8, (), IDLE),
    "before": (np.int32, (), -1),  # the version that it is compared with; -1: retired
    "began": (np.int64, (), -1),
    "served_at": (np.int64, (), -1),  # when that one predicted last
    "spread": (np.float64, (), 1),
    "rises": (np.float32, (seasons.CELLS,), 1),
    "pool": (np.float64, (BINS, 2), 0),  # errors and outcomes of the old version that are left
    "pooled": (np.float64, (BINS,), 0),  # outcomes that there ever were
    "open": (np.float64, (BINS, 4), 0),  # errors and outcomes of the old version, and of the new one
    "closed_at": (np.int64, (), -1),
    "used": (np.float64, (BINS, 4), 0),  # of blocks since the onset
    "same": (np.float64, (), 0),  # of these, outcomes of the new version that were compared on the same traffic
    "known": (np.float64, (2,), 0),  # errors and outcomes of the old version, lately and since
    "n": (np.float64, (), 0),  # outcomes of the new version in all
    "least": (np.float64, (), 0),  # that the evidence has been
    "least_at": (np.int64, (), -1),  # when: the onset, as a CUSUM's
    "least_n": (np.float64, (), 0),
    "evidence": (np.float64, (len(TILTS),), 0),
    "back": (np.float64, (len(TILTS),), 0),  # that it is not worse
    "rate": (np.float64, (), 0),  # of the old version, when the new one was found worse
    "stepped": (np.int64, (), -1),
}


@dataclass(frozen=True, slots=True)
class Effect:
    """How much worse does not matter: a part of the old version's error rate, within bounds (absolute)."""

    least: float
    most: float
    part: float = 0.05

    def of(self, rate: Floats) -> Floats:
        """For each rate."""
        return np.asarray(np.clip(rate * self.part, self.least, self.most))


@dataclass(frozen=True, slots=True)
class _Blocks:
    """What is compared now, shape (versions, bins): errors and outcomes of old and new, zeros where nothing is."""

    hits_a: Floats
    n_a: Floats
    hits_b: Floats
    n_b: Floats
    same: Bools
    """Which are of the same traffic."""
    ratio: Floats
    spread: Floats


def begin(state: State, key: int, before: int, lately: Floats, rises: Floats, stake: float, start: int) -> None:  # noqa: PLR0917 - what a comparison is made of
    """Compare version `key` with `before` from now on, of which `lately`, shape (bins, 2), is known.

    `stake` is the probability with which it may be found worse though it is not.
    """
    columns.clear(state, LAYOUT, np.array([key]))
    state["phase"][key], state["before"][key], state["rises"][key] = JUDGED, before, rises
    state["pool"][key], state["pooled"][key], state["known"][key] = lately, lately[:, 1], lately.sum(axis=0)
    state["evidence"][key], state["back"][key] = stake / len(TILTS), _SURELY_NOT / len(TILTS)
    state["least"][key], state["least_at"][key] = stake, start
    state["began"][key] = state["closed_at"][key] = state["stepped"][key] = start


def active(state: State) -> Ints:
    """Versions that are compared or fire."""
    return np.flatnonzero(state["phase"]).astype(np.int32)


def gather(  # noqa: PLR0917 - what a pane brings
    state: State, versions: Ints, old: Floats, new: Floats, spread: Floats, served_at: Longs
) -> None:
    """Take in a pane's errors and outcomes of `versions` (`new`) and of those before them, shape (versions, bins, 2).

    `spread` is that of those before them, NaN where it is not known any more, `served_at` when they predicted last.
    """
    state["served_at"][versions] = served_at
    state["open"][versions] += np.concatenate([old, new], axis=2)
    state["spread"][versions] = np.where(np.isnan(spread), state["spread"][versions], spread)


def step(state: State, versions: Ints, effect: Effect, start: int, end: int) -> tuple[Ints, Ints]:
    """Judge what was gathered of `versions`; returns those that are found worse now, and those that are well again."""
    firing = state["phase"][versions] == FIRING
    blocks = _close(state, versions, effect, start, end)
    hits, errors = blocks.hits_b, blocks.hits_a + blocks.hits_b
    share = blocks.n_b * blocks.ratio / np.maximum(blocks.n_b * blocks.ratio + blocks.n_a, 1e-9)
    known = (blocks.n_a > 0) & (blocks.n_b > 0)
    share = np.where(known, np.clip(share, 1e-9, 1 - 1e-9), 0.5)
    for_, against = (
        np.where(known[:, :, None], log_ratios(count, errors, edge, blocks.spread), 0)
        for count, edge in ((hits, share), (blocks.hits_a, 1 - share))
    )
    alone = (~blocks.same & firing[:, None])[:, :, None]
    against = np.where(alone, _below(state, versions, blocks, effect), against)
    gain = np.where(firing[:, None], 0, for_.sum(axis=1))
    state["evidence"][versions] *= np.exp(np.minimum(gain, MOST_LOG))
    drip = np.where(firing, (end - state["stepped"][versions]) / _RECOVERY_US, 0) / len(TILTS)
    state["back"][versions] = (state["back"][versions] + drip[:, None]) * np.exp(
        np.minimum(against.sum(axis=1), MOST_LOG)
    )
    state["stepped"][versions] = end
    _onset(state, versions[~firing], end)
    worse = ~firing & (state["evidence"][versions].sum(axis=1) >= 1)
    well = ~worse & (state["back"][versions].sum(axis=1) >= 1)
    stop(state, versions[well | (~firing & ~worse & _over(state, versions, end))])
    _fire(state, versions[worse])
    return versions[worse], versions[firing & well]


def from_the_first(state: State, key: int) -> bool:
    """Has it been worse from its first outcomes on, as far as can be told?"""
    before, after = float(state["least_n"][key]), float(state["used"][key, :, 3].sum())
    return before < max(_SOON, after / 4)


def rates(state: State, key: int) -> tuple[float, float, float, float]:
    """(error rate of the new version, of the old one, outcomes of the new one, of the old one), compared since onset.

    The old one's is that of outcomes whose labels took as long as the new one's.
    """
    hits_a, n_a, hits_b, n_b = state["used"][key].T
    both = (n_a > 0) & (n_b > 0)
    n = max(float(n_b[both].sum()), 1e-9)
    old = float((n_b[both] * hits_a[both] / n_a[both]).sum()) / n
    return float(hits_b[both].sum()) / n, old, n, float(n_a[both].sum())


def same_traffic(state: State, key: int) -> float:
    """The share of the outcomes compared that both versions got in the same panes."""
    return float(state["same"][key] / max(state["used"][key, :, 3].sum(), 1.0))


def days_known(state: State, key: int) -> bool:
    """Was it known how errors follow the hours of the day?"""
    return bool(np.isfinite(state["rises"][key]).all())


def retire(state: State, groups: Ints) -> None:
    """Forget these versions; those that are compared with them go on with what they have."""
    columns.clear(state, LAYOUT, groups)
    state["before"][np.isin(state["before"], groups)] = -1


def stop(state: State, groups: Ints) -> None:
    """Compare these versions no more."""
    state["phase"][groups[groups < len(state["phase"])]] = IDLE


def _close(state: State, versions: Ints, effect: Effect, start: int, end: int) -> _Blocks:
    """Take the blocks that are large or old enough; of the old version what was in the same panes, or in the pool."""
    waiting = state["open"][versions]
    late = (end - state["closed_at"][versions] >= HOUR_US)[:, None]
    n_a, n_b = waiting[:, :, 1], waiting[:, :, 3]
    closed = (n_b >= _FEWEST) | (late & (n_b > 0))
    same = closed & (n_a * _RARE >= n_b) & _served(state, versions, start)
    apart = closed & ~same
    left = apart | (late & (n_b == 0))
    state["pool"][versions] += np.where(left[:, :, None], waiting[:, :, :2], 0)
    state["pooled"][versions] += np.where(left, n_a, 0)
    rise = state["rises"][versions, seasons.cell_at(start)][:, None]
    rise = np.where(np.isfinite(rise), rise, np.where(_soon(state, versions, start), 1.0, np.nan))
    firing = state["phase"][versions] == FIRING
    usable = apart & (np.isfinite(rise) | firing[:, None])
    part = np.where(usable, -np.expm1(-_EACH * n_b / np.maximum(state["pooled"][versions], 1)), 0)
    taken = state["pool"][versions] * np.where(firing[:, None], 0, part)[:, :, None]
    state["pool"][versions] -= taken
    old = np.where(same[:, :, None], waiting[:, :, :2], taken)
    new = np.where((same | usable)[:, :, None], waiting[:, :, 2:], 0)
    state["open"][versions] = np.where((closed | left)[:, :, None], 0, waiting)
    state["closed_at"][versions] = np.where(late[:, 0], end, state["closed_at"][versions])
    ratio = _ratio(state, versions, effect)[:, None] * np.where(same, 1.0, np.nan_to_num(rise, nan=1.0))
    spread = state["spread"][versions][:, None]
    state["used"][versions] += np.concatenate([old, new], axis=2)
    state["same"][versions] += np.where(same, n_b, 0).sum(axis=1)
    state["known"][versions] += np.where(same[:, :, None], old, 0).sum(axis=1)
    state["n"][versions] += new[:, :, 1].sum(axis=1)
    days = np.isfinite(state["rises"][versions]).all(axis=1)[:, None]
    spreads = np.where(same, 1 + (spread - 1) * _OWN, spread * np.where(days, 1.0, _HARDLY_KNOWN))
    return _Blocks(old[:, :, 0], old[:, :, 1], new[:, :, 0], new[:, :, 1], same, ratio, spreads)


def _served(state: State, versions: Ints, start: int) -> Bools:
    """In which bins had the versions before still served when the predictions were made whose labels come now?"""
    return np.asarray(state["served_at"][versions][:, None] + _LATELY_US >= start - LAGS_US)


def _soon(state: State, versions: Ints, start: int) -> Bools:
    """In which bins are predictions from soon after the new version began?"""
    made = start - LAGS_US - state["began"][versions][:, None]
    return np.asarray(made <= _WITHOUT_DAYS_US)


def _ratio(state: State, versions: Ints, effect: Effect) -> Floats:
    """How many times as often the new version may err."""
    hits, n = state["known"][versions].T
    rate = (hits + 0.5) / (n + 1)
    return np.asarray(1 + effect.of(rate) / rate)


def _below(state: State, versions: Ints, blocks: _Blocks, effect: Effect) -> Floats:
    """Evidence that versions alone err no more often than what those before them did lately, and what matters."""
    rate = state["rate"][versions]
    edge = np.clip(rate + effect.of(rate), 1e-9, 1 - 1e-9)[:, None] * np.ones(blocks.n_b.shape)
    return log_ratios(blocks.n_b - blocks.hits_b, blocks.n_b, 1 - edge, blocks.spread)


def _over(state: State, versions: Ints, end: int) -> Bools:
    """Have these versions been compared for long enough?"""
    n = state["n"][versions] / state["spread"][versions]
    age = end - state["began"][versions]
    return np.asarray((n >= _MOST) | ((n >= _ENOUGH) & (age >= DAY_US)) | (age >= _LONGEST_US))


def _onset(state: State, versions: Ints, end: int) -> None:
    """What came before the evidence was least is none."""
    total = state["evidence"][versions].sum(axis=1)
    lower = total <= state["least"][versions]
    low = versions[lower]
    state["least"][low], state["least_at"][low], state["least_n"][low] = total[lower], end, state["n"][low]
    state["used"][low], state["same"][low] = 0, 0


def _fire(state: State, versions: Ints) -> None:
    state["phase"][versions], state["back"][versions] = FIRING, 0
    for key in versions.tolist():
        state["rate"][key] = rates(state, key)[1]
