"""How often is a new version that is no worse taken for worse, and how soon is one that is?

    python -m bench.alarms.deployments [--models 400] [--seed 0] [--only NAME] [--write PAGE]

Each model has a version that serves for three days (two hours where the new one is worse); then another serves beside
it with half of the traffic (a canary), or in its place (a hand-over). Drawn are the summaries of panes, which the
shipped `deployment` judges with the default configuration, for thirty hours. Error rates are spread from .05 to .4 over
the models, a tenth of the traffic is labelled late and errs more often, and the weather is that of
`bench.alarms.regimes`: for both versions the same (`shared`), or for each its own, which is harder than what the bets
take for granted.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
from scipy.special import expit, logit

from bench.alarms.fleet import decoded
from bench.alarms.judging import Judges
from bench.alarms.regimes import Lives, Regime
from bench.events import BEGIN_US
from processors.base import Summary
from processors.deployment.served import BINS
from processors.drift import samples
from processors.durations import HOUR_US
from processors.profile import BINARY, Limits, ModelSpec, Profile
from processors.rows import Floats, Ints, Longs

MONITOR = "deployment"
_AFTER_H = 30
_LATE, _LATE_PANES, _LATE_LOGIT = 0.1, 6, 0.7
"""Of outcomes so many are labelled so many panes later, and err so much more often."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """One kind of deployment."""

    name: str
    regime: Regime
    canary: float = 0.0
    """The new version's share of the traffic while both serve; 0: a hand-over."""
    error: float | None = None
    """Error rate of the old version; None: spread from .05 to .4 over the models."""
    worse: float | None = None
    """That of the new one; None: the same."""
    shared: bool = True
    """Is the weather the same for both?"""
    hours: int = 72
    """That the old version serves alone."""


@dataclass(frozen=True, slots=True)
class Found:
    """What became of it."""

    name: str
    models: int
    found: int
    after: list[float]
    """Outcomes of the new version until it was found worse: quartiles."""
    stake: float
    """What a version may stake: the probability of a false alarm that it is allowed."""


_WANDERS = [
    Regime(f"{name}{', daily' if daily else ''}", rate, wander=wander, daily=daily, traffic=0.7 if daily else 0.0)
    for rate in (0.05, 1.0, 100.0)
    for wander in (0.0, 0.3, 0.6)
    for daily in (0.0, 0.5)
    for name in (f"{rate:g}/s, wander {wander:g}",)
]
_PLAIN = Regime("1/s", 1.0, pane_s=10)

ROLLOUTS = (
    *(Rollout(f"canary, {regime.name}", regime, 0.5) for regime in _WANDERS),
    *(
        Rollout(f"canary, {regime.name}, own weather", regime, 0.5, shared=False)
        for regime in _WANDERS
        if regime.wander
    ),
    *(Rollout(f"hand-over, {regime.name}", regime) for regime in _WANDERS),
    *(
        Rollout(f"{kind}, {before:g} to {after:g}", _PLAIN, share, before, after, hours=2)
        for kind, share in (("canary", 0.5), ("canary of a tenth", 0.1), ("hand-over", 0.0))
        for before, after in ((0.1, 0.15), (0.1, 0.2), (0.1, 0.3), (0.01, 0.05), (0.3, 0.4))
    ),
)


