"""How surely is a damaged feature found and named, and how silent are stable streams? Real rows, the whole pipeline.

    python -m bench.data_drift DATA [--most N] [--splits N] [--million] [--evidently PYTHON] [--write PAGE]

Each trial is a model of its own: 6,000 usual rows of adult, car_loan or electricity in random order, then 2,000 of
which one column is damaged (`bench/damage.py`), strongly or mildly. It is found if an alert fires within them, and
named if the first alert that names a feature names that one. No labels. Beside it, on the same rows, what a nightly
batch of those 2,000 against the first 6,000 would say: a population stability index above 0.2, Kolmogorov-Smirnov or
chi-square with Bonferroni's correction, and Evidently's defaults (PYTHON is an interpreter that has Evidently).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from scipy import stats

import config
from bench.damage import REFERENCE, STRENGTHS, Column, Trial, stable, trials
from bench.events import BEGIN_US, Rows
from bench.tables import Frozen, tables, take
from daemon import app, telemetry
from daemon.alerts.notice import Notice

_SEED = 20_261_122
_STEP_US = 200_000
_TOGETHER = 40
"""Trials replayed together, each as a model of its own."""
_BOUNDS = {"strong": 0.99, "mild": 0.90, "named": 0.95}
_MILLION = 1_000_000
_TABLES = ("adult", "car_loan", "electricity")
_CONFIG = "alerts: {fleet_false_alarms: 1 per 1h}\n"
"""Each trial stands for a fleet of one model, so that their number must not matter."""

_EVIDENTLY = """
import sys, warnings
warnings.filterwarnings("ignore")
import orjson, pandas
from evidently import Report
from evidently.presets import DataDriftPreset
for line in sys.stdin.buffer:
    case = orjson.loads(line)
    frames = [pandas.DataFrame({k: pandas.Series(v) for k, v in case[part].items()}) for part in ("before", "after")]
    report = Report([DataDriftPreset()]).run(frames[1], frames[0]).dict()
    found = []
    for metric in report["metrics"]:
        settings = metric.get("config", {})
        if settings.get("type", "").endswith("ValueDrift"):
            score, bound = float(metric["value"]), float(settings["threshold"])
            moved = score < bound if "p_value" in settings["method"] else score >= bound
            if moved:
                found.append((settings["column"], -score if "p_value" in settings["method"] else score / bound))
    print(orjson.dumps([name for name, _ in sorted(found, key=lambda one: -one[1])]).decode(), flush=True)
"""

Named = list[str]
"""Features that a method calls moved, the most moved first; a name may be empty where it does not say which."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one method said of one trial."""

    trial: Trial
    method: str
    named: Named
    delay: int | None = None

    @property
    def found(self) -> bool:
        return bool(self.named)

    @property
    def right(self) -> bool:
        """Is the first feature that it names the damaged one?"""
        names = [name for name in self.named if name]
        return bool(names) and names[0] == self.trial.feature


def vigil(some: Sequence[Trial], models: dict[str, Frozen]) -> list[Result]:
    """Replay trials together; what fired in the damaged part of each."""
    telemetry.configure("error", "json")
    heard: dict[str, list[tuple[int, str, str]]] = {trial.name: [] for trial in some}

    def hear(notice: Notice) -> None:
        if notice.change == "fired" and not notice.held:
            event = round((notice.time - BEGIN_US) / _STEP_US)
            finding = notice.finding
            heard[finding.group.model].append((event, finding.feature or "", finding.monitor))

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "events.ndjson")
        with path.open("wb") as out:
            out.writelines(_events(some, models))
        settings = config.parse(_CONFIG, {}, app.registry(), source_required=False)
        with closing(app.replaying(settings, [path], alerts=Path(folder, "alerts"), on_notice=hear)) as pipeline:
            pipeline.run(lambda: False)
    results = []
    for trial in some:
        since = REFERENCE if trial.feature else 0
        early = [one for one in heard[trial.name] if one[0] <= since]
        late = [one for one in heard[trial.name] if one[0] > since]
        delay = late[0][0] - since if late else None
        results.append(Result(trial, "vigil", [name for _, name, _ in late], delay))
        for event, name, monitor in early:
            print(f"  FALSE {trial.name}: {monitor} {name} at {event}", flush=True)
    return results


