"""Outcomes as a test writes them down, run through profile and monitor pane by pane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from processors.base import Finding, Judging, Reading
from processors.examples import PANE_US, START_US, outcomes_of, predictions_of, signals_of
from processors.packing import pack, unpack
from processors.performance.performance import Performance
from processors.profile import Profile

HOUR_US = 3_600_000_000


def outcome(number: int, prediction: Any, label: Any, **more: Any) -> dict[str, Any]:
    """One outcome of model m, version 1; `ts` is the prediction's time."""
    event = {"id": f"e{number}", "model": "m", "version": "1", "ts": START_US + number, "prediction": prediction}
    return {**event, "label": label, **more}


class Run:
    """A monitor in use. `add` is one pane; `finish` ends the input."""

    def __init__(
        self,
        monitor: Performance,
        profile: Profile | None = None,
        *,
        window_events: int = 10**9,
        window_span: int = 600_000_000,
        restart: bool = False,
        coverage: Mapping[str, Any] | None = None,
        enough: int = 1,
    ) -> None:
        self.monitor, self.profile, self.restart = monitor, profile or Profile(), restart
        self.limits = (window_events, window_span)
        self.coverage, self.enough = dict(coverage or {}), enough
        self.state = monitor.initial()
        self.readings: list[Reading] = []
        self.findings: list[Finding] = []

    def add(self, events: Sequence[Mapping[str, Any]], at: int = START_US, last: bool = False) -> list[Reading]:
        """Measure and judge one pane that begins at `at`; returns its readings."""
        predictions, table = predictions_of(events), outcomes_of(events)
        if events:
            self.profile.admit(predictions, signals_of([]))
            self.profile.admit_labels(table)
        table = replace(table, time=np.full(len(table), at, np.int64))
        rows = self.profile.locate_outcomes(table, at, at + PANE_US)
        summary = self.monitor.measure(rows, self.profile, None)
        context = Judging(
            at, at + PANE_US, self.profile, 0.0, *self.limits, PANE_US, last=last, coverage=self.coverage,
            window_min_events=self.enough,
        )  # fmt: skip
        verdict = self.monitor.judge(self.state, summary, context)
        self.state = unpack(pack(verdict.state)) if self.restart else verdict.state
        self.readings += verdict.readings
        self.findings += verdict.findings
        return verdict.readings

    def finish(self, at: int) -> list[Reading]:
        """The end of the input, at a pane without outcomes."""
        return self.add([], at, last=True)


def by_series(readings: Sequence[Reading], scope: str, segment: str = "", **details: Any) -> dict[str, Reading]:
    """The readings of one scope and segment value by series (`precision/a` for class a); fails if one comes twice."""
    found: dict[str, Reading] = {}
    for reading in readings:
        if reading.scope == scope and reading.group.value == segment and details.items() <= reading.details.items():
            name = "/".join([reading.series, *([reading.details["class"]] if "class" in reading.details else [])])
            assert name not in found, f"{name} twice"
            found[name] = reading
    return found
