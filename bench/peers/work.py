"""One peer's work, run by the Python of its own environment: `work.py PEER ROWS.npz RESULT.json`.

Writes CPU seconds by job, without imports and loading: {"job": {"rows": rows looked at, "cpu_s": seconds}}. ROWS.npz
holds `reference` and `current` features of shape (rows, features), and columns of predictions, scores and labels.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

pd: Any = importlib.import_module("pandas")

Rows = Any
"""A data frame; the packages are those of the peer's environment, not of ours."""
Jobs = dict[str, dict[str, float]]

WINDOW = 1_000
"""Rows of a window, as Vigil's `window.events`."""
WINDOWS = 5
"""Windows that are measured: some peers take seconds for one."""


def main() -> None:
    """Do all jobs of a peer."""
    warnings.filterwarnings("ignore")
    peer, rows, result = sys.argv[1:]
    table = np.load(rows)
    jobs = {"evidently": evidently, "whylogs": whylogs, "nannyml": nannyml, "alibi-detect": alibi_detect}[peer]
    Path(result).write_text(json.dumps(jobs(frame(table, "reference"), frame(table, "current"))))


def frame(table: Any, part: str) -> Rows:
    """Features f00, f01, ... with prediction, score and label."""
    features = table[part]
    names = [f"f{place:02}" for place in range(features.shape[1])]
    found = pd.DataFrame(features, columns=names)
    for column in ("prediction", "score", "label"):
        found[column] = table[f"{part}_{column}"]
    return found


def named(module: str, name: str) -> Any:
    """Something of a peer's."""
    return getattr(importlib.import_module(module), name)


def features_of(rows: Rows) -> Rows:
    """Only the features."""
    return rows[[name for name in rows.columns if name.startswith("f")]]


def spent(work: Callable[[], Any], rows: int) -> dict[str, float]:
    """CPU seconds of all threads that something takes."""
    began = time.process_time()
    work()
    return {"rows": rows, "cpu_s": time.process_time() - began}


def by_window(work: Callable[[Rows], Any], rows: Rows) -> dict[str, float]:
    """A job on one window after the other."""
    parts = [rows.iloc[at * WINDOW : (at + 1) * WINDOW] for at in range(WINDOWS)]
    return spent(lambda: [work(part) for part in parts], WINDOW * WINDOWS)


def evidently(reference: Rows, current: Rows) -> Jobs:
    """Drift of all features."""
    report, preset = named("evidently", "Report"), named("evidently.presets", "DataDriftPreset")

    before = features_of(reference)

    def drift(rows: Rows) -> None:
        report([preset()]).run(features_of(rows), before).dict()

    drift(current.iloc[:WINDOW])
    return {
        "drift, all rows at once": spent(lambda: drift(current), len(current)),
        f"drift, by {WINDOW:,} rows": by_window(drift, current),
    }


def whylogs(_reference: Rows, current: Rows) -> Jobs:
    """Profiles of all columns; no drift yet."""
    log = named("whylogs", "log")

    def profile(rows: Rows) -> None:
        log(pandas=rows).view()

    profile(current.iloc[:WINDOW])
    return {
        "profile, all rows at once": spent(lambda: profile(current), len(current)),
        f"profile, by {WINDOW:,} rows": by_window(profile, current),
    }


def nannyml(reference: Rows, current: Rows) -> Jobs:
    """Drift of all features, estimated performance before labels, and realised performance with them."""
    drift_of, estimate, realise = (
        named("nannyml", name) for name in ("UnivariateDriftCalculator", "CBPE", "PerformanceCalculator")
    )

    names = list(features_of(reference).columns)
    drift = drift_of(column_names=names, chunk_size=WINDOW, continuous_methods=["jensen_shannon"]).fit(reference)
    scores: dict[str, Any] = {"y_pred": "prediction", "y_pred_proba": "score", "y_true": "label", "chunk_size": WINDOW}
    metrics = ["accuracy", "f1", "roc_auc"]
    problem = "classification_binary"
    estimated = estimate(metrics=metrics, problem_type=problem, **scores).fit(reference)
    realised = realise(metrics=metrics, problem_type=problem, **scores).fit(reference)
    return {
        f"drift, by {WINDOW:,} rows": spent(lambda: drift.calculate(current), len(current)),
        f"estimated performance, by {WINDOW:,} rows": spent(lambda: estimated.estimate(current), len(current)),
        f"realised performance, by {WINDOW:,} rows": spent(lambda: realised.calculate(current), len(current)),
    }


def alibi_detect(reference: Rows, current: Rows) -> Jobs:
    """Kolmogorov-Smirnov drift of all features."""
    detector = named("alibi_detect.cd", "KSDrift")(features_of(reference).to_numpy(), p_val=0.05)

    def drift(rows: Rows) -> None:
        detector.predict(features_of(rows).to_numpy())

    return {
        "drift, all rows at once": spent(lambda: drift(current), len(current)),
        f"drift, by {WINDOW:,} rows": by_window(drift, current),
    }


if __name__ == "__main__":
    main()
