"""Findings, rules and random histories for the tests of alerts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from daemon.alerts.life import Life
from daemon.alerts.notice import Notice
from daemon.alerts.rules import Rules
from processors.base import Finding
from processors.packing import pack, unpack
from processors.profile import GroupKey

PANE = 10_000_000
HOUR = 3_600_000_000
FRAUD = GroupKey("fraud", "3")


def finding(kind: str = "fired", **changes: Any) -> Finding:
    """A finding of concept drift on fraud v3, unless said otherwise."""
    fields: dict[str, Any] = {
        "kind": kind, "monitor": "concept_drift", "series": "error_rate", "group": FRAUD, "since": 0, "value": 0.21,
        "n": 1840, "summary": "Model fraud v3: error rate rose from 12% to 21%.", "severity": "critical",
        "action": "retrain",
    }  # fmt: skip
    return Finding(**(fields | changes))


def rules(**changes: Any) -> Rules:
    """Rules with round lengths; ten-second panes."""
    fields: dict[str, Any] = {"source": "vigil/test", "pane": PANE, "renotify": 4 * HOUR, "keep": 24 * HOUR}
    return Rules(**(fields | changes))


@dataclass(frozen=True)
class Step:
    """One closed pane of a history; `explain` says whether the explainer answered with it, and how."""

    end: int
    findings: tuple[Finding, ...]
    explain: str = ""
    retire: str = ""
    backfill: bool = False


def restarted(life: Life) -> Life:
    """The life after its state went to disk and came back."""
    return Life(life.rules, unpack(pack(life.to_state())))


def run(life: Life, step: Step) -> list[Notice]:
    """One step of a history."""
    if step.explain:
        life.add_evidence("fraud", "3", {"top_features": [{"feature": step.explain, "share": 0.5}]})
    notices = life.close(step.end, step.findings, backfill=step.backfill)
    if step.retire:
        notices += life.withdraw(step.end, "retired", model="fraud", version=step.retire)
    return notices


def said(notices: list[Notice]) -> list[tuple[str, int]]:
    """Change and sequence of each notice that leaves."""
    return [(notice.change, notice.sequence) for notice in notices if not notice.held]


@st.composite
def _findings(draw: st.DrawFn, end: int) -> Finding:
    monitor, action = draw(
        st.sampled_from([("concept_drift", "retrain"), ("data_quality", "fix_feature"), ("latency", "scale")])
    )
    return finding(
        draw(st.sampled_from(["fired", "fired", "recovered", "updated"])),
        monitor=monitor,
        action=action,
        group=GroupKey("fraud", draw(st.sampled_from(["3", "4"]))),
        feature=draw(st.sampled_from([None, "amount"])),
        since=end - draw(st.integers(-PANE, HOUR)),
        value=draw(st.sampled_from([0.1, float("nan"), None])),
        severity=draw(st.sampled_from(["info", "warning", "critical"])),
        evidence=draw(st.sampled_from([{}, {"top_features": [{"feature": "amount", "psi": 0.4}]}])),
    )


@st.composite
def histories(draw: st.DrawFn) -> list[Step]:
    """Panes at irregular distances, seconds to days, with findings in any order, whether they make sense or not."""
    end, steps = 1_000_000 * PANE, []
    for _ in range(draw(st.integers(1, 12))):
        end += PANE * draw(st.sampled_from([1, 1, 1, 2, 30, 60, 400, 1500, 20_000]))
        steps.append(
            Step(
                end,
                tuple(draw(st.lists(_findings(end), max_size=5))),
                explain=draw(st.sampled_from(["", "", "amount", "country"])),
                retire=draw(st.sampled_from(["", "", "", "", "3"])),
                backfill=draw(st.sampled_from([False, False, False, True])),
            )
        )
    return steps


@st.composite
def any_rules(draw: st.DrawFn) -> Rules:
    """Rules with and without holds, silences and room."""
    from daemon.alerts.silences import Silence

    start = 1_000_000 * PANE + draw(st.sampled_from([0, HOUR, 30 * HOUR]))
    silence = Silence("ana", "migration", monitor="concept*", start=start, end=start + draw(st.integers(1, 9)) * HOUR)
    return rules(
        min_hold=draw(st.sampled_from([0, 3 * PANE])),
        hold=draw(st.sampled_from([0, 0, 2 * PANE])),
        update_every=draw(st.sampled_from([PANE, HOUR])),
        most=draw(st.sampled_from([2, 5, 100])),
        silences=draw(st.sampled_from([(), (silence,)])),
    )
