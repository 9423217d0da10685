"""The shipped judges with the default configuration, over panes of models that are each a fleet."""

from __future__ import annotations

from collections.abc import Mapping

import config
from daemon import app
from daemon.watched import shares
from processors.base import Finding, Judging, Monitor, State, Summary
from processors.profile import Profile
from processors.registry import monitors

_NEVER = 2**60
"""Readings are of no interest here: their windows stay open."""


class Judges:
    """Monitors with their states; `step` answers with what fired."""

    def __init__(self, profile: Profile, names: list[str]) -> None:
        settings = config.parse("", {}, app.registry(), source_required=False)
        self._profile = profile
        suite = [kind(kind.Settings()) for kind in monitors().values() if hasattr(kind, "consumes")]
        shared = dict(zip([monitor.name for monitor in suite], shares(suite), strict=True))
        self._monitors = [monitor for monitor in suite if monitor.name in names]
        self._states: dict[str, State] = {monitor.name: monitor.initial() for monitor in self._monitors}
        self.budget_us = 1 / settings.alerts.false_alarms.horizon
        self.shares = {name: shared[name] for name in names}

    def step(self, summaries: Mapping[str, Summary], start: int, end: int) -> list[Finding]:
        """Judge one pane."""
        fired: list[Finding] = []
        for monitor in self._monitors:
            fired += self._judge(monitor, summaries[monitor.name], start, end)
        return fired

    def _judge(self, monitor: Monitor, summary: Summary, start: int, end: int) -> list[Finding]:  # type: ignore[type-arg]
        context = Judging(
            start=start,
            end=end,
            profile=self._profile,
            alarms_per_us=self.budget_us * self.shares[monitor.name],
            window_events=_NEVER,
            window_span=_NEVER,
            pane_us=end - start,
        )
        verdict = monitor.judge(self._states[monitor.name], summary, context)
        self._states[monitor.name] = verdict.state
        return [finding for finding in verdict.findings if finding.kind == "fired"]
