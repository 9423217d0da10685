"""Grouping, pages, flapping and windows: what a person on call is spared."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from config import ConfigError, parse
from daemon.alerts.life import Life
from daemon.alerts.notice import SEVERITIES
from daemon.alerts.rules import Rules
from daemon.alerts.silences import Silence
from processors.profile import GroupKey
from tests.daemon.alerts.findings import HOUR, PANE, Step, any_rules, finding, histories, restarted, rules, run, said

START = 1_000_000 * PANE


def test_onsets_on_both_sides_of_the_hour_are_one_incident() -> None:
    """What counts is how far apart they are, not where the hour ends."""
    hour = START // HOUR * HOUR + HOUR
    life = Life(rules())
    (one,) = life.close(hour + 10 * PANE, [finding(since=hour - PANE)])
    (other,) = life.close(hour + 12 * PANE, [finding(monitor="anomaly", since=hour + PANE)])
    assert one.incident == other.incident


def test_an_incident_goes_on_after_its_first_alert_is_over_but_does_not_creep() -> None:
    """Onsets are compared with the incident's own, so that a chain of alerts is not one incident for ever."""
    life = Life(rules(incident_span=HOUR))
    first, second, third = (finding(monitor=f"m{n}", since=START + n * HOUR * 2 // 3) for n in range(3))
    (one,) = life.close(START + PANE, [first])
    life.close(START + 2 * PANE, [replace(first, kind="recovered")])
    (two,) = life.close(START + HOUR, [second])
    (three,) = life.close(START + 2 * HOUR, [third])
    assert (one.incident == two.incident, two.incident == three.incident) == (True, False)


@pytest.mark.parametrize(("back_after", "same"), [(HOUR // 2, True), (2 * HOUR, False)])
def test_what_is_back_at_once_was_not_over_and_wakes_nobody_again(back_after: int, same: bool) -> None:
    """Within an hour of its end it is the same incident, whatever its onset; later it is another, and pages."""
    life = Life(rules(incident_span=HOUR))
    (first,) = life.close(START, [finding(since=START - PANE)])
    (end,) = life.close(START + 3 * HOUR, [finding(kind="recovered", since=START - PANE)])[-1:]
    back = end.time + back_after
    (again,) = life.close(back, [finding(since=back - PANE)])[-1:]
    assert (end.state, again.change) == ("resolved", "fired")
    assert (again.incident == first.incident, again.page) == (same, not same)


@pytest.mark.parametrize(("monitor", "pages"), [("anomaly", False), ("concept_drift", True)])
def test_who_got_used_to_a_broken_feature_pages_nobody_when_it_is_mended(monitor: str, pages: bool) -> None:
    """Minutes after the end what was usual looks odd to `anomaly`; what has references of its own is believed."""
    life = Life(rules(incident_span=HOUR, renotify=4 * HOUR))
    broken = finding(monitor="data_quality", action="fix_feature", feature="amount", since=START)
    (fired,) = life.close(START + PANE, [broken])
    life.close(START + 3 * HOUR, [replace(broken, kind="recovered")])
    odd = finding(monitor=monitor, action="none", severity="critical", since=START + 3 * HOUR)
    told = [notice for step in range(1, 60) for notice in life.close(START + 3 * HOUR + step * PANE, [odd])]
    assert (told[0].change, told[0].page) == ("fired", pages)
    if not pages:
        assert (told[0].inhibited_by, told[0].severity) == (fired.fingerprint, "info")
    assert {notice.severity for notice in life.close(START + 8 * HOUR, [odd])} == {"critical"}, "it stays odd for hours"


@pytest.mark.parametrize(
    ("said_of_it", "pages"),
    [
        ({"action": "retrain", "severity": "warning"}, False),
        ({"action": "reweigh", "severity": "warning"}, False),
        ({"action": "check_labels", "severity": "warning"}, False),
        (
            {
                "monitor": "label_drift",
                "action": "check_labels",
                "severity": "warning",
                "evidence": {"lost": [1]},
            },
            True,
        ),
        ({"action": "retrain", "severity": "critical"}, True),
        ({"action": "fix_feature", "severity": "warning"}, True),
        ({"monitor": "feature_drift", "action": "retrain", "severity": "critical"}, True),
    ],
)
@pytest.mark.parametrize("provisional", [True, False])
def test_what_the_hour_may_explain_wakes_nobody_on_the_first_day(
    said_of_it: dict[str, Any], pages: bool, provisional: bool
) -> None:
    """A moderate shift against a reference that has not seen a day; unless something is broken, lost, or it is bad."""
    life = Life(rules())
    (fired,) = life.close(START, [finding(since=START - PANE, provisional=provisional, **said_of_it)])
    assert (fired.change, fired.page) == ("fired", pages or not provisional)


@pytest.mark.parametrize(
    ("monitor", "segment", "pages"),
    [
        ("prediction_drift", "store", False),
        ("label_drift", "store", False),
        ("concept_drift", "store", True),
        ("prediction_drift", "", True),
    ],
)
def test_values_of_a_segment_that_move_on_the_first_day_wake_nobody(monitor: str, segment: str, pages: bool) -> None:
    """However far: a shop sells at night what it never sells by day. Its errors do harm; a whole version is broad."""
    group = GroupKey("fraud", "3", segment, "s0" if segment else "")
    life = Life(rules())
    (fired,) = life.close(START, [finding(monitor=monitor, group=group, since=START - PANE, provisional=True)])
    assert (fired.severity, fired.page) == ("critical", pages)


@pytest.mark.parametrize("provisional", [True, False])
def test_what_only_looks_odd_on_the_first_day_wakes_nobody(provisional: bool) -> None:
    """It is told once no cause was found."""
    life = Life(rules())
    odd = finding(monitor="anomaly", action="none", severity="warning", since=START, provisional=provisional)
    (fired,) = [notice for pane in range(60) for notice in life.close(START + pane * PANE, [odd] if not pane else [])]
    assert (fired.change, fired.page) == ("fired", not provisional)


@pytest.mark.parametrize(("monitor", "pages"), [("feature_drift", False), ("concept_drift", True)])
def test_a_feature_that_moves_by_and_by_on_the_first_day_wakes_nobody(monitor: str, pages: bool) -> None:
    """The temperature of the afternoon was never seen in the morning; but errors do harm, however they came."""
    life = Life(rules())
    shift = finding(monitor=monitor, since=START - PANE, provisional=True, action="retrain", severity="warning")
    life.close(START, [shift])
    (grown,) = life.close(START + PANE, [replace(shift, kind="updated", severity="critical")])
    assert (grown.severity, grown.page) == ("critical", pages)


@pytest.mark.parametrize(
    ("later", "lasted", "said_of_it", "pages"),
    [
        (24 * HOUR, 3 * HOUR, {"severity": "warning"}, False),
        (48 * HOUR, 3 * HOUR, {"severity": "warning"}, False),
        (7 * 24 * HOUR - HOUR, 3 * HOUR, {"severity": "warning"}, False),
        (24 * HOUR, 3 * HOUR, {"severity": "critical", "monitor": "feature_drift"}, False),
        (24 * HOUR, 3 * HOUR, {"severity": "critical", "monitor": "feature_drift", "action": "fix_feature"}, True),
        (24 * HOUR, 3 * HOUR, {"severity": "critical", "monitor": "label_drift", "action": "reweigh"}, False),
        (24 * HOUR, 3 * HOUR, {"severity": "critical"}, True),
        (27 * HOUR, 3 * HOUR, {"severity": "warning"}, True),
        (48 * HOUR, 30 * HOUR, {"severity": "warning"}, True),
    ],
)
def test_a_moderate_shift_that_was_there_at_the_same_hour_of_another_day_wakes_nobody(
    later: int, lasted: int, said_of_it: dict[str, Any], pages: bool
) -> None:
    """It is the hour's doing if it was over by itself within the day, and not if it is bad or comes at another hour.

    A feature may even be somewhere else altogether, as that by which a nightly batch is sorted.
    """
    life = Life(rules(keep=7 * 24 * HOUR))
    said_of_it = {"action": "retrain", **said_of_it}
    shift = finding(since=START - PANE, **said_of_it | {"severity": "warning"})
    life.close(START, [shift])
    life.close(START + lasted, [replace(shift, kind="recovered")])
    life = restarted(life)
    (again,) = life.close(START + later, [finding(since=START + later - PANE, **said_of_it)])
    assert (again.change, again.page) == ("fired", pages)


def test_a_shift_of_the_same_hour_that_stays_pages_once_it_lasted_for_a_day() -> None:
    """What began as the day before and is not over is something else."""
    life = Life(rules(renotify=4 * HOUR, keep=7 * 24 * HOUR))
    shift = finding(since=START - PANE, action="retrain", severity="warning")
    life.close(START, [shift])
    life.close(START + 3 * HOUR, [replace(shift, kind="recovered")])
    notices = life.close(START + 24 * HOUR, [replace(shift, since=START + 24 * HOUR - PANE)])
    for hour in range(25, 60):
        notices += life.close(START + hour * HOUR, [])
    assert [(notice.time - START) // HOUR for notice in notices if notice.page] == [48]


def test_a_shift_that_lasts_for_a_day_is_no_hours_doing() -> None:
    """It pages then, once, with its next repetition; nobody has to look for it in a list."""
    life = Life(rules(renotify=4 * HOUR))
    shift = finding(since=START - PANE, provisional=True, action="retrain", severity="warning")
    notices = life.close(START, [shift])
    for hour in range(1, 40):
        notices += life.close(START + hour * HOUR, [])
    paged = [(notice.time - START) // HOUR for notice in notices if notice.page]
    assert paged == [24]


@pytest.mark.parametrize("explained", [True, False])
def test_what_only_says_that_something_is_odd_waits_for_what_says_why(explained: bool) -> None:
    """Minutes later the broken feature is found: that pages, once. If nothing is found, what is odd pages by itself."""
    life = Life(rules(wait_for_cause=30 * PANE))
    odd = finding(monitor="anomaly", action="none", severity="warning", since=START - PANE)
    broken = finding(monitor="data_quality", action="fix_feature", feature="amount", since=START - PANE)
    assert life.close(START, [odd]) == []
    said = life.close(START + 4 * PANE, [broken] if explained else [])
    (later,) = life.close(START + 30 * PANE)
    assert [notice.page for notice in said] == [True] * explained
    assert (later.finding.monitor, later.severity) == ("anomaly", "info" if explained else "warning")
    assert (later.page, later.inhibited_by is None) == (not explained, not explained)
    assert {notice.incident for notice in said} <= {later.incident}


def test_what_was_only_odd_for_a_moment_is_not_said() -> None:
    """It recovered before anybody could have done anything; what is critical does not wait."""
    life = Life(rules(wait_for_cause=30 * PANE))
    odd = finding(monitor="anomaly", action="none", severity="warning")
    life.close(START, [odd])
    assert life.close(START + 3 * PANE, [replace(odd, kind="recovered")]) == []
    assert life.close(START + 40 * PANE) == []
    assert [n.page for n in life.close(START + 50 * PANE, [replace(odd, severity="critical")])] == [True]


def test_a_part_says_what_its_whole_is_told_to_do() -> None:
    """The drift of a segment follows from that of its version, and that from a feature which is mended meanwhile."""
    life = Life(rules())
    broken = finding(monitor="data_quality", action="fix_feature", feature="amount", since=START - PANE)
    part = finding(group=GroupKey("fraud", "3", "region", "eu"))
    life.close(START, [broken])
    life.close(START + PANE, [finding(), part])
    said = life.close(START + 2 * PANE, [replace(broken, kind="recovered")])
    told = {n.finding.group.value: n for n in said if n.finding.monitor == "concept_drift"}
    assert (told["eu"].change, told["eu"].action, told["eu"].severity) == ("updated", "none", "info")
    assert told["eu"].advice == "What explains it is over: it should recover by itself."


def test_effects_have_as_long_to_recover_as_their_cause_lasted() -> None:
    """After ten hours of a broken feature its effects have ten more; then they stand for themselves."""
    life = Life(rules(renotify=4 * HOUR))
    broken = finding(monitor="data_quality", action="fix_feature", since=START)
    life.close(START + PANE, [broken, finding(since=START)])
    life.close(START + 10 * HOUR, [replace(broken, kind="recovered")])
    later = [n for n in life.close(START + 30 * HOUR) if n.finding.monitor == "concept_drift"]
    free = [(n.time - START) // HOUR for n in later if n.inhibited_by is None]
    assert (free[0], min(n.severity for n in later if n.inhibited_by)) == (20, "info")


def test_an_effect_belongs_to_its_cause_however_late_it_shows() -> None:
    """Labels come hours later: what a broken feature did to the error rate is the same incident, and no page."""
    life = Life(rules())
    (cause,) = life.close(START, [finding(monitor="data_quality", action="fix_feature", since=START - PANE)])
    (effect,) = life.close(START + 7 * HOUR, [finding(since=START + 6 * HOUR)])[-1:]
    assert (effect.incident, effect.inhibited_by) == (cause.incident, cause.fingerprint)
    assert (cause.page, effect.page) == (True, False)


@pytest.mark.parametrize("labels_first", [True, False])
@pytest.mark.parametrize("lost", [True, False])
def test_labels_that_move_and_the_errors_that_follow_are_one_incident(labels_first: bool, lost: bool) -> None:
    """Onsets of predictions come before those of outcomes by as long as labels take; lost labels explain errors."""
    life = Life(rules())
    labels = finding(
        monitor="label_drift", series="labels", action="check_labels", severity="warning", since=START - 9 * HOUR,
        lag=8 * HOUR, evidence={"lost": "class 1"} if lost else {},
    )  # fmt: skip
    errors = finding(since=START - 2 * HOUR, severity="warning")
    both = [labels, errors] if labels_first else [errors, labels]
    (first,) = life.close(START, both[:1])
    later = life.close(START + HOUR, both[1:])
    assert {notice.incident for notice in later} == {first.incident}
    assert [notice.page for notice in (first, *later)] == [True] + [False] * len(later)
    told = {notice.finding.monitor: notice for notice in (first, *later)}
    assert (told["concept_drift"].inhibited_by is not None) == lost
    assert told["concept_drift"].action == ("check_labels" if lost else "retrain")


def test_an_incident_pages_once_for_what_is_worst_and_again_only_for_worse() -> None:
    """Of several alerts in one pane the most severe wakes somebody; later ones only if they are more severe still."""
    life = Life(rules())
    mild = [finding(monitor=name, severity="warning") for name in ("anomaly", "prediction_drift")]
    notices = life.close(START, [*mild, finding(monitor="volume", severity="info")])
    assert [n.finding.monitor for n in notices if n.page] == ["anomaly"]
    assert [n.page for n in life.close(START + PANE, [finding(monitor="latency", severity="warning")])] == [False]
    worse = life.close(START + 2 * PANE, [finding(monitor="concept_drift", severity="critical")])
    assert [n.page for n in worse] == [True]
    escalated = life.close(START + 3 * PANE, [replace(mild[0], kind="updated", severity="critical")])
    assert [(n.change, n.page) for n in escalated] == [("updated", False)]


def test_among_equals_the_broken_input_pages() -> None:
    """It says what to repair."""
    broken = finding(monitor="feature_drift", action="fix_feature", feature="amount")
    notices = Life(rules()).close(START, [finding(monitor="a_first_name"), broken])
    assert [n.finding.monitor for n in notices if n.page] == ["feature_drift"]


@settings(max_examples=80, deadline=None)
@given(any_rules(), histories())
def test_pages_of_an_incident_only_get_more_severe(life_rules: Rules, history: list[Step]) -> None:
    """At most one page for each severity; never for what is held back, explained by another alert, or only repeated.

    Until one of its alerts is over and comes back.
    """
    life = Life(life_rules)
    paged: dict[str, int] = defaultdict(int)
    for step in history:
        for notice in run(life, step):
            if notice.state != "firing":
                paged.pop(notice.incident, None)
            if not notice.page:
                continue
            assert not notice.held
            assert notice.inhibited_by is None
            assert notice.change in ("fired", "updated", "explained")
            assert SEVERITIES.index(notice.severity) > paged[notice.incident]
            paged[notice.incident] = SEVERITIES.index(notice.severity)


def test_each_time_it_comes_back_its_recovery_must_last_twice_as_long() -> None:
    """Ten minutes wrong, ten minutes right, all day long: a handful of firings, not seventy-two."""
    life = Life(rules(min_hold=30 * PANE, flap_window=6 * HOUR))
    notices = []
    for n in range(72):
        notices += life.close(START + n * HOUR // 3, [finding(since=START + n * HOUR // 3)])
        notices += life.close(START + n * HOUR // 3 + HOUR // 6, [finding("recovered")])
    fired = [notice for notice in notices if notice.change == "fired"]
    assert [notice.flaps for notice in fired] == [0, 1]
    assert said(life.close(START + 48 * HOUR))[0][0] == "resolved"
    (anew,) = life.close(START + 60 * HOUR, [finding(since=START + 60 * HOUR)])
    assert anew.flaps == 0


def test_a_maintenance_window_comes_again() -> None:
    """From two to four each day: held back then, said at its end if it still fires; not at other times."""
    day = 24 * HOUR
    window = Silence("ana", "backup", start=START, end=START + 2 * HOUR, every=day)
    assert [window.holds(START + at) for at in (-1, 0, 2 * HOUR, day - 1, day, 9 * day + HOUR, 9 * day + 3 * HOUR)] == [
        False, True, False, False, True, True, False,
    ]  # fmt: skip
    life = Life(rules(silences=(window,)))
    (held,) = life.close(START + 3 * day + HOUR, [finding()])
    assert held.held == "silenced"
    (fired,) = life.close(START + 3 * day + 5 * HOUR)
    assert (fired.change, fired.time, fired.page) == ("fired", START + 3 * day + 2 * HOUR, True)


@pytest.mark.parametrize(
    ("silence", "complaint"),
    [
        ("every: 1d", "comes again from when until when"),
        ("from: 2026-03-22T03:00:00Z, until: 2026-03-24T03:00:00Z, every: 1d", "comes again before it is over"),
    ],
)
def test_a_window_that_makes_no_sense_is_refused(silence: str, complaint: str) -> None:
    """With what to write instead."""
    silences = f"[{{match: {{model: m}}, who: a, reason: b, {silence}}}]"
    with pytest.raises(ConfigError, match=complaint):
        parse(f"files: {{paths: [a], follow: true}}\nalerts: {{silences: {silences}}}", {})


def test_how_long_a_finding_must_stand_is_configured() -> None:
    """`alerts.for` is 0 by default: the sequential tests hold their promise without it."""
    assert Rules.configured(parse("files: {paths: [a], follow: true}", {})).hold == 0
    assert Rules.configured(parse("files: {paths: [a], follow: true}\nalerts: {for: 2m}", {})).hold == 12 * PANE


def test_versions_are_told_apart() -> None:
    """The same trouble in two versions is two incidents: one of them may be served to nobody."""
    versions = [finding(group=GroupKey("fraud", version)) for version in ("3", "4")]
    assert [n.page for n in Life(rules()).close(START, versions)] == [True, True]
