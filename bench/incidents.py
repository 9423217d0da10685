"""A simulated fleet and what happens to it: the events of `bench.oncall`, as they come and as a dump of them.

Each model serves all the time, with a daily rhythm in volume and inputs; labels come after five to thirty minutes.
Incidents begin once all is known, each in a model of its own, one after the other. Before them a minute of the log
is deleted before it was read, of all models.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import orjson

from daemon.envelopes import Consumed, control_line, dump_line
from daemon.stamps import rfc3339

BEGIN_S = 1_790_035_200
"""A Tuesday, midnight UTC."""
HOUR_S = 3_600
_PANE_S = 10
_TOPIC = "events"

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
_EARLIEST_H = {"labels come no more": 25, "cases that are harder, labels a day late": 16}
"""It takes a day to learn how labels come. What scores are worth is learnt anew with the 8,000th label, about noon, and
has no reference for an hour then."""


def script(models: int, calm: float = 26, apart: float = 2) -> list[Scripted]:
    """The incidents: after so many calm hours, so many hours apart, each in a model of its own."""
    found = []
    for number, (what, hours, change, advice) in enumerate(KINDS[: max(models - 1, 1)]):
        begin = max(calm + apart * number, _EARLIEST_H.get(what, 0)) * HOUR_S
        found.append(Scripted(what, f"m{number:02}", begin, begin + hours * HOUR_S, change, advice))
    return found


def eaten(calm: float) -> Scripted:
    """A minute of the log that retention deleted before it was read, an hour before the incidents."""
    begin = (calm - 1) * HOUR_S
    return Scripted("a minute of the log deleted unread", "", begin, begin + 60, _silent, frozenset({"none"}))


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


def dump(lines: Iterable[tuple[float, bytes]], eaten: Scripted) -> Iterator[bytes]:
    """Lines as `vigild dump` would write them after a run that found some deleted, as it wrote down then."""
    kept: list[Consumed] = []
    lost: list[int] = []
    for offset, (time, line) in enumerate(lines):
        if eaten.begin <= time < eaten.end:
            lost.append(offset)
        else:
            kept.append(Consumed(_TOPIC, 0, offset, int((BEGIN_S + time) * 1_000), None, line, ()))
    if lost:
        pane = int(BEGIN_S + eaten.end) // _PANE_S * _PANE_S * 1_000_000
        gap = {"expected": lost[0], "found": lost[-1] + 1, "reason": "retention", "pane": pane}
        yield control_line("gap", {"topic": _TOPIC, "partition": 0, **gap})
    yield from map(dump_line, kept)
