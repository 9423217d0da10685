"""The kit that every monitor passes: what the contract promises, checked on an example stream.

    for name, check in check_monitor(MyMonitor):
        check()                                     # raises AssertionError with what is wrong

or, in pytest, `@pytest.mark.parametrize(("name", "check"), check_monitor(MyMonitor))`. The stream (see
`processors.examples`) goes through the real `Profile`; it has three tasks, two versions of one model, segments, a
change for the worse in its middle and the ordinary ugliness of data.
"""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import partial
from typing import Any

import numpy as np

from processors import examples
from processors.base import Finding, MonitorSettings, Reading
from processors.durations import HOUR_US
from processors.examples import PANE_US, START_US, Rows, Stream, example_rows
from processors.examples.streams import PARTS, locate, profile_of, readings_at, split, take
from processors.examples.trials import AnyMonitor, Make, context_at, measured, run, stream_for, summaries
from processors.packing import pack, unpack
from processors.rows import Predictions
from processors.sameness import assert_same, tree
from processors.slices import BothRows, PredictionRows

__all__ = ["check_monitor", "example_rows"]

TOLERANCE = 1e-9
"""How far sums of floats may differ between one measurement and the same in parts, relative to the largest."""


def check_monitor(
    monitor_class: type[AnyMonitor], settings: MonitorSettings | None = None
) -> Iterator[tuple[str, Callable[[], None]]]:
    """(name, check) for every rule; a check raises `AssertionError`, or what the monitor raised."""
    settings = settings if settings is not None else monitor_class.Settings()
    for check in (
        settings_are_described,
        monitors_and_what_they_return_are_picklable,
        measuring_twice_gives_the_same,
        measuring_changes_nothing,
        parts_merge_to_the_whole,
        merging_is_associative_and_commutative,
        empty_is_neutral,
        partitions_do_not_show,
        judging_twice_gives_the_same,
        a_restart_does_not_show,
        what_is_said_is_well_formed,
        ugly_data_raises_nothing,
        few_rows_raise_nothing,
        one_class_raises_nothing,
        no_features_raise_nothing,
        forgetting_starts_anew,
        a_reference_is_adopted_for_good,
    ):
        yield check.__name__, partial(check, partial(monitor_class, settings))


def settings_are_described(make: Make) -> None:
    """Settings have a JSON Schema in which every field has a description, for it is the configuration's reference."""
    schema = type(make().settings).model_json_schema()
    bare = [name for name, field in schema.get("properties", {}).items() if not field.get("description")]
    assert not bare, f"settings without a description: {', '.join(bare)}"


def monitors_and_what_they_return_are_picklable(make: Make) -> None:
    """They travel between processes."""
    stream, monitor = stream_for(make), make()
    pickle.loads(pickle.dumps(monitor))  # noqa: S301 - our own bytes
    for summary in summaries(monitor, stream)[:2]:
        assert_same(pickle.loads(pickle.dumps(summary)), summary, "a summary after pickling")  # noqa: S301 - our own


def measuring_twice_gives_the_same(make: Make) -> None:
    """`measure` depends on its arguments alone: not on what was measured before, not on chance."""
    stream, monitor = stream_for(make), make()
    for rows, sealed in measured(monitor, stream):
        first = monitor.measure(rows, stream.profile, copy.deepcopy(sealed))
        assert_same(make().measure(rows, stream.profile, sealed), first, "a second measurement by another instance")


def measuring_changes_nothing(make: Make) -> None:
    """Rows, profile and what was sealed are read only."""
    stream, monitor = stream_for(make), make()
    for rows, sealed in measured(monitor, stream):
        before = copy.deepcopy(_columns(rows)), pack(stream.profile.to_state()), copy.deepcopy(sealed)
        monitor.measure(rows, stream.profile, sealed)
        assert_same(_columns(rows), before[0], "the rows after measuring")
        assert pack(stream.profile.to_state()) == before[1], "measuring changed the profile"
        assert_same(sealed, before[2], "what was sealed after measuring")


def parts_merge_to_the_whole(make: Make) -> None:
    """Rows measured in four parts and merged in any order equal the rows measured at once."""
    stream, monitor = stream_for(make), make()
    rng = np.random.default_rng(3)
    for rows, sealed in measured(monitor, stream):
        parts = [monitor.measure(part, stream.profile, sealed) for part in split(stream.profile, rows, rng)]
        whole = monitor.measure(rows, stream.profile, sealed)
        for order in (range(PARTS), reversed(range(PARTS))):
            merged = monitor.empty()
            for at in order:
                merged = monitor.merge(merged, parts[at])
            assert_same(merged, whole, "parts merged", TOLERANCE)


