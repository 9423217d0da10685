"""How close are estimates without labels to what the labels then show? On car_loan, beside NannyML's CBPE.

    python -m bench.estimation DATA [--nannyml PYTHON] [--write PAGE]

The reference half is replayed with its labels, the analysis half without any, through the whole pipeline with the
default config and windows of 5,000 predictions, as NannyML's chunks. Withheld labels are only looked at here, to score
the estimates. PYTHON is an interpreter that has NannyML installed (its dependencies don't go with Vigil's); without it
the figures published for NannyML 0.13 on the same chunks are shown.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

import config
from bench.events import BEGIN_US
from daemon import app, telemetry

CHUNK = 5_000
MEASURES = ("roc_auc", "f1", "accuracy")
PUBLISHED = {"roc_auc": 0.0021, "f1": 0.0026, "accuracy": 0.0031}
"""NannyML 0.13 on the analysis half in chunks of 5,000."""
ALLOWED = 1.1
_STEP_US = 20_000
"""50 predictions a second."""
_NOT_FEATURES = ("id", "timestamp", "y_pred", "y_pred_proba", "repaid")

_NANNYML = """
import os, sys, time, warnings
os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
warnings.filterwarnings("ignore")
import nannyml, numpy, pandas
data, chunk = sys.argv[1], int(sys.argv[2])
reference, analysis, target = (pandas.read_csv(f"{data}/synthetic_car_loan_{part}.csv.gz")
                               for part in ("reference", "analysis", "analysis_target"))
names = dict(y_pred_proba="y_pred_proba", y_pred="y_pred", y_true="repaid", problem_type="classification_binary",
             metrics=["roc_auc", "f1", "accuracy"], chunk_size=chunk)
begun = time.process_time()
estimated = nannyml.CBPE(**names).fit(reference).estimate(analysis).filter(period="analysis").to_df()
spent = time.process_time() - begun
calculator = nannyml.PerformanceCalculator(**names).fit(reference)
realised = calculator.calculate(analysis.merge(target, on="id")).filter(period="analysis").to_df()
import json
errors = {name: float(numpy.abs(estimated[name]["value"] - realised[name]["value"]).mean())
          for name in ("roc_auc", "f1", "accuracy")}
print(json.dumps(errors | {"us_per_row": spent / (len(reference) + len(analysis)) * 1e6}))
"""


@dataclass(frozen=True, slots=True)
class Half:
    """One half of the data: rows as read, and what is predicted and true of each."""

    rows: list[dict[str, str]]
    score: npt.NDArray[np.float64]
    predicted: npt.NDArray[np.int64]
    truth: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Scored:
    """One window's estimate of one measure, and what its labels would have shown."""

    measure: str
    value: float
    low: float
    high: float
    truth: float
    reliable: bool


def load(data: Path) -> tuple[Half, Half]:
    """The reference and the analysis half."""
    reference, analysis, target = (
        _read(data / f"car_loan/synthetic_car_loan_{part}.csv.gz")
        for part in ("reference", "analysis", "analysis_target")
    )
    repaid = {row["id"]: row["repaid"] for row in target}
    return _half(reference, [row["repaid"] for row in reference]), _half(analysis, [repaid[r["id"]] for r in analysis])


def estimates(reference: Half, analysis: Half) -> tuple[list[Scored], float]:
    """Replay both, the second half without labels; returns its estimates and the seconds that it took."""
    telemetry.configure("error", "json")
    settings = config.parse(f"window: {{events: {CHUNK}, max_span: 12h}}\n", {}, app.registry(), source_required=False)
    with tempfile.TemporaryDirectory() as folder:
        events, readings = Path(folder, "events.ndjson"), Path(folder, "readings.ndjson")
        with events.open("wb") as out:
            out.writelines(_events(reference, 0, labelled=True))
            out.writelines(_events(analysis, len(reference.rows), labelled=False))
        begun = time.perf_counter()
        with closing(app.replaying(settings, [events], alerts=Path(folder, "a"), readings=readings)) as pipeline:
            pipeline.run(lambda: False)
        seconds = time.perf_counter() - begun
        said = [orjson.loads(line)["data"] for line in readings.read_bytes().splitlines()]
    return list(_scored(said, analysis, len(reference.rows))), seconds


