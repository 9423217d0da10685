"""How early, how truly and how often does the alert topic speak, all monitors on, with the default config?

    python -m bench.accuracy DATA [--family drift] [--only PART_OF_NAME] [--events N] [--times K] [--rate R]
        [--write PAGE]

Of an incident the first alert that fires on its version (and after the stream has changed) is the detection; further
alerts until a thousand events after its end are told as its companions. Any other alert is false. Beside it River's
detectors on the error streams (`bench.rivals`). One JSON line at the end. Nothing is tuned by stream.
"""

from __future__ import annotations

import argparse
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from bench.events import Incident, Stream
from bench.replaying import Said, replay
from bench.rivals import compete
from bench.streams import FAMILIES, all_streams, multiplied, shortened

_AFTER = 1_000
"""Events after an incident's end in which an alert is still about it."""


@dataclass(frozen=True, slots=True)
class Found:
    """An incident and the alerts about it."""

    stream: str
    incident: Incident
    alerts: list[Said]

    @property
    def delay(self) -> int | None:
        """Events from its beginning to the first alert; None: not found."""
        return max(0, self.alerts[0].event - self.incident.begin) if self.alerts else None

    @property
    def named(self) -> bool | None:
        """Did the first alert that names a feature name the broken one? None: nothing broke, or none was named."""
        names = [said.notice.finding.feature for said in self.alerts if said.notice.finding.feature]
        return names[0] == self.incident.feature if names and self.incident.feature else None


@dataclass(frozen=True, slots=True)
class Judged:
    """What a stream's alerts amount to."""

    stream: Stream
    said: list[Said]
    found: list[Found]
    false: list[Said]
    seconds: float

    @property
    def flapping(self) -> int:
        """Fingerprints that fired more than twice."""
        fired = Counter(said.notice.fingerprint for said in self.said if said.firing)
        return sum(count > 2 for count in fired.values())

    @property
    def unresolved(self) -> list[Said]:
        """Alerts about an incident with an end that still fired when the stream was over."""
        last = {said.notice.fingerprint: said for said in self.said}
        ended = any(one.end < len(self.stream) for one in self.stream.incidents)
        return [said for said in last.values() if said.firing] if self.stream.family == "broken" and ended else []


def judge(stream: Stream, per_second: float) -> Judged:
    """Replay a stream and sort what was said by what is known."""
    said, seconds = replay(stream, per_second)
    left = [one for one in said if one.firing]
    found = []
    for incident in stream.incidents:
        mine = [one for one in left if _about(one, incident)]
        left = [one for one in left if one not in mine]
        found.append(Found(stream.name, incident, mine))
    return Judged(stream, said, found, left, seconds)


def _about(said: Said, incident: Incident) -> bool:
    version = said.version in (incident.version, "")
    return version and incident.begin - incident.early < said.event <= incident.end + _AFTER


def main(arguments: Sequence[str] | None = None) -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--family", action="append", choices=FAMILIES)
    parser.add_argument("--only", default="", help="only streams with this in their name")
    parser.add_argument("--events", type=int, help="only so many events of each stream")
    parser.add_argument("--rate", type=float, default=1.0, help="events a second")
    parser.add_argument("--times", type=int, default=1, help="so many times as many events, drawn from each stretch")
    parser.add_argument("--write", type=Path, help="write the table there, as Markdown")
    chosen = parser.parse_args(arguments)
    results = []
    for stream in all_streams(chosen.data, chosen.family or FAMILIES, chosen.only):
        short = shortened(stream, chosen.events) if chosen.events else stream
        results.append(judge(multiplied(short, chosen.times) if chosen.times > 1 else short, chosen.rate))
        _show(results[-1])
    rivals = compete([judged.stream for judged in results if judged.stream.family == "drift"])
    figures = summary(results, chosen.rate) | {"rivals": {name: tried.figures() for name, tried in rivals.items()}}
    print("\n".join(["", *beside(figures)]))
    if chosen.write:
        chosen.write.write_text(markdown(results, figures))
    print(orjson.dumps(figures).decode())


def _show(judged: Judged) -> None:
    print(f"\n{judged.stream.name}: {len(judged.stream):,} events in {judged.seconds:.0f} s", flush=True)
    for found in judged.found:
        bound = "not visible" if found.incident.bound is None else f"bound {found.incident.bound:.0f}"
        print(
            f"  {found.incident.what} at {found.incident.begin} (v{found.incident.version}), {bound}: {_words(found)}"
        )
    for said in judged.said:
        print(f"  {'FALSE ' if said in judged.false else ''}{said.words}")
    for said in judged.unresolved:
        print(f"  UNRESOLVED {said.words}", flush=True)


