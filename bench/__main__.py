"""`make bench`: what watching costs beside reading, against a real broker, on this machine, in one run.

    EVENTS=300000 MODELS=10 FEATURES=20 EVENT_BYTES=660 make bench

Writes bench/results.json, docs/performance.md and its plots; says on standard error what it does. RUNS (3) is how often
the main comparison is run, SCALING=0 leaves out how costs grow, LONG=1 adds ten million events.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from bench.cost import figures, page
from bench.cost.filling import Filled, fill
from bench.cost.scaling import scaling
from bench.cost.shape import Shape
from bench.cost.sides import Sides
from bench.cost.starting import help_s, ready_s
from config.streams import Kafka
from tests.broker import Broker

_HERE = Path(__file__).resolve().parent
_WRITES = os.environ.get("RESULTS", "")
RESULTS = Path(_WRITES) if _WRITES else _HERE / "results.json"
PAGE = RESULTS.with_suffix(".md") if _WRITES else _HERE.parent / "docs" / "performance.md"

_VARIANT_SHARE = 3
"""Variants are run on a third of the events."""


def main() -> None:
    """Measure, and write it down after each part, so that a run that was cut short has something to show."""
    shape = Shape.of_environment()
    runs: dict[str, list[dict[str, Any]]] = {}
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name, Broker(heap="1G") as broker:
        folder = Path(name)
        sides = Sides(broker, folder)
        tell(f"filling {shape.events:,} predictions and labels")
        filled = fill(broker, shape)
        told = {"shape": asdict(shape), "event_bytes": filled.mean_bytes, "machine": machine()}
        compare(sides, filled, runs)
        write({**told, "runs": runs, "scaling": {}}, found)
        tell("starting up")
        found["help_s"] = min(help_s() for _ in range(5))
        found["ready_warm_s"] = min(ready_s(folder, broker.bootstrap, filled) for _ in range(3))
        found["ready_cold_s"] = ready_s(folder, broker.bootstrap, filled, cold=True)
        write({**told, "runs": runs, "scaling": {}}, found)
        variants(broker, sides, shape.of(events=max(shape.events // _VARIANT_SHARE, 1)), runs)
    write({**told, "runs": runs, "scaling": {}}, found)
    if os.environ.get("SCALING") != "0":
        with tempfile.TemporaryDirectory() as name:
            grown = scaling(Path(name), long=os.environ.get("LONG") == "1", tell=tell)
        write({**told, "runs": runs, "scaling": grown}, found | grows(grown))
    print(orjson.dumps(orjson.loads(RESULTS.read_bytes())["figures"], option=orjson.OPT_INDENT_2).decode())


def compare(sides: Sides, filled: Filled, runs: dict[str, list[dict[str, Any]]]) -> None:
    """The main comparison: the yardstick, Vigil and the naive loop."""
    for number in range(int(os.environ.get("RUNS") or 3)):
        tell(f"run {number + 1} of the yardstick and of Vigil")
        runs.setdefault("bare", []).append(sides.bare(filled))
        runs.setdefault("vigil", []).append(sides.vigil(filled))
        if confluent():
            runs.setdefault("vigil confluent", []).append(sides.vigil(filled, transport="confluent"))
    tell("the naive loop")
    runs["naive"] = [sides.naive(filled)]


def write(results: dict[str, Any], found: dict[str, Any]) -> None:
    """What there is so far, as JSON and as a page."""
    runs = results["runs"]
    figured = {**found, **figures.ratios(runs), "peak_rss_bytes": max(run["peak_rss_bytes"] for run in runs["vigil"])}
    whole = {**figured, "figures": figured, **results}
    RESULTS.write_bytes(orjson.dumps(whole, option=orjson.OPT_INDENT_2))
    page.write(whole, PAGE)


def variants(broker: Broker, sides: Sides, shape: Shape, runs: dict[str, list[dict[str, Any]]]) -> None:
    """Categorical features, many events to a message, and compressed topics: the yardstick and Vigil, twice each."""
    chosen: dict[str, tuple[Shape, dict[str, Any]]] = {
        "categorical": (shape.of(categorical=min(3, shape.features)), {}),
        "64 to a message": (shape, {"per_message": 64}),
        **{name: (shape, {"compression": name}) for name in ("gzip", "lz4", "zstd")},
    }
    for name, (each, how) in chosen.items():
        tell(f"variant: {name}")
        filled = fill(broker, each, **how)
        for _ in range(2):
            for side, run in (("bare", sides.bare), ("vigil", sides.vigil)):
                runs.setdefault(f"{side} {name}", []).append(_by_event(run(filled), filled.events / filled.records))


def _by_event(run: dict[str, Any], events_per_record: float) -> dict[str, Any]:
    return {**run, "records": run["records"] * events_per_record}


def grows(grown: dict[str, list[dict[str, Any]]]) -> dict[str, float]:
    """The figures of scaling."""
    models, features, segments, events = grown.values()
    per_feature = [point["own_us"] / point["at"] for point in features]
    return {
        "models_1000_over_1": models[-1]["own_us"] / models[0]["own_us"],
        "features_500_over_5_per_feature": per_feature[-1] / per_feature[0],
        "segments_3_over_0": segments[-1]["whole_us"] / segments[0]["whole_us"],
        "events_longest_over_shortest": events[-1]["own_us"] / events[0]["own_us"],
    }


def confluent() -> bool:
    """Whether there is another transport, and its library is installed."""
    try:
        Kafka.model_validate({"brokers": ["localhost:9092"], "topics": ["any"], "transport": "confluent"})
    except ValidationError:
        return False
    return find_spec("confluent_kafka") is not None


def machine() -> str:
    """What it was measured on, without names; and how busy that was, for start-up times are by the wall clock."""
    load = f"load average {os.getloadavg()[0]:.0f} at the start"
    return f"{os.cpu_count()} cores ({platform.machine()}, {load}), Python {platform.python_version()}"


def tell(words: str) -> None:
    """Say what is done, with the time it began."""
    print(f"{time.strftime('%H:%M:%S')} {words}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
