"""Does one of many bins hold far more than it used to? For many series of 32 bins at once.

An e-detector [1] of Shiryaev-Roberts form. The null is composite: no bin's share is above its edge, which is the bound
of its share in the reference (Wilson, 1 - beta by bin, its events divided by D) plus `min_effect` plus the excess that
is usual at this time of the day (see `seasons`). Before a pane is seen, one bin is chosen by the events before it: the
one whose recent share r (halved every 200 events, smoothed towards the reference) is the furthest beyond its edge. Each
event then bets that it falls there with probability r:

    M <- (M + w) * ((r / edge) ^ hits * ((1 - r) / (1 - edge)) ^ misses) ^ (1 / D),              fires when M >= 1.

Proved: while all shares are below their edges, panes are independent given the past and D = 1, the factor's mean is at
most 1, so the expected number of alarms is at most the sum of the weights spent; a bin within its edge is not bet on
and costs nothing. Measured only: dependence in time, for which D is to make up; it is the larger dispersion (see
`dispersion`) of two shares: that of the bin that held most of the first events, and that of the odd bins.
`detectors.histograms` asks whether a distribution moved as a whole, and needs more for it: its null is a ball, and the
reference's error in 32 bins together costs several times that in one.

Recovery swaps the roles, for the bin that fired. The reference is adopted or grows (see `reference`).

[1] J. Shin, A. Ramdas & A. Rinaldo (2022), "E-detectors: a nonparametric framework for sequential change detection".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from processors.base import State
from processors.detectors import columns, cusum, onset, recovery, reference, returns, seasons
from processors.detectors.binned import Binned
from processors.detectors.bounds import normal_quantile, shown, wilson
from processors.detectors.change import Change
from processors.detectors.cusum import Pane
from processors.detectors.tilts import MOST_LOG
from processors.kernels.hashing import WIDTH
from processors.rows import Bools, Floats, Ints

_HALF_LIFE = 200.0
_CAUTION = 50.0
"""Events' worth of the reference in each guess."""
_FEWEST = 50
"""Events in a cell of a day of which an excess is worth keeping."""
_LARGEST_BY = 200
"""Events by which the largest bin is told."""
_CHANCE = 3.0
"""Standard deviations that the largest of 32 shares exceeds its expectation by, by chance."""
_CERTAIN = 1 - 1e-6

_LAYOUT: columns.Layout = {
    "firing": (np.int8, (), 0),  # 1 + the bin that fires
    **reference.layout(WIDTH),
    "largest": (np.int8, (), -1),  # bin of the first events
    "dispersion": (np.float64, (), 1),
    "edge": (np.float32, (WIDTH,), 1),  # without what is usual at this time of the day
    "usual": (np.float64, (), 0),
    "suspect": (np.int8, (), -1),
    "recent": (np.float32, (WIDTH,), 0),
    "evidence": (np.float64, (), 0),
    **cusum.layout(WIDTH, np.float32),
    "since": (np.int64, (), -1),
    "counts": (np.float64, (WIDTH,), 0),  # since the onset
    **recovery.LAYOUT,
    "reported": (np.int64, (), 0),
    **seasons.LAYOUT,
    **returns.LAYOUT,
    "block": (np.float32, (WIDTH,), 0),  # counts in the cell of the day that a series is in
}


