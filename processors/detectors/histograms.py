"""Has the distribution of something left its reference? For many series of up to 32 bins at once.

An e-detector [1] of Shiryaev-Roberts form. The null is composite: the distribution lies within total variation eps of
the reference, eps being `min_effect` plus what the reference's own size leaves uncertain, plus the distance that is
usual at this time of the day (see `seasons`). Each event multiplies the
evidence by the best bet q / p* (see `projection`), q being guessed from the events before this pane: their counts,
halved every 200, 2,000 or 20,000 events, smoothed towards the reference. The three bets are mixed:

    M_h <- (M_h + w / 3) * exp(sum over bins of counts * log(q_h / p*_h) / D),        fires when sum M_h >= 1.

Proved: while the distribution is in the null and D = 1 and panes are independent given the past, the expected number of
alarms is at most the sum of the weights spent, for any number of series and any dependence between them; a bet on
nothing (q in the null) costs no weight. Measured only: dependence in time, for which D is to make up; it is the
largest dispersion (see `dispersion`) of three rates: the upper half of the reference, absent or odd values, odd bins.

Recovery swaps the roles: the bins that had gained when it fired are one event, and the null is that its rate is still
at least the reference's plus eps; besides, the distribution since it came back must be near the reference's as a whole,
by so many events that their sampling error is less than eps. The reference is adopted or grows from own panes (see
`reference`).

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
from processors.detectors.change import Change
from processors.detectors.cusum import Pane
from processors.detectors.projection import best_bet, sampling_error, sampling_error_of_rare, total_variation
from processors.detectors.tilts import MOST_LOG
from processors.kernels.binning import REGULAR, WIDTH
from processors.rows import Bools, Floats, Ints

HALF_LIVES = np.array([200.0, 2_000.0, 20_000.0])

_CAUTION = 50.0
"""Events' worth of the reference in each guess."""
_SMOOTHING = 0.01
_FEWEST = 50
"""Events from which a distance is told."""
_HALVED_BY = 50
"""Events by which the middle of a distribution is told."""
_FEWEST_OF_CELL = 50
"""Events in a cell of a day of which a distance to the reference is worth keeping."""
_LEAST_EFFECT = 0.002
_MEAN_DEVIATION = math.sqrt(2 / math.pi)
"""Mean absolute deviation of a normal in standard deviations."""
_EVENTS = (len(HALF_LIVES), WIDTH)

_LAYOUT: columns.Layout = {
    "firing": (np.bool_, (), 0),
    **reference.layout(WIDTH),
    "middle": (np.int8, (), -1),  # the bin at which the upper half of the first events begins
    "dispersion": (np.float64, (), 1),
    "eps": (np.float64, (), 1),  # the ball's radius, without what is usual at this time of the day
    "ball": (np.float64, (), 1),  # and with it
    "recent": (np.float32, _EVENTS, 0),
    "evidence": (np.float64, (len(HALF_LIVES),), 0),
    **cusum.layout(WIDTH),
    "since": (np.int64, (), -1),
    "counts": (np.float64, (WIDTH,), 0),
    "gained": (np.bool_, (WIDTH,), 0),
    **recovery.LAYOUT,
    "reported": (np.int64, (), 0),
    **seasons.LAYOUT,
    **returns.LAYOUT,
    "block": (np.float64, (WIDTH,), 0),  # counts in the cell of the day that a series is in
}


