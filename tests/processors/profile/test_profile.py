"""The profile: numbers and bins that depend on what was seen, not on the order in which it came."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.durations import DAY_US
from processors.kernels import binning
from processors.packing import pack, unpack
from processors.profile import (
    BINARY,
    MULTICLASS,
    OTHER_VALUE,
    REGRESSION,
    UNDECIDED,
    GroupKey,
    Limits,
    ModelSpec,
    Profile,
)
from processors.rows import Predictions
from processors.slices import PredictionRows
from tests.daemon.messages import START, decoder, prediction, run

PANE = 10_000_000
NOTHING = np.zeros(0, np.int32)


def table(*events: dict[str, Any]) -> Predictions:
    """Predictions in canonical order, as a closed pane has them."""
    found = decoder().decode(run(list(events))).predictions
    return found.take(np.lexsort((found.ref.offset, found.key, found.time)))


def no_signals() -> Any:
    """Signals of a pane without any."""
    return decoder().decode(run([])).signals


def feed(profile: Profile, rows: Predictions, start: int = START) -> PredictionRows:
    """One pane through admission, location and learning."""
    profile.admit(rows, no_signals())
    known = rows.take(profile.base_of(rows.model, rows.version) >= 0)
    located = profile.locate_predictions(known, start, start + PANE, NOTHING)
    profile.learn(located)
    return located


def saved(profile: Profile, specs: dict[str, ModelSpec] | None = None, limits: Limits | None = None) -> Profile:
    """The profile after a restart."""
    again = Profile(specs, limits)
    again.load(unpack(pack(profile.to_state())))
    return again


def coordinates(rows: PredictionRows) -> list[Any]:
    """All that monitors see of a pane."""
    cells = rows.cells
    columns = (
        rows.base,
        rows.member_row,
        rows.member_group,
        rows.task,
        rows.predicted,
        cells.row,
        cells.series,
        cells.bin,
    )
    return [column.tolist() for column in columns] + [rows.score.tobytes(), cells.value.tobytes()]


EVENT = st.fixed_dictionaries(
    {
        "model": st.sampled_from("ab"),
        "version": st.sampled_from("12"),
        "prediction": st.sampled_from([0, 1, 1, "x", 2.5]),
        "features": st.dictionaries(
            st.sampled_from("fghi"), st.sampled_from([None, 1, 2.5, "u", "v", True, [1]]), max_size=4
        ),
        "segment": st.dictionaries(
            st.sampled_from(["r", "s", "t"]), st.sampled_from(["eu", "us", 1, None]), max_size=2
        ),
        "proba": st.sampled_from([None, None, {"0": 0.4, "1": 0.6}, {"x": 0.2, "0": 0.8, "y": 0.0}]),
    }
)
PANES = st.lists(st.lists(EVENT, max_size=8), min_size=1, max_size=4)
TIGHT = Limits(models=1, versions=2, features=3, segment_keys=2, segment_values=2, classes=2)


def numbered(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Events with ids of their own."""
    return [prediction(id=number, **event) for number, event in enumerate(events)]


@settings(max_examples=60)
@given(PANES, st.randoms(use_true_random=False), st.sampled_from([Limits(), TIGHT]))
def test_the_order_in_which_rows_arrive_does_not_show(panes: Any, chance: Any, limits: Limits) -> None:
    """Shuffled panes give the same numbers, members, bins and state, also where limits cut off."""
    one, two = Profile(limits=limits), Profile(limits=limits)
    for events in map(numbered, panes):
        shuffled = list(events)
        chance.shuffle(shuffled)
        assert coordinates(feed(one, table(*events))) == coordinates(feed(two, table(*shuffled)))
    assert pack(one.to_state()) == pack(two.to_state())


@settings(max_examples=60)
@given(PANES, PANES, st.sampled_from([Limits(), TIGHT]))
def test_a_restored_profile_goes_on_as_if_nothing_had_been(before: Any, after: Any, limits: Limits) -> None:
    """Numbers, bins, what was cut off and what warms up survive saving, also after versions were retired."""
    one = Profile(limits=limits)
    for events in map(numbered, before):
        feed(one, table(*events))
    if one.bases():
        one.retire(one.bases()[0])
    two = saved(one, limits=limits)
    for events in map(numbered, after):
        assert coordinates(feed(one, table(*events))) == coordinates(feed(two, table(*events)))
    assert pack(one.to_state()) == pack(two.to_state())
    assert one.cut_off == two.cut_off


