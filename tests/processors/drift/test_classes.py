"""Each class of several by itself: which of them are watched, under which number."""

from __future__ import annotations

from typing import Any

import numpy as np

from processors.drift import classes
from processors.drift.classes import Classes
from processors.drift.labels import LabelDrift
from processors.kernels.binning import REGULAR, WIDTH
from processors.sameness import assert_same

HOUR_US = 3_600_000_000


def counts(*versions: dict[int, int]) -> Any:
    """Labels by bin of each version, from those by class."""
    labels = np.zeros((len(versions), WIDTH), np.int64)
    for at, mine in enumerate(versions):
        for class_, n in mine.items():
            labels[at, REGULAR + class_] = n
    return labels


def entered(judged: Classes) -> dict[str, Any]:
    """Versions 3 and 8, of three classes and of four."""
    state = judged.initial()
    judged.enter(state, np.array([3, 8], np.int32), counts({0: 5, 1: 4, 2: 1}, {0: 5, 1: 4, 2: 1, 5: 1}))
    return state


def test_a_class_that_is_new_is_watched_beside_those_that_were_known() -> None:
    """Under the next number; what was known keeps its own."""
    judged = Classes(0.1, 500)
    state = entered(judged)
    judged.enter(state, np.array([3], np.int32), counts({0: 5, 7: 2}))
    assert state["version"].tolist() == [3, 3, 3, 8, 8, 8, 8, 3]
    assert (state["bin"] - REGULAR).tolist() == [0, 1, 2, 0, 1, 2, 5, 7]


def test_numbers_of_a_version_that_is_gone_are_given_again_the_least_first() -> None:
    """So that versions that come and go take no more room."""
    judged = Classes(0.1, 500)
    state = entered(judged)
    judged.forget(state, [3])
    judged.enter(state, np.array([9], np.int32), counts({0: 1, 1: 1, 2: 1, 3: 1}))
    assert state["version"].tolist() == [9, 9, 9, 8, 8, 8, 8, 9]


def test_classes_beyond_the_most_are_not_watched(monkeypatch: Any) -> None:
    """Those that came first stay."""
    monkeypatch.setattr(classes, "_MOST", 5)
    state = entered(Classes(0.1, 500))
    assert state["version"].tolist() == [3, 3, 3, 8, 8]


def test_classes_that_version_2_of_label_drift_had_in_dictionaries_are_watched_on() -> None:
    """Their rates' numbers and what was learnt of them stay."""
    monitor = LabelDrift(LabelDrift.Settings())
    state = monitor.initial()
    judged = Classes(0.1, 500)
    state["classes"] = entered(judged)
    labels = counts({0: 50, 1: 40, 2: 10}, {0: 50, 1: 30, 2: 10, 5: 10})
    judged.step(state["classes"], np.array([3, 8], np.int32), labels, 0, HOUR_US, np.full(2, 1e-6))
    judged.forget(state["classes"], [3])
    slots = {8: {REGULAR + class_: number for number, class_ in zip(range(3, 7), (0, 1, 2, 5), strict=True)}}
    older = {**state, "classes": {"slots": slots, "free": [2, 1, 0], "next": 7, "rates": state["classes"]["rates"]}}
    upgraded = monitor.upgrade(older, None, 2)
    assert upgraded is not None
    now, expected = upgraded[0]["classes"], state["classes"]
    known = expected["version"] >= 0
    assert now["version"].tolist() == expected["version"].tolist()
    assert now["bin"][known].tolist() == expected["bin"][known].tolist()
    assert_same(now["rates"], expected["rates"], "rates")
