"""A simulated fleet with scripted incidents, and what whoever is on call is told of it.

    python -m bench.oncall [--models 15] [--days 2] [--seed 1] [--every 20] [--calm 26] [--apart 2] [--read]

Each model serves all the time, with a daily rhythm in volume and inputs; labels come after five to thirty minutes. The
first day is calm. Incidents begin on the second, each in a model of its own, one after the other. Told are the pages
and incidents (as the alerts name them) of each, how late the first was, what it advised, and every page that is about
nothing that happened; `--read` prints the pages themselves. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import heapq
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import orjson

from config import Config, config_hash, parse
from daemon import app, telemetry
from daemon.alerts.events import Events, Owner
from daemon.alerts.notice import Notice
from daemon.stamps import rfc3339

BEGIN_S = 1_790_035_200
"""A Tuesday, midnight UTC."""
HOUR_S = 3_600
_SLACK_S = 6 * HOUR_S
"""After an incident's end pages may still be about it: labels are late, and recoveries take their time."""

_CONFIG = "models: {m02: {thresholds: [{series: accuracy, below: 0.75, min_n: 100}]}}"
"""All defaults, and a threshold for the model whose concept drifts."""

Rng = np.random.Generator
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scripted:
    """One incident: what happens to rows of a model between two times (seconds from the beginning)."""

    what: str
    model: str
    begin: float
    end: float
    change: Callable[[Row, Rng], Row | None]
    """A row as it would have been, as it is now; None: it never comes."""
    advice: frozenset[str]
    """Actions that make sense."""


def _unit(row: Row, _: Rng) -> Row:
    return {**row, "seen": {**row["seen"], "amount": row["seen"]["amount"] * 1_000}}


def _missing(row: Row, rng: Rng) -> Row:
    return {**row, "seen": {**row["seen"], "country": None}} if rng.random() < 0.5 else row


def _concept(row: Row, _: Rng) -> Row:
    return {**row, "logit": row["logit"] - 3.0 * row["z"]}


def _inverted(row: Row, _: Rng) -> Row:
    return {**row, "flip": True}


def _worse(row: Row, rng: Rng) -> Row:
    return {**row, "noise": rng.normal(0, 4)} if row["version"] == "2" else row


def _bad_canary(row: Row, rng: Rng) -> Row:
    """Half of the traffic goes to a version that was trained on something else."""
    return {**row, "version": "2", "noise": rng.normal(0, 4)} if rng.random() < 0.5 else row


def _bad_successor(row: Row, rng: Rng) -> Row:
    """All of it, until it is rolled back."""
    return {**row, "version": "2", "noise": rng.normal(0, 4)}


def _silent(_row: Row, _: Rng) -> None:
    return None


def _slow(row: Row, _: Rng) -> Row:
    return {**row, "latency": row["latency"] * 6}


def _flapping(row: Row, rng: Rng) -> Row:
    return _missing(row, rng) if row["time"] % 1_800 < 600 else row


def _leaking(row: Row, _: Rng) -> Row:
    return {**row, "memory": 9_000.0}


def _clipped(row: Row, _: Rng) -> Row:
    return {**row, "seen": {**row["seen"], "amount": min(row["seen"]["amount"], 46.6)}}


def _positives_lost(row: Row, _: Rng) -> Row:
    return {**row, "lost": True}


def _unlabelled(row: Row, _: Rng) -> Row:
    return {**row, "unlabelled": True}


def _fewer(row: Row, rng: Rng) -> Row | None:
    return row if rng.random() < 0.15 else None


def _entangled(row: Row, rng: Rng) -> Row:
    """Age is filled in by what the amount is: each has the values it always had, and they belong together no more."""
    share = NormalDist().cdf(row["z"] + 0.3 * rng.normal())
    return {**row, "seen": {**row["seen"], "age": float(np.clip(round(18 + 62 * share), 18, 79))}}


