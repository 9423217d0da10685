"""Versions that serve, as the counts of panes that `deployment` judges."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from processors.base import Finding, Judging, Summary
from processors.deployment.deployment import Deployment
from processors.deployment.served import BINS
from processors.drift import samples
from processors.examples import START_US, Event, predictions_of, signals_of
from processors.packing import pack, unpack
from processors.profile import Profile

PANE_US = 60_000_000
ALARMS_PER_US = 0.045 / (30 * 86_400e6)
"""What `deployment` has of the default budget."""
_RESTART_EVERY = 7


def event(version: str, ts: int = START_US, **more: Any) -> Event:
    """A prediction of the model `fraud`."""
    return {"id": f"{version}-{ts}", "model": "fraud", "version": version, "ts": ts, "prediction": 1, **more}


def profile_of(versions: str) -> Profile:
    """A profile that knows these versions of the model `fraud`, one a letter."""
    profile = Profile()
    profile.admit(predictions_of([event(version) for version in versions]), signals_of([]))
    return profile


@dataclass
class Serving:
    """A model's versions, each with its error rate, pane after pane; now and then the state is packed and unpacked."""

    versions: str = "12"
    seed: int = 0
    pane_us: int = PANE_US
    monitor: Deployment = field(default_factory=lambda: Deployment(Deployment.Settings()))

    def __post_init__(self) -> None:
        self.profile = profile_of(self.versions)
        self.state = self.monitor.initial()
        self.now = START_US
        self.findings: list[Finding] = []
        self._rng = np.random.default_rng(self.seed)

    def number(self, version: str) -> int:
        """The version's number."""
        return self.profile.number("fraud", version)

    def serve(self, panes: int, n: int = 20, lag: int = 0, gone: str = "", **rates: Any) -> list[Finding]:
        """So many panes with `n` outcomes of each version, of the lag's bin; one that is `gone` predicts no more.

        `rates` are v1=0.1 and so on: error rates, or a function of the pane's start. Returns what was found.
        """
        found: list[Finding] = []
        for _ in range(panes):
            keys = np.array([self.number(version[1:]) for version in rates], np.int32)
            error = [rate(self.now) if callable(rate) else rate for rate in rates.values()]
            order = np.argsort(keys)
            made = np.array([n * (version[1:] != gone) for version in rates], np.int64)
            counts = np.zeros((len(keys), BINS, 4), np.int64)
            counts[:, lag, 0::2] = self._rng.binomial(n, error)[:, None]
            counts[:, lag, 1::2] = n
            none = samples.columns(keys, np.zeros(0, np.int32), np.zeros(0, np.uint64), np.zeros(0))
            summary = Summary(keys[order], {"predicted": made[order], "counts": counts[order], **none})
            found += self.pane(summary)
        return found

    def pane(self, summary: Summary) -> list[Finding]:
        """Judge one pane."""
        start, self.now = self.now, self.now + self.pane_us
        context = Judging(start, self.now, self.profile, ALARMS_PER_US, 500, 2**60, self.pane_us)
        verdict = self.monitor.judge(self.state, summary, context)
        again = self.now // self.pane_us % _RESTART_EVERY == 0
        self.state = unpack(pack(verdict.state)) if again else verdict.state
        self.findings += verdict.findings
        return verdict.findings

    def rest(self, panes: int) -> None:
        """Nothing arrives for a while."""
        self.now += panes * self.pane_us

    def forget(self, version: str) -> None:
        """Retire a version, as the daemon does."""
        groups, series = self.profile.retire(self.number(version))
        self.state = self.monitor.forget(self.state, groups, series)
