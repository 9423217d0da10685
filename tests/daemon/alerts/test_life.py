"""The life of alerts: laws over random histories, and the story of each rule."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.alerts.life import Life
from daemon.alerts.notice import End, Notice, fingerprint_of
from daemon.alerts.rules import Rules
from daemon.alerts.silences import Silence
from processors.packing import pack
from processors.profile import GroupKey
from tests.daemon.alerts.findings import (
    HOUR,
    PANE,
    Step,
    any_rules,
    finding,
    histories,
    restarted,
    rules,
    run,
    said,
)

START = 1_000_000 * PANE


def _played(life_rules: Rules, history: list[Step]) -> list[Notice]:
    life = Life(life_rules)
    return [notice for step in history for notice in run(life, step)]


@settings(max_examples=80, deadline=None)
@given(any_rules(), histories())
def test_no_alert_fires_twice_and_none_ends_that_did_not_fire(life_rules: Rules, history: list[Step]) -> None:
    """Of what is sent under one fingerprint: fired, then what it likes, then one end; a tombstone only after an end."""
    firing: dict[str, bool] = {}
    for notice in _played(life_rules, history):
        if notice.held:
            continue
        fires = firing.get(notice.fingerprint)
        if notice.change == "fired":
            assert not fires
        elif notice.change == "forgotten":
            assert fires is False
        else:
            assert fires
        firing[notice.fingerprint] = notice.state == "firing"
        if notice.change == "forgotten":
            del firing[notice.fingerprint]


@settings(max_examples=80, deadline=None)
@given(any_rules(), histories())
def test_what_is_said_is_in_order_and_under_its_own_name(life_rules: Rules, history: list[Step]) -> None:
    """What is sent: sequences rise until the tombstone, times never fall, ids are unique, onsets are past."""
    notices = _played(life_rules, history)
    sequences: dict[str, int] = defaultdict(int)
    for notice in notices:
        if not notice.held:
            assert notice.sequence > sequences[notice.fingerprint]
            sequences[notice.fingerprint] = 0 if notice.change == "forgotten" else notice.sequence
        assert notice.since <= notice.began <= notice.time
        assert (notice.valid_until is None) == (notice.state != "firing")
        assert notice.ended is None or notice.began <= notice.ended <= notice.time
    assert [n.time for n in notices] == sorted(n.time for n in notices)
    assert len({n.id for n in notices}) == len(notices)


@settings(max_examples=80, deadline=None)
@given(any_rules(), histories(), st.integers(0, 12))
def test_a_restart_at_any_point_changes_nothing(life_rules: Rules, history: list[Step], at: int) -> None:
    """State that was packed and unpacked goes on identically: nothing is said again, nothing is left out."""
    life = Life(life_rules)
    notices = []
    for n, step in enumerate(history):
        if n == at:
            life = restarted(life)
        notices += run(life, step)
    assert notices == _played(life_rules, history)


@settings(max_examples=60, deadline=None)
@given(any_rules(), histories(), st.randoms(use_true_random=False))
def test_the_order_of_findings_within_a_pane_does_not_matter(
    life_rules: Rules, history: list[Step], shuffler: random.Random
) -> None:
    """Monitors may be judged in any order: the same notices, the same state, byte for byte."""
    shuffled = [replace(step, findings=tuple(shuffler.sample(step.findings, len(step.findings)))) for step in history]
    one, other = Life(life_rules), Life(life_rules)
    assert [run(one, step) for step in history] == [run(other, step) for step in shuffled]
    assert pack(one.to_state()) == pack(other.to_state())


@settings(max_examples=60, deadline=None)
@given(any_rules(), histories())
def test_closing_empty_panes_at_the_deadlines_only_says_it_sooner(life_rules: Rules, history: list[Step]) -> None:
    """A pipeline that skips empty panes and one that closes each at which something is due say the same."""
    life, notices, backfill = Life(life_rules), [], False
    for step in history:
        while (due := life.deadline()) is not None and due < step.end:
            notices += life.close(due, backfill=backfill)
        backfill = step.backfill
        notices += run(life, step)
    assert notices == _played(life_rules, history)


@settings(max_examples=60, deadline=None)
@given(any_rules(), histories())
def test_memory_is_bounded_and_empties_itself(life_rules: Rules, history: list[Step]) -> None:
    """Never more fingerprints than `most`; once all are retired and `keep` is over, nothing is left and all is said."""
    life = Life(life_rules)
    sent: dict[str, Notice] = {}
    end = START

    def note(notices: list[Notice]) -> None:
        sent.update({notice.fingerprint: notice for notice in notices if not notice.held})

    for step in history:
        end = step.end
        note(run(life, step))
        assert len(life) <= life_rules.most
        assert life.firing_count == len(life.firing())
    note(life.withdraw(end, "superseded"))
    assert life.firing() == []
    note(life.close(end + life_rules.keep + PANE))
    assert (len(life), life.deadline()) == (0, None)
    assert {notice.change for notice in sent.values()} <= {"forgotten"}


def test_an_alert_lives_from_fired_to_tombstone() -> None:
    """Fired, said again each `renotify`, resolved with how long it lasted, forgotten `keep` later."""
    life = Life(rules())
    (fired,) = life.close(START, [finding(since=START - HOUR)])
    assert (fired.change, fired.state, fired.sequence) == ("fired", "firing", 1)
    assert (fired.since, fired.time, fired.valid_until) == (START - HOUR, START, START + 12 * HOUR)
    assert life.deadline() == START + 4 * HOUR
    assert life.close(START + PANE) == []
    again = life.close(START + 9 * HOUR)
    assert [(n.change, n.time) for n in again] == [("repeated", START + 4 * HOUR), ("repeated", START + 8 * HOUR)]
    (resolved,) = life.close(START + 10 * HOUR, [finding("recovered", severity="info", action="none", value=0.12)])
    assert (resolved.state, resolved.sequence, resolved.ended) == ("resolved", 4, START + 10 * HOUR)
    assert (resolved.severity, resolved.finding.action, resolved.finding.value) == ("critical", "retrain", 0.12)
    (tombstone,) = life.close(START + 34 * HOUR)
    assert (tombstone.change, tombstone.sequence) == ("forgotten", 5)
    assert len(life) == 0


def test_an_alert_that_comes_back_goes_on_counting() -> None:
    """The same fingerprint, a higher sequence, a new onset, and no tombstone for the one before."""
    life = Life(rules())
    life.close(START, [finding()])
    life.close(START + PANE, [finding("recovered")])
    (fired,) = life.close(START + HOUR, [finding(since=START + HOUR - PANE)])
    assert (fired.change, fired.sequence, fired.since) == ("fired", 3, START + HOUR - PANE)
    assert [n.change for n in life.close(START + 30 * HOUR)] == ["repeated"] * 7


@pytest.mark.parametrize(
    ("recovers_after", "expected"),
    [(1, []), (3, [("fired", 1)]), (None, [("fired", 1)])],
)
def test_with_a_hold_only_what_lasts_fires(recovers_after: int | None, expected: list[tuple[str, int]]) -> None:
    """A finding that recovers before `hold` is over was never said and leaves nothing behind."""
    life, notices = Life(rules(hold=2 * PANE, min_hold=9 * PANE)), []
    for pane in range(6):
        found = [finding()] if pane == 0 else [finding("recovered")] if pane == recovers_after else []
        notices += life.close(START + pane * PANE, found)
    assert said(notices) == expected
    assert len(life) == len(expected)


def test_a_flapping_alert_is_held_and_stays_one() -> None:
    """Recoveries within `min_hold` are not said unless they last; the end comes when the hold is over."""
    life = Life(rules(min_hold=6 * PANE))
    notices = []
    for pane in range(5):
        notices += life.close(START + pane * PANE, [finding("recovered" if pane % 2 else "fired")])
    assert said(notices) == [("fired", 1)]
    life.close(START + 5 * PANE, [finding("recovered")])
    assert life.deadline() == START + 6 * PANE
    assert [(n.change, n.time) for n in life.close(START + HOUR)] == [("resolved", START + 6 * PANE)]


def test_getting_worse_is_said_at_once_and_getting_better_by_and_by() -> None:
    """Escalation interrupts; other changes wait for `update_every`; mere numbers wait for `renotify`."""
    life = Life(rules(update_every=60 * PANE))
    life.close(START, [finding(severity="warning")])
    assert said(life.close(START + PANE, [finding("updated", severity="warning", value=0.3)])) == []
    assert said(life.close(START + 2 * PANE, [finding("updated", severity="critical")])) == [("updated", 2)]
    assert said(life.close(START + 3 * PANE, [finding("updated", severity="warning")])) == []
    assert life.deadline() == START + 62 * PANE
    assert said(life.close(START + 4 * PANE, [finding("updated", severity="critical")])) == []
    assert life.deadline() == START + 2 * PANE + 4 * HOUR
    life.close(START + 5 * PANE, [finding("updated", severity="warning", value=0.4)])
    (later,) = life.close(START + 62 * PANE)
    assert (later.change, later.severity, later.finding.value) == ("updated", "warning", 0.4)


def test_evidence_that_comes_later_is_one_update_and_then_rides_along() -> None:
    """Named features are said at once the first time; after that at most each `update_every`, if they changed."""
    life = Life(rules())
    own = {"top_features": [{"feature": "amount", "psi": 0.4}], "examples": ["r-17"]}
    life.close(START, [finding(evidence=own), finding(monitor="latency", action="scale")])
    shap = {"top_features": [{"feature": "country", "shap": 0.2}, {"feature": "amount", "shap": 0.1}]}
    life.add_evidence("fraud", "3", shap)
    life.add_evidence("fraud", "4", shap)
    (update,) = life.close(START + PANE)
    assert (update.change, update.finding.monitor) == ("explained", "concept_drift")
    assert update.evidence["examples"] == ["r-17"]
    assert update.evidence["top_features"] == [
        {"feature": "amount", "psi": 0.4, "shap": 0.1},
        {"feature": "country", "shap": 0.2},
    ]
    life.add_evidence("fraud", "3", shap)
    assert life.close(START + 2 * PANE) == []
    life.add_evidence("fraud", "3", {"top_features": [{"feature": "age", "shap": 0.3}]})
    assert life.close(START + 3 * PANE) == []
    assert [(n.change, n.time) for n in life.close(START + 2 * HOUR)] == [("explained", START + 61 * PANE)]


def test_what_is_known_of_a_version_stands_in_an_alert_from_its_first_word() -> None:
    """Evidence that was there before the alert fired costs no second notice; a restart in between loses none."""
    life = Life(rules())
    life.add_evidence("fraud", "3", {"top_features": [{"feature": "age", "shap": 0.3}]})
    life = restarted(life)
    (fired,) = life.close(START, [finding()])
    assert (fired.change, fired.evidence) == ("fired", {"top_features": [{"feature": "age", "shap": 0.3}]})
    (other,) = life.close(START + PANE, [finding(monitor="anomaly")])
    assert other.evidence == {}


@pytest.mark.parametrize(
    ("action", "end", "says"),
    [
        ("retrain", "resolved", "It is over: nothing is left to do. While it fired the advice was retrain: What the"),
        ("retrain", "retired", "This version is no longer served: nothing is left to do. While it fired the advice"),
        ("none", "superseded", "It is no longer watched in that way: nobody looks whether it is over."),
    ],
)
def test_what_ended_calls_for_nothing_and_keeps_what_was_advised(action: str, end: End, says: str) -> None:
    """Nobody retrains for an alert that is over; nobody has to search for what it said."""
    life = Life(rules())
    life.close(START, [finding(action=action)])
    if end == "resolved":
        (ended,) = life.close(START + PANE, [finding("recovered", action="none", reason="the recovery's own")])
    else:
        (ended,) = life.withdraw(START + PANE, end)
    assert (ended.state, ended.action, ended.advice.startswith(says)) == (end, "none", True)
    assert ended.finding.action == action


def test_the_end_of_a_fault_says_what_stays_in_the_data_and_of_an_effect_what_explained_it() -> None:
    """Rows of a broken feature are still there when it is repaired; what followed from it had no advice of its own."""
    life = Life(rules())
    broken = finding(monitor="data_quality", action="fix_feature", feature="amount")
    life.close(START, [broken, finding()])
    ends = {
        n.finding.monitor: n
        for n in life.close(START + PANE, [replace(broken, kind="recovered"), finding("recovered")])
    }
    assert ends["data_quality"].advice.endswith("Rows from that time hold the fault: leave them out when you train.")
    assert ends["concept_drift"].advice.endswith("It was explained by another alert (data_quality of amount).")
    assert {n.action for n in ends.values()} == {"none"}


def test_a_broken_feature_explains_what_comes_after_it_until_it_is_repaired() -> None:
    """Effects name their cause and are for information; what began before is not explained; the end frees them.

    They are free at their first repetition that comes `renotify` after it: until then they had time to recover.
    """
    life = Life(rules())
    broken = finding(monitor="data_quality", action="fix_feature", feature="amount", since=START - HOUR // 2)
    (earlier,) = life.close(START, [finding(monitor="performance", since=START - HOUR)])
    cause, effect = life.close(START + PANE, [finding(), broken])[::-1]
    assert (cause.finding.monitor, cause.inhibited_by, cause.severity) == ("data_quality", None, "critical")
    assert (effect.finding.monitor, effect.inhibited_by, effect.severity) == (
        "concept_drift",
        cause.fingerprint,
        "info",
    )
    assert (earlier.inhibited_by, life.firing()[2].inhibited_by) == (None, None)
    (resolved,) = life.close(START + 2 * PANE, [replace(broken, kind="recovered")])
    assert resolved.state == "resolved"
    later = [n for n in life.close(START + 9 * HOUR) if n.finding.monitor == "concept_drift"]
    assert [(n.inhibited_by, n.action) for n in later] == [(cause.fingerprint, "none"), (None, "retrain")]
    assert (later[1].time, later[1].severity) == (START + 8 * HOUR, "critical")


def test_what_is_said_of_the_whole_is_not_paged_again_for_its_parts() -> None:
    """A segment's alert names that of its version; the drift of a broken feature names what broke."""
    life = Life(rules())
    eu = finding(group=GroupKey("fraud", "3", "region", "eu"))
    broken = finding(monitor="data_quality", action="fix_feature", feature="amount")
    drifted = finding(monitor="feature_drift", action="fix_feature", feature="amount")
    elsewhere = finding(monitor="feature_drift", action="fix_feature", feature="age")
    life.close(START, [finding()])
    notices = {(n.finding.monitor, n.finding.feature): n for n in life.close(START + PANE, [eu, broken])}
    assert notices["concept_drift", None].severity == "info"
    later = {n.finding.feature: n.inhibited_by for n in life.close(START + 2 * PANE, [drifted, elsewhere])}
    assert later == {"amount": notices["data_quality", "amount"].fingerprint, "age": None}


