"""What was said is held against the truth without favour: missed, late and false are called so."""

from pathlib import Path
from typing import Any

from daemon.alerts.notice import Change, Notice, State
from daemon.demo.layout import Layout
from daemon.demo.story import HOUR, MINUTE, one_monday
from daemon.demo.summary import summary
from daemon.demo.verdicts import Record
from processors.base import Finding
from processors.profile import GroupKey

STORY = one_monday()


def notice(
    model: str, monitor: str, at: int, state: State = "firing", *, feature: str | None = None, **other: Any
) -> Notice:
    """Something said about an alert, `at` so long after the story's start."""
    time = STORY.start + at
    change: Change = "fired" if state == "firing" else "resolved"
    finding = Finding("fired", monitor, "series", GroupKey(model, "1"), time, 0.2, 100, "It moved.", feature=feature)
    settled: dict[str, Any] = {"evidence": {}, "held": "", "inhibited_by": None, **other}
    return Notice(
        f"{model}/{monitor}/{feature}",
        1,
        time,
        change,
        state,
        finding,
        "none",
        "",
        "critical",
        time,
        time,
        "i",
        **settled,
    )


def told(record: Record, hours: int = 32) -> str:
    """The summary as one text."""
    status = {"closed_until": STORY.start + hours * HOUR}
    lines = summary(record, STORY, Layout(Path("d")), status=status, figures={}, took_s=30.0)
    return "\n".join(lines)


def test_the_delay_counts_from_the_first_traces_that_could_reach_anybody() -> None:
    """Credit's labels take three hours: an alert four hours after the drift began is one hour late."""
    record = Record()
    began = next(each.begins for each in STORY.incidents if each.model == "credit")
    record.note(notice("credit", "concept_drift", began + 4 * HOUR))
    verdict = next(v for v in record.verdicts(STORY, STORY.start + 32 * HOUR) if v.incident.model == "credit")
    assert verdict.delay == HOUR


def test_an_alert_that_names_another_feature_has_not_found_the_broken_one() -> None:
    """Found means named: weight_kg is not distance_km."""
    record = Record()
    record.note(notice("pricing", "feature_drift", 19 * HOUR, feature="weight_kg"))
    assert "MISSED" in told(record)
    record.note(notice("pricing", "feature_drift", 20 * HOUR, feature="distance_km"))
    verdict = next(v for v in record.verdicts(STORY, STORY.start + 32 * HOUR) if v.incident.model == "pricing")
    assert verdict.delay == 2 * HOUR


def test_an_alert_of_the_healthy_model_is_called_false() -> None:
    """Nothing ever happens to churn; nor to fraud before its drift."""
    record = Record()
    record.note(notice("churn", "volume", 30 * HOUR))
    record.note(notice("fraud", "concept_drift", 2 * HOUR))
    assert [each.first.finding.group.model for each in record.unfounded(STORY)] == ["churn", "fraud"]
    assert told(record).count("FALSE ALARM") == 2
    assert "nothing was said of it" not in told(record)


def test_what_has_not_happened_yet_is_not_missed() -> None:
    """A demo that was stopped early is judged by what it could have seen."""
    assert "MISSED" not in told(Record(), hours=12)


def test_what_is_held_back_was_not_said() -> None:
    """Backfill and silenced alerts are recorded elsewhere; here only what reached people counts."""
    record = Record()
    record.note(notice("churn", "volume", HOUR, held="backfill"))
    assert record.raised == []


def test_an_alert_is_over_when_it_resolved_and_a_new_one_when_it_fires_again() -> None:
    """Two firings of one fingerprint are two alerts."""
    record = Record()
    steps: list[tuple[int, State]] = [(0, "firing"), (10, "firing"), (20, "resolved"), (30, "firing")]
    for minutes, state in steps:
        record.note(notice("fraud", "concept_drift", 21 * HOUR + minutes * MINUTE, state))
    assert [each.resolved is not None for each in record.raised] == [True, False]
    assert len(record.firing("fraud")) == 1