def merging_is_associative_and_commutative(make: Make) -> None:
    """The laws a + b = b + a, and (a + b) + c = a + (b + c)."""
    monitor = make()
    merge = monitor.merge
    panes = summaries(monitor, stream_for(make))
    for a, b, c in zip(panes, panes[7:], panes[31:], strict=False):
        assert_same(merge(b, a), merge(a, b), "b + a against a + b", TOLERANCE)
        assert_same(merge(merge(a, b), c), merge(a, merge(b, c)), "(a + b) + c against a + (b + c)", TOLERANCE)


def empty_is_neutral(make: Make) -> None:
    """Merging with the summary of no rows changes nothing, and no rows measure to it."""
    stream, monitor = stream_for(make), make()
    for summary in [*summaries(monitor, stream)[:8], monitor.empty()]:
        assert_same(monitor.merge(summary, monitor.empty()), summary, "a + empty")
        assert_same(monitor.merge(monitor.empty(), summary), summary, "empty + a")
    for rows, sealed in measured(monitor, stream):
        nothing = monitor.measure(take(stream.profile, rows, np.zeros(0, np.int32)), stream.profile, sealed)
        assert len(nothing) == 0, f"zero rows measure to {len(nothing)} keys"


def partitions_do_not_show(make: Make) -> None:
    """The same rows from four partitions instead of one measure to the same."""
    stream, monitor = stream_for(make), make()
    for rows, sealed in measured(monitor, stream):
        if isinstance(rows, PredictionRows):
            refs = copy.deepcopy(rows.table.ref)
            refs.partition[:] = np.arange(len(refs)) % PARTS
            table = Predictions(
                **{field.name: getattr(rows.table, field.name) for field in fields(Predictions)} | {"ref": refs}
            )
            moved = stream.profile.locate_predictions(table, rows.start, rows.end, rows.duplicates)
            whole = monitor.measure(rows, stream.profile, sealed)
            assert_same(monitor.measure(moved, stream.profile, sealed), whole, "rows of four partitions", TOLERANCE)


def judging_twice_gives_the_same(make: Make) -> None:
    """The same summaries lead to byte-equal states, readings and findings."""
    stream = stream_for(make)
    assert run(make, stream).told() == run(make, stream).told(), "a second run said something else"


def a_restart_does_not_show(make: Make) -> None:
    """State and sealed, packed, unpacked and given to a new instance every few panes, go on as if nothing was."""
    stream = stream_for(make)
    straight = run(make, stream)
    assert run(make, stream, restart_every=1).told() == straight.told(), "a restart at every pane shows"
    assert run(make, stream, restart_every=7).told() == straight.told(), "a restart at every seventh pane shows"


def what_is_said_is_well_formed(make: Make) -> None:
    """Readings and findings name their monitor, hold finite numbers, and findings are one plain sentence."""
    for stream in (stream_for(make), stream_for(make, ugly=True)):
        said = run(make, stream)
        for reading in said.readings:
            _check_reading(reading, make())
        for finding in said.findings:
            _check_finding(finding, make())
        due = make().deadline(said.state)
        assert due is None or isinstance(due, int), f"a deadline is event time or None, not {due!r}"


def ugly_data_raises_nothing(make: Make) -> None:
    """NaN, infinities, wrong types, missing and new features, unseen categories, unknown classes: all ordinary."""
    for sealed in (True, False):
        stream = stream_for(make, ugly=True, sealed=sealed)
        assert run(make, stream).told() == run(make, stream, restart_every=5).told(), "ugly data breaks a restart"


def few_rows_raise_nothing(make: Make) -> None:
    """Zero rows and one row, at the start and after a normal pane, with bins and without."""
    for sealed in (True, False):
        stream = stream_for(make, sealed=sealed)
        if not stream.panes:
            continue
        none, one = np.zeros(0, np.int32), np.zeros(1, np.int32)
        rows = stream.panes[0]
        few = [take(stream.profile, rows, which) for which in (none, one, none)]
        panes = [*few, *stream.panes[:3], *few]
        run(make, Stream(stream.profile, panes, stream.readings[: len(panes)]))


