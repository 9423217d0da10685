"""Stable models' lives: nothing ever breaks, but things wander, follow the day and the week, burst, or hardly come."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bench.events import BEGIN_US
from processors.durations import DAY_US
from processors.rows import Floats

RHO = 0.9
"""Correlation of successive panes in what wanders."""


@dataclass(frozen=True, slots=True)
class Regime:
    """One kind of life. Amplitudes are in logits of the error rate; features move by as many standard deviations."""

    name: str
    per_second: float = 1.0
    wander: float = 0.0
    """Standard deviation of the first-order autoregression."""
    daily: float = 0.0
    """Amplitude of a daily sine; its phase differs from model to model."""
    weekly: float = 0.0
    """By how much weekends are worse."""
    traffic: float = 0.0
    """Amplitude of the day in the logarithm of the volume; weekends have half of it."""
    bursts: float = 0.0
    """Coefficient of variation of a pane's volume (gamma)."""
    pane_s: int = 300
    """Length of a pane."""


REGIMES = (
    Regime("independent"),
    Regime("wander 0.1", wander=0.1),
    Regime("wander 0.3", wander=0.3),
    Regime("wander 0.6", wander=0.6),
    Regime("daily", daily=0.5, traffic=0.7),
    Regime("weekly", daily=0.3, weekly=0.5, traffic=0.7),
    Regime("bursty", wander=0.2, bursts=1.0),
    Regime("one an hour", per_second=1 / 3600, wander=0.3, daily=0.5, pane_s=3600),
    Regime("10,000 a second", per_second=10_000, wander=0.1, daily=0.3, traffic=0.7),
    Regime("longer panes", wander=0.3, daily=0.5, traffic=0.7, pane_s=900),
)


@dataclass(frozen=True, slots=True)
class Weather:
    """What holds in one pane, an entry a model."""

    start: int
    end: int
    volume: Floats
    """Expected events."""
    error: Floats
    """Shift of the error rate, in logits."""
    shift: Floats
    """Shift of features and scores, in standard deviations."""


class Lives:
    """The weather of `models` models, pane after pane."""

    def __init__(self, regime: Regime, models: int, rng: np.random.Generator) -> None:
        self.regime, self._rng = regime, rng
        self.phase = rng.uniform(0, 2 * math.pi, models)
        self._wander = rng.normal(0, regime.wander, (2, models))

    def pane(self, number: int) -> Weather:
        """The weather of a pane; panes are asked for one after the other."""
        regime, rng = self.regime, self._rng
        start = BEGIN_US + number * regime.pane_s * 1_000_000
        wave = np.sin(2 * math.pi * (start % DAY_US) / DAY_US + self.phase)
        weekend = (start - BEGIN_US) // DAY_US % 7 >= 5
        fresh = rng.normal(0, regime.wander * math.sqrt(1 - RHO**2), self._wander.shape)
        self._wander = RHO * self._wander + fresh
        moved = self._wander + regime.daily * wave + regime.weekly * weekend
        volume = regime.per_second * regime.pane_s * np.exp(regime.traffic * (wave - 0.5 * weekend))
        if regime.bursts:
            volume = volume * rng.gamma(regime.bursts**-2, regime.bursts**2, len(wave))
        return Weather(start, start + regime.pane_s * 1_000_000, volume, moved[0], moved[1])
