"""A state machine over random histories: findings, time, restarts, operators, outages, retirements, in any order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from daemon.alerts.life import Life
from daemon.alerts.notice import SEVERITIES, Notice
from daemon.alerts.rules import Rules
from daemon.alerts.silences import Silence
from processors.packing import pack
from processors.profile import GroupKey
from tests.daemon.alerts.findings import HOUR, PANE, any_rules, finding, restarted

START = 1_000_000 * PANE
MONITORS = {
    "concept_drift": "retrain", "prediction_drift": "retrain", "data_quality": "fix_feature", "latency": "scale",
    "anomaly": "none",
}  # fmt: skip
SUBJECTS = st.tuples(st.sampled_from(sorted(MONITORS)), st.sampled_from(["3", "4"]), st.sampled_from(["", "eu"]))


class AnyHistory(RuleBasedStateMachine):
    """Two lives are led: one in a single process, one that is restarted after everything that happens to it."""

    @initialize(rules=any_rules(), flap_window=st.sampled_from([0, 6 * HOUR]))
    def begin(self, rules: Rules, flap_window: int) -> None:
        """Under any rules."""
        self.how = replace(rules, flap_window=flap_window, most=1_000)
        self.life, self.twin = Life(self.how), Life(self.how)
        self.end, self.backfill = START, False
        self.state: dict[str, str] = {}
        self.sequence: dict[str, int] = defaultdict(int)
        self.paged: dict[str, int] = defaultdict(int)
        self.acknowledged: dict[str, str] = {}

    def _do(self, act: Callable[[Life], list[Notice]]) -> list[Notice]:
        """Let both live it, and hear what they say."""
        notices = act(self.life)
        self.twin = restarted(self.twin)
        assert act(self.twin) == notices
        for notice in notices:
            self._hear(notice)
        return notices

    def _hear(self, notice: Notice) -> None:
        """What a receiver notes down, and what it relies on."""
        name = notice.fingerprint
        if notice.state != "firing":
            self.paged.pop(notice.incident, None)
            self.acknowledged.pop(name, None)
        if notice.held:
            assert not notice.page
            return
        before = self.state.get(name)
        assert notice.sequence > self.sequence[name]
        self.sequence[name] = notice.sequence
        if notice.change == "forgotten":
            assert before not in (None, "firing")
            del self.state[name], self.sequence[name]
            return
        assert (notice.change == "fired") == (before != "firing")
        assert notice.state == "firing" or before == "firing"
        self.state[name] = notice.state
        if notice.page:
            level = SEVERITIES.index(notice.severity)
            assert level > self.paged[notice.incident]
            assert level > SEVERITIES.index(self.acknowledged.get(name, "info"))
            self.paged[notice.incident] = level

    @rule(subject=SUBJECTS, kind=st.sampled_from(["fired", "fired", "updated", "recovered"]),
          severity=st.sampled_from(SEVERITIES), age=st.sampled_from([0, PANE, HOUR // 2, 3 * HOUR]),
          panes=st.sampled_from([1, 1, 2, 40, 400]))  # fmt: skip
    def find(self, subject: tuple[str, str, str], kind: str, severity: str, age: int, panes: int) -> None:
        """A pane closes with a finding."""
        monitor, version, segment = subject
        group = GroupKey("fraud", version, "region" if segment else "", segment)
        self.end += panes * PANE
        found = finding(
            kind, monitor=monitor, action=MONITORS[monitor], group=group, severity=severity, since=self.end - age
        )
        self._do(lambda life: life.close(self.end, [found], backfill=self.backfill))

    @rule(subjects=st.lists(SUBJECTS, min_size=1, max_size=4), severity=st.sampled_from(SEVERITIES))
    def go_wrong(self, subjects: list[tuple[str, str, str]], severity: str) -> None:
        """Several things at once, in the next pane."""
        self.end += PANE
        found = [
            finding(monitor=monitor, action=MONITORS[monitor], severity=severity, since=self.end - PANE,
                    group=GroupKey("fraud", version, "region" if segment else "", segment))
            for monitor, version, segment in subjects
        ]  # fmt: skip
        self._do(lambda life: life.close(self.end, found, backfill=self.backfill))

    @rule(panes=st.sampled_from([1, 30, 360, 3_000, 20_000]))
    def wait(self, panes: int) -> None:
        """Nothing is found for a while."""
        self.end += panes * PANE
        self._do(lambda life: life.close(self.end, backfill=self.backfill))

    @rule(on=st.booleans())
    def fall_behind(self, on: bool) -> None:
        """Vigil was away, or has caught up, from the next pane on."""
        self.backfill = on

    @rule(feature=st.sampled_from(["amount", "country"]), version=st.sampled_from(["3", "4"]))
    def explain(self, feature: str, version: str) -> None:
        """The explainer answers, to be said with the next pane."""
        for life in (self.life, self.twin):
            life.add_evidence("fraud", version, {"top_features": [{"feature": feature, "share": 0.5}]})

    @precondition(lambda self: self.life.firing_count)
    @rule(data=st.data(), by_incident=st.booleans())
    def acknowledge(self, data: st.DataObject, by_incident: bool) -> None:
        """Somebody takes an alert, or a whole incident."""
        notice = data.draw(st.sampled_from(self.life.firing()))
        name = notice.incident if by_incident else notice.fingerprint[:12]
        meant = {alert.fingerprint: alert.severity for alert in self.life.meant(name)}
        self._do(lambda life: life.acknowledge(self.end, life.meant(name), "ana", "on it"))
        assert all(n.decided is not None for n in self.life.firing() if n.fingerprint in meant)
        self.acknowledged |= meant

    @precondition(lambda self: self.life.firing_count)
    @rule(data=st.data())
    def accept(self, data: st.DataObject) -> None:
        """Somebody takes it for normal: it fires no more, and whoever was told hears of it."""
        name = data.draw(st.sampled_from(self.life.firing())).fingerprint
        self._do(lambda life: life.accept(self.end, life.meant(name), "ana", "new prices"))
        assert name not in {notice.fingerprint for notice in self.life.firing()}
        assert self.state.get(name) in (None, "accepted", "resolved", "retired")

    @rule(monitor=st.sampled_from(sorted(MONITORS)), hours=st.integers(1, 30), name=st.sampled_from(["s1", "s2"]))
    def silence(self, monitor: str, hours: int, name: str) -> None:
        """Somebody holds something back."""
        silence = Silence("ana", "work", monitor=monitor, end=self.end + hours * HOUR, name=name)
        self._do(lambda life: life.silence(self.end, silence))

    @rule(name=st.sampled_from(["s1", "s2"]))
    def lift(self, name: str) -> None:
        """Somebody holds it back no more."""
        self._do(lambda life: life.lift(self.end, name))
        assert name not in {silence.name for silence in self.life.ordered}

    @rule(version=st.sampled_from(["3", "4"]))
    def retire(self, version: str) -> None:
        """A version is served no more."""
        self._do(lambda life: life.withdraw(self.end, "retired", model="fraud", version=version))
        assert version not in {notice.finding.group.version for notice in self.life.firing()}

    @invariant()
    def lives_are_the_same(self) -> None:
        """Whatever is restarted when: the same state, to the byte; and who was told of a start knows what fires."""
        assert pack(self.life.to_state()) == pack(self.twin.to_state())
        firing = {notice.fingerprint for notice in self.life.firing()}
        assert {name for name, state in self.state.items() if state == "firing"} <= firing
        held = {notice.fingerprint for notice in self.life.firing() if notice.held}
        assert firing - held <= self.state.keys()

    def teardown(self) -> None:
        """In the end all of it goes away by itself."""
        if not hasattr(self, "life"):
            return
        self.backfill = False
        self._do(lambda life: life.withdraw(self.end, "superseded"))
        self.end += self.how.keep + PANE
        self._do(lambda life: life.close(self.end))
        assert self.state == {}
        assert len(self.life) == 0


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
