"""docs/performance.md and its plots, from the results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.cost import figures, plots

BARS = (
    ("ratio_to_bare_consumer", "at most", 1.5, "Vigil / bare consumer"),
    ("ratio_confluent", "at most", 0.8, "Vigil over confluent / bare kafka-python consumer"),
    ("ratio_naive_over_vigil", "at least", 5.0, "naive loop / Vigil"),
    ("ratio_naive_over_vigil_without_reading", "at least", 10.0, "the same without polling and decoding"),
    ("models_1000_over_1", "at most", 1.2, "an event of 1,000 models / of one (without reading)"),
    ("events_longest_over_shortest", "at most", 1.2, "an event of the longest stream / of the shortest"),
    ("features_500_over_5_per_feature", "at most", 1.0, "a feature of 500 / of 5"),
    ("segments_3_over_0", "at most", 2.0, "an event with 3 segment keys of 20 values / with none"),
    ("ready_warm_s", "at most", 2.0, "seconds from exec to ready, kernels cached"),
    ("ready_cold_s", "at most", 20.0, "the same with an empty kernel cache"),
    ("help_s", "at most", 0.3, "seconds of `vigild --help`"),
)
"""(key in results.json, at most or at least, the bar, in words)."""


def write(results: Mapping[str, Any], page: Path) -> None:
    """Write the page, and its plots into `performance/` beside it."""
    folder = page.parent / "performance"
    folder.mkdir(exist_ok=True)
    for name, svg in _plots(results).items():
        (folder / f"{name}.svg").write_text(svg)
    page.write_text("\n".join(_lines(results)) + "\n")


def _plots(results: Mapping[str, Any]) -> dict[str, str]:
    runs = results["runs"]
    sides = {side: figures.coarse_us(figures.best(runs[side])) for side in ("bare", "vigil", "naive")}
    found = {"sides": plots.bars("CPU microseconds an event, by stage", sides, "us")}
    for axis, points in results["scaling"].items():
        pairs = [(point["at"], point["own_us"]) for point in points]
        found[_file(axis)] = plots.curve(f"us an event by {axis}", pairs, "without reading")
    return found


def _file(axis: str) -> str:
    return axis.replace(" ", "-")


def _lines(results: Mapping[str, Any]) -> Iterator[str]:
    shape, runs = results["shape"], results["runs"]
    yield "# What watching costs"
    yield ""
    yield "Written by `make bench`; what it measured is in `bench/results.json`. CPU time of whole processes in their"
    yield "steady state (imports, kernels and the first tenth apart), against a real broker on the same machine, all in"
    yield f"one run on {results['machine']}. Only ratios carry over to another machine."
    yield ""
    yield f"The stream: {shape['events']:,} predictions of {results['event_bytes']:.0f} B with {shape['features']}"
    yield f"features, {shape['models']} models, {shape['rate']:,} a second of event time, and a label for each"
    yield f"{shape['lag']:g} s later on average. An event is a prediction or a label. `EVENTS`, `MODELS`, `FEATURES`,"
    yield "`EVENT_BYTES`, `RATE` and `LABEL_LAG` set another; `LONG=1` adds ten million events."
    yield ""
    yield "![CPU by stage](performance/sides.svg)"
    yield ""
    yield from _bars(results["figures"])
    yield from _sides(runs)
    yield from _stages(runs)
    yield from _scaling(results["scaling"])
    yield "Memory and start-up: the highest resident size of Vigil in these runs was"
    yield f"{results['figures']['peak_rss_bytes'] / 2**20:.0f} MiB; `bench/memory.py` measures large states."


def _bars(found: Mapping[str, Any]) -> Iterator[str]:
    yield "## Bars"
    yield ""
    yield "| what | measured | bar | |"
    yield "|---|---|---|---|"
    for key, kind, bar, words in BARS:
        value = found.get(key)
        met = value is not None and (value <= bar if kind == "at most" else value >= bar)
        shown, verdict = ("not run", "") if value is None else (f"{value:.2f}", "met" if met else "missed")
        yield f"| {words} (`{key}`) | {shown} | {kind} {bar:g} | {verdict} |"
    yield ""


def _sides(runs: figures.Runs) -> Iterator[str]:
    yield "## Sides"
    yield ""
    yield "`bare` polls with kafka-python and calls `orjson.loads`; `vigil` is `vigild run` with everything on by"
    yield "default; `naive` is a loop of kafka-python, orjson, a dict and River's metrics and detectors. All with the"
    yield "same fetch settings."
    yield ""
    yield "| side | CPU us an event, best | runs, all | peak MiB |"
    yield "|---|---|---|---|"
    for side, each in runs.items():
        best = figures.best(each)
        spread = ", ".join(f"{figures.per_event_us(run):.1f}" for run in each)
        peak = best["peak_rss_bytes"] / 2**20
        yield f"| {side} | {figures.per_event_us(best):.2f} | {spread} | {peak:.0f} |"
    yield ""


def _stages(runs: figures.Runs) -> Iterator[str]:
    yield "## Vigil by stage"
    yield ""
    yield "Best run. `locate` gives rows their groups, classes and bins; `join` is the ledger; `emit` makes messages"
    yield "and hands them to sinks; `other threads` are Kafka's clients."
    yield ""
    yield "| stage | us an event |"
    yield "|---|---|"
    for name, us in figures.stages_us(figures.best(runs["vigil"])).items():
        yield f"| {name} | {us:.3f} |"
    yield ""


def _scaling(scaling: Mapping[str, Any]) -> Iterator[str]:
    yield "## How it grows"
    yield ""
    yield "Replays of files: microseconds an event without reading and decoding, and in all."
    yield ""
    for axis, points in scaling.items():
        yield f"![{axis}](performance/{_file(axis)}.svg)"
        yield ""
        yield f"| {axis} | without reading | in all | peak MiB |"
        yield "|---|---|---|---|"
        for point in points:
            peak = point["peak_rss_bytes"] / 2**20
            yield f"| {point['at']:,} | {point['own_us']:.2f} | {point['whole_us']:.2f} | {peak:.0f} |"
        yield ""
