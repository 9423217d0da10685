"""A simulated fleet with scripted incidents, and what whoever is on call is told of it.

    python -m bench.oncall [--models 15] [--days 2] [--seed 1] [--every 20] [--calm 26] [--apart 2] [--read]

The fleet and its incidents are those of `bench/incidents.py`; the first day is calm. Told are the pages and incidents
(as the alerts name them) of each, how late the first was, what it advised, and every page that is about nothing that
happened; `--read` prints the pages themselves. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson

from bench.incidents import BEGIN_S, HOUR_S, Scripted, dump, eaten, events, script
from config import Config, config_hash, parse
from daemon import app, telemetry
from daemon.alerts.events import Events, Owner
from daemon.alerts.notice import Notice
from daemon.stamps import rfc3339

_SLACK_S = 6 * HOUR_S
"""After an incident's end pages may still be about it: labels are late, and recoveries take their time."""

_CONFIG = "models: {m02: {thresholds: [{series: accuracy, below: 0.75, min_n: 100}]}}"
"""All defaults, and a threshold for the model whose concept drifts."""


def said_of(lines: Iterable[bytes], config: Config, alerts: Path | None) -> list[Notice]:
    """What a replay of these events says, in order."""
    telemetry.configure("error", "json")
    said: list[Notice] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.ndjson"
        with path.open("wb") as output:
            output.writelines(line + b"\n" for line in lines)
        alerts = alerts or Path(folder) / "alerts.ndjson"
        with closing(app.replaying(config, [path], alerts=alerts, on_notice=said.append)) as pipeline:
            pipeline.run(lambda: False)
    return said


def about(notice: Notice, incident: Scripted) -> bool:
    """Can this be about that?"""
    begin, end = ((BEGIN_S + at) * 1_000_000 for at in (incident.begin, incident.end + _SLACK_S))
    alike = notice.finding.group.model == incident.model and (incident.model != "" or notice.finding.series == "gap")
    return alike and begin <= notice.time <= end


def told(said: Sequence[Notice], incidents: Sequence[Scripted]) -> dict[str, Any]:
    """The figures, with a line for each incident."""
    pages = [notice for notice in said if notice.page]
    left, found, good = list(pages), 0, 0
    for one in incidents:
        mine = [notice for notice in pages if about(notice, one)]
        left = [notice for notice in left if notice not in mine]
        fired = [notice for notice in said if notice.change == "fired" and about(notice, one)]
        names = {notice.incident for notice in mine}
        late = f"{(mine[0].time / 1e6 - BEGIN_S - one.begin) / 60:.0f} min" if mine else "never"
        latest = [n.action for n in said if n.incident in names and n.state == "firing" and not n.inhibited_by]
        found, good = found + bool(mine), good + bool(one.advice & set(latest))
        ended = {notice.fingerprint for notice in said if notice.state != "firing"}
        still = sum(notice.fingerprint not in ended for notice in fired)
        print(
            f"{one.model} {one.what:<46} pages {len(mine)}, incidents {len(names)}, alerts {len(fired)}, "
            f"first after {late}, advice {', '.join(dict.fromkeys(latest)) or '-'}; {still} still fire",
            flush=True,
        )
    for notice in left:
        print(f"FALSE {rfc3339(notice.time)} {notice.severity} {notice.finding.monitor}: {notice.finding.summary}")
    figures = {"incidents": len(incidents), "paged": found, "pages": len(pages), "false_pages": len(left)}
    provisional = sum(notice.finding.provisional for notice in left)
    return figures | {"false_pages_provisional": provisional, "advised_well": good, "messages": len(said)}


def examples(said: Sequence[Notice], incidents: Sequence[Scripted], config: Config) -> str:
    """One alert of each monitor and series that fired in an incident, as it stands on the topic; Markdown."""
    real = [n for n in said if n.change == "fired" and any(about(n, one) for one in incidents)]
    kinds: dict[tuple[str, str], Notice] = {}
    for notice in sorted(real, key=lambda n: (bool(n.finding.group.segment), n.finding.provisional, n.time)):
        kinds.setdefault((notice.finding.monitor, notice.finding.series), notice)
    told = Events("vigil/vigil", config_hash(config), lambda _: Owner(None, {}))
    lines = [
        "# One real alert of each kind",
        "",
        "Written by `make bench-oncall`: what fired first of each kind in a simulated fleet with scripted incidents",
        "(`bench/incidents.py`). What each field means is in [alerts.md](alerts.md).",
    ]
    for (monitor, series), notice in sorted(kinds.items()):
        event = orjson.loads(told.message(notice).value or b"{}")
        shown = orjson.dumps(event, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode()
        lines += ["", f"## {monitor}: {series}", "", notice.finding.summary, ""]
        lines += [f"`{notice.action}`: {notice.advice}", "", "```json", shown, "```"]
    return "\n".join([*lines, ""])


def main(arguments: Sequence[str] | None = None) -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", type=int, default=15)
    parser.add_argument("--days", type=float, default=2.0)
    parser.add_argument("--every", type=float, default=20.0, help="seconds between two predictions of a model")
    parser.add_argument("--calm", type=float, default=26.0, help="hours before the first incident")
    parser.add_argument("--apart", type=float, default=2.0, help="hours between two incidents")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--alerts", type=Path, help="write the alerts there, too")
    parser.add_argument("--write", type=Path, help="write one alert of each kind there, as Markdown")
    parser.add_argument("--read", action="store_true", help="print each page")
    chosen = parser.parse_args(arguments)
    incidents = [eaten(chosen.calm), *script(chosen.models, chosen.calm, chosen.apart)]
    lines = dump(events(chosen.models, chosen.days, chosen.every, chosen.seed, incidents), incidents[0])
    config = parse(_CONFIG, {}, app.registry(), source_required=False)
    said = said_of(lines, config, chosen.alerts)
    figures = told(said, incidents)
    if chosen.write is not None:
        chosen.write.write_text(examples(said, incidents, config), encoding="utf-8")
    if chosen.read:
        for notice in said:
            if notice.page:
                print(f"\n{rfc3339(notice.time)} {notice.severity}, {notice.change}: {notice.finding.summary}")
                print(f"   {notice.action}: {notice.advice}")
    print(orjson.dumps(figures).decode())


if __name__ == "__main__":
    main()