def _harder(row: Row, _: Rng) -> Row:
    """Cases in between, which nobody can tell; of most the label comes much later."""
    amount = float(np.round(np.exp(3 + 0.25 * row["z"]), 2))
    return {**row, "seen": {**row["seen"], "amount": amount}, "logit": row["logit"] - 1.65 * row["z"], "late": True}


KINDS: tuple[tuple[str, float, Callable[[Row, Rng], Row | None], frozenset[str]], ...] = (
    ("unit change x1000", 3, _unit, frozenset({"fix_feature"})),
    ("half of a feature missing", 2, _missing, frozenset({"fix_feature"})),
    ("concept drift", 12, _concept, frozenset({"retrain"})),
    ("labels inverted", 3, _inverted, frozenset({"check_labels"})),
    ("new version goes bad", 8, _worse, frozenset({"rollback"})),
    ("silence", 1, _silent, frozenset({"none"})),
    ("six times slower", 2, _slow, frozenset({"scale"})),
    ("missing, ten minutes in thirty", 5, _flapping, frozenset({"fix_feature"})),
    ("a signal jumps", 2, _leaking, frozenset({"none", "scale"})),
    ("a feature clipped at its 80th percentile", 6, _clipped, frozenset({"fix_feature"})),
    ("positive labels get lost", 6, _positives_lost, frozenset({"check_labels"})),
    ("a seventh of the traffic", 2, _fewer, frozenset({"none"})),
    ("a version deployed bad, on half of the traffic", 4, _bad_canary, frozenset({"rollback"})),
    ("a version deployed bad, in place of the other", 4, _bad_successor, frozenset({"rollback"})),
    ("a feature filled in from another", 4, _entangled, frozenset({"fix_feature"})),
    ("cases that are harder, labels a day late", 4, _harder, frozenset({"none", "retrain"})),
    ("labels come no more", 5, _unlabelled, frozenset({"check_labels"})),
)
"""What happens, for how many hours, and what should be advised."""
_EARLIEST_H = {"labels come no more": 25}
"""It takes a day to learn how labels come."""


def script(models: int, calm: float = 26, apart: float = 2) -> list[Scripted]:
    """The incidents: after so many calm hours, so many hours apart, each in a model of its own."""
    found = []
    for number, (what, hours, change, advice) in enumerate(KINDS[: max(models - 1, 1)]):
        begin = max(calm + apart * number, _EARLIEST_H.get(what, 0)) * HOUR_S
        found.append(Scripted(what, f"m{number:02}", begin, begin + hours * HOUR_S, change, advice))
    return found


def events(
    models: int, days: float, every: float, seed: int, script_: Sequence[Scripted]
) -> Iterator[tuple[float, bytes]]:
    """(seconds from the beginning, line) of all predictions and labels, by time, until the last prediction."""
    rng = np.random.default_rng(seed)
    incidents = {one.model: one for one in script_}
    waiting: list[tuple[float, int, bytes]] = []
    for number, (time, model) in enumerate(_arrivals(models, days, every, rng)):
        while waiting and waiting[0][0] <= time:
            at, _, line = heapq.heappop(waiting)
            yield at, line
        row: Row | None = _row(f"{model}-{number}", model, time, rng)
        incident = incidents.get(model)
        if row is not None and incident is not None and incident.begin <= time < incident.end:
            row = incident.change(row, rng)
        if row is not None:
            yield time, _prediction(row)
            if model == "m08":
                yield time, _signal(row, rng)
            at = time + rng.uniform(300, 1_800) + (86_400 if row["late"] else 0)
            label = _label(row, at, rng)
            if label is not None:
                heapq.heappush(waiting, (at, number, label))


def _arrivals(models: int, days: float, every: float, rng: Rng) -> Iterator[tuple[float, str]]:
    """Poisson, half as many at night as at noon."""
    time, rate = 0.0, models / every
    while time < days * 86_400:
        time += rng.exponential(1 / rate)
        if rng.random() < 0.75 - 0.25 * np.cos(2 * np.pi * time / 86_400):
            yield time, f"m{rng.integers(models):02}"