def test_another_version_is_not_explained() -> None:
    """A feature broken for version 3 says nothing about version 4."""
    life = Life(rules())
    broken = finding(monitor="data_quality", action="fix_feature")
    notices = life.close(START, [broken, finding(group=GroupKey("fraud", "4"))])
    assert [n.inhibited_by for n in notices] == [None, None]


def _silence(start: int | None, end: int | None) -> Silence:
    return Silence("ana", "migration", model="fr*", severity="critical", start=start, end=end)


def test_a_silenced_alert_is_recorded_not_sent_and_said_when_the_silence_ends() -> None:
    """It fires when the silence is over, if it still does; its repetitions meanwhile are not even recorded."""
    life = Life(rules(silences=(_silence(None, START + 9 * HOUR),)))
    (recorded,) = life.close(START, [finding()])
    assert (recorded.change, recorded.held) == ("fired", "silenced")
    (fired,) = life.close(START + 10 * HOUR)
    assert (fired.change, fired.held, fired.time) == ("fired", "", START + 9 * HOUR)


def test_an_alert_that_was_silenced_all_its_life_leaves_nothing() -> None:
    """Its end is recorded too, and there is no tombstone for what nobody heard of."""
    life = Life(rules(silences=(_silence(START, None),)))
    notices = life.close(START, [finding()]) + life.close(START + PANE, [finding("recovered")])
    assert [(n.change, n.held) for n in notices] == [("fired", "silenced"), ("resolved", "silenced")]
    assert life.close(START + 48 * HOUR) == []
    assert len(life) == 0


