"""The series that a detector of River can be put on, and their values in a pane's rows.

| series | of | a value for each |
|---|---|---|
| `error`, `loss` | outcomes | 0 or 1, log loss; distance, squared error in a regression |
| `outcomes` | outcomes | label and prediction, for a metric |
| `score`, `prediction`, `latency_ms`, `feature:<name>` | predictions | number that the event carries |
| `signal:<name>` | signals | signal |
| any other | readings | window of that series of another monitor, such as `accuracy` |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from processors.base import Consumes
from processors.profile import BINARY, REGRESSION, Profile
from processors.profile.tokens import mix
from processors.rows import MISSING, Floats, Hashes, Index, Ints, Longs
from processors.slices import OutcomeRows, PredictionRows, SignalRows

OUTCOME_SERIES = ("error", "loss", "outcomes")
PREDICTION_SERIES = ("score", "prediction", "latency_ms")
FEATURE, SIGNAL = "feature:", "signal:"

_LEAST_PROBABILITY = 1e-15


def consumes(series: str) -> Consumes:
    """What a monitor of the series must be fed with."""
    if series in OUTCOME_SERIES:
        return "outcomes"
    if series in PREDICTION_SERIES or series.startswith(FEATURE):
        return "predictions"
    return "signals" if series.startswith(SIGNAL) else "readings"


@dataclass(frozen=True, slots=True)
class Values:
    """Values of one series, one entry each: group, event time, a key to break ties and to sample by, and the value.

    `value` is finite. For `outcomes` it is the label (class number, or number), `predicted` and `score` the rest.
    """

    group: Ints
    time: Longs
    key: Hashes
    value: Floats
    predicted: Floats
    score: Floats

    def take(self, index: Index) -> Values:
        """The values at `index`."""
        return Values(*(getattr(self, name)[index] for name in self.__slots__))


def values_of(series: str, rows: Any, profile: Profile) -> Values:
    """The series' finite values in these rows, in the rows' order."""
    if isinstance(rows, OutcomeRows):
        found = _of_outcomes(series, rows, profile)
    elif isinstance(rows, PredictionRows):
        found = _of_predictions(series, rows, profile)
    else:
        found = _of_signals(series, rows, profile)
    return found.take(np.flatnonzero((found.group >= 0) & np.isfinite(found.value)))


def _of_outcomes(series: str, rows: OutcomeRows, profile: Profile) -> Values:
    regression = rows.task == REGRESSION
    labelled = rows.counted & (rows.table.label.kind != MISSING)
    if series == "outcomes":
        value = np.where(regression, rows.target, np.where(rows.actual >= 0, rows.actual, np.nan))
        predicted = np.where(regression, rows.value, rows.predicted)
    else:
        value = _errors(rows, regression) if series == "error" else _losses(rows, regression, profile)
        predicted = np.zeros(len(rows))
    value = np.where(labelled, value, np.nan)
    return Values(rows.base, rows.table.time, rows.table.key, value, predicted, rows.score)


def _errors(rows: OutcomeRows, regression: Any) -> Floats:
    wrong = np.where(rows.table.prediction.kind == MISSING, np.nan, ~rows.table.prediction.same(rows.table.label))
    with np.errstate(over="ignore", invalid="ignore"):
        return np.where(regression, np.abs(rows.value - rows.target), wrong)


def _losses(rows: OutcomeRows, regression: Any, profile: Profile) -> Floats:
    given = np.full(len(rows), np.nan)
    for group in np.unique(rows.base[rows.base >= 0]).tolist():
        mine, positive = (rows.base == group) & (rows.task == BINARY), profile.positive(group)
        given[mine] = np.where(rows.actual[mine] == positive, rows.score[mine], 1 - rows.score[mine])
    own = rows.scores.label == rows.actual[rows.scores.row]
    given[rows.scores.row[own]] = rows.scores.probability[own]
    log_loss = -np.log(np.clip(given, _LEAST_PROBABILITY, 1))
    with np.errstate(over="ignore", invalid="ignore"):
        return np.where(regression, (rows.value - rows.target) ** 2, log_loss)


def _of_predictions(series: str, rows: PredictionRows, profile: Profile) -> Values:
    if series.startswith(FEATURE):
        numbers = _numbers(series.removeprefix(FEATURE), rows.base, profile)
        cells = np.flatnonzero(np.isin(rows.cells.series, numbers))
        at, value = rows.cells.row[cells], rows.cells.value[cells]
    else:
        at = np.arange(len(rows), dtype=np.int32)
        value = {"score": rows.score, "prediction": rows.value, "latency_ms": rows.table.latency_ms}[series]
    nothing = np.zeros(len(at))
    return Values(rows.base[at], rows.table.time[at], rows.table.key[at], value, nothing, nothing)


def _of_signals(series: str, rows: SignalRows, profile: Profile) -> Values:
    at = np.flatnonzero(np.isin(rows.series, _numbers(series, rows.base, profile)))
    time, value, nothing = rows.table.time[at], rows.value[at], np.zeros(len(at))
    return Values(rows.base[at], time, mix(time.view(np.uint64), value.view(np.uint64)), value, nothing, nothing)


def _numbers(name: str, base: Ints, profile: Profile) -> list[int]:
    """Numbers of the series of that name among these groups."""
    groups = np.unique(base[base >= 0]).tolist()
    return sorted(number for group in groups if (number := profile.series_of(group).get(name)) is not None)