def _row(key: str, model: str, time: float, rng: Rng) -> Row:
    """What comes in, and how the world and the model see it; `m04` has a second version since hour 3."""
    z = rng.normal(0.1 * np.sin(2 * np.pi * time / 86_400), 1.0)
    amount = float(np.round(np.exp(3 + z), 2))
    age, country = float(rng.integers(18, 80)), str(rng.choice(["DE", "FR", "US"], p=[0.5, 0.3, 0.2]))
    logit = 2.2 * z + 0.03 * (age - 45) + (0.8 if country == "US" else 0.0) - 0.4
    second = model == "m04" and time > 3 * HOUR_S and rng.random() < 0.5
    seen = {"amount": amount, "age": age, "country": country}
    row = {"id": key, "model": model, "version": "2" if second else "1", "time": time, "logit": logit, "z": z}
    row |= {
        "noise": 0.0,
        "seen": seen,
        "flip": False,
        "lost": False,
        "late": False,
        "memory": 5_000.0,
        "unlabelled": False,
    }
    row |= {"latency": round(rng.lognormal(2, 0.3), 2), "region": str(rng.choice(["eu", "us"], p=[0.7, 0.3]))}
    return row


def _prediction(row: Row) -> bytes:
    seen = row["seen"]
    z = float(np.clip(np.log(max(seen["amount"], 1e-3)) - 3, -6, 9))
    parts = {"amount": 2.2 * z, "age": 0.03 * (seen["age"] - 45), "country": 0.8 if seen["country"] == "US" else 0.0}
    score = float(np.round(1 / (1 + np.exp(0.4 - sum(parts.values()) - row["noise"])), 4))
    said = {name: row[name] for name in ("id", "model", "version")}
    said |= {"type": "prediction", "ts": _stamp(row["time"]), "prediction": int(score >= 0.5), "score": score}
    said |= {"features": seen, "segment": {"region": row["region"]}, "latency_ms": row["latency"]}
    return orjson.dumps(said | {"attributions": parts} if row["model"] <= "m03" else said)


def _signal(row: Row, rng: Rng) -> bytes:
    said = {"type": "signal", "model": row["model"], "version": "1", "name": "gpu_mem_mb", "ts": _stamp(row["time"])}
    return orjson.dumps(said | {"value": round(row["memory"] + rng.normal(0, 40))})


def _label(row: Row, at: float, rng: Rng) -> bytes | None:
    """What turns out: the world's doing, whatever the model saw. None: it gets lost."""
    truth = int(rng.random() < 1 / (1 + np.exp(-2.0 * row["logit"])))
    label = 1 - truth if row["flip"] else truth
    if row["unlabelled"] or (row["lost"] and label):
        return None
    return orjson.dumps({"type": "label", "id": row["id"], "model": row["model"], "label": label, "ts": _stamp(at)})


def _stamp(time: float) -> str:
    return rfc3339(int((BEGIN_S + time) * 1_000) * 1_000)


def said_of(lines: Iterator[tuple[float, bytes]], config: Config, alerts: Path | None) -> list[Notice]:
    """What a replay of these events says, in order."""
    telemetry.configure("error", "json")
    said: list[Notice] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.ndjson"
        with path.open("wb") as output:
            output.writelines(line + b"\n" for _, line in lines)
        alerts = alerts or Path(folder) / "alerts.ndjson"
        with closing(app.replaying(config, [path], alerts=alerts, on_notice=said.append)) as pipeline:
            pipeline.run(lambda: False)
    return said


def about(notice: Notice, incident: Scripted) -> bool:
    """Can this be about that?"""
    begin, end = ((BEGIN_S + at) * 1_000_000 for at in (incident.begin, incident.end + _SLACK_S))
    return notice.finding.group.model == incident.model and begin <= notice.time <= end


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
        "(`bench/oncall.py`). What each field means is in [alerts.md](alerts.md).",
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
    incidents = script(chosen.models, chosen.calm, chosen.apart)
    lines = events(chosen.models, chosen.days, chosen.every, chosen.seed, incidents)
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
