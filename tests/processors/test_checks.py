"""Every monitor passes the kit, and the kit fails what breaks its rules."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydantic import Field

from processors.base import Consumes, Finding, Judging, Monitor, MonitorSettings, Reading, State, Summary, Verdict
from processors.checks import check_monitor, example_rows
from processors.profile import Profile
from processors.registry import monitors
from processors.slices import PredictionRows

CASES = [
    pytest.param(check, id=f"{name}-{rule}")
    for name, monitor in monitors().items()
    for rule, check in check_monitor(monitor)
]


@pytest.mark.parametrize("check", CASES)
def test_every_monitor_passes_the_kit(check: Callable[[], None]) -> None:
    """What is registered holds the contract, with its default settings."""
    check()


class CountSettings(MonitorSettings):
    """Settings of the sound monitor that the broken ones are made from."""

    every: int = Field(1, description="Said every so many panes.")


class Count(Monitor[CountSettings, PredictionRows]):
    """A sound monitor: predictions by version, said at every pane."""

    name = "count"
    consumes = "predictions"
    Settings = CountSettings

    def measure(self, rows: PredictionRows, profile: Profile, sealed: Any) -> Summary:
        base = rows.base[rows.base >= 0]
        keys, n = np.unique(base, return_counts=True)
        values = np.bincount(np.searchsorted(keys, base), rows.score[rows.base >= 0] > 0.5, len(keys))
        return Summary(keys.astype(np.int32), {"n": n, "high": values}) if len(keys) else self.empty()

    def judge(self, state: State, summary: Summary, context: Judging) -> Verdict:
        totals = state.setdefault("totals", {})
        readings = []
        for key, n in zip(summary.keys.tolist(), summary.columns.get("n", np.zeros(0)).tolist(), strict=True):
            totals[key] = totals.get(key, 0) + n
            group = context.profile.groups[key]
            readings.append(Reading(self.name, "count", group, float(totals[key]), n, context.start, context.end))
        return Verdict(state, readings)

    def forget(self, state: State, groups: frozenset[int], series: frozenset[int]) -> State:
        for group in groups:
            state.get("totals", {}).pop(group, None)
        return state


class Undescribed(Count):
    class Settings(MonitorSettings):
        """Says nothing of its field."""

        every: int = 1


class Unpicklable(Count):
    def __init__(self, settings: CountSettings) -> None:
        super().__init__(settings)
        self.square = lambda value: value * value


class Remembering(Count):
    """Its `measure` counts its own calls."""

    calls = 0

    def measure(self, rows: PredictionRows, profile: Profile, sealed: Any) -> Summary:
        Remembering.calls += 1
        summary = super().measure(rows, profile, sealed)
        return Summary(summary.keys, {**summary.columns, "calls": np.full(len(summary), Remembering.calls)})


class Mutating(Count):
    def measure(self, rows: PredictionRows, profile: Profile, sealed: Any) -> Summary:
        rows.score[:] = 0
        return super().measure(rows, profile, sealed)


class Averaging(Count):
    """Its summaries are means, and means do not add."""

    def measure(self, rows: PredictionRows, profile: Profile, sealed: Any) -> Summary:
        summary = super().measure(rows, profile, sealed)
        return Summary(summary.keys, {"n": summary["n"] / 2.0 + 1} if len(summary) else {})


class Halving(Count):
    """It averages two summaries, and then the average with the third."""

    def merge(self, a: Summary, b: Summary) -> Summary:
        if not len(a) or not len(b):
            return a if len(a) else b
        merged = super().merge(a, b)
        return Summary(merged.keys, {**merged.columns, "high": merged["high"] / 2.0})


class OrderBound(Count):
    """The first of two summaries counts."""

    def merge(self, a: Summary, b: Summary) -> Summary:
        return a if len(a) else b


class Counting(Count):
    """Zero rows are something to it."""

    def measure(self, rows: PredictionRows, profile: Profile, sealed: Any) -> Summary:
        summary = super().measure(rows, profile, sealed)
        return summary if len(summary) else Summary(np.zeros(1, np.int32), {"n": np.zeros(1, np.int64)})


class PartitionBound(Count):
    def measure(self, rows: PredictionRows, profile: Profile, sealed: Any) -> Summary:
        summary = super().measure(rows, profile, sealed)
        partitions = len(np.unique(rows.table.ref.partition))
        return Summary(summary.keys, {**summary.columns, "partitions": np.full(len(summary), partitions)})


class Chancy(Count):
    """It draws unseeded random numbers."""

    def judge(self, state: State, summary: Summary, context: Judging) -> Verdict:
        state["mood"] = float(np.random.default_rng().random())
        return super().judge(state, summary, context)


class Attribute(Count):
    """It remembers in an attribute, which a restart loses."""

    def __init__(self, settings: CountSettings) -> None:
        super().__init__(settings)
        self.panes = 0

    def judge(self, state: State, summary: Summary, context: Judging) -> Verdict:
        self.panes += 1
        state["panes"] = self.panes
        return super().judge(state, summary, context)


class Undefined(Count):
    """It says NaN where it should say nothing."""

    def judge(self, state: State, summary: Summary, context: Judging) -> Verdict:
        verdict = super().judge(state, summary, context)
        group = context.profile.groups[0]
        verdict.readings.append(Reading(self.name, "auc", group, float("nan"), 0, context.start, context.end))
        return verdict


class Wordless(Count):
    def judge(self, state: State, summary: Summary, context: Judging) -> Verdict:
        verdict = super().judge(state, summary, context)
        group = context.profile.groups[0]
        verdict.findings.append(Finding("fired", self.name, "count", group, context.start, 1.0, 1, summary=""))
        return verdict


class Fragile(Count):
    """It takes every value for a finite number."""

    def measure(self, rows: PredictionRows, profile: Profile, sealed: Any) -> Summary:
        if not np.isfinite(rows.cells.value[rows.cells.series % 2 == 0]).all():
            raise ValueError("not a number")
        return super().measure(rows, profile, sealed)


class Eager(Count):
    """It needs a first row."""

    def measure(self, rows: PredictionRows, profile: Profile, sealed: Any) -> Summary:
        assert rows.base[0] >= 0
        return super().measure(rows, profile, sealed)


class Contrast(Count):
    """It needs two classes."""

    def measure(self, rows: PredictionRows, profile: Profile, sealed: Any) -> Summary:
        classes = np.unique(rows.predicted[rows.base == 0])
        if len(classes):
            low, high = classes[:2]
            assert low < high
        return super().measure(rows, profile, sealed)


class Clinging(Count):
    """It forgets nothing."""

    def forget(self, state: State, groups: frozenset[int], series: frozenset[int]) -> State:
        return state


@pytest.mark.parametrize("check", [pytest.param(check, id=rule) for rule, check in check_monitor(Count)])
def test_a_sound_monitor_breaks_no_rule(check: Callable[[], None]) -> None:
    """The broken monitors below fail for what they change, not for what they inherit."""
    check()


@pytest.mark.parametrize(
    ("monitor", "rule"),
    [
        (Undescribed, "settings_are_described"),
        (Unpicklable, "monitors_and_what_they_return_are_picklable"),
        (Remembering, "measuring_twice_gives_the_same"),
        (Mutating, "measuring_changes_nothing"),
        (Averaging, "parts_merge_to_the_whole"),
        (Halving, "merging_is_associative_and_commutative"),
        (OrderBound, "merging_is_associative_and_commutative"),
        (Counting, "empty_is_neutral"),
        (PartitionBound, "partitions_do_not_show"),
        (Chancy, "judging_twice_gives_the_same"),
        (Attribute, "a_restart_does_not_show"),
        (Undefined, "what_is_said_is_well_formed"),
        (Wordless, "what_is_said_is_well_formed"),
        (Fragile, "ugly_data_raises_nothing"),
        (Eager, "few_rows_raise_nothing"),
        (Contrast, "one_class_raises_nothing"),
        (Clinging, "forgetting_starts_anew"),
    ],
)
def test_the_kit_catches_what_breaks_a_rule(monitor: type[Monitor[Any, Any]], rule: str) -> None:
    """A check that cannot fail proves nothing: each rule has a monitor that breaks it."""
    check = dict(check_monitor(monitor))[rule]
    with pytest.raises((AssertionError, ValueError, AttributeError, IndexError, pickle.PicklingError)):
        check()


@pytest.mark.parametrize("consumes", ["predictions", "outcomes", "signals", "explanations"])
def test_example_rows_are_the_same_for_the_same_seed_and_others_for_another(consumes: Consumes) -> None:
    """Plug-in authors may rely on the examples in their own tests."""
    first, again, other = (example_rows(consumes, seed=seed, panes=4) for seed in (1, 1, 2))
    for mine, same, different in zip(first.panes, again.panes, other.panes, strict=True):
        assert len(mine) > 0
        column = {"signals": "value", "explanations": "value", "predictions": "score", "outcomes": "score"}[consumes]
        np.testing.assert_array_equal(getattr(mine, column), getattr(same, column))
        assert not np.array_equal(getattr(mine, column), getattr(different, column), equal_nan=True)