def one_class_raises_nothing(make: Make) -> None:
    """Every prediction and label may be of one class, and every value the same."""
    events = examples.example_events(20, 48)
    first = {event["model"]: event for event in events[0]}
    same = [
        [
            {**first[event["model"]], **{name: event[name] for name in ("id", "ts", "model", "version")}}
            for event in pane
        ]
        for pane in events
    ]
    run(make, _stream_of(make, same))


def no_features_raise_nothing(make: Make) -> None:
    """Events may have no features at all, as those of a model that sees images, and no scores."""
    bare = ("features", "attributions", "score", "proba", "segment", "latency_ms")
    events = [
        [{name: held for name, held in event.items() if name not in bare} for event in pane]
        for pane in examples.example_events(20, 48)
    ]
    run(make, _stream_of(make, events))


def forgetting_starts_anew(make: Make) -> None:
    """After all groups and series were forgotten the same stream leads to the same readings and findings."""
    stream = stream_for(make)
    monitor = make()
    state = run(make, stream).state
    groups = frozenset(range(len(stream.profile.groups)))
    series = frozenset(range(len(stream.profile.series_feature)))
    state = monitor.forget(state, groups, series)
    pack(state)
    again = run(make, stream, state=state)
    fresh = run(make, stream)
    assert_same(again.findings, fresh.findings, "findings after forgetting")
    assert_same(again.readings, fresh.readings, "readings after forgetting")


def a_reference_is_adopted_for_good(make: Make) -> None:
    """Any rows may be a reference, ugly ones too; adopting is repeatable, and a restart afterwards does not show."""
    if make().consumes not in ("predictions", "outcomes", "both"):
        return
    for ugly in (False, True):
        stream = stream_for(make, ugly=ugly)
        told = []
        for restart_every in (0, 3):
            monitor = make()
            verdict = monitor.adopt(monitor.initial(), stream.panes[0], context_at(stream, 0))
            state = unpack(pack(verdict.state)) if restart_every else verdict.state
            told.append(run(make, stream, state, restart_every).told())
        assert told[0] == told[1], "a restart after a reference was adopted shows"


def _stream_of(make: Make, events: list[list[dict[str, Any]]]) -> Stream:
    """These events, pane after pane, as rows of what the monitor consumes; no signals."""
    profile, panes = profile_of(events, True), []
    for number, pane in enumerate(events):
        profile.admit(examples.predictions_of(pane), examples.signals_of([]))
        start = START_US + number * PANE_US
        panes.append(locate(profile, make().consumes, pane, start, examples.signals_of([])))
    return Stream(profile, panes, [readings_at(profile, number) for number in range(len(panes))])


def _check_reading(reading: Reading, monitor: AnyMonitor) -> None:
    assert reading.monitor == monitor.name, f"a reading is of monitor {reading.monitor!r}, not {monitor.name!r}"
    for name in ("value", "low", "high", "reference", "coverage"):
        number = getattr(reading, name)
        assert number is None or math.isfinite(number), f"{reading.series}: {name} is {number}; what is unknown is None"
    assert isinstance(reading.n, int), f"{reading.series}: n is a {type(reading.n).__name__}, not an int"
    assert reading.n >= 0, f"{reading.series}: n is {reading.n}"
    assert reading.start < reading.end, f"{reading.series}: its window ends before it starts"
    pack(tree(reading))


def _check_finding(finding: Finding, monitor: AnyMonitor) -> None:
    assert finding.monitor == monitor.name, f"a finding is of monitor {finding.monitor!r}, not {monitor.name!r}"
    assert finding.summary.strip(), f"{finding.series}: a finding without a sentence"
    assert "\n" not in finding.summary, f"{finding.series}: the sentence has more than one line"
    assert finding.since >= START_US - HOUR_US, f"{finding.series}: it began at {finding.since}, before the stream"
    for name in ("value", "low", "high", "reference"):
        number = getattr(finding, name)
        assert number is None or math.isfinite(number), f"{finding.series}: {name} is {number}"
    pack(tree(finding))


def _columns(rows: Rows) -> Any:
    if isinstance(rows, BothRows):
        return [_columns(rows.predictions), _columns(rows.outcomes)]
    columns = {field.name: getattr(rows, field.name) for field in fields(rows) if field.name != "table"}
    return columns | {"table": rows.table.to_state()}
