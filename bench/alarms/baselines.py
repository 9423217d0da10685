"""What people use instead, on the same panes: how often would it have paged?

PSI > 0.2 and Kolmogorov-Smirnov with Bonferroni's correction compare each day's counts (each hour's, where an hour has
a thousand events) with the first week's. ADWIN and Page-Hinkley are River's, on the pane's error rates of some models,
one value a pane. The point null is the mixture e-detector of `processors.detectors.rates` with the first week's rate
for the truth: no bound of the reference's error, no least effect, no dispersion, and the whole budget of concept drift.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from river.drift import ADWIN, PageHinkley

from processors.base import Summary
from processors.detectors.projection import stability_index
from processors.detectors.tilts import TILTS
from processors.durations import DAY_US, HOUR_US
from processors.kernels.binning import REGULAR
from processors.rows import Floats, Ints

NAMES = ("PSI > 0.2", "KS, Bonferroni 0.05", "ADWIN", "Page-Hinkley", "e-SR, point null")
RIVER_MODELS = 20
"""Models that River's detectors watch: they are plain Python."""
_LEARN_US = 7 * DAY_US


class Baselines:
    """Counts of alarms after the first week, by name."""

    def __init__(self, bases: Ints, begin: int, per_second: float, alarms_per_us: float) -> None:
        self.alarms = dict.fromkeys(NAMES, 0)
        self._bases, self._begin, self._alarms_per_us = bases, begin, alarms_per_us
        self._block = HOUR_US if per_second * 3600 >= 1_000 else DAY_US
        self._learnt: Floats | None = None
        self._open: Floats | None = None
        self._rate = np.zeros((2, len(bases)))
        self._evidence = np.zeros((len(bases), len(TILTS)))
        watched = min(RIVER_MODELS, len(bases))
        self._river: dict[str, list[Any]] = {
            "ADWIN": [ADWIN() for _ in range(watched)],  # type: ignore[no-untyped-call] # River has no types
            "Page-Hinkley": [PageHinkley() for _ in range(watched)],
        }

    def step(self, outcomes: Summary, features: Summary, start: int, end: int) -> None:
        """Take in one pane."""
        learning = end <= self._begin + _LEARN_US
        self._errors(outcomes, end - start, learning=learning)
        counts = features["counts"].astype(np.float64)
        if self._open is None:
            self._open = np.zeros((int(features.keys[-1]) + 1 if len(features) else 0, counts.shape[-1]))
        if len(features):
            short = int(features.keys[-1]) + 1 - len(self._open)
            self._open = np.pad(self._open, ((0, max(short, 0)), (0, 0)))
            self._open[features.keys] += counts
        if learning:
            self._learnt = self._open
        elif end % self._block == 0:
            self._distances(self._open)
        if learning and end + (end - start) > self._begin + _LEARN_US:
            self._open = np.zeros_like(self._open)

    def _distances(self, counts: Floats) -> None:
        assert self._learnt is not None
        learnt = np.pad(self._learnt, ((0, len(counts) - len(self._learnt)), (0, 0)))
        seen = (counts.sum(axis=1) > 0) & (learnt.sum(axis=1) > 0)
        now, before = counts[seen], learnt[seen]
        n, m = now.sum(axis=1), before.sum(axis=1)
        q, p = now / n[:, None], before / m[:, None]
        self.alarms["PSI > 0.2"] += int((stability_index(p, q) > 0.2).sum())
        gap = np.abs(np.cumsum(q[:, REGULAR:] - p[:, REGULAR:], axis=1)).max(axis=1)
        per_model = max(len(counts) / len(self._bases), 1)
        needed = np.sqrt(np.log(2 * per_model / 0.05) / 2 * (n + m) / (n * m))
        self.alarms["KS, Bonferroni 0.05"] += int((gap > needed).sum())
        self._open = np.zeros_like(counts)

    def _errors(self, outcomes: Summary, length: int, *, learning: bool) -> None:
        place = np.searchsorted(outcomes.keys, self._bases)
        place = np.minimum(place, max(len(outcomes) - 1, 0))
        known = outcomes.keys[place] == self._bases if len(outcomes) else np.zeros(len(self._bases), np.bool_)
        hits, n = (np.where(known, outcomes[name][place] if len(outcomes) else 0, 0) for name in ("hits", "n"))
        for name, detectors in self._river.items():
            for at, detector in enumerate(detectors):
                if n[at]:
                    detector.update(float(hits[at] / n[at]))
                    self.alarms[name] += int(detector.drift_detected and not learning)
        if learning:
            self._rate += np.stack([hits, n])
            return
        rate = np.clip(self._rate[0] / np.maximum(self._rate[1], 1), 1e-6, 1 - 1e-6)
        norm = np.log1p(rate[:, None] * np.expm1(TILTS))
        log_ratio = np.clip(hits[:, None] * TILTS - n[:, None] * norm, -600, 600)
        weight = self._alarms_per_us * length / len(TILTS)
        self._evidence = (self._evidence + weight) * np.exp(log_ratio)
        fired = self._evidence.sum(axis=1) >= 1
        self.alarms["e-SR, point null"] += int(fired.sum())
        self._evidence[fired] = 0
