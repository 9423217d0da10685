"""The tables of a closed pane as monitors take them: located in the profile's groups, series, classes and bins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from daemon.ledger.ledger import Closed
from processors.base import Consumes
from processors.profile import Profile
from processors.rows import Cells, Explanations, Names
from processors.slices import BothRows, ExplanationRows, OutcomeRows, PredictionRows, SignalRows


@dataclass(frozen=True, slots=True)
class PaneRows:
    """All that a pane holds."""

    predictions: PredictionRows
    outcomes: OutcomeRows
    signals: SignalRows
    explanations: ExplanationRows

    def of(self, consumes: Consumes) -> Any:
        """The rows of one kind; None: of that kind there are no rows."""
        if consumes == "both":
            return BothRows(self.predictions, self.outcomes)
        return None if consumes == "readings" else getattr(self, consumes)


def located(profile: Profile, closed: Closed, explain: Callable[[PredictionRows], Sequence[Explanations]]) -> PaneRows:
    """A pane's rows; labels that are new are admitted. `explain` is given its predictions, see `Watch.close`."""
    start, end = closed.start, closed.end
    duplicates = profile.base_of(closed.duplicates.model, closed.duplicates.version)
    predictions = profile.locate_predictions(closed.predictions, start, end, duplicates)
    profile.admit_labels(closed.outcomes)
    known = profile.base_of(closed.outcomes.model, closed.outcomes.version) >= 0
    outcomes = profile.locate_outcomes(closed.outcomes.take(known), start, end)
    explanations = _explanations(profile, explain(predictions), start, end)
    return PaneRows(predictions, outcomes, profile.locate_signals(closed.signals, start, end), explanations)


def _explanations(profile: Profile, tables: Sequence[Explanations], start: int, end: int) -> ExplanationRows:
    tables = [table for table in tables if len(table)]
    if not tables:
        none = np.zeros(0, np.int32)
        return ExplanationRows(start, end, _no_explanations(), none, none, none, np.zeros(0))
    table = Explanations.concat(tables)
    known = profile.base_of(table.model, table.version) >= 0
    table = table.take(known)
    order = np.lexsort((table.key, table.time))
    return profile.locate_explanations(table.take(order), start, end)


@cache
def _no_explanations() -> Explanations:
    hashes = np.zeros(0, np.uint64)
    return Explanations(np.zeros(0, np.int64), hashes, hashes, hashes, np.zeros(0, object), Cells.empty(0), Names())