@settings(max_examples=40)
@given(PANES)
def test_what_is_admitted_is_bounded_and_what_is_beyond_is_counted(panes: Any) -> None:
    """Never more models, versions, features, segment keys, values and classes than the limits allow."""
    profile = Profile(limits=TIGHT)
    for events in map(numbered, panes):
        rows = feed(profile, table(*events))
        assert (rows.base >= 0).all()
    live = [key for key in profile.groups if key.model]
    assert len({key.model for key in live}) <= 1
    assert len({key.version for key in live}) <= 2
    for base in profile.bases():
        own = [profile.groups[group] for group in np.flatnonzero(profile.group_base == base) if group != base]
        assert len({key.segment for key in own}) <= 2
        for segment in {key.segment for key in own}:
            assert len([key for key in own if key.segment == segment and key.value != OTHER_VALUE]) <= 2
        assert len(profile.series_of(base)) <= 3
        assert len(profile.classes(base)) <= 2
    if len({event["model"] for events in panes for event in events}) == 2:
        assert profile.cut_off["rows of unmonitored versions"] > 0


def test_of_more_values_than_are_admitted_the_most_frequent_are() -> None:
    """Within a pane by count, then by name; the others are one group together, and so are later ones."""
    values = ["c"] * 3 + ["b"] * 2 + ["a"] * 2 + ["d"]
    events = [prediction(id=n, segment={"r": value}) for n, value in enumerate(values)]
    profile = Profile(limits=Limits(segment_values=2))
    rows = feed(profile, table(*events))
    assert {key.value for key in profile.groups if key.segment} == {"c", "a", OTHER_VALUE}
    sizes = dict(zip(*np.unique(rows.member_group, return_counts=True), strict=True))
    by_value = {profile.groups[group].value: count for group, count in sizes.items()}
    assert by_value == {"": 8, "c": 3, "a": 2, OTHER_VALUE: 3}


def test_numbers_of_the_retired_are_given_again_and_mean_nothing_until_then() -> None:
    """A retired version leaves no row, group, series or class behind."""
    profile = Profile()
    event = {"features": {"f": 1}, "segment": {"r": "eu"}}
    feed(profile, table(prediction(model="old", **event), prediction(model="kept", id="y", **event)))
    base = profile.number("old", "")
    groups, series = profile.retire(base)
    assert len(groups) == 2
    assert len(series) == 1
    assert profile.number("old", "") == -1
    assert {key.model for key in profile.groups} == {"kept", ""}
    feed(profile, table(prediction(model="new", **event)))
    assert {n for n, key in enumerate(profile.groups) if key.model == "new"} == set(groups)
    assert set(profile.series_of(profile.number("new", "")).values()) == set(series)


def test_many_layouts_at_once_are_each_looked_up_rightly() -> None:
    """More sets of features in a pane than are remembered: every value still goes to its own series."""
    profile = Profile(limits=Limits(models=1))
    events = [prediction(id=n, features={f"f{n}": n, "all": -1}) for n in range(40)]
    for _ in range(2):
        rows = feed(profile, table(*events))
        told = {
            profile.series_feature[s]: v
            for s, v in zip(rows.cells.series.tolist(), rows.cells.value.tolist(), strict=True)
        }
        assert told == {"all": -1.0} | {f"f{n}": float(n) for n in range(40)}


@pytest.mark.parametrize(
    ("values", "proba", "task", "classes", "positive"),
    [
        ([0, 1, 1], None, BINARY, {"0", "1"}, "1"),
        ([True, False], None, BINARY, {"0", "1"}, "1"),
        (["no", "yes"], None, BINARY, {"no", "yes"}, "yes"),
        ([0], None, BINARY, {"0"}, None),
        ([0, 1, 2], None, MULTICLASS, {"0", "1", "2"}, None),
        (["a", "b", "c"], None, MULTICLASS, {"a", "b", "c"}, None),
        ([1.5, 2], None, REGRESSION, set(), None),
        ([150, 3], None, REGRESSION, set(), None),
        ([-1, 1], None, REGRESSION, set(), None),
        ([0], {"0": 0.5, "1": 0.5}, BINARY, {"0", "1"}, "1"),
        ([0], {"0": 0.5, "1": 0.2, "2": 0.3}, MULTICLASS, {"0", "1", "2"}, None),
    ],
)
def test_tasks_and_classes_are_learnt(
    values: list[Any], proba: Any, task: int, classes: set[str], positive: str | None
) -> None:
    """From the predictions and the names of their probabilities, as the module's docstring says."""
    profile = Profile()
    feed(profile, table(*(prediction(id=n, prediction=value, proba=proba) for n, value in enumerate(values))))
    assert profile.task(0) == task
    assert set(profile.classes(0)) == classes
    assert (profile.classes(0)[profile.positive(0)] if profile.positive(0) >= 0 else None) == positive


