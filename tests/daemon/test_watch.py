"""Measure and judge: who is asked when, with what share of the budget, and what a restart keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from daemon.ledger.due import Waits
from daemon.ledger.ledger import Ledger
from daemon.sightings import Sightings
from daemon.watch import Settings, Watch
from daemon.watched import CONCEPT_DRIFT, Budget, Watched, shares
from processors.base import Consumes, Finding, Judging, Monitor, MonitorSettings, Reading, State, Summary, Verdict
from processors.packing import Part
from processors.profile import GroupKey, Limits, Profile
from tests.daemon.messages import SECOND, START, decoder, prediction, run

PANE = 10 * SECOND
HOUR = 3_600 * SECOND
ALL = "all"


class Counting(Monitor[MonitorSettings, Any]):
    """Counts rows by (model, version), and remembers what it was told with each pane."""

    Settings = MonitorSettings
    consumes: Consumes = "predictions"

    class Step(MonitorSettings):
        """A setting, to be changed."""

        step: int = 1

    def __init__(self, name: str = "counting", step: int = 1, every: int = 0, share: float = 1.0) -> None:
        super().__init__(self.Step(step=step))
        self.name, self._every = name, every
        self.__dict__["alarm_share"] = share
        self.told: list[Judging] = []

    def measure(self, rows: Any, profile: Profile, sealed: Any) -> Summary:
        keys, counts = np.unique(rows.base, return_counts=True)
        return Summary(keys.astype(np.int32), {"n": counts})

    def judge(self, state: State, summary: Summary, context: Judging) -> Verdict:
        self.told.append(context)
        for key, count in zip(summary.keys.tolist(), summary.columns.get("n", []), strict=False):
            state[str(key)] = state.get(str(key), 0) + int(count)
        state["due"] = context.end + self._every
        total = sum(count for key, count in state.items() if key != "due")
        return Verdict(
            state, [Reading(self.name, "n", GroupKey("", ""), float(total), total, context.start, context.end)]
        )

    def deadline(self, state: State) -> int | None:
        return state.get("due") if self._every else None


class Listening(Counting):
    """Hears what the others said."""

    consumes: Consumes = "readings"


class World:
    """A watch with the ledger in front of it."""

    def __init__(
        self, *monitors: Monitor[Any, Any], wants: Callable[[str], bool] | None = None, retire: int = HOUR
    ) -> None:
        self.profile = Profile(limits=Limits())
        self.ledger = Ledger(PANE, Waits(), 10**6, self.profile.base_of)
        settings = Settings(
            pane_us=PANE, window_events=100, window_span=HOUR, window_min_events=10, window_min_span=0,
            budget=Budget(1e-12, 3e-12),
            retire_after=lambda _: retire, label_wait=lambda _: HOUR,
        )  # fmt: skip
        self.watch = Watch(self.profile, [Watched(each, 0.5, wants) for each in monitors], settings)
        self._decoder = decoder()
        self._number = 0

    def pane(self, start: int, models: Sequence[str], *, last: bool = False) -> list[Reading]:
        """One pane in which each of these models predicts once; what was said."""
        events = []
        for model in models:
            self._number += 1
            events.append(prediction(id=self._number, model=model, ts=START + start * PANE))
        ms = [(START + start * PANE) // 1000] * len(events)
        self.ledger.add(self._decoder.decode(run(events, ms=ms)))
        begin = START // PANE * PANE + start * PANE
        predictions, signals = self.ledger.rows_of(begin)
        self.profile.admit(predictions, signals)
        return self.watch.close(self.ledger.close(begin), 1.0, lambda _: [], last=last).readings

    def tick(self, start: int) -> list[Reading]:
        """One pane in which nothing arrives."""
        begin = START // PANE * PANE + start * PANE
        return self.watch.tick(begin, begin + PANE, 1.0).readings


def test_the_budget_is_shared_half_to_concept_drift_and_the_rest_by_weight() -> None:
    """All shares add up to one, so that all monitors together keep the promise."""
    three = [Counting(CONCEPT_DRIFT), Counting("a", share=1.0), Counting("b", share=3.0)]
    assert shares(three) == [0.5, 0.125, 0.375]
    assert shares(three[1:]) == [0.25, 0.75]
    assert shares([Counting("silent", share=0.0)]) == [0.0]


@pytest.mark.parametrize(("models", "each"), [(0, 1e-12), (1, 1e-12), (3, 1e-12), (6, 0.5e-12), (3_000, 1e-15)])
def test_many_models_share_the_fleet_s_budget(models: int, each: float) -> None:
    """One model never gets more than its own; all together never more than the fleet's."""
    assert Budget(1e-12, 3e-12).per_model(models) == pytest.approx(each)