def _scored(said: Sequence[dict[str, Any]], analysis: Half, offset: int) -> Iterator[Scored]:
    begin = BEGIN_US + offset * _STEP_US
    for reading in said:
        measure = reading["series"].removeprefix("estimated_")
        if reading["monitor"] != "estimated_performance" or measure not in MEASURES:
            continue
        first, last = (round((_micros(reading[side]) - begin) / _STEP_US) for side in ("start", "end"))
        if first >= 0:
            truth = _realised(measure, analysis, slice(first, last))
            low, high = reading["interval"]
            yield Scored(measure, reading["value"], low, high, truth, reading["details"]["reliable"])


def _micros(time: str) -> float:
    return datetime.fromisoformat(time).timestamp() * 1e6


def _realised(measure: str, half: Half, which: slice) -> float:
    truth, predicted, score = half.truth[which], half.predicted[which], half.score[which]
    if measure == "roc_auc":
        return float(roc_auc_score(truth, score))
    return float(f1_score(truth, predicted) if measure == "f1" else accuracy_score(truth, predicted))


def nannyml(python: str, data: Path) -> dict[str, float]:
    """Mean absolute errors of NannyML's estimates, and its CPU cost a row (reference rows too)."""
    arguments = [python, "-c", _NANNYML, str(data / "car_loan"), str(CHUNK)]
    done = subprocess.run(arguments, check=True, capture_output=True, text=True)
    found: dict[str, float] = orjson.loads(done.stdout.splitlines()[-1])
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--nannyml", help="a Python that has NannyML installed")
    parser.add_argument("--write", type=Path, help="write the table there, as Markdown")
    chosen = parser.parse_args(arguments)
    reference, analysis = load(chosen.data)
    scored, seconds = estimates(reference, analysis)
    theirs = nannyml(chosen.nannyml, chosen.data) if chosen.nannyml else PUBLISHED
    lines = ["| measure | chunks | mean absolute error | NannyML 0.13 | ratio | labels within interval |"]
    lines.append("|---|---|---|---|---|---|")
    figures: dict[str, Any] = {"seconds": round(seconds)}
    for measure in MEASURES:
        mine = [one for one in scored if one.measure == measure]
        error = float(np.mean([abs(one.value - one.truth) for one in mine]))
        inside = float(np.mean([one.low <= one.truth <= one.high for one in mine]))
        ratio = error / theirs[measure]
        lines.append(f"| {measure} | {len(mine)} | {error:.5f} | {theirs[measure]:.5f} | {ratio:.2f} | {inside:.0%} |")
        figures[measure] = {"error": round(error, 5), "nannyml": round(theirs[measure], 5), "within": round(inside, 2)}
    figures["reliable"] = float(np.mean([one.reliable for one in scored]))
    print("\n".join(lines))
    print(orjson.dumps(figures).decode())
    if chosen.write:
        chosen.write.write_text(_page(lines))
    return 0 if all(figures[name]["error"] <= ALLOWED * figures[name]["nannyml"] for name in MEASURES) else 1


def _page(lines: list[str]) -> str:
    return "\n".join(
        [
            "# How close estimates without labels are",
            "",
            "Written by `make bench-estimation DATA=../shared/data`: car_loan's reference half with labels, then its",
            "analysis half without, through the whole pipeline in windows of 5,000; its labels only score them.",
            "",
            *lines,
            "",
        ]
    )


def _read(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", newline="") as file:
        return list(csv.DictReader(file))


def _half(rows: list[dict[str, str]], truth: list[str]) -> Half:
    score, predicted = (np.array([float(row[name]) for row in rows]) for name in ("y_pred_proba", "y_pred"))
    return Half(rows, score, predicted.astype(np.int64), np.array([float(one) for one in truth]).astype(np.int64))


def _events(half: Half, offset: int, *, labelled: bool) -> Iterator[bytes]:
    """At an even pace, each label with its prediction."""
    for number, row in enumerate(half.rows):
        ts = BEGIN_US + (offset + number) * _STEP_US
        event = {
            "type": "prediction",
            "id": f"e{offset + number}",
            "model": "car_loan",
            "version": "1",
            "ts": ts,
            "features": {name: _value(cell) for name, cell in row.items() if name not in _NOT_FEATURES},
            "prediction": int(half.predicted[number]),
            "score": float(half.score[number]),
        }
        yield orjson.dumps(event) + b"\n"
        if labelled:
            label = {"type": "label", "id": event["id"], "model": "car_loan", "ts": ts}
            yield orjson.dumps({**label, "label": int(half.truth[number])}) + b"\n"


def _value(cell: str) -> float | str | None:
    try:
        return float(cell) if cell else None
    except ValueError:
        return cell


if __name__ == "__main__":
    sys.exit(main())
