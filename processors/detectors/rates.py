"""Has the rate of something (errors, missing values, slow answers) left its reference? For many series at once.

A mixture e-detector [1] of Shiryaev-Roberts form on hits of trials per pane. With the null's edge r and tilts d_j,

    M_j <- (M_j + w / J) * exp((hits * d_j - trials * log(1 + r * (exp(d_j) - 1))) / D),    fires when sum M_j >= 1.

Proved: the factor is the likelihood ratio of rate r against one whose log-odds are higher by d_j; while the true rate
is at most r, panes independent given the past and D = 1, its mean is at most 1 (and at most 1 for D > 1, by Jensen),
so sum M_j grows by at most w a pane in the mean, and the expected number of alarms is at most the sum of all weights
spent, whatever the number of series and their dependence on each other. Measured only (`make bench-alarms`): what
happens when panes depend on each other in time, which dividing by D (see `dispersion`) is to make up for.

The null is composite: r is the reference's upper bound (Wilson, 1 - beta, its trials divided by D) plus `min_effect`;
few reference trials make it lenient; where the rate follows the hours of the day (see `seasons`) it is the bound of
the usual rate at this time, if that is higher. The reference is adopted, or grows from a series' own panes (see
`reference`). The onset is where the evidence last left its floor (the argmin of a CUSUM).

Recovery is the same test with the roles swapped, started at the alarm (null: the rate is still at least r), or the
quicker answer of `falling`.

[1] J. Shin, A. Ramdas & A. Rinaldo (2022), "E-detectors: a nonparametric framework for sequential change detection".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from processors.base import State
from processors.detectors import columns, dispersion, falling, onset, reference, returns, seasons
from processors.detectors.bounds import normal_quantile, shown, wilson
from processors.detectors.change import Change
from processors.detectors.tilts import TILTS, log_ratios
from processors.durations import DAY_US, HOUR_US
from processors.rows import Bools, Floats, Ints

_CERTAIN = 1 - 1e-6
_UNEVEN = 2.0
"""Panes during a run of that much log evidence say nothing of the usual dispersion."""


@dataclass(frozen=True, slots=True)
class Rates:
    """A detector of changed rates. It is only settings; what it remembers is the state that it is handed.

        detector = Rates(direction="up", min_effect=0.02)
        state = detector.initial()                                  # arrays by series number, ready to be packed
        changes = detector.step(state, keys, hits, trials, start, end, weights)          # once a pane

    `weights` come from `detectors.budget`. `reference_of(state, keys)` tells the reference (hits, trials).
    """

    direction: Literal["up", "down", "both"] = "up"
    min_effect: float = 0.02
    """Changes of the rate smaller than this do not matter (absolute) ..."""
    least_effect: float | None = None
    """... unless it is half of the reference's rate or more: then this is what does not matter."""
    of_rarer: bool = False
    """Whether that half is of hits or misses, whichever are fewer: else a rare hit that vanishes is never a change."""
    beta: float = 1e-4
    """Probability with which the reference's bound may be wrong, for one series."""
    warmup: int = 200
    """Trials that the reference needs before it judges."""
    recovery_us: int = DAY_US
    """Of series that are still bad, at most one is expected to be taken for well in this time."""
    update_us: int = HOUR_US
    """How often a firing series is reported anew."""
    doubling: bool = False
    """Report it also each time that its trials have doubled: what is said at first rests on few."""

    def initial(self) -> State:
        """The state before the first pane."""
        return columns.empty(self._layout())

    def step(  # noqa: PLR0917 - a pane is its bounds and its counts; bundling them would only rename them
        self,
        state: State,
        keys: Ints,
        hits: npt.ArrayLike,
        trials: npt.ArrayLike,
        start: int,
        end: int,
        weights: npt.ArrayLike,
    ) -> list[Change]:
        """Take in one pane (`start` to `end`, microseconds): `hits` of `trials` of each of `keys` (ascending).

        Arrays have shape (keys,). Series without trials are left alone. Changes `state` in place; returns the
        changes in the order of their keys.
        """
        count, total, weight = (np.asarray(column, np.float64) for column in (hits, trials, weights))
        seen = total > 0
        keys, count, total, weight = keys[seen], np.minimum(count[seen], total[seen]), total[seen], weight[seen]
        columns.grow(state, self._layout(), keys)
        pane = _Pane(keys, self._sides(count, total), total, start, end)
        self._season(state, keys[seasons.leaving(state, keys, start)], start)
        firing = state["side"][keys] > 0
        judged = ~firing & self._ready(state, keys)
        changes: list[Change] = []
        if judged.any():
            changes += self._watch(state, pane.take(judged), weight[judged])
        if firing.any():
            changes += self._follow(state, pane.take(firing))
        growing = reference.growing(state, keys)
        if growing.any():
            state["block"][keys[growing]] += np.stack([count, total], axis=1)[growing]
        learning = growing & (state["side"][keys] == 0)
        if learning.any():
            self._learn(state, pane.take(learning), count[learning])
        return sorted(changes, key=lambda change: change.key)

    def adopt(self, state: State, keys: Ints, hits: npt.ArrayLike, trials: npt.ArrayLike) -> None:
        """Let counts be the reference of `keys` (ascending); they grow no more. Their evidence starts anew."""
        columns.grow(state, self._layout(), keys)
        columns.clear(state, self._layout(), keys)
        count, total = np.asarray(hits, np.float64), np.asarray(trials, np.float64)
        reference.adopt(state, keys, np.stack([count, total - count], axis=1))
        self._set_edge(state, keys)

    def inherit(self, state: State, keys: Ints, others: Ints) -> Ints:
        """Let those of `keys` (ascending) that have no reference have that of their other, if it has one.

        Returns those of which the other has none yet: what they count is no reference.
        """
        if not len(keys):
            return keys
        columns.grow(state, self._layout(), np.array([max(keys.max(), others.max())], np.int32))
        without = ~state["ref"][keys].any(axis=1)
        new = without & self._ready(state, others)
        if new.any():
            columns.clear(state, self._layout(), keys[new])
            reference.inherit(state, keys[new], others[new])
            self._set_edge(state, keys[new])
        return np.asarray(keys[without & ~new & (keys != others)])

    def accept(self, state: State, keys: Ints) -> None:
        """Let what firing series counted since their onset be their reference, which grows on from there.

        What counted too little is learnt anew; those that do not fire stay as they are, and how much panes scatter
        stays known.
        """
        columns.grow(state, self._layout(), keys)
        keys = keys[state["side"][keys] > 0]
        firing = keys[state["trials"][keys] >= self.warmup]
        falls = (self.direction == "down") | (state["side"][firing] == 2)
        hits, trials = state["hits"][firing], state["trials"][firing]
        hits = np.where(falls, trials - hits, hits)
        since, until = state["since"][firing], state["reported"][firing]
        kept = {*dispersion.LAYOUT, "dispersion"}
        columns.clear(state, {name: at for name, at in self._layout().items() if name not in kept}, keys)
        reference.take_over(state, firing, np.stack([hits, trials - hits], axis=1), since, until)
        self._set_edge(state, firing)

    def forget(self, state: State, keys: frozenset[int]) -> None:
        """Let `keys` be as if never seen."""
        columns.clear(state, self._layout(), columns.numbers(keys))

    def reference_of(self, state: State, keys: Ints) -> tuple[Floats, Floats]:
        """Hits and trials of the reference of each of `keys`; zeros where there is none."""
        columns.grow(state, self._layout(), keys)
        return state["ref"][keys, 0], state["ref"][keys].sum(axis=1)

    def leaning(self, state: State, keys: Ints) -> tuple[Floats, Floats, Floats]:
        """Hits, trials and log evidence of each of `keys` since its rate left the reference; zeros where it has not.

        For telling which of several series are behind a change of their whole.
        """
        columns.grow(state, self._layout(), keys)
        side = np.maximum(state["side"][keys] - 1, 0)
        rows, fires = np.arange(len(keys)), state["side"][keys] > 0
        hits = np.where(fires, state["hits"][keys], state["run_hits"][keys][rows, side])
        trials = np.where(fires, state["trials"][keys], state["run_trials"][keys][rows, side])
        return hits, trials, np.where(fires, np.inf, state["run"][keys][rows, side])

    def firing(self, state: State, keys: Ints) -> Bools:
        """Which of `keys` fire now?"""
        columns.grow(state, self._layout(), keys)
        return np.asarray(state["side"][keys] > 0)

    def _layout(self) -> columns.Layout:
        sides = 2 if self.direction == "both" else 1
        return {
            "side": (np.int8, (), 0),  # 0: calm; else 1 + the side that fires
            "dispersion": (np.float64, (), 1),
            "edge": (np.float64, (sides,), 1),
            "evidence": (np.float64, (sides, len(TILTS)), 0),
            "run": (np.float64, (sides,), 0),  # the CUSUM: log evidence since its floor
            "run_start": (np.int64, (sides,), -1),
            "run_hits": (np.float64, (sides,), 0),
            "run_trials": (np.float64, (sides,), 0),
            "since": (np.int64, (), -1),
            "hits": (np.float64, (), 0),
            "trials": (np.float64, (), 0),
            "reported": (np.int64, (), 0),
            "reported_trials": (np.float64, (), 0),
            **reference.layout(2),  # hits and misses
            **dispersion.LAYOUT,
            **seasons.LAYOUT,
            **returns.LAYOUT,
            **falling.LAYOUT,
            "block": (np.float64, (2,), 0),  # hits and trials in the cell of the day that a series is in
        }

    def _sides(self, hits: Floats, trials: Floats) -> Floats:
        """Hits as each side counts them, shape (keys, sides): a falling rate is a rising rate of misses."""
        up, down = hits[:, None], (trials - hits)[:, None]
        return {"up": up, "down": down, "both": np.concatenate([up, down], axis=1)}[self.direction]

    def _ready(self, state: State, keys: Ints) -> Bools:
        return np.asarray(
            (state["ref"][keys].sum(axis=1) >= self.warmup) & (state["edge"][keys] < _CERTAIN).any(axis=1)
        )

    def _watch(self, state: State, pane: _Pane, weights: Floats) -> list[Change]:
        """The test of calm series: is the rate beyond the edge?"""
        edge = state["edge"][pane.keys]
        wanted = weights[:, None] * (edge < _CERTAIN) / edge.shape[1]
        apart = returns.divisor(state, pane.keys, pane.end)
        total = self._gather(state, pane, pane.hits, edge, wanted, apart)
        fired = np.flatnonzero(total.sum(axis=1) >= 1)
        return [self._fire(state, int(pane.keys[at]), total[at], pane) for at in fired.tolist()]

    def _follow(self, state: State, pane: _Pane) -> list[Change]:
        """The test of firing series, roles swapped: is the rate back below the edge? Likely (`falling`), or surely."""
        rows = np.arange(len(pane.keys))
        side = state["side"][pane.keys] - 1
        edge = 1 - state["edge"][pane.keys]
        weight = np.zeros(edge.shape)
        weight[rows, side] = (pane.end - pane.start) / self.recovery_us
        misses, apart = pane.trials[:, None] - pane.hits, state["dispersion"][pane.keys]
        total = self._gather(state, pane, misses, edge, weight, apart)[rows, side]
        hits, ref = pane.hits[rows, side], state["ref"][pane.keys]
        usual = np.where((self.direction == "down") | (side == 1), ref[:, 1], ref[:, 0]) / ref.sum(axis=1)
        back = falling.step(
            state, pane.keys, hits, pane.trials, usual, state["edge"][pane.keys, side], weight[rows, side]
        )
        state["hits"][pane.keys] += hits
        state["trials"][pane.keys] += pane.trials
        well = np.flatnonzero(back | (total >= 1))
        waited = pane.end - state["reported"][pane.keys] >= self.update_us
        if self.doubling:
            waited |= state["trials"][pane.keys] >= 2 * state["reported_trials"][pane.keys]
        waited[well] = False
        due = np.flatnonzero(waited)
        changes = [self._recover(state, int(pane.keys[at]), bool(back[at]), pane) for at in well.tolist()]
        return changes + [self._report(state, int(pane.keys[at]), "updated", 0.0, pane) for at in due.tolist()]

    def _gather(  # noqa: PLR0917 - a test is its null, its weights and what its evidence is divided by
        self, state: State, pane: _Pane, hits: Floats, edge: Floats, weight: Floats, apart: Floats
    ) -> Floats:
        """Multiply the pane's evidence in, divided by `apart`, shape (keys,); the CUSUM's, by the dispersion.

        Returns sum M, shape (keys, sides).
        """
        keys = pane.keys
        spread, limit = apart[:, None], np.clip(edge, 1e-9, _CERTAIN)
        before = state["evidence"][keys] + weight[:, :, None] / len(TILTS)
        after = before * np.exp(log_ratios(hits, pane.trials[:, None], limit, spread))
        state["evidence"][keys] = after
        total = after.sum(axis=2)
        gain = np.log(np.maximum(total, 1e-300)) - np.log(np.maximum(before.sum(axis=2), 1e-300))
        self._run(state, pane, hits, gain * (apart / state["dispersion"][keys])[:, None])
        return np.asarray(total)

    def _run(self, state: State, pane: _Pane, hits: Floats, gain: Floats) -> None:
        keys = pane.keys
        old = state["run"][keys]
        new = np.maximum(old + gain, 0)
        begins, goes_on = (old <= 0) & (new > 0), (old > 0) & (new > 0)
        state["run"][keys] = new
        state["run_start"][keys] = np.where(begins, pane.start, np.where(goes_on, state["run_start"][keys], -1))
        state["run_hits"][keys] = np.where(new > 0, hits, 0) + np.where(goes_on, state["run_hits"][keys], 0)
        trials = pane.trials[:, None]
        state["run_trials"][keys] = np.where(new > 0, trials, 0) + np.where(goes_on, state["run_trials"][keys], 0)

    def _fire(self, state: State, key: int, total: Floats, pane: _Pane) -> Change:
        side = int(np.argmax(total))
        state["side"][key] = side + 1
        state["since"][key] = state["run_start"][key, side] if state["run"][key, side] > 0 else pane.start
        for account in ("hits", "trials"):
            state[account][key] = state[f"run_{account}"][key, side]
        self._restart(state, key)
        return self._report(state, key, "fired", float(np.log(total.sum())), pane)

    def _recover(self, state: State, key: int, back: bool, pane: _Pane) -> Change:
        self._fold(state, np.array([key]))
        returns.over(state, key, pane.end)
        side = int(state["side"][key]) - 1
        trials, misses = state["run_trials"][key, side], state["run_hits"][key, side]
        state["hits"][key], state["trials"][key] = state["fallen"][key] if back else (trials - misses, trials)
        change = self._report(state, key, "recovered", 0.0, pane)
        state["side"][key] = 0
        self._restart(state, key)
        return change

    def _restart(self, state: State, key: int) -> None:
        for name in ("evidence", "run", "run_hits", "run_trials", "block", *falling.LAYOUT):
            state[name][key] = 0
        state["run_start"][key] = -1
        reference.drop(state, np.array([key]))
        dispersion.drop(state, np.array([key]))

    def _report(
        self, state: State, key: int, kind: Literal["fired", "updated", "recovered"], log_evidence: float, pane: _Pane
    ) -> Change:
        state["reported"][key], state["reported_trials"][key] = pane.end, state["trials"][key]
        falls = self.direction == "down" or int(state["side"][key]) == 2
        trials = float(state["trials"][key])
        hits = trials - float(state["hits"][key]) if falls else float(state["hits"][key])
        low, high = shown(hits, trials)
        usual, rate = float(state["ref"][key, 0] / state["ref"][key].sum()), hits / max(trials, 1)
        before, after = np.array([usual, 1 - usual]), np.array([rate, 1 - rate])
        since, spread = int(state["since"][key]), float(state["dispersion"][key])
        bounds = None
        if kind != "recovered":
            bounds = onset.between(before, after, since, pane.end, trials, spread, pane.end - pane.start)
        return Change(
            key=key,
            kind=kind,
            direction="down" if falls else "up",
            value=hits / trials if trials else float("nan"),
            reference=usual,
            low=low,
            high=high,
            n=round(trials),
            since=since,
            onset=bounds,
            provisional=reference.provisional(state, key),
            log_evidence=log_evidence,
        )

    def _learn(self, state: State, pane: _Pane, hits: Floats) -> None:
        """Let calm panes age and join the reference."""
        keys, run = pane.keys, state["run"][pane.keys].max(axis=1)
        even = run < _UNEVEN
        dispersion.add_pane(state, keys[even], hits[even], pane.trials[even], pane.start)
        counts = np.stack([hits, pane.trials - hits], axis=1)
        moved = reference.learn(state, keys, counts, run <= 0, pane.start, pane.end, self.warmup)
        if len(moved):
            dispersion.promote(state, moved)
            self._set_edge(state, moved)

    def _set_edge(self, state: State, keys: Ints) -> None:
        state["dispersion"][keys] = spread = dispersion.dispersion(state, keys)
        hits, trials = (count / spread for count in self.reference_of(state, keys))
        sides = self._sides(hits, trials)
        _, upper = wilson(sides, np.repeat(trials[:, None], sides.shape[1], axis=1), self._z)
        usual, error, known = seasons.usual_rates(state, keys)
        worst = {
            "up": np.where(known, usual + self._z * error, 0).max(axis=1, keepdims=True),
            "down": np.where(known, 1 - usual + self._z * error, 0).max(axis=1, keepdims=True),
        }
        shown = ["up", "down"] if self.direction == "both" else [self.direction]
        edge = np.maximum(upper, np.concatenate([worst[side] for side in shown], axis=1))
        least = self.min_effect if self.least_effect is None else self.least_effect
        share = sides / np.maximum(trials, 1e-12)[:, None]
        effect = np.clip((np.minimum(share, 1 - share) if self.of_rarer else share) / 2, least, self.min_effect)
        state["edge"][keys] = np.where((hits + trials > 0)[:, None], np.minimum(edge + effect, 1.0), 1.0)

    def _season(self, state: State, keys: Ints, start: int) -> None:
        """These series enter another cell of the day: fold what they gathered, and judge by what is usual now."""
        if len(keys):
            self._fold(state, keys)
            seasons.enter(state, keys, start)
            self._set_edge(state, keys)

    def _fold(self, state: State, keys: Ints) -> None:
        hits, trials = state["block"][keys].T
        seasons.fold(state, keys, hits, trials, state["side"][keys] > 0)
        state["block"][keys] = 0

    @property
    def _z(self) -> float:
        return normal_quantile(1 - self.beta)


@dataclass(frozen=True, slots=True)
class _Pane:
    """One pane's counts: `hits` of shape (keys, sides), `trials` of shape (keys,)."""

    keys: Ints
    hits: Floats
    trials: Floats
    start: int
    end: int

    def take(self, which: Bools) -> _Pane:
        if which.all():
            return self
        return _Pane(self.keys[which], self.hits[which], self.trials[which], self.start, self.end)
