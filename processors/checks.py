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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from typing import Any

import numpy as np

from processors import examples
from processors.base import Consumes, Finding, Judging, Monitor, MonitorSettings, Reading, Summary, Verdict
from processors.examples import PANE_US, START_US, Event
from processors.packing import pack, unpack
from processors.profile import Profile
from processors.rows import Ints, Outcomes, Predictions
from processors.slices import ExplanationRows, OutcomeRows, PredictionRows, SignalRows

Rows = PredictionRows | OutcomeRows | SignalRows | ExplanationRows
AnyMonitor = Monitor[Any, Any]

TOLERANCE = 1e-9
"""How far sums of floats may differ between one measurement and the same in parts, relative to the largest."""

_PARTS = 4
_HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Stream:
    """A profile and the rows of consecutive panes; for monitors of readings, the readings of each."""

    profile: Profile
    panes: list[Rows]
    readings: list[tuple[Reading, ...]]


def example_rows(  # noqa: PLR0917 - each makes sense alone
    consumes: Consumes, seed: int = 0, panes: int = 60, rows: int = 96, ugly: bool = False, sealed: bool = True
) -> Stream:
    """The example stream as rows of the kind that a monitor consumes; `sealed` says whether series have their bins."""
    events = examples.example_events(panes, rows, seed, ugly)
    profile = _profile(examples.example_events(10, 400, seed + 1, calm=True), sealed)
    located = []
    for pane, batch in enumerate(events):
        start = START_US + pane * PANE_US
        signals = examples.signals_of(examples.example_signals(panes, seed)[pane] if consumes == "signals" else [])
        predictions = examples.predictions_of(batch)
        profile.admit(predictions, signals)
        profile.admit_labels(examples.outcomes_of(batch))
        located.append(_locate(profile, consumes, batch, start, signals))
    return Stream(profile, located, [_readings(profile, pane) for pane in range(panes)])


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
        forgetting_starts_anew,
    ):
        yield check.__name__, partial(check, partial(monitor_class, settings))


Make = Callable[[], AnyMonitor]


def settings_are_described(make: Make) -> None:
    """Settings have a JSON Schema in which every field has a description, for it is the configuration's reference."""
    schema = type(make().settings).model_json_schema()
    bare = [name for name, field in schema.get("properties", {}).items() if not field.get("description")]
    assert not bare, f"settings without a description: {', '.join(bare)}"


def monitors_and_what_they_return_are_picklable(make: Make) -> None:
    """They travel between processes."""
    stream, monitor = _stream(make), make()
    pickle.loads(pickle.dumps(monitor))  # noqa: S301 - our own bytes
    for summary in _summaries(monitor, stream)[:2]:
        _assert_same(pickle.loads(pickle.dumps(summary)), summary, "a summary after pickling")  # noqa: S301 - our own


def measuring_twice_gives_the_same(make: Make) -> None:
    """`measure` depends on its arguments alone: not on what was measured before, not on chance."""
    stream, monitor = _stream(make), make()
    for rows, sealed in _measured(monitor, stream):
        first = monitor.measure(rows, stream.profile, copy.deepcopy(sealed))
        _assert_same(make().measure(rows, stream.profile, sealed), first, "a second measurement by another instance")


def measuring_changes_nothing(make: Make) -> None:
    """Rows, profile and what was sealed are read only."""
    stream, monitor = _stream(make), make()
    for rows, sealed in _measured(monitor, stream):
        before = copy.deepcopy(_columns(rows)), pack(stream.profile.to_state()), copy.deepcopy(sealed)
        monitor.measure(rows, stream.profile, sealed)
        _assert_same(_columns(rows), before[0], "the rows after measuring")
        assert pack(stream.profile.to_state()) == before[1], "measuring changed the profile"
        _assert_same(sealed, before[2], "what was sealed after measuring")


