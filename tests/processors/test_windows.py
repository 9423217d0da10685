"""Windows close by size, by span and at the end, and never lose or share an event."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.base import Judging, Summary
from processors.packing import pack, unpack
from processors.windows import LONGEST, Windows

PANE = 10


def context(start: int, last: bool = False, events: int = 100, span: int = 60, enough: int = 1) -> Judging:
    """A pane of 10 us from `start`; a window that spans 60 us closes if it holds `enough` events."""
    profile: Any = None
    return Judging(start, start + PANE, profile, 0.0, events, span, PANE, last, window_min_events=enough)


def counts(**by_key: int) -> Summary:
    """A summary with the counts of keys k0, k1, ...; `sum` has two columns that say where they came from."""
    keys = np.array(sorted(int(name[1:]) for name in by_key), np.int32)
    n = np.array([by_key[f"k{key}"] for key in keys.tolist()], np.int64)
    return Summary(keys, {"n": n, "sum": np.stack([n * 2, n * 3], axis=1)})


NOTHING = Summary(np.zeros(0, np.int32), {})


def flat(released: Any) -> list[tuple[int, int, int, int]]:
    """(key, n, start, end) of all that was released."""
    return [
        row
        for due in released
        for row in zip(due.keys.tolist(), due.summary["n"].tolist(), due.start.tolist(), due.end.tolist(), strict=True)
    ]


def test_a_window_closes_once_it_holds_enough_events() -> None:
    """Each key counts for itself, and the pane that fills a window still belongs to it."""
    windows = Windows()
    state = windows.initial()
    assert flat(windows.add(state, counts(k0=60, k3=10), context(0))) == []
    assert flat(windows.add(state, counts(k0=60, k3=10), context(10))) == [(0, 120, 0, 20)]
    assert flat(windows.add(state, counts(k3=79), context(20))) == []
    assert flat(windows.add(state, counts(k0=1, k3=1), context(30))) == [(3, 100, 0, 40)]


def test_a_fast_key_is_read_no_more_often_than_the_least_span() -> None:
    """What comes meanwhile belongs to the window that was full already."""
    windows = Windows()
    state = windows.initial()
    slow = [replace(context(start), window_min_span=30) for start in range(0, 60, 10)]
    found = [flat(windows.add(state, counts(k0=100), each)) for each in slow]
    assert found == [[], [], [(0, 300, 0, 30)], [], [], [(0, 300, 30, 60)]]


def test_a_window_closes_when_it_spans_enough_though_another_key_brought_the_pane() -> None:
    """A key that fell silent gets its reading at the next pane that closes after its span."""
    windows = Windows()
    state = windows.initial()
    windows.add(state, counts(k0=1), context(0))
    assert flat(windows.add(state, counts(k1=1), context(40))) == []
    assert flat(windows.add(state, counts(k1=1), context(50))) == [(0, 1, 0, 10)]


def test_a_window_does_not_bridge_a_long_silence() -> None:
    """What ran out before the pane leaves first and alone; the pane opens a window of its own."""
    windows = Windows()
    state = windows.initial()
    windows.add(state, counts(k0=5), context(0))
    assert flat(windows.add(state, counts(k0=7), context(1_000))) == [(0, 5, 0, 10)]
    assert flat(windows.add(state, NOTHING, context(1_010, last=True))) == [(0, 7, 1_000, 1_010)]


def test_the_deadline_is_when_the_oldest_open_window_runs_out() -> None:
    """Being judged then, with nothing new, releases it; with no window open there is no deadline."""
    windows = Windows()
    state = windows.initial()
    assert windows.deadline(state) is None
    windows.add(state, counts(k0=5), context(20))
    windows.add(state, counts(k1=5), context(30))
    assert windows.deadline(state) == 80
    assert flat(windows.add(state, NOTHING, context(70))) == [(0, 5, 20, 30)]
    assert windows.deadline(state) == 90


def test_a_window_of_few_events_waits_for_enough() -> None:
    """It bridges silences longer than its span, and closes with the pane that brings enough."""
    windows = Windows()
    state = windows.initial()
    assert flat(windows.add(state, counts(k0=3), context(0, enough=5))) == []
    assert windows.deadline(state) == LONGEST
    assert flat(windows.add(state, counts(k0=1), context(1_000, enough=5))) == []
    assert flat(windows.add(state, counts(k0=1, k1=9), context(2_000, enough=5))) == [(0, 5, 0, 2_010)]
    assert windows.deadline(state) == 2_060


def test_a_window_of_enough_events_closes_when_its_span_has_run_out() -> None:
    """What comes after a silence longer than the span is not added to a window that could have closed before it."""
    windows = Windows()
    state = windows.initial()
    windows.add(state, counts(k0=3), context(0, enough=5))
    assert flat(windows.add(state, counts(k0=2), context(20, enough=5))) == []
    assert windows.deadline(state) == 60
    assert flat(windows.add(state, counts(k0=1), context(500, enough=5))) == [(0, 5, 0, 30)]


@pytest.mark.parametrize(("span", "longest"), [(60, LONGEST), (2 * LONGEST, 2 * LONGEST)])
def test_no_window_stays_open_longer_than_a_day_or_its_span(span: int, longest: int) -> None:
    """However few events it holds, and it bridges no silence longer than that."""
    windows = Windows()
    state = windows.initial()
    windows.add(state, counts(k0=1), context(0, span=span, enough=5))
    assert windows.deadline(state) == longest
    assert flat(windows.add(state, counts(k1=1), context(longest - 2 * PANE, span=span, enough=5))) == []
    assert flat(windows.add(state, counts(k0=7), context(longest, span=span, enough=5))) == [(0, 1, 0, 10)]


def test_a_forgotten_key_leaves_nothing_behind() -> None:
    """Its number may be given to another group, whose window starts from nothing."""
    windows = Windows()
    state = windows.initial()
    windows.add(state, counts(k0=5, k1=6), context(0))
    windows.forget(state, {1, 7})
    windows.add(state, counts(k1=2), context(20))
    assert flat(windows.add(state, NOTHING, context(30, last=True))) == [(0, 5, 0, 10), (1, 2, 20, 30)]


def test_columns_combine_by_the_ufunc_that_is_named() -> None:
    """Maxima stay maxima, also after a window was released and its row reused."""
    windows = Windows(combine={"peak": np.maximum})
    state = windows.initial()
    key = np.zeros(1, np.int32)
    for start, peak in ((0, -5.0), (10, -7.0)):
        windows.add(state, Summary(key, {"n": np.ones(1, np.int64), "peak": np.array([peak])}), context(start))
    (due,) = windows.add(state, NOTHING, context(20, last=True))
    assert due.summary["peak"].tolist() == [-5.0]
    windows.add(state, Summary(key, {"n": np.ones(1, np.int64), "peak": np.array([-9.0])}), context(30))
    (due,) = windows.add(state, NOTHING, context(40, last=True))
    assert due.summary["peak"].tolist() == [-9.0]


@pytest.mark.parametrize("enough", [1, 40])
@pytest.mark.parametrize("restart", [False, True])
@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 15), st.dictionaries(st.integers(0, 6), st.integers(0, 70), max_size=4)), max_size=30
    )
)
def test_every_event_is_in_exactly_one_window_within_its_bounds(
    restart: bool, enough: int, panes: list[tuple[int, dict[int, int]]]
) -> None:
    """Counts and sums add up per key; windows of a key don't overlap, and none of enough events outlasts its span."""
    windows = Windows()
    state = windows.initial()
    expected: dict[int, int] = {}
    got: dict[int, list[tuple[int, int, int]]] = {}
    now = 0
    for number, (step, by_key) in enumerate([*panes, (1, {})]):
        now += step * PANE
        summary = counts(**{f"k{key}": n for key, n in by_key.items()}) if by_key else NOTHING
        for key, n in by_key.items():
            expected[key] = expected.get(key, 0) + n
        for due in windows.add(state, summary, context(now, number == len(panes), enough=enough)):
            assert (due.summary["sum"] == due.summary["n"][:, None] * [2, 3]).all()
            for key, n, start, end in flat([due]):
                got.setdefault(key, []).append((start, end, n))
        if restart:
            state = unpack(pack(state))
    assert {key: sum(n for _, _, n in rows) for key, rows in got.items()} == expected
    for rows in got.values():
        assert rows == sorted(rows)
        assert all(end - start <= 60 + PANE or n < enough + 70 for start, end, n in rows)
        assert all(first[1] <= second[0] for first, second in itertools.pairwise(rows))