def test_who_was_told_of_the_start_is_told_of_the_end() -> None:
    """A silence that begins later holds back repetitions, not the end."""
    life = Life(rules(silences=(_silence(START + HOUR, None),)))
    notices = life.close(START, [finding()]) + life.close(START + 9 * HOUR)
    notices += life.close(START + 10 * HOUR, [finding("recovered")])
    assert said(notices) == [("fired", 1), ("resolved", 2)]


def test_a_silence_means_only_what_it_matches() -> None:
    """Globs for names, equality for severity; both bounds are event time, the end not included."""
    silence = _silence(START, START + PANE)
    assert silence.matches(finding(), "critical")
    assert not silence.matches(finding(), "warning")
    assert not silence.matches(finding(group=GroupKey("churn", "1")), "critical")
    assert [silence.holds(START + n) for n in (-1, 0, PANE)] == [False, True, False]


def test_what_fired_while_catching_up_is_said_only_if_it_still_fires() -> None:
    """Nobody is paged for yesterday."""
    life = Life(rules())
    still, over = finding(), finding(monitor="latency", action="scale")
    notices = life.close(START, [still, over], backfill=True)
    notices += life.close(START + PANE, [replace(over, kind="recovered")], backfill=True)
    assert {n.held for n in notices} == {"backfill"}
    (fired,) = life.close(START + 2 * PANE)
    assert (fired.change, fired.finding.monitor, fired.held) == ("fired", "concept_drift", "")


