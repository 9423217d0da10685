"""Panes of made-up rows, and a monitor run over them as the pipeline would: admit, locate, measure, judge, learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from processors.base import Finding, Judging, Monitor, Reading
from processors.packing import pack, unpack
from processors.profile import Profile
from processors.profile.tokens import mix_one
from processors.rows import (
    FIRST,
    MISSING,
    NUMBER,
    TEXT,
    Cells,
    Names,
    Outcomes,
    Predictions,
    Refs,
    Scalars,
    Signals,
    text_hash,
)

PANE = 10_000_000
DAY_ALARMS = 1 / (30 * 86_400e6)
"""One alarm in 30 days, per microsecond."""


def words(*texts: str) -> Names:
    """Names that hold these texts."""
    return Names({text_hash(text): text for text in texts})


def scalars(values: Sequence[Any], names: Names) -> Scalars:
    """A column of numbers, texts and None."""
    kind, bits = np.zeros(len(values), np.uint8), np.zeros(len(values), np.uint64)
    for at, value in enumerate(values):
        if isinstance(value, str):
            kind[at], bits[at] = TEXT, text_hash(value)
            names.texts[text_hash(value)] = value
        elif value is not None:
            kind[at], bits[at] = NUMBER, np.float64(value).view(np.uint64)
    kind[[value is None for value in values]] = MISSING
    return Scalars(kind, bits)


def cells(columns: Mapping[str, Sequence[Any]], count: int, names: Names) -> Cells:
    """Mappings by column; every row has every column."""
    if not columns:
        return Cells.empty(count)
    layout = tuple(columns)
    token = text_hash("\x00".join(layout))
    names.layouts[token] = layout
    width = len(layout)
    flat = [columns[name][row] for row in range(count) for name in layout]
    start = np.arange(count, dtype=np.int64) * width
    return Cells(np.full(count, token, np.uint64), start, np.full(count, width, np.int32), scalars(flat, names))


def predictions(
    count: int,
    features: Mapping[str, Sequence[Any]] | None = None,
    *,
    start: int = 0,
    model: str = "fraud",
    version: str = "1",
    score: npt.ArrayLike | None = None,
    latency_ms: npt.ArrayLike | None = None,
    prediction: Sequence[Any] | None = None,
    segments: Mapping[str, Sequence[Any]] | None = None,
    span: int = PANE,
) -> Predictions:
    """`count` predictions spread evenly over `span` from `start`."""
    names = words(model, version)
    time = start + np.arange(count, dtype=np.int64) * span // max(count, 1)
    ids = np.array([f"r-{at}" for at in time.tolist()], object)
    key = np.array([mix_one(text_hash(model), text_hash(f"{at}")) for at in time.tolist()], np.uint64)
    nothing = np.full(count, np.nan)
    return Predictions(
        ref=Refs(np.zeros(count, np.int32), time, np.zeros(count, np.int32)),
        time=time,
        ts=time,
        arrival=time,
        flags=np.zeros(count, np.uint8),
        model=np.full(count, text_hash(model), np.uint64),
        version=np.full(count, text_hash(version), np.uint64),
        key=key,
        id=ids,
        prediction=scalars(list(prediction) if prediction is not None else [0] * count, names),
        score=nothing if score is None else np.asarray(score, np.float64),
        latency_ms=nothing if latency_ms is None else np.asarray(latency_ms, np.float64),
        features=cells(features or {}, count, names),
        proba=Cells.empty(count),
        segments=cells(segments or {}, count, names),
        attributions=Cells.empty(count),
        content=key,
        names=names,
    )


def signals(
    values: npt.ArrayLike, name: str = "gpu_mem_mb", *, start: int = 0, model: str = "fraud", version: str = "1"
) -> Signals:
    """Values of one signal spread evenly over a pane."""
    value = np.asarray(values, np.float64)
    count = len(value)
    time = start + np.arange(count, dtype=np.int64) * PANE // max(count, 1)
    return Signals(
        Refs(np.zeros(count, np.int32), time, np.zeros(count, np.int32)),
        time,
        time,
        np.zeros(count, np.uint8),
        np.full(count, text_hash(model), np.uint64),
        np.full(count, text_hash(version), np.uint64),
        np.full(count, text_hash(name), np.uint64),
        value,
        words(model, version, name),
    )


def outcomes(of: Predictions, labels: Sequence[Any], *, time: int | None = None) -> Outcomes:
    """The outcomes of predictions, all matched at once where they were made, or at `time`."""
    count = len(of)
    at = of.time if time is None else np.full(count, time, np.int64)
    label = scalars(list(labels), of.names)
    return Outcomes(
        time=at,
        ts=of.ts,
        label_ts=at,
        how=np.full(count, FIRST, np.uint8),
        model=of.model,
        version=of.version,
        key=of.key,
        id=of.id,
        prediction=of.prediction,
        score=of.score,
        proba=of.proba,
        segments=of.segments,
        label=label,
        before=Scalars.missing(count),
        names=of.names,
    )


NO_PREDICTIONS, NO_SIGNALS = predictions(0), signals([])


@dataclass
class Run:
    """One monitor over pane after pane. `through_bytes` saves and loads state and sealed between any two."""

    monitor: Monitor[Any, Any]
    profile: Profile = field(default_factory=Profile)
    window_events: int = 1_000
    window_span: int = 60 * PANE
    through_bytes: bool = True

    def __post_init__(self) -> None:
        self.state = self.monitor.initial()
        self.sealed: Any = None
        self.readings: list[Reading] = []
        self.findings: list[Finding] = []
        self.end = 0

    def predictions(self, table: Predictions, duplicates: Sequence[int] = ()) -> list[Finding]:
        """A pane of predictions, placed by its first row."""
        start = int(table.time[0]) // PANE * PANE
        self.profile.admit(table, NO_SIGNALS)
        rows = self.profile.locate_predictions(table, start, start + PANE, np.array(duplicates, np.int32))
        found = self._pane(rows, start)
        self.profile.learn(rows)
        return found

    def signals(self, table: Signals) -> list[Finding]:
        """A pane of signals."""
        start = int(table.time[0]) // PANE * PANE
        self.profile.admit(NO_PREDICTIONS, table)
        return self._pane(self.profile.locate_signals(table, start, start + PANE), start)

    def outcomes(self, table: Predictions, labels: Sequence[Any]) -> list[Finding]:
        """A pane of outcomes of predictions that were made in it."""
        start = int(table.time[0]) // PANE * PANE
        self.profile.admit(table, NO_SIGNALS)
        matched = outcomes(table, labels)
        self.profile.admit_labels(matched)
        return self._pane(self.profile.locate_outcomes(matched, start, start + PANE), start)

    def judge(self, summary: Any, start: int, end: int, *, last: bool = False, readings: Any = ()) -> list[Finding]:
        """One judgement; returns its findings."""
        context = Judging(
            start, end, self.profile, DAY_ALARMS, self.window_events, self.window_span, PANE, last, tuple(readings)
        )
        verdict = self.monitor.judge(self.state, summary, context)
        self.state, self.sealed, self.end = verdict.state, verdict.sealed, end
        if self.through_bytes:
            self.state = unpack(pack(self.state))
            self.sealed = self.monitor.load_sealed(unpack(pack(self.monitor.dump_sealed(self.sealed))))
        self.readings += verdict.readings
        self.findings += verdict.findings
        return verdict.findings

    def finish(self) -> list[Finding]:
        """The end of a finite input."""
        return self.judge(self.monitor.empty(), self.end, self.end, last=True)

    def series(self, name: str) -> list[Reading]:
        """All readings of a series so far."""
        return [reading for reading in self.readings if reading.series == name]

    def _pane(self, rows: Any, start: int) -> list[Finding]:
        return self.judge(self.monitor.measure(rows, self.profile, self.sealed), start, start + PANE)
