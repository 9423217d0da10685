"""What operators order: acknowledge, silence, lift, accept."""

from __future__ import annotations

from dataclasses import replace

from daemon.alerts.life import Life
from daemon.alerts.silences import Silence
from tests.daemon.alerts.findings import HOUR, PANE, finding, restarted, rules, said

START = 1_000_000 * PANE


def _fired() -> Life:
    life = Life(rules())
    life.close(START, [finding(severity="warning")])
    return life


def test_an_acknowledged_alert_says_who_is_on_it_and_wakes_nobody() -> None:
    """Said at once, with who and why; repetitions go on, for they keep it valid, but do not page."""
    life = _fired()
    (notice,) = life.acknowledge(START + PANE, life.meant(life.firing()[0].incident[:8]), "ana", "on it")
    assert (notice.change, notice.sequence, notice.page) == ("acknowledged", 2, False)
    assert notice.decided is not None
    assert (notice.decided.who, notice.decided.why, notice.decided.at) == ("ana", "on it", START + PANE)
    later = restarted(life).close(START + 9 * HOUR)
    assert [(n.change, n.page, n.decided == notice.decided) for n in later] == [("repeated", False, True)] * 2


def test_what_gets_worse_after_it_was_acknowledged_pages() -> None:
    """Whoever took a warning has not yet heard that it is critical."""
    life = _fired()
    life.acknowledge(START + PANE, life.meant(life.firing()[0].fingerprint), "ana", "on it")
    (worse,) = life.close(START + 2 * PANE, [finding("updated", severity="critical")])
    assert (worse.change, worse.page) == ("updated", True)


def test_an_acknowledgement_ends_with_its_alert() -> None:
    """When it comes back it is a new matter."""
    life = _fired()
    life.acknowledge(START + PANE, life.meant(life.firing()[0].fingerprint), "ana", "on it")
    life.close(START + 2 * PANE, [finding("recovered")])
    (again,) = life.close(START + 9 * HOUR, [finding(since=START + 8 * HOUR)])
    assert (again.change, again.page, again.decided) == ("fired", True, None)


def test_an_accepted_alert_ends_and_says_who_said_so() -> None:
    """Its end is a state of its own: nothing recovered."""
    life = _fired()
    (notice,) = life.accept(START + PANE, life.meant(life.firing()[0].fingerprint), "ana", "new prices")
    assert (notice.state, notice.ended, life.firing_count) == ("accepted", START + PANE, 0)
    assert notice.decided is not None
    assert notice.decided.what == "accepted"
    assert life.close(START + 2 * PANE, [finding("recovered")]) == []


def test_a_silence_ordered_at_run_time_holds_back_until_it_is_over() -> None:
    """As one of the configuration does; it survives a restart and is forgotten when it is over."""
    life = Life(rules())
    life.silence(START, Silence("ana", "migration", model="fr*", start=START, end=START + HOUR, name="s1"))
    life = restarted(life)
    (held,) = life.close(START + PANE, [finding()])
    assert held.held == "silenced"
    (fired,) = life.close(START + 2 * HOUR)
    assert (fired.change, fired.time) == ("fired", START + HOUR)
    life.silence(START + 2 * HOUR, Silence("bob", "other", model="x", end=START + 9 * HOUR, name="s2"))
    assert [silence.name for silence in life.ordered] == ["s2"]


def test_lifting_a_silence_says_at_once_what_it_held_back() -> None:
    """Under its name; another one stays."""
    life = Life(rules())
    life.silence(START, Silence("ana", "migration", model="fr*", end=START + HOUR, name="s1"))
    life.silence(START, Silence("ana", "tests", model="x", end=START + HOUR, name="s2"))
    life.close(START + PANE, [finding()])
    assert said(life.lift(START + 2 * PANE, "s1")) == [("fired", 2)]
    assert [silence.name for silence in life.ordered] == ["s2"]


def test_a_name_means_a_fingerprint_or_an_incident_or_nothing() -> None:
    """By its beginning; what ended is not meant."""
    life = Life(rules())
    one, other = life.close(START, [finding(), finding(monitor="latency")])
    assert len(life.meant(one.incident)) == 2
    assert [alert.fingerprint for alert in life.meant(other.fingerprint[:8])] == [other.fingerprint]
    life.close(START + PANE, [replace(finding(), kind="recovered")])
    assert len(life.meant(one.incident)) == 1
    assert life.meant("ffffffff") == []
