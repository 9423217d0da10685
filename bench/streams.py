"""The streams that accuracy is measured on, made of the data in DATA (see its README), and what is wrong in each.

- `drift`: each of `drift_streams`, served by a frozen classifier that is trained on the first 2,500 events of each
  deployment; a new version is deployed 2,500 events after each drift and serves once it is trained.
- `stable`: adult, car_loan and electricity in random order: nothing ever changes.
- `broken`: the same with one feature that breaks upstream and is mended again.

    python -m bench.streams DATA OUT        writes them all as NDJSON, one event a second
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from bench.events import Incident, Rows, Stream, write
from bench.information import delay_bound
from bench.tables import Frozen, Truth, load, tables, take

FAMILIES = ("drift", "stable", "broken")
TRAINING = 2_500
DRIFTS = {"abrupto": (10_000, 20_000, 30_000), "gradual": (9_500, 20_000, 30_500)}
_EARLY = {"abrupto": 0, "gradual": 1_000}
_STABLE_TRAINING = 5_000
BREAKS, MENDED, LENGTH = 6_000, 9_000, 15_000
_SEED = 20_261_122

Breakage = Callable[[Any], Any]
"""A column in, the broken column out."""


def all_streams(data: Path, families: Sequence[str] = FAMILIES, only: str = "") -> Iterator[Stream]:
    """The streams of the families with `only` in their names, one after the other; nothing is made in vain."""
    if "drift" in families:
        for path in sorted((data / "drift_streams").glob("*.csv.gz")):
            if only in path.name:
                yield drifting(path)
    if {"stable", "broken"} & set(families):
        for name, (rows, truth) in tables(data).items():
            wanted = [what for what in ("stable", *_NUMERIC, "swapped") if only in f"{name}-{what}"]
            wanted = [what for what in wanted if ("stable" if what == "stable" else "broken") in families]
            if wanted:
                yield from shuffled(name, rows, truth, wanted)


def shuffled(name: str, rows: Rows, truth: Truth, wanted: Sequence[str]) -> Iterator[Stream]:
    """A table in random order as a stable stream, and with what breaks in it."""
    order = np.random.default_rng(_SEED).permutation(len(truth))
    rows, truth = take(rows, order), truth[order]
    model = Frozen(take(rows, slice(_STABLE_TRAINING)), truth[:_STABLE_TRAINING])
    rows, truth = take(rows, slice(_STABLE_TRAINING, None)), truth[_STABLE_TRAINING:]
    if "stable" in wanted:
        yield Stream(f"{name}-stable", "stable", [model.serve("1", rows, truth)])
    for stream in broken(name, model, take(rows, slice(LENGTH)), truth[:LENGTH]):
        if stream.name.rpartition("-")[2] in wanted:
            yield stream


def drifting(path: Path) -> Stream:
    """One of the drift streams, with its deployments."""
    name = path.name.removesuffix(".csv.gz")
    kind = "abrupto" if "_abrupto" in name else "gradual"
    rows, truth = load(path, "class")
    parts, incidents, served = [], [], 0
    begins = [0, *(drift + TRAINING for drift in DRIFTS[kind])]
    ends = [*(drift + TRAINING for drift in DRIFTS[kind]), len(truth)]
    for number, (begin, end) in enumerate(zip(begins, ends, strict=True)):
        first = begin + TRAINING
        if first >= end:
            break
        model = Frozen(take(rows, slice(begin, first)), truth[begin:first])
        part = model.serve(str(number + 1), take(rows, slice(first, end)), truth[first:end])
        drift = DRIFTS[kind][number] - first if number < len(DRIFTS[kind]) else None
        if drift is not None:
            before, after = part.wrong[drift - 2_000 : drift], part.wrong[drift : drift + TRAINING]
            bound = delay_bound(before, after, gradual=kind == "gradual")
            incidents.append(
                Incident("drift", part.version, served + drift, served + len(part), _EARLY[kind], bound=bound)
            )
        parts.append(part)
        served += len(part)
    return Stream(name, "drift", parts, incidents)


def broken(name: str, model: Frozen, rows: Rows, truth: Truth) -> Iterator[Stream]:
    """One stream for each way in which a feature breaks."""
    number = next(n for n, c in rows.items() if c.dtype != object and len(np.unique(c)) > 100)
    texts = [n for n, c in rows.items() if c.dtype == object and len(set(c.tolist())) > 2]
    ways = [(what, number, damage) for what, damage in _NUMERIC.items()]
    for what, feature, damage in [*ways, *(("swapped", text, _swapped) for text in texts[:1])]:
        column = rows[feature].copy()
        column[BREAKS:MENDED] = damage(column[BREAKS:MENDED])
        part = model.serve("1", {**rows, feature: column}, truth)
        incident = Incident(what, "1", BREAKS, MENDED, feature=feature, bound=2_000.0)
        yield Stream(f"{name}-{what}", "broken", [part], [incident])


def _missing(column: Any) -> Any:
    return np.where(np.random.default_rng(_SEED).random(len(column)) < 0.3, np.nan, column)


def _swapped(column: Any) -> Any:
    """The most frequent category trades places with one that is rarer by a fifth of the events."""
    names, counts = np.unique(column.astype(str), return_counts=True)
    order = np.argsort(-counts, kind="stable")
    first = names[order[0]]
    other = next(names[at] for at in order[1:] if counts[order[0]] - counts[at] > 0.2 * len(column))
    return np.where(column == first, other, np.where(column == other, first, column)).astype(object)


_NUMERIC: dict[str, Breakage] = {
    "unit": lambda column: column * 1_000,
    "offset": lambda column: column + np.std(column),
    "missing": _missing,
    "stuck": lambda column: np.full_like(column, column[0]),
}


def shortened(stream: Stream, events: int) -> Stream:
    """Only the first events, for a first look."""
    parts, left = [], events
    for part in stream.parts:
        kept = min(len(part), left)
        if kept:
            parts.append(
                replace(part, rows=take(part.rows, slice(kept)), score=part.score[:kept], truth=part.truth[:kept])
            )
        left -= kept
    return replace(stream, parts=parts, incidents=[one for one in stream.incidents if one.begin < events])


def multiplied(stream: Stream, times: int) -> Stream:
    """So many times as many events, drawn from each stretch of the stream: for high rates."""
    rng, parts, served = np.random.default_rng(_SEED), [], 0
    for part in stream.parts:
        marks = {min(max(at - served, 0), len(part)) for one in stream.incidents for at in (one.begin, one.end)}
        drawn = [
            rng.integers(low, high, times * (high - low)) for low, high in pairwise(sorted({0, len(part), *marks}))
        ]
        which = np.concatenate(drawn)
        parts.append(replace(part, rows=take(part.rows, which), score=part.score[which], truth=part.truth[which]))
        served += len(part)
    incidents = [replace(one, begin=one.begin * times, end=one.end * times) for one in stream.incidents]
    return replace(stream, parts=parts, incidents=incidents)


def main() -> None:
    """See the module."""
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    for stream in all_streams(data):
        write(stream, out / f"{stream.name}.ndjson", per_second=1)
        print(stream.name, len(stream))


if __name__ == "__main__":
    main()
