"""Data quality: what breaks in a feature is told with the feature's name; what was always so is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from processors.base import Summary
from processors.quality.data_quality import DataQuality, DataQualitySettings
from processors.rows import Predictions
from tests.processors.panes import PANE, Run, predictions

ROWS = 60
Columns = dict[str, list[Any]]


def healthy(rng: np.random.Generator) -> Columns:
    """Features of a pane: amount, a country, and an email of which half is missing by nature."""
    return {
        "amount": rng.normal(100, 10, ROWS).tolist(),
        "country": rng.choice(["CN", "DE", "FR"], ROWS).tolist(),
        "email": [None if gone else "x@y" for gone in rng.random(ROWS) < 0.5],
    }


def run_with(change: Callable[[int, Columns], Any], panes: int = 160, **settings: Any) -> Run:
    """A monitor over panes whose features `change` has broken."""
    rng = np.random.default_rng(1)
    run = Run(DataQuality(DataQualitySettings(**settings)), window_events=600)
    for number in range(panes):
        columns = healthy(rng)
        change(number, columns)
        run.predictions(predictions(ROWS, columns, start=number * PANE))
    return run


def as_ever(_: int, columns: Columns) -> None:
    """Break nothing."""


def null(_: int, columns: Columns) -> None:
    """Half of the amounts are null."""
    columns["amount"] = [None] * (ROWS // 2) + columns["amount"][ROWS // 2 :]


def absent(_: int, columns: Columns) -> None:
    """The amount is not sent."""
    del columns["amount"]


def texts(_: int, columns: Columns) -> None:
    """Amounts are texts."""
    columns["amount"] = [f"{value:.2f}" for value in columns["amount"]]


def unseen(_: int, columns: Columns) -> None:
    """Some countries are new."""
    columns["country"] = ["XX"] * 10 + columns["country"][10:]


def cents(_: int, columns: Columns) -> None:
    """Amounts are in cents."""
    columns["amount"] = [value * 100 for value in columns["amount"]]


def frozen(_: int, columns: Columns) -> None:
    """The amount is always the same."""
    columns["amount"] = [101.5] * ROWS


@pytest.mark.parametrize(
    ("breaks", "series", "feature", "words"),
    [
        (null, "missing_rate", "amount", "of feature amount is missing"),
        (absent, "missing_rate", "amount", "feature amount is gone"),
        (texts, "wrong_type_rate", "amount", "of feature amount has the wrong type"),
        (unseen, "unseen_rate", "country", "of feature country are categories never seen before"),
        (cents, "out_of_range_rate", "amount", "of feature amount is out of range"),
        (frozen, "stuck", "amount", "feature amount has had one value only"),
    ],
)
def test_what_breaks_is_told_and_taken_back(
    breaks: Callable[[int, Columns], None], series: str, feature: str, words: str
) -> None:
    """From pane 80 to 100: one alert of this series that names the feature, and its end; nothing else is told."""
    run = run_with(lambda number, columns: breaks(number, columns) if 80 <= number < 100 else None)
    told = [finding for finding in run.findings if finding.kind != "updated"]
    assert [(finding.kind, finding.series, finding.feature) for finding in told] == [
        ("fired", series, feature),
        ("recovered", series, feature),
    ]
    assert told[0].action == "fix_feature"
    assert words in told[0].summary
    assert told[0].since == 80 * PANE


def calendar(number: int, columns: Columns) -> None:
    """A quarter of an hour and a day, in a world in which days have ten minutes; and a region that is sent in turns."""
    columns["quarter"] = [float(number // 10)] * ROWS
    columns["day"] = [["Mo", "Tu", "We"][number // 60 % 3]] * ROWS
    columns["region"] = ["north" if number // 25 % 2 else "south"] * ROWS


def test_the_time_of_day_is_no_news() -> None:
    """Features that take turns have new values all at once, each time; what else breaks of them is told."""
    assert not run_with(calendar, panes=300).findings

    def gone(number: int, columns: Columns) -> None:
        calendar(number, columns)
        if number >= 200:
            columns["day"] = [None] * ROWS

    (fired,) = run_with(gone, panes=210).findings
    assert (fired.series, fired.feature) == ("missing_rate", "day")


def test_what_a_morning_has_not_seen_is_no_fault() -> None:
    """A number that creeps out of the range of its first minutes is not out of range; one that leaps is."""

    def warmer(number: int, columns: Columns) -> None:
        columns["amount"] = [value + 0.3 * number for value in columns["amount"]]
        if number >= 280:
            columns["amount"] = [value + 100 for value in columns["amount"]]

    (fired,) = run_with(warmer, panes=285).findings
    assert (fired.series, fired.feature, fired.since) == ("out_of_range_rate", "amount", 280 * PANE)


def test_a_healthy_stream_is_quiet() -> None:
    """Half of the emails are missing, as ever."""
    run = run_with(as_ever, panes=300)
    assert not run.findings
    email = [reading for reading in run.series("missing_rate") if reading.feature == "email"]
    assert email[-1].reference == pytest.approx(0.5, abs=0.05)


def test_readings_are_rates_of_the_window() -> None:
    """Each kind by hand, over one window of ten panes."""
    run = run_with(lambda number, columns: null(number, columns) if number == 45 else None, panes=60)
    (window,) = [
        reading
        for reading in run.series("missing_rate")
        if reading.feature == "amount" and reading.start <= 45 * PANE < reading.end
    ]
    assert (window.value, window.n) == (30 / 600, 600)
    assert {reading.series for reading in run.readings} == {
        "missing_rate", "wrong_type_rate", "unseen_rate", "out_of_range_rate", "duplicate_rate",
    }  # fmt: skip


def test_a_new_feature_is_told_until_it_belongs() -> None:
    """A feature that appears later: info, with an end once its own bins are sealed."""

    def grow(number: int, columns: Columns) -> None:
        if number >= 80:
            columns["device"] = ["phone", "laptop"] * (ROWS // 2)

    run = run_with(grow)
    told = [(finding.kind, finding.series, finding.feature) for finding in run.findings]
    assert told == [("fired", "new_feature", "device"), ("recovered", "new_feature", "device")]
    assert run.findings[0].since == 80 * PANE
    assert run.findings[0].severity == "info"


def test_duplicates_are_a_rate_of_the_version() -> None:
    """Duplicate ids rise from none to a fifth of all events."""
    rng = np.random.default_rng(2)
    run = Run(DataQuality(DataQualitySettings()), window_events=600)
    for number in range(100):
        duplicates = [0] * 15 if number >= 80 else []
        run.predictions(predictions(ROWS, healthy(rng), start=number * PANE), duplicates)
    (fired,) = [finding for finding in run.findings if finding.kind == "fired"]
    assert (fired.series, fired.feature) == ("duplicate_rate", None)
    assert fired.value == pytest.approx(0.2)
    assert run.series("duplicate_rate")[-1].value == pytest.approx(15 / 75)


def test_a_feature_that_rests_now_and_then_is_not_stuck() -> None:
    """Runs no longer than three times the longest before are usual."""

    def rest(number: int, columns: Columns) -> None:
        if number % 20 < 5 and number > 20:
            columns["amount"] = [100.0 + number // 20] * ROWS

    run = run_with(rest, stuck_after=400)
    assert "stuck" not in {finding.series for finding in run.findings}


def measured(run: Run, table: Predictions, duplicates: list[int]) -> Summary:
    """The summary of one pane."""
    rows = run.profile.locate_predictions(table, 0, PANE, np.array(duplicates, np.int32))
    return run.monitor.measure(rows, run.profile, None)


def test_counts_of_pieces_add_up() -> None:
    """Absent cells are rows without a cell, whichever piece they are in."""
    run = run_with(as_ever, panes=30)
    columns = healthy(np.random.default_rng(3))
    columns["amount"][:7] = [None] * 7
    table = predictions(ROWS, columns)
    parts = [measured(run, table.take(np.arange(at, ROWS, 2)), [0] * at) for at in range(2)]
    whole, merged = measured(run, table, [0]), run.monitor.merge(parts[1], parts[0])
    assert whole.keys.tolist() == merged.keys.tolist()
    for name, column in whole.columns.items():
        assert column.tolist() == merged[name].tolist()
    assert whole["bad"][:, 0].max() >= 7


def with_versions(second: Callable[[int, Columns], Any], panes: int = 200) -> Run:
    """Version 1 as ever; from pane 60 on version 2 beside it, whose features `second` has broken."""
    rng = np.random.default_rng(1)
    run = Run(DataQuality(DataQualitySettings()), window_events=600)
    for number in range(panes):
        run.predictions(predictions(ROWS, healthy(rng), start=number * PANE))
        if number >= 60:
            columns = healthy(rng)
            second(number, columns)
            run.predictions(predictions(ROWS, columns, start=number * PANE, version="2"))
    return run


@pytest.mark.parametrize("part", [1.0, 0.7])
def test_a_feature_that_a_new_version_never_had_is_told_until_it_comes(part: float) -> None:
    """It is usual there, but in no other version; a feature of which half is missing by nature is so in both."""

    def born_without(number: int, columns: Columns) -> None:
        if number < 140:
            columns["amount"][: int(part * ROWS)] = [None] * int(part * ROWS)

    told = [finding for finding in with_versions(born_without).findings if finding.kind != "updated"]
    assert [(finding.kind, finding.series, finding.feature, finding.group.version) for finding in told] == [
        ("fired", "missing_rate", "amount", "2"),
        ("recovered", "missing_rate", "amount", "2"),
    ]
    assert told[0].severity == "critical"
    assert told[0].reference == pytest.approx(0, abs=0.01)


def test_what_another_version_lacks_too_or_an_operator_accepts_is_usual() -> None:
    """The email is there in none of them; of the amount somebody said that version 2 has none any more."""

    def emailless(_: int, columns: Columns) -> None:
        columns["email"] = [None] * 55 + columns["email"][55:]

    assert not with_versions(emailless).findings

    def without(_: int, columns: Columns) -> None:
        columns["amount"] = [None] * ROWS

    run = with_versions(without)
    fired = [finding.feature for finding in run.findings if finding.kind == "fired"]
    assert fired == ["amount"]
    (base,) = [at for at in run.profile.bases() if run.profile.groups[at].version == "2"]
    number = run.profile.series_of(base)["amount"]
    run.state = run.monitor.accept(run.state, frozenset(), frozenset({number}))
    rng = np.random.default_rng(2)
    for pane in range(200, 260):
        columns = healthy(rng)
        without(pane, columns)
        run.predictions(predictions(ROWS, columns, start=pane * PANE, version="2"))
    assert [finding.feature for finding in run.findings if finding.kind == "fired"] == ["amount"]


def spelt_out(_: int, columns: Columns) -> None:
    """Countries are sent by their names."""
    columns["country"] = [{"CN": "China", "DE": "Germany", "FR": "France"}[code] for code in columns["country"]]


@pytest.mark.parametrize(
    ("breaks", "series", "feature", "words"),
    [
        (cents, "out_of_range_rate", "amount", "has sent 7255.86 to 13933.6, where all others had 64.9399 to 139.318"),
        (spelt_out, "unseen_rate", "country", "has sent Germany, France, China, where all others had CN, DE, FR"),
        (texts, "wrong_type_rate", "amount", "where all others had 64.9399 to 139.318"),
    ],
)
def test_a_feature_that_a_new_version_always_had_otherwise_is_told_until_it_is_as_in_the_others(
    breaks: Callable[[int, Columns], None], series: str, feature: str, words: str
) -> None:
    """It is usual there, but in no other version: what they had is said, and since when it is otherwise."""

    def born(number: int, columns: Columns) -> None:
        if number < 140:
            breaks(number, columns)

    told = [finding for finding in with_versions(born).findings if finding.kind != "updated"]
    assert [(finding.kind, finding.series, finding.feature, finding.group.version) for finding in told] == [
        ("fired", series, feature, "2"),
        ("recovered", series, feature, "2"),
    ]
    assert words in told[0].summary
    assert (told[0].severity, told[0].action, told[0].since) == ("critical", "fix_feature", 60 * PANE)
    assert "other_versions" in told[0].evidence
    assert told[1].summary.endswith("usually 0%).")