def test_a_monitor_is_told_its_share_and_sees_only_the_models_that_it_is_for() -> None:
    """Rows of other models are neither counted nor judged."""
    mine = Counting()
    world = World(mine, wants=lambda model: model == "a")
    assert [reading.n for reading in world.pane(0, ["a", "b", "b", "a"])] == [2]
    assert world.pane(1, ["b"]) == []
    assert [told.alarms_per_us for told in mine.told] == [0.5e-12]
    assert mine.told[0].window_events == 100


def test_readings_are_heard_by_those_that_consume_them() -> None:
    """After all others have spoken, in panes with rows and in those without."""
    ear = Listening("ear")
    world = World(ear, Counting(every=5 * PANE))
    world.pane(0, ["a"])
    assert [[reading.monitor for reading in told.readings] for told in ear.told] == [["counting"]]
    world.tick(6)
    assert len(ear.told) == 2


def test_in_an_empty_pane_only_those_are_asked_that_wanted_to_be() -> None:
    """By their own deadline; `deadline` is the earliest of all."""
    soon, late, never = Counting("soon", every=2 * PANE), Counting("late", every=9 * PANE), Counting("never")
    world = World(soon, late, never)
    world.pane(0, ["a"])
    begin = START // PANE * PANE
    assert world.watch.deadline() == begin + PANE + 2 * PANE
    assert [reading.monitor for reading in world.tick(2)] == ["soon"]
    assert [reading.monitor for reading in world.tick(3)] == []
    assert world.watch.deadline() == begin + 5 * PANE


def test_a_pane_without_its_rows_leaves_a_monitor_alone_except_at_the_end() -> None:
    """At the end of a finite input everybody may say what still waits."""
    world = World(Counting())
    assert world.pane(0, []) == []
    assert [reading.n for reading in world.pane(1, [], last=True)] == [0]


def into(kept: dict[str, bytes]) -> Callable[[str, Sequence[Part]], None]:
    """What keeps items as a state does."""

    def put(name: str, parts: Sequence[Part]) -> None:
        kept[name] = b"".join(parts)

    return put


def test_a_restart_keeps_states_and_starts_anew_what_was_changed() -> None:
    """State is kept by name, code version and settings; what is gone or changed is named, and its state deleted."""
    kept: dict[str, bytes] = {}
    before = World(Counting("same"), Counting("changed"), Counting("gone"))
    before.pane(0, ["a", "b"])
    names = before.watch.stage(into(kept), kept.__delitem__, set())
    assert names == set(kept)

    after = World(Counting("same"), Counting("changed", step=2), Counting("new"))
    after.watch.restore(kept)
    assert sorted({name for name, _ in after.watch.ended.restarted}) == ["changed", "gone"]
    assert {w.monitor.name: w.state.get("0", 0) for w in after.watch.monitors} == {"same": 1, "changed": 0, "new": 0}
    assert after.profile.groups == before.profile.groups
    later = after.watch.stage(into(kept), kept.__delitem__, names)
    assert later == set(kept)
    assert sorted(name.split("/")[1] for name in kept if "/" in name) == ["changed", "new", "same"]


class Grown(Counting):
    """The next release of `Counting`: its state has another shape, and there is a setting that was not there."""

    code_version = 2

    class Step(MonitorSettings):
        """With one more."""

        step: int = 1
        fresh: int = 5

    def upgrade(self, state: State, sealed: Any, code_version: int) -> tuple[State, Any] | None:
        """Twice of each, so that it shows."""
        assert code_version == 1
        return {key: 2 * value for key, value in state.items()}, sealed


class Stubborn(Counting):
    """A next release that can do nothing with what was kept."""

    code_version = 2


def test_an_upgrade_takes_over_what_the_release_before_had_learnt() -> None:
    """A monitor that knows the way up goes on, and its alerts stand; one that doesn't starts anew, which is said."""
    kept: dict[str, bytes] = {}
    before = World(Counting("a"), Counting("b"))
    before.watch.monitors[0].broken = "ValueError: of the old code"
    before.pane(0, ["x"])
    before.watch.monitors[0].state = dict(before.watch.monitors[1].state)
    names = before.watch.stage(into(kept), kept.__delitem__, set())
    after = World(Grown("a"), Stubborn("b"))
    after.watch.restore(kept)
    grown, stubborn = after.watch.monitors
    assert grown.state == {key: 2 * value for key, value in before.watch.monitors[1].state.items()} != {}
    assert grown.broken is None, "another code may not break on the same rows"
    assert stubborn.state == stubborn.monitor.initial()
    assert sorted({name for name, _ in after.watch.ended.restarted}) == ["b"]
    assert after.watch.stage(into(kept), kept.__delitem__, names) == set(kept)
    assert sorted(name.split("/")[1:3] for name in kept if "/" in name) == [["a", "2"], ["b", "2"]]