def parts_merge_to_the_whole(make: Make) -> None:
    """Rows measured in four parts and merged in any order equal the rows measured at once."""
    stream, monitor = _stream(make), make()
    rng = np.random.default_rng(3)
    for rows, sealed in _measured(monitor, stream):
        parts = [monitor.measure(part, stream.profile, sealed) for part in _split(stream.profile, rows, rng)]
        whole = monitor.measure(rows, stream.profile, sealed)
        for order in (range(_PARTS), reversed(range(_PARTS))):
            merged = monitor.empty()
            for at in order:
                merged = monitor.merge(merged, parts[at])
            _assert_same(merged, whole, "parts merged", TOLERANCE)


def merging_is_associative_and_commutative(make: Make) -> None:
    """The laws a + b = b + a, and (a + b) + c = a + (b + c)."""
    monitor = make()
    merge = monitor.merge
    summaries = _summaries(monitor, _stream(make))
    for a, b, c in zip(summaries, summaries[7:], summaries[31:], strict=False):
        _assert_same(merge(b, a), merge(a, b), "b + a against a + b", TOLERANCE)
        _assert_same(merge(merge(a, b), c), merge(a, merge(b, c)), "(a + b) + c against a + (b + c)", TOLERANCE)


def empty_is_neutral(make: Make) -> None:
    """Merging with the summary of no rows changes nothing, and no rows measure to it."""
    stream, monitor = _stream(make), make()
    for summary in [*_summaries(monitor, stream)[:8], monitor.empty()]:
        _assert_same(monitor.merge(summary, monitor.empty()), summary, "a + empty")
        _assert_same(monitor.merge(monitor.empty(), summary), summary, "empty + a")
    for rows, sealed in _measured(monitor, stream):
        nothing = monitor.measure(_take(stream.profile, rows, np.zeros(0, np.int32)), stream.profile, sealed)
        assert len(nothing) == 0, f"zero rows measure to {len(nothing)} keys"


def partitions_do_not_show(make: Make) -> None:
    """The same rows from four partitions instead of one measure to the same."""
    stream, monitor = _stream(make), make()
    for rows, sealed in _measured(monitor, stream):
        if isinstance(rows, PredictionRows):
            refs = copy.deepcopy(rows.table.ref)
            refs.partition[:] = np.arange(len(refs)) % _PARTS
            table = Predictions(
                **{field.name: getattr(rows.table, field.name) for field in fields(Predictions)} | {"ref": refs}
            )
            moved = stream.profile.locate_predictions(table, rows.start, rows.end, rows.duplicates)
            whole = monitor.measure(rows, stream.profile, sealed)
            _assert_same(monitor.measure(moved, stream.profile, sealed), whole, "rows of four partitions", TOLERANCE)


def judging_twice_gives_the_same(make: Make) -> None:
    """The same summaries lead to byte-equal states, readings and findings."""
    stream = _stream(make)
    assert _told(_run(make, stream)) == _told(_run(make, stream)), "a second run said something else"


def a_restart_does_not_show(make: Make) -> None:
    """State and sealed, packed, unpacked and given to a new instance every few panes, go on as if nothing was."""
    stream = _stream(make)
    straight = _run(make, stream)
    assert _told(_run(make, stream, restart_every=1)) == _told(straight), "a restart at every pane shows"
    assert _told(_run(make, stream, restart_every=7)) == _told(straight), "a restart at every seventh pane shows"


def what_is_said_is_well_formed(make: Make) -> None:
    """Readings and findings name their monitor, hold finite numbers, and findings are one plain sentence."""
    for stream in (_stream(make), _stream(make, ugly=True)):
        for reading in _run(make, stream).readings:
            _check_reading(reading, make())
        for finding in _run(make, stream).findings:
            _check_finding(finding, make())


def ugly_data_raises_nothing(make: Make) -> None:
    """NaN, infinities, wrong types, missing and new features, unseen categories, unknown classes: all ordinary."""
    for sealed in (True, False):
        stream = _stream(make, ugly=True, sealed=sealed)
        assert _told(_run(make, stream)) == _told(_run(make, stream, restart_every=5)), "ugly data breaks a restart"


