"""What is behind a rise of errors: labels, an unlucky version, a world that has changed; and what it costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from processors.base import Finding
from processors.drift.concept import ConceptDrift
from processors.examples import START_US, Event
from tests.processors.drift.conftest import Run

HEALTHY, BROKEN, PANE_US = 150, 60, 10_000_000


def _event(pane: int, row: int, version: str, answer: bool, label: bool) -> Event:
    return {
        "id": f"{version}-{pane}-{row}", "model": "fraud", "version": version, "features": {},
        "ts": START_US + pane * PANE_US + row, "segment": {"region": ("eu", "asia")[row % 2]},
        "prediction": int(answer), "label": int(label),
    }  # fmt: skip


def _panes(broken: Any, version: str = "3", seed: int = 5) -> list[list[Event]]:
    """Thirty percent positives, a tenth of the answers wrong; `broken` makes (answer, label) of a pair afterwards."""
    rng = np.random.default_rng(seed)
    made = []
    for pane in range(HEALTHY + BROKEN):
        events = []
        for row in range(20):
            label = bool(rng.random() < 0.3)
            answer = label ^ bool(rng.random() < 0.1)
            if pane >= HEALTHY:
                answer, label = broken(answer, label, rng)
            events.append(_event(pane, row, version, answer, label))
        made.append(events)
    return made


def _first(run: Run, panes: list[list[Event]], version: str = "3") -> Finding:
    said = run(ConceptDrift(ConceptDrift.Settings()), panes)
    return next(f for f in said.findings if not f.group.segment and f.group.version == version)


@pytest.mark.parametrize(
    ("broken", "action", "why"),
    [
        (lambda answer, label, _: (answer, not label), "check_labels", "opposites"),
        (lambda answer, _label, rng: (answer, rng.random() < 0.02), "check_labels", "are positive, usually 3"),
        (lambda _answer, label, rng: (label ^ (rng.random() < 0.4), label), "retrain", "less often right"),
    ],
)
def test_labels_that_broke_are_told_from_a_model_that_errs(run: Run, broken: Any, action: str, why: str) -> None:
    """Inverted labels, and positives that do not arrive; retraining would learn them."""
    said = run(ConceptDrift(ConceptDrift.Settings()), _panes(broken))
    told = [found for found in said.findings if not found.group.segment]
    assert told[0].kind == "fired"
    latest = [found for found in told if found.n <= 8 * told[0].n][-1]
    assert (latest.action, why in latest.reason) == (action, True)


def test_labels_that_are_inverted_late_are_told_by_the_last_of_them(run: Run) -> None:
    """An onset that is too early, or trouble before it, must not hide for hours that all answers are wrong now."""
    seen = 0

    def broken(answer: bool, label: bool, rng: Any) -> tuple[bool, bool]:
        nonlocal seen
        seen += 1
        return answer, not label if seen > 400 or rng.random() < 0.3 else label

    said = run(ConceptDrift(ConceptDrift.Settings()), _panes(broken))
    told = [found for found in said.findings if not found.group.segment and found.kind != "recovered"]
    assert told[0].action == "retrain"
    last = told[-1]
    assert (last.action, last.value is not None and last.value < 0.7) == ("check_labels", True)


def _drawn(shift: float, broken: bool) -> list[list[Event]]:
    """A score in each event; since the break the label's log-odds are `shift` higher, or are another matter."""
    rng = np.random.default_rng(8)
    panes: list[list[Event]] = []
    for pane, events in enumerate(_panes(lambda answer, label, _: (answer, label))):
        logit = rng.normal(-1.5, 2.0, len(events))
        world = rng.normal(0.7, 2.0, len(events)) if broken else logit + shift
        truth = rng.random(len(events)) < 1 / (1 + np.exp(-(world if pane >= HEALTHY else logit)))
        drawn = zip(events, (1 / (1 + np.exp(-logit))).tolist(), truth.tolist(), strict=True)
        panes.append([{**e, "score": score, "prediction": int(score > 0.5), "label": int(y)} for e, score, y in drawn])
    return panes


@pytest.mark.parametrize(("shift", "broken", "action"), [(2.0, False, "recalibrate"), (0.0, True, "retrain")])
def test_scores_that_are_off_are_told_from_scores_that_tell_nothing(
    run: Run, shift: float, broken: bool, action: str
) -> None:
    """Positives more frequent at every score; or as much more frequent, and anywhere."""
    said = run(ConceptDrift(ConceptDrift.Settings()), _drawn(shift, broken))
    told = [found for found in said.findings if not found.group.segment]
    assert told[0].kind == "fired"
    assert told[-1].action == action
    assert ("of the labels are positive, usually" in told[-1].reason) == (action == "recalibrate")


def test_a_version_that_errs_where_the_one_before_does_not_is_rolled_back(run: Run) -> None:
    """Only while that one is still served, so that both were right or wrong about the same days."""
    worse = _panes(lambda _answer, label, rng: (label ^ (rng.random() < 0.4), label), "4")
    before = _panes(lambda answer, label, _: (answer, label), "3", seed=6)
    fired = _first(run, [one + other for one, other in zip(before, worse, strict=True)], "4")
    assert fired.action == "rollback"
    assert fired.reason.startswith("v3 still serves and errs in ")
    gone = [one + other if at < HEALTHY else other for at, (one, other) in enumerate(zip(before, worse, strict=True))]
    assert _first(run, gone, "4").action == "retrain"


def _in_asia(event: Event, rng: np.random.Generator) -> Event:
    broken = event["segment"]["region"] == "asia" and rng.random() < 0.6
    return {**event, "label": 1 - event["prediction"]} if broken else event


def test_what_it_costs_where_it_is_worst_and_since_when(run: Run) -> None:
    """Extra errors since the onset; the segment that erred, and not the other; bounds that hold the onset."""
    rng = np.random.default_rng(1)
    panes = _panes(lambda answer, label, _: (answer, label))
    fired = _first(run, panes[:HEALTHY] + [[_in_asia(event, rng) for event in pane] for pane in panes[HEALTHY:]])
    assert fired.value is not None
    assert fired.reference is not None
    cost = fired.evidence["cost"]
    assert cost["extra_errors"] == round((fired.value - fired.reference) * fired.n)
    assert cost["extra_errors_per_day"] > cost["extra_errors"]
    assert fired.evidence["worst_segments"][0]["segment"] == {"region": "asia"}
    assert fired.onset is not None
    assert fired.onset[0] <= START_US + HEALTHY * PANE_US <= fired.onset[1]
