"""Has a model stopped predicting?

`pauses` says when. The usual longest pause is the second longest, so that one outage is not taken for usual, and a
nightly pause is after two nights; on a model's first day, and on its first days as long as it may be a job of the
night, it is the longest, for a job that runs each hour or each night has shown few pauses by then.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from config.units import Duration
from processors.anomaly import models
from processors.anomaly.pauses import Pauses, PausesSettings, Words
from processors.base import Judging, State, Summary
from processors.detectors import columns
from processors.distinct import counted
from processors.durations import DAY_US
from processors.profile import Profile
from processors.registry import register
from processors.rows import Ints, Longs
from processors.slices import PredictionRows

_YOUNG = 3
"""Longest pauses that a model must have lived for before one of them may have been an outage; but at most ..."""
_YOUNG_US = 4 * DAY_US


class SilenceSettings(PausesSettings):
    """How long a pause may be."""

    after: Duration = Duration.parse("5m")
    """A pause up to this long is never an alert."""
    factor: float = Field(3.0, ge=1)
    """Nor is one up to this many times the model's usual longest pause."""
    panes: int = Field(30, ge=2)
    """A model is judged once it has predicted in this many panes ..."""
    learn: Duration = Duration.parse("30m")
    """... over at least this long."""


@register("silence")
class Silence(Pauses[SilenceSettings, PredictionRows]):
    """When predictions came → an alert when they stop, and its end when they return."""

    consumes = "predictions"
    code_version = 2
    Settings = SilenceSettings
    words = Words(
        one="prediction",
        severity="critical",
        action="none",
        reason="Other models go on: look at its service and at what writes its events. One switched off on "
        "purpose is retired by itself.",
        reason_all="Nothing arrives at all: look at the brokers, the topics and what writes to them before any model.",
    )

    def measure(self, rows: PredictionRows, profile: Profile, sealed: Any) -> Summary:
        """Predictions `n` by base group, int64."""
        keys, counts = counted(rows.base[rows.base >= 0])
        return Summary(keys.astype(np.int32), {"n": counts}) if len(keys) else self.empty()

    def present(self, state: State, summary: Summary, context: Judging) -> Ints:
        present = np.unique(models.numbers(state["models"], summary.keys, context.profile))
        columns.grow(state["own"], self.layout, present)
        return present

    def usual(self, own: State) -> Longs:
        longest = np.sort(own["pauses"], axis=1)
        young = own["last"] - own["first"] < np.clip(_YOUNG * longest[:, -1], DAY_US, _YOUNG_US)
        return np.where(young, longest[:, -1], longest[:, -2])