def few_rows_raise_nothing(make: Make) -> None:
    """Zero rows and one row, at the start and after a normal pane, with bins and without."""
    for sealed in (True, False):
        stream = _stream(make, sealed=sealed)
        if not stream.panes:
            continue
        none, one = np.zeros(0, np.int32), np.zeros(1, np.int32)
        rows = stream.panes[0]
        few = [_take(stream.profile, rows, which) for which in (none, one, none)]
        panes = [*few, *stream.panes[:3], *few]
        _run(make, Stream(stream.profile, panes, stream.readings[: len(panes)]))


def one_class_raises_nothing(make: Make) -> None:
    """Every prediction and label may be of one class, and every value the same."""
    monitor = make()
    events = examples.example_events(20, 48)
    first = {event["model"]: event for event in events[0]}
    same = [
        [
            {**first[event["model"]], **{name: event[name] for name in ("id", "ts", "model", "version")}}
            for event in pane
        ]
        for pane in events
    ]
    profile = _profile(same, True)
    panes = []
    for number, pane in enumerate(same):
        profile.admit(examples.predictions_of(pane), examples.signals_of([]))
        start = START_US + number * PANE_US
        panes.append(_locate(profile, monitor.consumes, pane, start, examples.signals_of([])))
    _run(make, Stream(profile, panes, [_readings(profile, number) for number in range(len(panes))]))


def forgetting_starts_anew(make: Make) -> None:
    """After all groups and series were forgotten the same stream leads to the same readings and findings."""
    stream = _stream(make)
    monitor = make()
    state = _run(make, stream).state
    groups = frozenset(range(len(stream.profile.groups)))
    series = frozenset(range(len(stream.profile.series_feature)))
    state = monitor.forget(state, groups, series)
    pack(state)
    again = _run(make, stream, state=state)
    fresh = _run(make, stream)
    _assert_same(again.findings, fresh.findings, "findings after forgetting")
    _assert_same(again.readings, fresh.readings, "readings after forgetting")


# The stream, and running a monitor on it.


def _profile(reference: Sequence[Sequence[Event]], sealed: bool) -> Profile:
    profile = Profile()
    events = [event for pane in reference for event in pane]
    profile.admit(examples.predictions_of(events), examples.signals_of([]))
    for base in profile.bases() if sealed else []:
        group = profile.groups[base]
        mine = [event for event in events if (event["model"], event["version"]) == (group.model, group.version)]
        profile.adopt(group.model, group.version, examples.predictions_of(mine))
    return profile


def _locate(profile: Profile, consumes: Consumes, events: Sequence[Event], start: int, signals: Any) -> Rows:
    end = start + PANE_US
    if consumes == "outcomes":
        return profile.locate_outcomes(examples.outcomes_of(events), start, end)
    if consumes == "signals":
        return profile.locate_signals(signals, start, end)
    if consumes == "explanations":
        return profile.locate_explanations(examples.explanations_of(events), start, end)
    duplicates = np.array(profile.bases()[:1], np.int32)
    return profile.locate_predictions(examples.predictions_of(events), start, end, duplicates)


def _take(profile: Profile, rows: Rows, which: Ints) -> Rows:
    """Some of the rows, located anew; without the duplicates."""
    table = rows.table.take(which)
    if isinstance(table, Predictions):
        return profile.locate_predictions(table, rows.start, rows.end, np.zeros(0, np.int32))
    if isinstance(table, Outcomes):
        return profile.locate_outcomes(table, rows.start, rows.end)
    if isinstance(rows, SignalRows):
        return profile.locate_signals(table, rows.start, rows.end)  # type: ignore[arg-type]
    return profile.locate_explanations(table, rows.start, rows.end)  # type: ignore[arg-type]