def test_a_third_class_makes_a_binary_model_multiclass_and_a_fraction_a_regression() -> None:
    """What was concluded from little is corrected by more."""
    profile = Profile()
    feed(profile, table(prediction(id=1, prediction=0), prediction(id=2, prediction=1)))
    assert profile.task(0) == BINARY
    feed(profile, table(prediction(id=3, prediction=2)))
    assert profile.task(0) == MULTICLASS
    other = Profile()
    feed(other, table(prediction(prediction=3)))
    feed(other, table(prediction(prediction=3.5)))
    assert (other.task(0), other.classes(0)) == (REGRESSION, [])


def test_what_is_configured_is_not_learnt_otherwise() -> None:
    """Task, classes and their order, positive class, types and segments stand as they were said."""
    spec = ModelSpec(BINARY, ("bad", "good"), "bad", {"f": "categorical", "g": "ignore"}, ("r",))
    profile = Profile({"m": spec})
    events = [
        prediction(id=n, prediction="good", features={"f": n % 3, "g": n, "h": n / 7}, segment={"r": "eu", "s": "x"})
        for n in range(1_000)
    ]
    feed(profile, table(*events))
    assert (profile.task(0), profile.classes(0), profile.positive(0)) == (BINARY, ["bad", "good"], 0)
    assert {key.segment for key in profile.groups} == {"", "r"}
    types = {feature: int(profile.series_type[number]) for feature, number in profile.series_of(0).items()}
    assert types == {"f": binning.CATEGORICAL, "g": binning.IGNORED, "h": binning.NUMERIC}


def test_a_series_is_sealed_once_from_its_first_rows() -> None:
    """Bins hold about equal shares of the sample, and later values fall into them, below or above."""
    rng = np.random.default_rng(5)
    values = rng.normal(size=1_000)
    profile = Profile()
    rows = feed(
        profile, table(*(prediction(id=n, features={"f": float(v), "k": "uvw"[n % 3]}) for n, v in enumerate(values)))
    )
    assert set(rows.cells.bin.tolist()) == {binning.REGULAR}
    identity = profile.identity(0)
    later = [-100.0, 100.0, None, "text", *values.tolist()]
    rows = feed(profile, table(*(prediction(id=n, features={"f": v, "k": "z"}) for n, v in enumerate(later))))
    number = profile.series_of(0)["f"]
    bins = rows.cells.bin[rows.cells.series == number]
    counts = np.bincount(bins, minlength=binning.WIDTH)
    assert counts[: binning.REGULAR].tolist() == [1, 1, 1, 1]
    regular = counts[binning.REGULAR : binning.REGULAR + int(profile.series_bins[number])]
    assert len(regular) == 20
    assert regular.min() >= 45
    assert regular.max() <= 55
    other = profile.series_of(0)["k"]
    assert set(rows.cells.bin[rows.cells.series == other].tolist()) == {binning.UNSEEN}
    assert {profile.bin_name(other, binning.REGULAR + n) for n in range(3)} == set("uvw")
    assert profile.identity(0) == identity