def _words(found: Found) -> str:
    if found.delay is None:
        return "not found"
    first, others = found.alerts[0], Counter(said.monitor for said in found.alerts[1:])
    then = "".join(f", {name} x{count}" for name, count in sorted(others.items()))
    return f"{first.monitor} after {found.delay}{'; then' + then[1:] if then else ''}"


def summary(results: Sequence[Judged], rate: float) -> dict[str, Any]:
    """The figures of the last line."""
    found = [one for judged in results for one in judged.found]
    visible = [one for one in found if one.incident.bound is not None]
    figures: dict[str, Any] = {"events_per_second": rate, "streams": len(results)}
    for family, early in (("abrupt", False), ("gradual", True)):
        mine = [one for one in visible if one.incident.what == "drift" and (one.incident.early > 0) is early]
        delays = [one.delay for one in mine if one.delay is not None]
        figures[family] = {
            "visible": len(mine),
            "found": len(delays),
            "within_bound": sum((d.delay or 0) <= (d.incident.bound or 0) for d in mine if d.delay is not None),
            "median_delay": statistics.median(delays) if delays else None,
            "mean_delay": round(statistics.mean(delays), 1) if delays else None,
        }
    breaks = [one for one in visible if one.incident.feature]
    figures["broken"] = {
        "incidents": len(breaks),
        "found_within_2000": sum(one.delay is not None and one.delay <= 2_000 for one in breaks),
        "feature_named_first": sum(one.named is True for one in breaks),
        "pages_each": round(sum(said.page for one in breaks for said in one.alerts) / max(len(breaks), 1), 2),
        "unresolved": sum(len(judged.unresolved) for judged in results),
    }
    false = Counter(said.monitor for judged in results for said in judged.false)
    figures["false_alarms"] = dict(sorted(false.items()))
    figures["stable_events"] = sum(len(judged.stream) for judged in results if judged.stream.family == "stable")
    figures["flapping"] = sum(judged.flapping for judged in results)
    figures["seconds"] = round(sum(judged.seconds for judged in results))
    return figures


def beside(figures: dict[str, Any]) -> list[str]:
    """Vigil beside the rivals: the lines of a table."""
    own = {kind: figures[kind] for kind in ("abrupt", "gradual")} | {"false": sum(figures["false_alarms"].values())}
    lines = [
        "| on the drifting streams | abrupt: found | median | mean | gradual: found | median | mean | false |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, tried in {"Vigil, all monitors": own, **figures["rivals"]}.items():
        cells = [name]
        for kind in ("abrupt", "gradual"):
            said = tried[kind]
            cells += [f"{said['found']} of {said['visible']}", str(said["median_delay"]), str(said["mean_delay"])]
        lines.append(f"| {' | '.join([*cells, str(tried['false'])])} |")
    return lines


def markdown(results: Sequence[Judged], figures: dict[str, Any]) -> str:
    """The page for docs."""
    lines = [
        "# How early and how true alerts are",
        "",
        "Written by `make bench-accuracy DATA=../shared/data`; `bench/streams.py` says what the streams are.",
        "Default config, all monitors on; delays are in events. Bound: 2.5 times what the information in the change",
        "allows at the configured false-alarm budget, and two panes; for broken features 2,000 events. Pages: alerts",
        "about the incident that no other alert explains. False: alerts about nothing that is known to have happened.",
        "",
        "| stream | incident | at event | bound | delay | first alert | pages | alerts in all | false |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for judged in results:
        if not judged.found:
            lines.append(f"| {judged.stream.name} | none in {len(judged.stream):,} | | | | | | | {len(judged.false)} |")
        for number, found in enumerate(judged.found):
            bound = "not visible" if found.incident.bound is None else f"{found.incident.bound:.0f}"
            delay = "-" if found.delay is None else str(found.delay)
            first = found.alerts[0].monitor if found.alerts else "not found"
            false = str(len(judged.false)) if number == 0 else ""
            lines.append(
                f"| {judged.stream.name} | {found.incident.what} | {found.incident.begin:,} | {bound} | {delay} "
                f"| {first} | {sum(said.page for said in found.alerts)} | {len(found.alerts)} | {false} |"
            )
    return "\n".join(
        [
            *lines,
            "",
            *beside(figures),
            "",
            "```json",
            orjson.dumps(figures, option=orjson.OPT_INDENT_2).decode(),
            "```",
            "",
        ]
    )


if __name__ == "__main__":
    main()
