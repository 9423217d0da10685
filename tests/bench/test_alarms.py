"""Pane summaries that are drawn stand in for measured ones: the shipped judges take them, and find what is wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bench.alarms.__main__ import MONITORS
from bench.alarms.fleet import Fleet
from bench.alarms.judging import Judges
from bench.alarms.regimes import REGIMES, Lives

MODELS, PANES = 3, 80


def test_every_monitor_judges_what_is_drawn_and_finds_errors_that_rise() -> None:
    """The first forty panes are calm; then the error rate, and the features with it, is another."""
    rng = np.random.default_rng(0)
    fleet, lives = Fleet(MODELS, rng), Lives(REGIMES[0], MODELS, rng)
    judges = Judges(fleet.profile, MONITORS)
    fired: list[set[str]] = [set(), set()]
    for number in range(PANES):
        weather = lives.pane(number)
        if number >= PANES // 2:
            weather = replace(weather, error=weather.error + 2.0, shift=weather.shift + 1.5)
        fired[number >= PANES // 2] |= {
            finding.monitor for finding in judges.step(fleet.draw(weather), weather.start, weather.end)
        }
    assert fired[0] == set()
    assert fired[1] >= {"concept_drift", "feature_drift", "prediction_drift", "label_drift", "repeated_values"}