def _events(some: Sequence[Trial], models: dict[str, Frozen]) -> Iterator[bytes]:
    """All trials side by side, a prediction of each every step; in bytes, in order of time."""
    answers = [models[trial.data].serve("1", trial.rows, np.zeros(len(trial), np.int64)).score for trial in some]
    columns = [[trial.rows[name].tolist() for name in sorted(trial.rows)] for trial in some]
    for number in range(len(some[0])):
        ts = BEGIN_US + number * _STEP_US
        for trial, score, values in zip(some, answers, columns, strict=True):
            known = zip(sorted(trial.rows), values, strict=True)
            event = {
                "type": "prediction",
                "id": f"e{number}",
                "model": trial.name,
                "version": "1",
                "ts": ts,
                "features": {name: _plain(column[number]) for name, column in known},
                "prediction": int(score[number] > 0.5),
                "score": float(score[number]),
            }
            yield orjson.dumps(event) + b"\n"


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value


def stability_index(before: Column, after: Column) -> float:
    """Population stability index over tenths of the first, or its categories, above 0.2; as usually computed."""
    if before.dtype != object:
        edges = np.unique(np.nanquantile(before, np.arange(1, 10) / 10))
        before, after = (np.where(np.isnan(c), -1, np.searchsorted(edges, c, side="right")) for c in (before, after))
    names, place = np.unique(np.concatenate([before.astype(str), after.astype(str)]), return_inverse=True)
    p = np.maximum(np.bincount(place[: len(before)], minlength=len(names)) / len(before), 1e-4)
    q = np.maximum(np.bincount(place[len(before) :], minlength=len(names)) / len(after), 1e-4)
    return float(((q - p) * np.log(q / p)).sum())


def probability(before: Column, after: Column) -> float:
    """Of so large a difference by chance: Kolmogorov-Smirnov for numbers, chi-square for texts."""
    if before.dtype != object:
        return float(stats.ks_2samp(before[~np.isnan(before)], after[~np.isnan(after)]).pvalue)
    names, place = np.unique(np.concatenate([before.astype(str), after.astype(str)]), return_inverse=True)
    table = np.stack([np.bincount(part, minlength=len(names)) for part in (place[: len(before)], place[len(before) :])])
    return float(stats.chi2_contingency(table).pvalue) if len(names) > 1 else 1.0


def by_stability_index(trial: Trial) -> Named:
    """A PSI above 0.2, the greatest first."""
    found = [(-stability_index(c[:REFERENCE], c[REFERENCE:]), name) for name, c in trial.rows.items()]
    return [name for value, name in sorted(found) if value < -0.2]


def by_probability(trial: Trial) -> Named:
    """A probability below 0.05 divided by the number of features, the least first."""
    found = [(probability(c[:REFERENCE], c[REFERENCE:]), name) for name, c in trial.rows.items()]
    return [name for value, name in sorted(found) if value < 0.05 / len(trial.rows)]


def by_evidently(some: Sequence[Trial], python: str) -> list[Named]:
    """What Evidently's drift preset says, by its own choice of method and threshold, in its own environment."""
    lines = []
    for trial in some:
        halves = {"before": take(trial.rows, slice(REFERENCE)), "after": take(trial.rows, slice(REFERENCE, None))}
        plain = {half: {n: [_plain(v) for v in c.tolist()] for n, c in rows.items()} for half, rows in halves.items()}
        lines.append(orjson.dumps(plain))
    done = subprocess.run([python, "-c", _EVIDENTLY], input=b"\n".join(lines) + b"\n", check=True, capture_output=True)
    return [orjson.loads(line) for line in done.stdout.splitlines()]


def judge(some: Sequence[Trial], models: dict[str, Frozen], evidently: str | None) -> list[Result]:
    """What all methods say of some trials."""
    results = vigil(some, models)
    results += [Result(trial, "PSI > 0.2", by_stability_index(trial)) for trial in some]
    results += [Result(trial, "KS / chi-square, Bonferroni", by_probability(trial)) for trial in some]
    if evidently:
        named = by_evidently(some, evidently)
        results += [Result(t, "Evidently defaults", names) for t, names in zip(some, named, strict=True)]
    return results


