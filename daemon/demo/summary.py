"""The end of the demo: what happened, what Vigil said of it and how soon, and what to try next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from daemon.demo.layout import Layout
from daemon.demo.story import Story
from daemon.demo.verdicts import Raised, Record, Verdict
from daemon.demo.wording import clock, figure, short, span
from daemon.demo.worlds import WORLDS


def summary(
    record: Record,
    story: Story,
    layout: Layout,
    *,
    status: Mapping[str, Any],
    figures: Mapping[str, Any],
    took_s: float,
) -> Iterator[str]:
    """The lines of the summary, from the pipeline's status and the latest figures of each model."""
    until = int(status.get("closed_until") or story.start)
    accounts = status.get("accounts", {})
    yield ""
    yield (
        f"{span(until - story.start)} of event time in {took_s:.0f} s: {accounts.get('received', 0):,} events, "
        f"{accounts.get('measured', 0):,} measured, {accounts.get('duplicate', 0):,} duplicates, "
        f"{accounts.get('refused', 0):,} refused."
    )
    verdicts = {verdict.incident.model: verdict for verdict in record.verdicts(story, until)}
    positions = status.get("positions", {})
    for world in WORLDS:
        served = positions.get(f"predictions-{world.model}/0", 0)
        yield ""
        yield f"  {world.model} v{world.version}: {served:,} predictions, lately {figure(figures.get(world.model))}"
        for line in _of_model(world.model, verdicts.get(world.model), record, story):
            yield f"    {line}"
    yield ""
    yield from _ending(record, story, layout)


def _of_model(model: str, verdict: Verdict | None, record: Record, story: Story) -> Iterator[str]:
    for each in record.unfounded(story):
        if each.first.finding.group.model == model:
            yield f"FALSE ALARM {clock(each.first.time)}: {each.first.finding.summary}"
    if verdict is not None:
        yield from _met(verdict)
    elif not any(each.first.finding.group.model == model for each in record.raised):
        to_come = [each for each in story.incidents if each.model == model]
        if to_come:
            yield f"nothing was said of it; its trouble was still to come, at {clock(story.start + to_come[0].begins)}"
        else:
            yield "healthy, and nothing was said of it"


def _met(verdict: Verdict) -> Iterator[str]:
    incident, found = verdict.incident, verdict.found_by
    yield f"truth: {incident.what}, from {clock(verdict.began)} to {clock(verdict.ended)}{_seen(verdict)}"
    if found is None or verdict.delay is None:
        yield f"MISSED: no alert of {' or '.join(incident.monitors)} said so"
    else:
        sooner = f"{span(verdict.delay)} after that"
        yield f"found:  {clock(found.first.time)} by {short(found.first)}, {sooner}{_end(found, verdict)}"
        yield f"        {found.first.action}: “{found.first.finding.summary}”"
    besides = [each for each in verdict.raised if each is not found]
    if besides:
        yield f"also:   {_counted(besides)}"


def _seen(verdict: Verdict) -> str:
    if verdict.seen_from - verdict.began < verdict.incident.unseen or not verdict.incident.unseen:
        return ""
    return f"; its first labels came at {clock(verdict.seen_from)}"


def _end(found: Raised, verdict: Verdict) -> str:
    if found.resolved is None:
        return ", still firing"
    return f"; resolved {clock(found.resolved)}, {span(found.resolved - verdict.ended)} after it was over"


def _counted(raised: list[Raised]) -> str:
    """`3 alerts explained by it, 2 of segments` and what else there is."""
    explained = [each for each in raised if each.latest.inhibited_by or each.first.inhibited_by]
    segments = [each for each in raised if not each.whole and each not in explained]
    others = [each for each in raised if each not in explained and each not in segments]
    parts = [short(each.first) for each in others]
    parts += [f"{len(segments)} of its segments"] if segments else []
    parts += [f"{len(explained)} that follow from it"] if explained else []
    return ", ".join(parts)


def _ending(record: Record, story: Story, layout: Layout) -> Iterator[str]:
    resolved = sum(each.resolved is not None for each in record.raised)
    false = len(record.unfounded(story))
    yield f"Alerts: {len(record.raised)} fired, {resolved} resolved, {false or 'none'} of them false."
    yield f"  alerts     {layout.alerts}"
    yield f"  readings   {layout.readings}"
    yield f"  log        {layout.log}"
    if any(each.latest.finding.provisional for each in record.raised):
        yield "Provisional ones rest on a reference that is younger than a day."
    yield f"Next: change a threshold in {layout.config} and see what it would have said of the same events:"
    yield f"  vigild replay -c {layout.config} --input {layout.events}/*.ndjson"
