"""Feeding an object of River value by value, and hearing what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isnan
from typing import Any

from processors.anomaly import river_names
from processors.base import Summary
from processors.profile import BINARY, REGRESSION, Profile


@dataclass(frozen=True, slots=True)
class Fed:
    """What came of feeding one version's values: `alarms` are (place, time) of each value that set one off.

    `values` are what the object was fed; `total` the sum of those, or of the scores that it gave.
    """

    group: int
    values: list[float]
    total: float
    alarms: list[tuple[int, int]]

    @property
    def n(self) -> int:
        return len(self.values)

    @property
    def mean(self) -> float | None:
        return self.total / self.n if self.values else None


class Feeder:
    """Knows how objects of one class of River are fed."""

    def __init__(self, name: str, params: Mapping[str, Any]) -> None:
        self.name, self.params = name, params
        self.kind = river_names.kind_of(name)
        self.alarms = self.kind in ("drift", "binary", "filter")
        """Does it say itself when something is wrong?"""
        self.has_number = self.kind in ("metric", "statistic") or name == "drift.ADWIN"
        """Does it have a number of its own to show? If not, the mean of values or scores is shown."""

    def new(self, seed: int) -> Any:
        """An object that has seen nothing."""
        return river_names.build(self.name, self.params, seed)

    def number(self, found: Any) -> float | None:
        """The metric's, statistic's or estimate's value now; None while it has none."""
        if not self.has_number:
            return None
        try:
            value = found.estimation if self.kind == "drift" else found.get()
            return None if value is None else float(value)
        except (ArithmeticError, TypeError, ValueError, IndexError):
            return None  # River's own answer to having seen too little

    def feed(self, found: Any, values: Summary, profile: Profile) -> Fed:
        """Feed one group's values (not none) in their order; changes `found`."""
        group, given, times = int(values.keys[0]), values["value"].tolist(), values["time"].tolist()
        if self.kind == "metric":
            self._feed_metric(found, values, profile, group)
            return Fed(group, given, 0.0, [])
        total, alarms = 0.0, []
        step = self._step(found)
        for at, value in enumerate(given):
            amount, alarm = step(value)
            total += amount
            if alarm:
                alarms.append((at, times[at]))
        return Fed(group, given, total, alarms)

    def _step(self, found: Any) -> Callable[[float], tuple[float, bool]]:
        """What to do with one value: returns what to add up, and whether it sets off an alarm."""

        def update(value: float) -> tuple[float, bool]:
            found.update(value > 0.5 if self.kind == "binary" else value)
            return value, self.kind != "statistic" and found.drift_detected

        def judge(value: float) -> tuple[float, bool]:
            args = self._arguments(found, value)
            score = float(found.score_one(*args))
            alarm = self.kind == "filter" and bool(found.classify(score))
            found.learn_one(*args)
            return score, alarm

        return judge if self.kind in ("anomaly", "target_anomaly", "filter") else update

    def _arguments(self, found: Any, value: float) -> tuple[Any, ...]:
        from river.base import SupervisedAnomalyDetector

        detector = found.anomaly_detector if self.kind == "filter" else found
        return ({}, value) if isinstance(detector, SupervisedAnomalyDetector) else ({"value": value},)

    def _feed_metric(self, metric: Any, values: Summary, profile: Profile, group: int) -> None:
        """Labels and predictions as the metric wants them: numbers, booleans (is it the positive class?) or names."""
        from river import metrics

        truth, predicted = values["value"].tolist(), values["predicted"].tolist()
        regression = profile.task(group) == REGRESSION
        if isinstance(metric, metrics.base.RegressionMetric) != regression:
            return
        if isinstance(metric, metrics.base.BinaryMetric):
            if profile.task(group) != BINARY:
                return
            positive = profile.positive(group)
            truth, predicted = [label == positive for label in truth], [label == positive for label in predicted]
            predicted = predicted if metric.requires_labels else values["score"].tolist()
        elif not regression:
            names = [*profile.classes(group), ""]
            truth, predicted = [names[int(label)] for label in truth], [names[int(label)] for label in predicted]
        for label, answer in zip(truth, predicted, strict=True):
            if isinstance(answer, str) or not isnan(answer):  # a missing score cannot be counted
                metric.update(label, answer)