@dataclass(frozen=True, slots=True)
class Crowding(Binned):
    """A detector of bins that crowd. It is only settings; what it remembers is the state that it is handed.

        detector = Crowding(min_effect=0.05)
        state = detector.initial()
        changes = detector.step(state, keys, counts, start, end, weights)          # once a pane

    Values of its changes are shares of the bin that fires, with the reference's beside it.
    """

    layout = _LAYOUT
    views = 2

    min_effect: float = 0.05
    """Gains of a bin smaller than this share of the events do not matter (absolute)."""
    warmup: int = 500
    """Events that the reference needs before it judges."""

    def suspects(self, state: State) -> Ints:
        """Of each series the bin that fires, or that was bet on last; -1: none. Int8 of shape (series,)."""
        suspects: Ints = state["suspect"]
        return suspects

    def alone(self, state: State, key: int) -> bool:
        """Has the bin of a firing series gained most of all that bins have gained since the onset?"""
        counts = state["counts"][key]
        gain = np.maximum(_shares(counts) - _shares(state["ref"][key]), 0)
        return bool(gain[state["firing"][key] - 1] > gain.sum() / 2)

    def _watch(self, state: State, pane: Pane, weights: Floats) -> list[Change]:
        """The test of calm series: does the chosen bin hold more than its edge allows?"""
        keys, rows = pane.keys, np.arange(len(pane.keys))
        p, edge, recent = _shares(state["ref"][keys]), self._edges(state, keys), state["recent"][keys]
        guess = (recent + _CAUTION * p) / (recent.sum(axis=1) + _CAUTION)[:, None]
        chosen = (guess - edge).argmax(axis=1)
        share, limit = guess[rows, chosen], np.clip(edge[rows, chosen], 1e-6, _CERTAIN)
        betting = share > limit
        share = np.clip(share, 1e-6, _CERTAIN)
        hits = pane.counts[rows, chosen]
        log_bet = hits * np.log(share / limit) + (pane.size - hits) * np.log((1 - share) / (1 - limit))
        fade = 0.5 ** (pane.size / _HALF_LIFE)
        state["recent"][keys] = recent * fade[:, None] + pane.counts
        spread, apart = state["dispersion"][keys], returns.divisor(state, keys, pane.end)
        gain = np.where(betting, np.clip(log_bet / spread, -MOST_LOG, MOST_LOG), 0)
        # What does not bet now keeps what it has for a while: stale evidence fades, which only spends less.
        kept = state["evidence"][keys]
        state["evidence"][keys] = total = np.where(
            betting, (kept + weights) * np.exp(gain * spread / apart), kept * fade
        )
        state["suspect"][keys] = np.where(betting, chosen, -1)
        cusum.add(state, pane, np.where(betting, gain, -np.inf))
        fired = np.flatnonzero(betting & (total >= 1)).tolist()
        return [self._fire(state, pane, at, int(chosen[at]), float(total[at])) for at in fired]

    def _fire(self, state: State, pane: Pane, at: int, chosen: int, total: float) -> Change:
        key = int(pane.keys[at])
        state["since"][key], state["counts"][key] = cusum.onset(state, pane, at)
        state["firing"][key] = chosen + 1
        state["since"][key] -= self._lag(state, key, pane.end)
        self._restart(state, key)
        return self._report(state, key, "fired", math.log(total), pane)

    def _lag(self, state: State, key: int, end: int) -> int:
        """Microseconds from a change to the first bet on it: the guess has to rise from the reference to the edge."""
        chosen, counts, since = int(state["firing"][key]) - 1, state["counts"][key], int(state["since"][key])
        usual = float(_shares(state["ref"][key])[chosen])
        gain = float(counts[chosen] / counts.sum()) - usual
        to_edge = float(self._edges(state, np.array([key]))[0, chosen]) - usual
        events = (_HALF_LIFE / math.log(2) + _CAUTION) * min(to_edge / max(gain, to_edge), 1.0)
        return min(int(events * (end - since) / float(counts.sum())), since)

    def _follow(self, state: State, pane: Pane) -> list[Change]:
        """The test of firing series, roles swapped: does what fired hold no more than its edge again?"""
        keys, rows = pane.keys, np.arange(len(pane.keys))
        chosen = state["firing"][keys] - 1
        hits = pane.counts[rows, chosen]
        state["counts"][keys] += pane.counts
        null = np.clip(1 - self._edges(state, keys)[rows, chosen], 1e-6, _CERTAIN)
        total = recovery.step(state, pane, pane.size - hits, null, self.recovery_us)
        well = [self._recover(state, int(keys[at]), float(total[at]), pane) for at in np.flatnonzero(total >= 1)]
        due = np.flatnonzero((total < 1) & (pane.end - state["reported"][keys] >= self.update_us))
        return well + [self._report(state, int(keys[at]), "updated", 0.0, pane) for at in due]

    def _recover(self, state: State, key: int, total: float, pane: Pane) -> Change:
        self._fold(state, np.array([key]))
        returns.over(state, key, pane.end)
        state["counts"][key] = state["run_counts"][key]
        change = self._report(state, key, "recovered", math.log(total), pane)
        state["firing"][key], state["suspect"][key] = 0, -1
        self._restart(state, key)
        return change

    def _report(
        self, state: State, key: int, kind: Literal["fired", "updated", "recovered"], log_evidence: float, pane: Pane
    ) -> Change:
        state["reported"][key] = pane.end
        hits, n = state["counts"][key][state["firing"][key] - 1], state["counts"][key].sum()
        usual = float(_shares(state["ref"][key])[state["firing"][key] - 1])
        share = float(hits / max(n, 1))
        low, high = shown(float(hits), float(n))
        since, spread = int(state["since"][key]), float(state["dispersion"][key])
        bounds = None
        if kind != "recovered":
            before, after = np.array([usual, 1 - usual]), np.array([share, 1 - share])
            low_bound, high_bound = onset.between(
                before, after, since, pane.end, float(n), spread, pane.end - pane.start
            )
            bounds = max(low_bound - self._lag(state, key, pane.end), 0), high_bound
        return Change(
            key=key,
            kind=kind,
            direction="up",
            value=share,
            reference=usual,
            low=low,
            high=high,
            n=round(n),
            since=since,
            provisional=reference.provisional(state, key),
            log_evidence=log_evidence,
            onset=bounds,
        )

    def _learn_dispersion(self, state: State, pane: Pane, even: Bools) -> None:
        self._find_largest(state, pane.keys[state["largest"][pane.keys] < 0])
        told = even & (state["largest"][pane.keys] >= 0)
        if told.any():
            pane = pane.take(told)
            largest = pane.counts[np.arange(len(pane.keys)), state["largest"][pane.keys]]
            self._tell(state, pane, largest, pane.counts[:, 1::2].sum(axis=1))

    def _find_largest(self, state: State, keys: Ints) -> None:
        seen = state["ref"][keys] + state["young"][keys]
        enough = seen.sum(axis=1) >= _LARGEST_BY
        state["largest"][keys[enough]] = seen[enough].argmax(axis=1)

    def _bound(self, state: State, keys: Ints) -> None:
        """What follows from a reference that has changed."""
        state["dispersion"][keys] = spread = self._spread(state, keys)
        counts = state["ref"][keys] / spread[:, None]
        size = np.repeat(counts.sum(axis=1, keepdims=True), WIDTH, axis=1)
        state["edge"][keys] = wilson(counts, size, normal_quantile(1 - self.beta))[1] + self.min_effect

    def _edges(self, state: State, keys: Ints) -> Floats:
        return np.asarray(np.minimum(state["edge"][keys] + state["usual"][keys][:, None], 1.0))

    def _allow(self, state: State, keys: Ints) -> None:
        state["usual"][keys] = seasons.usual_distance(state, keys)

    def _fold(self, state: State, keys: Ints) -> None:
        """Of what was gathered the largest gain of a bin counts, less what chance alone would make of it."""
        counts = state["block"][keys].astype(np.float64)
        size = counts.sum(axis=1)
        known = (size >= _FEWEST) & self._known(state, keys)
        p, n = _shares(state["ref"][keys]), np.maximum(size, 1)[:, None]
        gain = np.maximum(counts / n - p - _CHANCE * np.sqrt((p + 1 / n) / n), 0).max(axis=1)
        seasons.fold(state, keys, gain * size * known, size * known, state["firing"][keys] > 0)
        state["block"][keys] = 0


def _shares(counts: Floats) -> Floats:
    return np.asarray(counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1))