def roll_out(rollout: Rollout, models: int, seed: int) -> Found:
    """Let models live through one."""
    rng = np.random.default_rng([seed, ROLLOUTS.index(rollout)])
    profile = _profile(models)
    old = np.array([profile.number(_model(at), "1") for at in range(models)], np.int32)
    new = np.array([profile.number(_model(at), "2") for at in range(models)], np.int32)
    judges = Judges(profile, [MONITOR])
    lives = Lives(rollout.regime, models, rng)
    own = Lives(rollout.regime, models, rng)
    own.phase = lives.phase
    usual = np.linspace(0.05, 0.4, models) if rollout.error is None else np.full(models, rollout.error)
    rate = usual if rollout.worse is None else np.full(models, rollout.worse)
    before, after = _panes(rollout, rollout.hours), _panes(rollout, _AFTER_H)
    late: list[Longs] = []
    seen, found = np.zeros(models), np.full(models, np.nan)
    for number in range(before + after):
        weather, other = lives.pane(number), own.pane(number)
        share = 0.0 if number < before else rollout.canary or 1.0
        n = np.stack([rng.poisson(weather.volume * part) for part in (1 - share, share)])
        wander = weather.error if rollout.shared else other.error
        error = np.stack([expit(logit(usual) + weather.error), expit(logit(rate) + wander)])
        soon, later = _outcomes(n, error, rng)
        late.append(later)
        counts = soon + (late.pop(0) if len(late) > _LATE_PANES else 0)
        seen += counts[1, :, :, 1].sum(axis=1)
        summary = _summary(np.concatenate([old, new]), n.reshape(-1), counts.reshape(2 * models, BINS, 2))
        for finding in judges.step({MONITOR: summary}, weather.start, weather.end):
            at = int(finding.group.model)
            found[at] = seen[at] if np.isnan(found[at]) else found[at]
        if not np.isnan(found).any():
            break
    stake = judges.budget_us * judges.shares[MONITOR] * 30 * 24 * HOUR_US / 2
    known = found[~np.isnan(found)]
    quartiles = np.percentile(known, [25, 50, 75]).tolist() if len(known) else []
    return Found(rollout.name, models, len(known), quartiles, stake)


def _panes(rollout: Rollout, hours: int) -> int:
    return hours * 3_600 // rollout.regime.pane_s


def _outcomes(n: Longs, error: Floats, rng: np.random.Generator) -> tuple[Longs, Longs]:
    """Errors and outcomes by lag that come at once and later, shape (2, models, bins, 2)."""
    slow = rng.binomial(n, _LATE)
    soon, later = (np.zeros((*n.shape, BINS, 2), np.int64) for _ in range(2))
    soon[:, :, 0, 1], later[:, :, 1, 1] = n - slow, slow
    soon[:, :, 0, 0] = rng.binomial(n - slow, error)
    later[:, :, 1, 0] = rng.binomial(slow, expit(logit(error) + _LATE_LOGIT))
    return soon, later


def _summary(keys: Ints, predicted: Longs, counts: Longs) -> Summary:
    some = (predicted > 0) | counts.any(axis=(1, 2))
    order = np.argsort(keys[some])
    keys = keys[some][order]
    twice = np.concatenate([counts, counts], axis=2)[some][order]
    none = samples.columns(keys, np.zeros(0, np.int32), np.zeros(0, np.uint64), np.zeros(0))
    return Summary(keys, {"predicted": predicted[some][order], "counts": twice, **none})


def _model(at: int) -> str:
    return f"{at:05}"


def _profile(models: int) -> Profile:
    """Both versions of each."""
    profile = Profile({"*": ModelSpec(task=BINARY, classes=("0", "1"), positive_class="1")}, Limits(models=models))
    event = {"type": "prediction", "ts": BEGIN_US // 1_000, "prediction": 1}
    begun = decoded(
        [{**event, "id": version, "model": _model(at), "version": version} for at in range(models) for version in "12"]
    )
    profile.admit(begun.predictions, begun.signals)
    return profile


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, and write it if asked to."""
    parser = argparse.ArgumentParser(prog="python -m bench.alarms.deployments")
    parser.add_argument("--models", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args(arguments)
    lines = [
        "| deployment | versions | found worse | outcomes until then (quartiles) | stake |",
        "|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    told = []
    for rollout in ROLLOUTS:
        if options.only in rollout.name:
            told.append(roll_out(rollout, options.models, options.seed))
            lines.append(_row(told[-1]))
            print(lines[-1], flush=True)
    if options.write is not None:
        options.write.write_text("\n".join([_PAGE, *lines, ""]))
    print(orjson.dumps([{"name": one.name, "found": one.found, "models": one.models} for one in told]).decode())


def _row(one: Found) -> str:
    after = ", ".join(f"{n:,.0f}" for n in one.after) or "-"
    return f"| {one.name} | {one.models} | {one.found} ({one.found / one.models:.2%}) | {after} | {one.stake:.1%} |"


_PAGE = """# How a bad version is told from a good one

Written by `make bench-deployments`; `bench/alarms/deployments.py` says what is drawn. Where no second error rate is
named the new version is as good as the old one, so whatever is found is false; the stake is the share of such versions
that may be. The outcomes are those of the new version.
"""


if __name__ == "__main__":
    main()
