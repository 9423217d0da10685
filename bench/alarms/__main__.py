"""`make bench-alarms`: false alarms of stable models, with the shipped judges and the default configuration.

    python -m bench.alarms [--models 1000] [--days 30] [--only NAME] [--seed 0] [--kept FOLDER] [--write PAGE]

Each model lives a week for its references, then `--days` more, in which every alert is false; alerts of the first week
are told apart. Drawn are the summaries of panes, not events, and judged by `concept_drift` (the whole and two segment
values, one of which comes and goes), `feature_drift` (two features), `prediction_drift`, `label_drift`, `data_quality`,
`repeated_values`, `latency`, `volume` and `silence`, each with its share of the budget. Not judged here are monitors
whose summaries could not be drawn without their events, such as half-space trees and attributions; `bench.accuracy` and
`bench.data_drift` have their false alarms on real streams. In `--kept` each regime's result is left when it is done,
and taken from there when the run is begun again.
"""

from __future__ import annotations

import argparse
import math
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import orjson
from scipy.stats import gamma

from bench.alarms.baselines import NAMES, RIVER_MODELS, Baselines
from bench.alarms.fleet import Fleet
from bench.alarms.judging import Judges
from bench.alarms.regimes import REGIMES, Lives, Regime
from bench.events import BEGIN_US
from processors.durations import DAY_US

MONITORS = [
    "concept_drift", "feature_drift", "prediction_drift", "label_drift", "data_quality", "repeated_values", "latency",
    "volume", "silence", "label_silence",
]  # fmt: skip
_LEARN_DAYS = 7


@dataclass(frozen=True, slots=True)
class Told:
    """What was false in one regime."""

    regime: str
    models: int
    months: float
    """Model-months judged, of 30 days."""
    early: int
    late: Counter[str]
    """After the first week, by monitor."""
    baselines: dict[str, float]
    """Alarms a model-month."""
    budget: float = 1.0
    """Alarms a model-month that are allowed to the monitors that were judged."""
    seconds: float = field(default=0.0, compare=False)

    @property
    def interval(self) -> tuple[float, float, float]:
        """Alarms a model-month and their 95% interval (exact, of a Poisson count)."""
        n = sum(self.late.values())
        low = float(gamma.ppf(0.025, n)) if n else 0.0
        return n / self.months, low / self.months, float(gamma.ppf(0.975, n + 1)) / self.months


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, and write it if asked to."""
    parser = argparse.ArgumentParser(prog="python -m bench.alarms")
    parser.add_argument("--models", type=int, default=1_000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--kept", type=Path)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args(arguments)
    chosen = [regime for regime in REGIMES if options.only in regime.name]
    run = partial(kept, folder=options.kept, models=options.models, days=options.days, seed=options.seed)
    table = _head()
    print(table, flush=True)
    told = []
    with ProcessPoolExecutor(options.jobs) as pool:
        for one in pool.map(run, chosen):
            told.append(one)
            table += "\n" + _row(one)
            print(_row(one), flush=True)
    summary = orjson.dumps([{**asdict(one), "late": dict(one.late), "rate": one.interval} for one in told]).decode()
    if options.write is not None:
        options.write.write_text(f"{_PAGE.format(seed=options.seed)}\n{table}\n\n```json\n{summary}\n```\n")
    print(summary)


def kept(regime: Regime, *, folder: Path | None, models: int, days: int, seed: int) -> Told:
    """What was kept of an earlier run, or else what comes of a run now."""
    if folder is None:
        return live(regime, models=models, days=days, seed=seed)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{regime.name}-{models}x{days}-{seed}.json"
    if not path.exists():
        told = live(regime, models=models, days=days, seed=seed)
        path.write_bytes(orjson.dumps({**asdict(told), "late": dict(told.late)}))
    found = orjson.loads(path.read_bytes())
    return Told(**{**found, "late": Counter(found["late"])})


def live(regime: Regime, *, models: int, days: int, seed: int) -> Told:
    """Let models live in a regime."""
    began = time.process_time()
    rng = np.random.default_rng([seed, REGIMES.index(regime)])
    fleet, lives = Fleet(models, rng), Lives(regime, models, rng)
    judges = Judges(fleet.profile, MONITORS)
    concept = judges.budget_us * judges.shares["concept_drift"]
    others = Baselines(fleet.bases, BEGIN_US, regime.per_second, concept)
    early, late = 0, Counter[str]()
    for number in range((days + _LEARN_DAYS) * 86_400 // regime.pane_s):
        weather = lives.pane(number)
        summaries = fleet.draw(weather)
        fired = judges.step(summaries, weather.start, weather.end)
        if weather.end <= BEGIN_US + _LEARN_DAYS * DAY_US:
            early += len(fired)
        else:
            late.update(finding.monitor for finding in fired)
        others.step(summaries["concept_drift"], summaries["feature_drift"], weather.start, weather.end)
    months = models * days / 30
    watched = {"ADWIN": RIVER_MODELS, "Page-Hinkley": RIVER_MODELS}
    rates = {name: n / (min(watched.get(name, models), models) * days / 30) for name, n in others.alarms.items()}
    budget = math.fsum(judges.shares.values()) * judges.budget_us * 30 * DAY_US
    return Told(regime.name, models, months, early, late, rates, budget, time.process_time() - began)


def _head() -> str:
    columns = ["regime", "model-months", "budget", "Vigil", "95% interval", "which", "first week", *NAMES]
    return f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}"


def _row(one: Told) -> str:
    rate, low, high = one.interval
    which = ", ".join(f"{name} {n}" for name, n in one.late.most_common()) or "-"
    cells = [
        one.regime, f"{one.months:,.0f}", f"{one.budget:.2f}", f"{rate:.4f}", f"{low:.4f} to {high:.4f}", which,
        f"{one.early / one.models:.2f}", *(f"{one.baselines[name]:.2f}" for name in NAMES),
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


_PAGE = """# How often it cries wolf

Written by `make bench-alarms SEED={seed}`. Stable models only, so every alert is false: a week for the references,
then 30 days that count. Figures are false alarms per model and month; the budget is what the judged monitors may spend
of the one alarm a month that a model has. `bench/alarms` says what is drawn and judged. First week: alarms per model
while its references are made of its own first days (a day long they say `provisional`).

Not judged here: half-space trees, attributions, multivariate drift and the two estimates (performance and error), whose
summaries are forests' masses, pairs of features and cubes of scores: to draw them is to draw the events. They spend
from the same budget by the same detectors (rates and tails), and `make bench-accuracy` and `make bench-data-drift` have
all monitors on stable real streams, together and through the whole pipeline.
"""


if __name__ == "__main__":
    main()