def test_retiring_a_version_ends_its_alerts_and_no_others() -> None:
    """What was pending is dropped without a word; the others go on."""
    life = Life(rules(hold=PANE))
    other = finding(group=GroupKey("fraud", "4"))
    life.close(START, [finding(), other])
    life.close(START + PANE, [finding(monitor="latency")])
    (retired,) = life.withdraw(START + PANE, "retired", model="fraud", version="3")
    assert (retired.state, retired.finding.group.version) == ("retired", "3")
    assert [n.finding.group.version for n in life.firing()] == ["4"]
    assert life.close(START + 9 * PANE, [finding("recovered")]) == []


def test_alerts_with_one_onset_in_one_version_are_one_incident() -> None:
    """Same version, onsets close together."""
    life = Life(rules())
    drift, quality = finding(since=START), finding(monitor="data_quality", since=START + PANE)
    other, later = (
        finding(group=GroupKey("fraud", "4"), since=START),
        finding(monitor="anomaly", since=START + 2 * HOUR),
    )
    notices = life.close(START + 3 * HOUR, [drift, quality, other, later])
    incidents = {(n.finding.group.version, n.finding.monitor): n.incident for n in notices}
    assert incidents["3", "concept_drift"] == incidents["3", "data_quality"]
    assert len(set(incidents.values())) == 3


