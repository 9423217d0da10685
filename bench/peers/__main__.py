"""`make bench-peers`: Vigil's measuring and judging beside Evidently's, whylogs', NannyML's and Alibi Detect's.

The same rows for all, in one run: a reference of ROWS (50,000) rows and as many that are looked at. Each peer has an
environment of its own under .cache/peers, made on the first run from requirements/peers. Writes bench/peers.json and
docs/peers.md.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from bench.cost.replayed import own_us
from bench.cost.shape import Shape
from bench.cost.sides import child

_ROOT = Path(__file__).resolve().parents[2]
PEERS = ("evidently", "whylogs", "nannyml", "alibi-detect")
JOBS = {
    "drift": ("feature_drift",),
    "profile": ("data_quality", "feature_drift"),
    "estimated performance": ("estimated_performance",),
    "realised performance": ("performance",),
}
"""The monitors of Vigil's that do the nearest work to a peer's job."""
RESULTS, PAGE = _ROOT / "bench" / "peers.json", _ROOT / "docs" / "peers.md"


def main() -> None:
    """Measure, and write it down."""
    rows = int(os.environ.get("ROWS") or 50_000)
    shape = Shape(events=2 * rows, models=1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = folder / "rows.npz"
        np.savez(table, **columns(shape))
        found = {peer: of_peer(peer, table, folder) for peer in PEERS}
        print("vigil", file=sys.stderr, flush=True)
        result = folder / "vigil.json"
        vigil = child("bench.cost.replayed", orjson.dumps(asdict(shape)).decode(), str(result), "0.5", result=result)
    results = compared({"rows": rows, "features": shape.features, "peers": found}, vigil)
    RESULTS.write_bytes(orjson.dumps(results, option=orjson.OPT_INDENT_2))
    PAGE.write_text("\n".join(page(results)) + "\n")
    print(orjson.dumps(results, option=orjson.OPT_INDENT_2).decode())


def compared(results: dict[str, Any], vigil: Mapping[str, Any]) -> dict[str, Any]:
    """The results with Vigil's figures: everything, and by job the monitors that do it (a row is two events)."""

    def spent_us(*monitors: str) -> float:
        stages = vigil["stages_s"]
        parts = [stages.get(f"{half} {name}", 0.0) for half in ("measure", "judge") for name in monitors]
        return float(2 * sum(parts) / vigil["records"] * 1e6)

    results["vigil_us_per_row"] = 2 * own_us(vigil)
    results["vigil_us_by_job"] = own = {job: spent_us(*monitors) for job, monitors in JOBS.items()}
    ratios = [us_per_row(job) / own[kind(what)] for what, job in jobs_of(results)]
    results["ratio_fastest_peer_over_vigil"] = min(ratios)
    return results


def jobs_of(results: Mapping[str, Any]) -> list[tuple[str, Mapping[str, float]]]:
    """Every job of every peer that ran."""
    return [each for jobs in results["peers"].values() if "error" not in jobs for each in jobs.items()]


def kind(what: str) -> str:
    """`drift` of `drift, by 1,000 rows`."""
    return what.partition(",")[0]


def columns(shape: Shape) -> dict[str, Any]:
    """The shape's events as arrays, the first half as reference; labels in the order of their predictions."""
    predictions = [orjson.loads(message) for _, message in shape.predictions()]
    labels = {event["id"]: event["label"] for event in (orjson.loads(message) for _, message in shape.labels())}
    features = np.array([list(event["features"].values()) for event in predictions])
    half = shape.events // 2
    found: dict[str, Any] = {}
    for part, chosen in (("reference", slice(half)), ("current", slice(half, None))):
        found[part] = features[chosen]
        found[f"{part}_prediction"] = np.array([event["prediction"] for event in predictions[chosen]])
        found[f"{part}_score"] = np.array([event["score"] for event in predictions[chosen]])
        found[f"{part}_label"] = np.array([labels[event["id"]] for event in predictions[chosen]])
    return found


def of_peer(peer: str, table: Path, folder: Path) -> dict[str, Any]:
    """Its jobs, or why it did not run."""
    print(peer, file=sys.stderr, flush=True)
    result = folder / f"{peer}.json"
    try:
        python = environment(peer)
        work = str(Path(__file__).with_name("work.py"))
        subprocess.run([python, work, peer, table, result], check=True, capture_output=True, text=True, timeout=900)
    except subprocess.SubprocessError as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        return {"error": said[-1] if said else type(error).__name__}
    found: dict[str, Any] = orjson.loads(result.read_bytes())
    return found


def environment(peer: str) -> Path:
    """The Python of a peer's own environment, made if it is not there. Raises `SubprocessError`."""
    requirements = _ROOT / "requirements" / "peers" / f"{peer}.txt"
    folder = _ROOT / ".cache" / "peers" / peer
    python, done = folder / "bin" / "python", folder / "installed.txt"
    if not done.exists() or done.read_text() != requirements.read_text():
        uv = Path(sys.executable).with_name("uv")
        make: list[str | Path] = [uv, "venv", "--clear", "--python", sys.executable, folder]
        fill: list[str | Path] = [uv, "pip", "install", "--python", python, "--requirement", requirements]
        for command in (make, fill):
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=900)
        done.write_text(requirements.read_text())
    return python


def us_per_row(job: Mapping[str, float]) -> float:
    """Microseconds of CPU a row."""
    return job["cpu_s"] / job["rows"] * 1e6


def page(results: Mapping[str, Any]) -> Iterator[str]:
    """docs/peers.md."""
    own, by_job = results["vigil_us_per_row"], results["vigil_us_by_job"]
    yield "# What the same rows cost elsewhere"
    yield ""
    yield f"Written by `make bench-peers`: {results['rows']:,} rows of {results['features']} numeric features with a"
    yield "prediction, a score and a label, after as many rows of reference; CPU microseconds a row in one run, without"
    yield "imports and loading. Each peer does the nearest work that it has, in one batch and in windows of Vigil's"
    yield "size: windows are what a stream needs, a batch answers once, at its end. Vigil's figure beside it is what"
    yield "measuring and judging cost in the monitors that do that work, pane after pane of 10 s, with evidence against"
    yield "a false-alarm budget. All that Vigil does between decoding and sending, every monitor and the join"
    yield f"included, takes {own:.1f} us."
    yield ""
    yield "| who | what | us a row | the same in Vigil | times |"
    yield "|---|---|---|---|---|"
    for peer, jobs in results["peers"].items():
        if "error" in jobs:
            yield f"| {peer} | did not run: {jobs['error'][:100]} | | | |"
            continue
        for what, job in jobs.items():
            same = by_job[kind(what)]
            yield f"| {peer} | {what} | {us_per_row(job):.1f} | {same:.2f} | {us_per_row(job) / same:.0f} |"
    yield ""
    yield f"The nearest of them takes {results['ratio_fastest_peer_over_vigil']:.1f} times as long for the same."


if __name__ == "__main__":
    main()
