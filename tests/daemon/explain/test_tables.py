"""Explanations as tables that monitors take."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from daemon.explain.request import Explained
from daemon.explain.tables import from_events, to_table
from processors.profile import Profile
from processors.rows import Explanations, text_hash
from tests.processors.panes import NO_SIGNALS, cells, predictions


def explained() -> Explained:
    """Two predictions of one version."""
    keys, time = np.array([7, 8], np.uint64), np.array([1, 2], np.int64)
    values = np.array([[0.5, -1.0], [0.0, 2.0]])
    return Explained(0, "fraud", "1", ("a", "b"), keys, time, ("x", "y"), values, np.zeros(2), values.sum(axis=1), 0.1)


def test_the_workers_answer_becomes_a_table_that_a_profile_locates() -> None:
    """Each value comes out at its row and the series of its feature."""
    profile = Profile()
    profile.admit(predictions(1, {"y": [1.0], "x": [2.0]}), NO_SIGNALS)
    table = to_table(explained())
    rows = profile.locate_explanations(table, 0, 10)
    found = {
        (int(row), profile.series_feature[series]): value
        for row, series, value in zip(rows.row, rows.series, rows.value, strict=True)
    }
    assert found == {(0, "x"): 0.5, (0, "y"): -1.0, (1, "x"): 0.0, (1, "y"): 2.0}
    assert table.id.tolist() == ["a", "b"]
    assert table.names.text(table.model[0]) == "fraud"


def test_tables_can_be_joined() -> None:
    """As the pipeline joins what came since the last pane."""
    both = Explanations.concat([to_table(explained()), to_table(replace(explained(), version="2"))])
    assert both.take(np.array([3, 0])).version.tolist() == [text_hash("2"), text_hash("1")]


def test_attributions_in_events_are_used_as_they_are() -> None:
    """Of the predictions that carry any, and of no others."""
    without, carrying = predictions(2, {"x": [1.0, 2.0]}), predictions(2, {"x": [1.0, 2.0]}, start=5)
    carrying = replace(carrying, attributions=cells({"x": [0.25, -0.5]}, 2, carrying.names))
    table = type(without).concat([without, carrying])
    profile = Profile()
    profile.admit(table, NO_SIGNALS)
    rows = profile.locate_predictions(table, 0, 10, np.zeros(0, np.int32))
    found = from_events(rows)
    assert found.id.tolist() == carrying.id.tolist()
    assert found.attributions.values.numbers().tolist() == [0.25, -0.5]