def test_a_full_memory_forgets_what_ended_first_and_counts_what_it_cannot_take() -> None:
    """What fires is never forgotten for something new."""
    life = Life(rules(most=2))
    groups = [finding(group=GroupKey("m", str(n))) for n in range(4)]
    life.close(START, groups[:2])
    assert life.close(START + PANE, [groups[2]]) == []
    assert life.overflow == 1
    life.close(START + 2 * PANE, [replace(groups[0], kind="recovered")])
    notices = life.close(START + 3 * PANE, [groups[3]])
    assert [n.change for n in notices] == ["forgotten", "fired"]
    assert {n.finding.group.version for n in life.firing()} == {"1", "3"}


def test_a_fingerprint_says_who_watches_what_of_whom() -> None:
    """It depends on nothing that changes from pane to pane, and is the same in every process and release."""
    first = fingerprint_of("vigil/a", finding())
    assert first == fingerprint_of("vigil/a", finding("updated", since=5, value=1.0, severity="info", summary="x"))
    others = [
        finding(series="x"),
        finding(monitor="x"),
        finding(feature="x"),
        finding(group=GroupKey("fraud", "3", "a", "b")),
    ]
    names = {first, fingerprint_of("vigil/b", finding()), *(fingerprint_of("vigil/a", other) for other in others)}
    assert len(names) == 6
    assert first == "f2b55dbf92bcbf0e1e06b76babd96222"


def test_what_one_pane_says_is_ordered_by_name() -> None:
    """By model, version and monitor, so that a reader finds it and every process says it in the same order."""
    groups = [GroupKey(model, version) for model in ("churn", "fraud") for version in ("1", "2")]
    findings = [finding(group=group, monitor=monitor) for group in groups for monitor in ("anomaly", "latency")]
    said_in = [(n.finding.group, n.finding.monitor) for n in Life(rules()).close(START, findings[::-1])]
    assert said_in == [(found.group, found.monitor) for found in findings]


def test_numbers_of_any_kind_can_be_remembered() -> None:
    """Types of numpy, NaN and arrays in a finding become plain values before they are kept."""
    odd = finding(value=np.float64("nan"), n=np.int64(3), since=np.int64(7), evidence={"counts": np.arange(3)})
    life = Life(rules())
    (notice,) = life.close(START, [odd])
    assert (notice.finding.value, notice.finding.n, notice.evidence) == (None, 3, {"counts": [0, 1, 2]})
    assert restarted(life).firing() == life.firing()