class Brittle(Counting):
    """Finds something in every pane, and raises where it is told to."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.__dict__[where] = self._break

    def _break(self, *_: Any) -> Any:
        raise ZeroDivisionError("no")

    def judge(self, state: State, summary: Summary, context: Judging) -> Verdict:
        """As it counts, with a finding of the first group."""
        verdict = super().judge(state, summary, context)
        return replace(verdict, findings=[finding_of(self.name, context.end)])


def finding_of(monitor: str, since: int) -> Finding:
    """One about model a."""
    return Finding("fired", monitor, "n", GroupKey("a", ""), since, 1.0, 1, "It is so.")


@pytest.mark.parametrize(
    "where", ["measure", "judge", "examples", "deadline", "evidence", "forget", "accept", "dump_sealed"]
)
def test_a_monitor_may_raise_anywhere_without_harm_to_others(where: str) -> None:
    """It is quarantined, which is said once; nobody else notices."""
    world = World(Brittle(where), Counting("calm"), retire=3 * PANE)
    said = world.pane(0, ["a", "b"])
    world.watch.deadline()
    world.watch.evidence("a", world.profile.groups[0].version)
    world.watch.accept(finding_of(where, START))
    world.watch.stage(lambda *_: None, lambda _: None, set())
    for start in range(1, 8):
        said += world.pane(start, ["b"])
    errors = [reading for reading in said if reading.series == "processor_error"]
    assert [(reading.monitor, reading.details["error"]) for reading in errors] == [(where, "ZeroDivisionError: no")]
    assert [reading.n for reading in said if reading.monitor == "calm"] == list(range(2, 10))
    assert [watched.broken is None for watched in world.watch.monitors] == [False, True]


def test_a_broken_monitor_stays_in_quarantine_over_a_restart() -> None:
    """Until its code or its settings change: the same rows would break it again."""
    kept: dict[str, bytes] = {}
    before = World(Counting())
    before.watch.monitors[0].broken = "ValueError: no"
    before.pane(0, ["a"])
    before.watch.stage(into(kept), kept.__delitem__, set())
    after = World(Counting())
    after.watch.restore(kept)
    assert after.watch.monitors[0].broken == "ValueError: no"
    assert after.pane(1, ["a"]) == []


def test_a_version_without_predictions_is_retired_after_its_time() -> None:
    """Its number is free, monitors have forgotten it, and the budget is shared by those that are left."""
    world = World(Counting(), retire=5 * PANE)
    world.pane(0, ["a", "b", "c", "d", "e", "f"])
    for start in range(1, 5):
        world.pane(start, ["a"])
        assert world.watch.ended.retired == []
    world.pane(5, ["a"])
    assert [key.model for key in world.watch.ended.retired] == list("bcdef")
    assert [world.profile.groups[base].model for base in world.profile.bases()] == ["a"]
    world.pane(6, ["a"])
    told = world.watch.monitors[0].monitor
    assert isinstance(told, Counting)
    assert [round(context.alarms_per_us * 1e15) for context in told.told] == [250] * 6 + [500]


def test_a_version_is_retired_though_nothing_arrives_any_more() -> None:
    """Its time is a deadline like a monitor's, so that its alerts end and its memory is free without another event."""
    world = World(Counting(), retire=5 * PANE)
    world.pane(0, ["a", "b"])
    world.pane(3, ["b"])
    assert world.watch.deadline() == START // PANE * PANE + 6 * PANE
    world.tick(5)
    assert [key.model for key in world.watch.ended.retired] == ["a"]
    world.tick(8)
    assert [key.model for key in world.watch.ended.retired] == ["a", "b"]
    assert world.profile.bases() == []
    assert world.watch.deadline() is None


def test_signals_keep_a_version_only_if_it_never_predicted() -> None:
    """A process that goes on reporting its memory does not keep a version alive that no longer serves."""
    sightings = Sightings(lambda base: 10 * (base + 1))
    sightings.predicted(0, 5)
    for end in (6, 12, 18):
        sightings.signalled(0, end)
        sightings.signalled(1, end)
    restored = Sightings(lambda base: 10 * (base + 1))
    restored.load(sightings.to_state())
    for each in (sightings, restored):
        assert (each.next(), each.due(14), each.due(15)) == (15, [], [0])
        each.signalled(1, 30)
        assert (each.due(49), each.next()) == ([], 50)
        each.predicted(1, 31)
        each.signalled(1, 40)
        assert each.due(51) == [1]
        assert each.next() is None