def _split(profile: Profile, rows: Rows, rng: np.random.Generator) -> list[Rows]:
    """The rows in four parts at random, in canonical order each; the first has the duplicates."""
    part = rng.integers(0, _PARTS, len(rows))
    parts = [_take(profile, rows, np.flatnonzero(part == at).astype(np.int32)) for at in range(_PARTS)]
    if isinstance(rows, PredictionRows) and isinstance(parts[0], PredictionRows):
        parts[0] = profile.locate_predictions(parts[0].table, rows.start, rows.end, rows.duplicates)
    return parts


def _readings(profile: Profile, pane: int) -> tuple[Reading, ...]:
    """What another monitor might say at that pane, for those that consume readings."""
    rng = np.random.default_rng(pane)
    start = START_US + pane * PANE_US
    return tuple(
        Reading("performance", series, profile.groups[base], float(rng.normal(0.9 - 0.3 * (pane > 30), 0.01)), 50,
                start, start + PANE_US)
        for base in profile.bases()
        for series in ("accuracy", "volume")
    )  # fmt: skip


def _stream(make: Make, ugly: bool = False, sealed: bool = True) -> Stream:
    return example_rows(make().consumes, ugly=ugly, sealed=sealed)


@dataclass(slots=True)
class _Said:
    state: Any
    readings: list[Reading]
    findings: list[Finding]


def _context(stream: Stream, pane: int) -> Judging:
    start = START_US + pane * PANE_US
    coverage = {group.model: {"coverage": 1.0, "keep_rate": 1.0} for group in stream.profile.groups}
    return Judging(
        start=start,
        end=start + PANE_US,
        profile=stream.profile,
        alarms_per_us=1 / _HOUR_US,
        window_events=100,
        window_span=6 * PANE_US,
        pane_us=PANE_US,
        last=pane + 1 == len(stream.panes),
        readings=stream.readings[pane],
        coverage=coverage,
    )


def _verdicts(make: Make, stream: Stream, state: Any = None, restart_every: int = 0) -> Iterator[tuple[Any, Verdict]]:
    """(what was sealed before, verdict) pane after pane; every few panes as a new instance with unpacked state."""
    monitor, sealed = make(), None
    state = monitor.initial() if state is None else state
    for pane, rows in enumerate(stream.panes):
        summary = monitor.empty() if monitor.consumes == "readings" else monitor.measure(rows, stream.profile, sealed)
        verdict = monitor.judge(state, summary, _context(stream, pane))
        yield sealed, verdict
        state, sealed = verdict.state, verdict.sealed
        if restart_every and pane % restart_every == 0:
            state, tree = unpack(pack([state, monitor.dump_sealed(sealed)]))
            monitor = make()
            sealed = monitor.load_sealed(tree)


def _run(make: Make, stream: Stream, state: Any = None, restart_every: int = 0) -> _Said:
    said = _Said(make().initial(), [], [])
    for _, verdict in _verdicts(make, stream, state, restart_every):
        said.state = verdict.state
        said.readings += verdict.readings
        said.findings += verdict.findings
    deadline = make().deadline(said.state)
    assert deadline is None or isinstance(deadline, int), f"a deadline is event time or None, not {deadline!r}"
    return said


def _measured(monitor: AnyMonitor, stream: Stream) -> Iterator[tuple[Rows, Any]]:
    """Every sixth pane's rows with what was sealed by then."""
    if monitor.consumes == "readings":
        return
    sealed_at = _verdicts(lambda: monitor, stream)
    for pane, (rows, (sealed, _)) in enumerate(zip(stream.panes, sealed_at, strict=True)):
        if pane % 6 == 0:
            yield rows, sealed


def _summaries(monitor: AnyMonitor, stream: Stream) -> list[Summary]:
    if monitor.consumes == "readings":
        return [monitor.empty()]
    # All by what was sealed first, as summaries that meet in a merge are.
    return [monitor.measure(rows, stream.profile, None) for rows in stream.panes]


# Comparing.


def _told(said: _Said) -> bytes:
    return pack([said.state, [_tree(item) for item in (*said.readings, *said.findings)]])