def main(arguments: Sequence[str] | None = None) -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--most", type=int, help="so many trials of each table at most, drawn evenly")
    parser.add_argument("--splits", type=int, default=10, help="stable shuffled splits of each table")
    parser.add_argument("--million", action="store_true", help="a stable stream of a million rows, too")
    parser.add_argument("--only", default="", help="only trials with this in their name")
    parser.add_argument("--evidently", help="a Python that has Evidently installed")
    parser.add_argument("--write", type=Path, help="write the table there, as Markdown")
    chosen = parser.parse_args(arguments)
    rng = np.random.default_rng(_SEED)
    results: list[Result] = []
    only = chosen.only
    begun = time.perf_counter()
    for data, (rows, truth) in tables(chosen.data).items():
        if only and data not in only and only.split("-")[0] in _TABLES:
            continue
        first = rng.permutation(len(truth))[:5_000]
        models = {data: Frozen(take(rows, first), truth[first])}
        every = [*trials(data, rows, _SEED, only), *stable(data, rows, _SEED, chosen.splits, only)]
        if chosen.most and len(every) > chosen.most:
            every = [every[at] for at in sorted(rng.choice(len(every), chosen.most, replace=False))]
        for low in range(0, len(every), _TOGETHER):
            results += judge(every[low : low + _TOGETHER], models, chosen.evidently)
            _show(results[-(3 + bool(chosen.evidently)) * len(every[low : low + _TOGETHER]) :])
        if chosen.million and data == "adult":
            results += vigil([_million(data, rows, rng)], models)
    page, figures = report(results)
    print(page)
    figures["seconds"] = round(time.perf_counter() - begun)
    print(orjson.dumps(figures).decode())
    if chosen.write:
        chosen.write.write_text(_HEAD + page)
    return 0 if _good(figures) else 1


def _million(data: str, rows: Rows, rng: np.random.Generator) -> Trial:
    drawn = take(rows, rng.integers(0, len(next(iter(rows.values()))), _MILLION))
    return Trial(f"{data}-million", data, "stable", "", None, drawn)


def _show(results: Sequence[Result]) -> None:
    for one in results:
        if one.method == "vigil" and one.trial.feature and not (one.found and one.right):
            print(f"  {'MISNAMED' if one.found else 'MISSED'} {one.trial.name} {one.named[:3]} {one.delay}", flush=True)
        if one.method == "vigil" and not one.trial.feature and one.found:
            print(f"  FALSE {one.trial.name} {one.named[:3]}", flush=True)


def report(results: Sequence[Result]) -> tuple[str, dict[str, Any]]:
    """The tables, and the figures of the last line."""
    methods = list(dict.fromkeys(one.method for one in results))
    lines = [
        "| method | strong found | mild found | named first | stable streams that fired |",
        "|---|---|---|---|---|",
    ]
    figures: dict[str, Any] = {}
    for method in methods:
        mine = [one for one in results if one.method == method]
        damaged = [one for one in mine if one.trial.feature]
        quiet = [one for one in mine if not one.trial.feature]
        shares = {s: _share([one.found for one in damaged if one.trial.strength == s]) for s in STRENGTHS}
        named = _share([one.right for one in damaged if one.found])
        fired = sum(one.found for one in quiet)
        lines.append(
            f"| {method} | {shares['strong']:.1%} | {shares['mild']:.1%} | {named:.1%} | {fired} of {len(quiet)} |"
        )
        figures[method] = {**{n: round(v, 4) for n, v in shares.items()}, "named": round(named, 4), "false": fired}
    lines += ["", "Vigil by kind of damage (found within 2,000 events, median delay in events):", ""]
    lines += ["| damage | strong | delay | mild | delay | trials |", "|---|---|---|---|---|---|"]
    mine = [one for one in results if one.method == "vigil" and one.trial.feature]
    for what in dict.fromkeys(one.trial.what for one in mine):
        cells = []
        for strength in STRENGTHS:
            some = [one for one in mine if (one.trial.what, one.trial.strength) == (what, strength)]
            delays = [one.delay for one in some if one.delay is not None]
            cells += [f"{_share([one.found for one in some]):.0%}", f"{np.median(delays):.0f}" if delays else "-"]
        total = sum(one.trial.what == what for one in mine)
        lines.append(f"| {what} | {' | '.join(cells)} | {total} |")
    return "\n".join([*lines, ""]), figures


def _share(hits: Sequence[bool]) -> float:
    return sum(hits) / len(hits) if hits else 1.0


def _good(figures: dict[str, Any]) -> bool:
    mine = figures["vigil"]
    return mine["false"] == 0 and all(mine[name] >= bound for name, bound in _BOUNDS.items())


_HEAD = """# How surely damaged features are found and named

Written by `make bench-data-drift DATA=../shared/data`; `bench/damage.py` says what the damages are. Each trial: 6,000
usual rows, then 2,000 with one damaged column, through the whole pipeline with the default monitors, without labels.

"""


if __name__ == "__main__":
    sys.exit(main())
