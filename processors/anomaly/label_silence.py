"""Have a model's labels stopped coming?

Without labels nobody knows how right a model is, and nothing else would say so: where there is nothing to count,
nothing drifts. `pauses` says when they are missed. Labels come in batches more often than predictions do, so it takes a
day to learn how, the usual longest pause is the longest there was, and the rule is more patient. And labels are missed
only once some are owed: a model that has not predicted gets none. Labels that silence implies are no labels.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from config.units import Duration
from processors.anomaly import models
from processors.anomaly.pauses import LAYOUT, Pauses, PausesSettings, Words
from processors.base import Judging, State, Summary
from processors.detectors import columns
from processors.profile import Profile
from processors.registry import register
from processors.rows import IMPLICIT, Bools, Ints, Longs
from processors.slices import BothRows

_OWED = 10.0
"""Labels that should have come, by the share of predictions that got one so far, for a pause to mean something."""


class LabelSilenceSettings(PausesSettings):
    """How long a pause may be."""

    after: Duration = Duration.parse("1h")
    """A pause up to this long is never an alert."""
    factor: float = Field(5.0, ge=1)
    """Nor is one up to this many times the longest pause of the model's labels: a weekend after weekdays, say."""
    panes: int = Field(30, ge=2)
    """A model is judged once labels came in this many panes ..."""
    learn: Duration = Duration.parse("1d")
    """... over at least this long."""


@register("label_silence")
class LabelSilence(Pauses[LabelSilenceSettings, BothRows]):
    """When labels came → an alert when they stop though the model goes on, and its end when they return."""

    consumes = "both"
    Settings = LabelSilenceSettings
    layout: ClassVar[columns.Layout] = {
        **LAYOUT,
        "predictions": (np.int64, (), 0),
        "labels": (np.int64, (), 0),
        "since": (np.int64, (), 0),  # predictions since the last label
    }
    words = Words(
        one="label",
        severity="warning",
        action="check_labels",
        reason="Nobody knows how right it is meanwhile: look at what joins or writes its labels.",
        reason_all="Nobody knows how right any model is meanwhile: look at the topic of labels and what writes to it.",
    )

    def measure(self, rows: BothRows, profile: Profile, sealed: Any) -> Summary:
        """Of each base group what came of it: `predictions`, and `labels` that were sent, int64."""
        predicted, labelled = rows.predictions.base, rows.outcomes.base[rows.outcomes.table.how != IMPLICIT]
        size = max(int(predicted.max(initial=-1)), int(labelled.max(initial=-1))) + 1
        made, labels = (np.bincount(base[base >= 0], minlength=size) for base in (predicted, labelled))
        keys = np.flatnonzero(made + labels)
        if not len(keys):
            return self.empty()
        return Summary(keys.astype(np.int32), {"predictions": made[keys], "labels": labels[keys]})

    def present(self, state: State, summary: Summary, context: Judging) -> Ints:
        own, number = state["own"], models.numbers(state["models"], summary.keys, context.profile)
        columns.grow(own, self.layout, np.unique(number))
        for name in ("predictions", "labels"):
            np.add.at(own[name], number, summary[name])
        np.add.at(own["since"], number, summary["predictions"])
        present = np.unique(number[summary["labels"] > 0])
        own["since"][present] = 0
        return present

    def usual(self, own: State) -> Longs:
        return np.asarray(own["pauses"].max(axis=1, initial=0), np.int64)

    def owed(self, own: State) -> Bools:
        owed: Bools = own["since"] * own["labels"] >= _OWED * np.maximum(own["predictions"], 1)
        return owed