@dataclass(frozen=True, slots=True)
class Histograms(Binned):
    """A detector of changed distributions. It is only settings; what it remembers is the state that it is handed.

        detector = Histograms(min_effect=0.1)
        state = detector.initial()
        changes = detector.step(state, keys, counts, start, end, weights)          # once a pane

    Values of its changes are total variation distances to the reference; `counts` are those since the onset.
    """

    layout = _LAYOUT
    views = 3

    min_effect: float = 0.1
    """Changes that move less than this share of the events do not matter (total variation)."""
    warmup: int = 200
    """Events that the reference needs before it judges."""
    of_rarer: float | None = None
    """Where this part of what all but the most frequent bin have is less than `min_effect`, it is that much that does
    not matter, though never less than 0.002: else a rare class could vanish unseen."""

    def accept(self, state: State, keys: Ints) -> None:
        """Let what firing series counted since their onset be their reference, which grows on from there.

        What counted too little is learnt anew; those that do not fire stay as they are, and how much panes scatter
        stays known.
        """
        self._grow(state, keys)
        keys = keys[state["firing"][keys]]
        firing = keys[state["counts"][keys].sum(axis=1) >= self.warmup]
        counts, since, until = state["counts"][firing], state["since"][firing], state["reported"][firing]
        columns.clear(state, {name: at for name, at in _LAYOUT.items() if name != "dispersion"}, keys)
        reference.take_over(state, firing, counts, since, until)
        self._bound(state, firing)

    def shares(self, state: State, keys: Ints) -> Floats:
        """The reference of each of `keys` as shares, shape (keys, 32); NaN where it is not ready."""
        self._grow(state, keys)
        ref = state["ref"][keys]
        size = ref.sum(axis=1, keepdims=True)
        return np.where(size >= self.warmup, ref / np.maximum(size, 1), np.nan)

    def moved(self, state: State, keys: Ints) -> Floats:
        """How far each of `keys` is from its reference now, beyond what chance explains (total variation, 0 to 1).

        Of series that fire since the onset, of others by the last few hundred events.
        """
        self._grow(state, keys)
        counts = np.where(state["firing"][keys][:, None], state["counts"][keys], state["recent"][keys, 0])
        size = counts.sum(axis=1)
        p = _reference(state, keys)
        distance = total_variation(counts / np.maximum(size, 1)[:, None], p) - sampling_error(p, np.maximum(size, 1))
        ready = (size >= _FEWEST) & self._known(state, keys)
        return np.where(ready, np.maximum(distance, 0), 0)

    def _ready(self, state: State, keys: Ints) -> Bools:
        return np.asarray((state["ball"][keys] < 1) & self._known(state, keys))

    def _watch(self, state: State, pane: Pane, weights: Floats) -> list[Change]:
        """The test of calm series: is the distribution outside of the ball?"""
        keys = pane.keys
        p, eps, recent = _reference(state, keys), state["ball"][keys], state["recent"][keys].astype(np.float64)
        q = (recent + _CAUTION * p[:, None]) / (recent.sum(axis=2) + _CAUTION)[:, :, None]
        row, guess = np.nonzero(total_variation(q, p[:, None]) > eps[:, None])
        log_bet = np.zeros((len(keys), len(HALF_LIVES)))
        bets = best_bet(q[row, guess], p[row], eps[row])
        apart = returns.divisor(state, keys, pane.end)
        log_bet[row, guess] = (pane.counts[row] * np.log(bets)).sum(axis=1) / apart[row]
        fade = 0.5 ** (pane.size[:, None] / HALF_LIVES)
        state["recent"][keys] = recent * fade[:, :, None] + pane.counts[:, None, :]
        betting = np.zeros(log_bet.shape, np.bool_)
        betting[row, guess] = True
        before = np.where(betting, state["evidence"][keys] + weights[:, None] / len(HALF_LIVES), 0)
        after = before * np.exp(np.clip(log_bet, -MOST_LOG, MOST_LOG))
        # What does not bet now keeps what it has for a while: stale evidence fades, which only spends less.
        state["evidence"][keys] = np.where(betting, after, state["evidence"][keys] * fade)
        gain = np.log(np.maximum(after.sum(axis=1), 1e-300)) - np.log(np.maximum(before.sum(axis=1), 1e-300))
        cusum.add(state, pane, np.where(betting.any(axis=1), gain * apart / state["dispersion"][keys], -np.inf))
        total = state["evidence"][keys].sum(axis=1)
        return [self._fire(state, pane, at, float(total[at])) for at in np.flatnonzero(total >= 1).tolist()]

    def _fire(self, state: State, pane: Pane, at: int, total: float) -> Change:
        key = int(pane.keys[at])
        state["since"][key], state["counts"][key] = cusum.onset(state, pane, at)
        state["firing"][key] = True
        self._aim(state, key, state["counts"][key])
        self._restart(state, key)
        return self._report(state, key, "fired", math.log(total), pane)

    def _aim(self, state: State, key: int, counts: Floats) -> None:
        state["gained"][key] = counts / counts.sum() > _reference(state, np.array([key]))[0]
        state["back"][key] = 0

    def _follow(self, state: State, pane: Pane) -> list[Change]:
        """The test of firing series, roles swapped: has what had gained lost again?"""
        keys = pane.keys
        state["counts"][keys] += pane.counts
        gained = state["gained"][keys]
        lost = (pane.counts * ~gained).sum(axis=1)
        null = np.clip(1 - (_reference(state, keys) * gained).sum(axis=1) - state["ball"][keys], 1e-6, 1 - 1e-6)
        total = recovery.step(state, pane, lost, null, self.recovery_us)
        changes = []
        for at in np.flatnonzero((total >= 1) | (pane.end - state["reported"][keys] >= self.update_us)).tolist():
            changes += self._settle(state, pane, int(keys[at]), float(total[at]))
        return changes

    def _settle(self, state: State, pane: Pane, key: int, total: float) -> list[Change]:
        """One that seems back or whose report is due: is it near the reference as a whole?"""
        counts = state["run_counts"][key]
        p = _reference(state, np.array([key]))[0]
        error = float(sampling_error(p, counts.sum(keepdims=True) / state["dispersion"][key])[0])
        if total >= 1 and error <= state["ball"][key]:
            allowed = state["ball"][key] + sampling_error(p, counts.sum(keepdims=True))[0]
            if total_variation(p, counts / max(counts.sum(), 1)) <= allowed:
                state["counts"][key] = counts
                self._fold(state, np.array([key]))
                returns.over(state, key, pane.end)
                change = self._report(state, key, "recovered", math.log(total), pane)
                state["firing"][key] = False
                self._restart(state, key)
                return [change]
            self._aim(state, key, counts)
        if pane.end - state["reported"][key] < self.update_us:
            return []
        return [self._report(state, key, "updated", 0.0, pane)]

    def _report(
        self, state: State, key: int, kind: Literal["fired", "updated", "recovered"], log_evidence: float, pane: Pane
    ) -> Change:
        state["reported"][key] = pane.end
        counts, p = state["counts"][key].copy(), _reference(state, np.array([key]))[0]
        n = float(counts.sum())
        value = float(total_variation(counts / n, p))
        error = float(sampling_error(p, counts.sum(keepdims=True))[0])
        since, spread = int(state["since"][key]), float(state["dispersion"][key])
        bounds = None
        if kind != "recovered":
            bounds = onset.between(p, counts / n, since, pane.end, n, spread, pane.end - pane.start)
        return Change(
            key=key,
            kind=kind,
            direction="up",
            value=value,
            reference=0.0,
            low=max(0.0, value - error),
            high=min(1.0, value + error),
            n=round(n),
            since=since,
            onset=bounds,
            provisional=reference.provisional(state, key),
            log_evidence=log_evidence,
            counts=counts,
        )

    def _bound(self, state: State, keys: Ints) -> None:
        """What follows from a reference that has changed: its dispersion, the ball's radius, its middle."""
        state["dispersion"][keys] = spread = self._spread(state, keys)
        p, size = _reference(state, keys), state["ref"][keys].sum(axis=1)
        state["eps"][keys] = np.minimum(self._effect(p) + self._doubt(p, size / spread), 1)
        self._allow(state, keys)

    def _effect(self, p: Floats) -> Floats | float:
        if self.of_rarer is None:
            return self.min_effect
        return np.asarray(np.clip(self.of_rarer * (1 - p.max(axis=1)), _LEAST_EFFECT, self.min_effect))

    def _doubt(self, p: Floats, n: Floats) -> Floats:
        """What the reference's own size leaves uncertain."""
        log_odds = -math.log(self.beta)
        error = sampling_error(p, n, log_odds)
        return error if self.of_rarer is None else np.minimum(error, sampling_error_of_rare(p, n, log_odds))

    def _allow(self, state: State, keys: Ints) -> None:
        state["ball"][keys] = np.minimum(state["eps"][keys] + seasons.usual_distance(state, keys), 1)

    def _fold(self, state: State, keys: Ints) -> None:
        """Of what was gathered the distance to the reference counts, less what chance alone would make of it."""
        counts = state["block"][keys]
        size = counts.sum(axis=1)
        known = (size >= _FEWEST_OF_CELL) & self._known(state, keys)
        p = _reference(state, keys)
        distance = total_variation(counts / np.maximum(size, 1)[:, None], p)
        chance = _MEAN_DEVIATION * sampling_error(p, size)
        seasons.fold(state, keys, (distance - chance) * size * known, size * known, state["firing"][keys])
        state["block"][keys] = 0

    def _halve(self, state: State, keys: Ints) -> None:
        """Choose where the upper half of these begins, so that the scatter of the first panes is known with them."""
        seen = state["ref"][keys] + state["young"][keys]
        new = seen.sum(axis=1) >= _HALVED_BY
        if new.any():
            shares = seen[new] / seen[new].sum(axis=1, keepdims=True)
            state["middle"][keys[new]] = (np.cumsum(shares, axis=1) < 0.5).sum(axis=1)

    def _learn_dispersion(self, state: State, pane: Pane, even: Bools) -> None:
        self._halve(state, pane.keys[state["middle"][pane.keys] < 0])
        told = even & (state["middle"][pane.keys] >= 0)
        if told.any():
            self._learn_views(state, pane.take(told))

    def _learn_views(self, state: State, pane: Pane) -> None:
        bins = np.arange(WIDTH)
        upper = (pane.counts * (bins >= state["middle"][pane.keys][:, None])).sum(axis=1)
        odd_values = pane.counts[:, :REGULAR].sum(axis=1)
        odd_bins = pane.counts[:, bins % 2 == 1].sum(axis=1)
        self._tell(state, pane, upper, odd_values, odd_bins)


def _reference(state: State, keys: Ints) -> Floats:
    ref = state["ref"][keys] + _SMOOTHING
    return np.asarray(ref / ref.sum(axis=1, keepdims=True))