def _tree(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _tree(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {key: _tree(item) for key, item in value.items()}
    return [_tree(item) for item in value] if isinstance(value, list | tuple) else value


def _columns(rows: Rows) -> Any:
    return {field.name: getattr(rows, field.name) for field in fields(rows) if field.name != "table"} | {
        "table": rows.table.to_state()
    }


def _assert_same(got: Any, wanted: Any, what: str, tolerance: float = 0.0) -> None:
    """Equal in structure, types and integers, and in floats up to the tolerance. Raises `AssertionError`."""
    if is_dataclass(wanted):
        assert type(got) is type(wanted), f"{what}: {type(got).__name__} instead of {type(wanted).__name__}"
        for field in fields(wanted):
            _assert_same(getattr(got, field.name), getattr(wanted, field.name), f"{what}, {field.name}", tolerance)
    elif isinstance(wanted, np.ndarray):
        _assert_same_array(np.asarray(got), wanted, what, tolerance)
    elif isinstance(wanted, dict):
        assert set(got) == set(wanted), f"{what}: has {sorted(map(str, got))} instead of {sorted(map(str, wanted))}"
        for key in wanted:
            _assert_same(got[key], wanted[key], f"{what}[{key!r}]", tolerance)
    elif isinstance(wanted, list | tuple):
        assert len(got) == len(wanted), f"{what}: {len(got)} instead of {len(wanted)}"
        for at, (mine, its) in enumerate(zip(got, wanted, strict=True)):
            _assert_same(mine, its, f"{what}[{at}]", tolerance)
    elif isinstance(wanted, float):
        _assert_same_array(np.asarray(got), np.asarray(wanted), what, tolerance)
    else:
        assert got == wanted, f"{what}: {got!r} instead of {wanted!r}"


def _assert_same_array(got: Any, wanted: Any, what: str, tolerance: float) -> None:
    assert got.dtype == wanted.dtype, f"{what}: dtype {got.dtype} instead of {wanted.dtype}"
    assert got.shape == wanted.shape, f"{what}: shape {got.shape} instead of {wanted.shape}"
    if wanted.dtype.kind != "f":
        assert np.array_equal(got, wanted), f"{what} differs: {got} instead of {wanted}"
        return
    finite = np.abs(wanted[np.isfinite(wanted)])
    near = tolerance * float(finite.max(initial=0.0))
    assert np.allclose(got, wanted, rtol=tolerance, atol=near, equal_nan=True), f"{what} differs: {got}, not {wanted}"


def _check_reading(reading: Reading, monitor: AnyMonitor) -> None:
    assert reading.monitor == monitor.name, f"a reading is of monitor {reading.monitor!r}, not {monitor.name!r}"
    for name in ("value", "low", "high", "reference", "coverage"):
        number = getattr(reading, name)
        assert number is None or math.isfinite(number), f"{reading.series}: {name} is {number}; what is unknown is None"
    assert isinstance(reading.n, int), f"{reading.series}: n is a {type(reading.n).__name__}, not an int"
    assert reading.n >= 0, f"{reading.series}: n is {reading.n}"
    assert reading.start < reading.end, f"{reading.series}: its window ends before it starts"
    pack(_tree(reading))


def _check_finding(finding: Finding, monitor: AnyMonitor) -> None:
    assert finding.monitor == monitor.name, f"a finding is of monitor {finding.monitor!r}, not {monitor.name!r}"
    assert finding.summary.strip(), f"{finding.series}: a finding without a sentence"
    assert "\n" not in finding.summary, f"{finding.series}: the sentence has more than one line"
    assert finding.since >= START_US - _HOUR_US, f"{finding.series}: it began at {finding.since}, before the stream"
    for name in ("value", "low", "high", "reference"):
        number = getattr(finding, name)
        assert number is None or math.isfinite(number), f"{finding.series}: {name} is {number}"
    pack(_tree(finding))