def test_many_that_warm_up_at_once_share_the_room_for_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of most rows are sealed from fewer than usual, until the rest have room; nobody from fewer than 100."""
    monkeypatch.setattr("processors.profile.profile.SAMPLED", 900)
    rows = {"a": 150, "b": 90, "c": 200, "d": 120}
    events = [
        prediction(id=f"{model}{n}", model=model, features={"f": float(n), "k": "x"})
        for model, count in rows.items()
        for n in range(count)
    ]
    profile = Profile()
    feed(profile, table(*events))
    assert _sealed(profile) == {"c"}
    more = [prediction(id=f"b{n}", model="b", features={"f": 0.5, "k": "y"}) for n in range(400, 600)]
    for one in (profile, saved(profile)):
        feed(one, table(*more), START + PANE)
        assert _sealed(one) == {"b", "c"}
    assert profile.cut_off == {}


def _sealed(profile: Profile) -> set[str]:
    """Models of whose features all have bins."""
    features = {profile.groups[base].model: [*profile.series_of(base).values()] for base in profile.bases()}
    return {name for name, mine in features.items() if (profile.series_type[mine] != binning.UNSEALED).all()}


def test_a_sample_that_comes_row_by_row_is_the_one_that_came_at_once() -> None:
    """A version that predicts seldom is sealed from the same rows, at the same time, however they were put together."""
    values = np.random.default_rng(6).normal(size=1_000).tolist()
    events = [prediction(id=n, features={"f": value, "k": "uvw"[n % 3]}) for n, value in enumerate(values)]
    at_once, slowly = Profile(), Profile()
    feed(at_once, table(*events))
    for pane in range(50):
        feed(slowly, table(*events[20 * pane : 20 * pane + 20]), START + pane * PANE)
        if pane % 7 == 0:
            slowly = saved(slowly)
    assert slowly.identity(0) == at_once.identity(0)
    assert (slowly.series_type[:2] != binning.UNSEALED).all()


def test_a_version_without_groups_is_undecided_until_something_is_predicted() -> None:
    """A signal alone admits a version, of which nothing is known yet."""
    profile = Profile()
    signals = decoder().decode(run([{"type": "signal", "model": "m", "name": "loss", "value": 1.0}])).signals
    profile.admit(table(), signals)
    assert profile.groups == [GroupKey("m", "")]
    assert profile.task(0) == UNDECIDED
    located = profile.locate_signals(signals, START, START + PANE)
    assert [profile.series_feature[number] for number in located.series] == ["signal:loss"]


def _ranges(profile: Profile, values: list[float], start: int) -> tuple[float, float]:
    """The range of the feature `x` after a pane with these values."""
    feed(profile, table(*(prediction(id=str(n), features={"x": value}) for n, value in enumerate(values))), start)
    return float(profile.series_edges[0, 0]), float(profile.series_upper[0])


def test_a_fresh_range_is_widened_by_what_comes_just_beyond_it() -> None:
    """By half of its outermost interval at most in a pane, until it was wide enough for a week; across a restart."""
    profile = Profile()
    sample = np.linspace(0, 10, 1_001).tolist()
    assert _ranges(profile, sample, START) == (0, 10)
    assert _ranges(profile, [10.1, 10.2, 10.4, -0.2], START + PANE) == (-0.2, 10.2)
    rows = feed(profile, table(prediction(id="a", features={"x": 10.3}), prediction(id="b", features={"x": 30.0})))
    assert sorted(rows.cells.bin.tolist()) == [binning.ABOVE, binning.REGULAR + profile.series_bins[0] - 1]
    profile = saved(profile)
    assert _ranges(profile, [10.4], START + 6 * DAY_US) == (-0.2, 10.4)
    assert _ranges(profile, [10.5], START + 12 * DAY_US) == (-0.2, 10.5)
    assert _ranges(profile, [10.6], START + 19 * DAY_US) == (-0.2, 10.5)


def test_neither_the_range_of_a_reference_is_widened_nor_that_of_an_older_state() -> None:
    """An operator chose the one, and of the other nobody knows how old it is."""
    rows = table(*(prediction(id=str(n), features={"x": n / 100}) for n in range(1_001)))
    adopted, learnt, older = Profile(), Profile(), Profile()
    feed(learnt, rows)
    group = learnt.groups[0]
    adopted.adopt(group.model, group.version, rows)
    state = learnt.to_state()
    del state["series"]["fresh"]
    older.load(unpack(pack(state)))
    assert [_ranges(profile, [10.1], START + PANE) for profile in (learnt, adopted, older)] == [
        (0, 10.1),
        (0, 10),
        (0, 10),
    ]


def test_what_takes_turns_in_its_first_rows_is_known_for_a_clock() -> None:
    """And a constant, and a counter, whatever the order of partitions within a pane.

    Not what is drawn, however seldom it is another value, nor what drifts; nor a reference: its order is nobody's.
    """
    panes = []
    for pane in range(10):
        drawn = [{"flag": n % 25 == 0, "amount": n * 7 % 10, "drifting": n * 7 % 10 + pane} for n in range(100)]
        for n, each in enumerate(drawn):
            each["request"] = 1_000_000 + pane * 100 + n * 37 % 100
        clock = {"hour": pane // 4, "day": ["Mo", "Tu"][pane // 6], "constant": 1}
        panes.append(table(*(prediction(id=f"{pane}-{n}", features={**clock, **each}) for n, each in enumerate(drawn))))
    learnt, adopted = Profile(), Profile()
    for pane, rows in enumerate(panes):
        feed(learnt, rows, START + pane * PANE)
    group = learnt.groups[0]
    adopted.adopt(group.model, group.version, Predictions.concat(panes))
    found = [
        {name for name, number in profile.series_of(0).items() if profile.series_turning[number]}
        for profile in (learnt, saved(learnt), adopted)
    ]
    clocks = {"hour", "day", "constant", "request"}
    assert found == [clocks, clocks, set()]
