"""How soon can a change of an error rate be known, by a detector that keeps the configured promise?"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from config import Config

Errors = npt.NDArray[np.bool_]

CONCEPT_SHARE = 0.5
"""Of a model's false-alarm budget concept drift gets half (`daemon.watch`)."""


def evidence_needed(config: Config | None = None) -> float:
    """ln(horizon / pane / weight): the log evidence with which one pane's share of the budget becomes an alarm."""
    chosen = config or Config()
    return math.log(chosen.alerts.false_alarms.horizon / int(chosen.time.pane) / CONCEPT_SHARE)


def delay_bound(before: Errors, after: Errors, *, gradual: bool = False, pane_events: int = 10) -> float | None:
    """2.5 times the events that the evidence needed takes, and two panes; None for a change that is not visible.

    Visible: the two-sample information between `before` and `after` (errors) is at least 1.5 times what is needed. A
    gradual change gives little information at first: it is added up as the events came.
    """
    p, q = float(before.mean()), float(after.mean())
    pooled = float(before.sum() + after.sum()) / (len(before) + len(after))
    information = len(before) * kl(p, pooled) + len(after) * kl(q, pooled)
    if q <= p or information < 1.5 * evidence_needed():
        return None
    if not gradual:
        return 2.5 * evidence_needed() / kl(q, p) + 2 * pane_events
    rates = after.cumsum() / np.arange(1, len(after) + 1)
    gathered = [n * kl(float(rate), p) if rate > p else 0.0 for n, rate in enumerate(rates, 1)]
    enough = np.flatnonzero(np.array(gathered) >= 2.5 * evidence_needed())
    return float(enough[0] + 1 + 2 * pane_events) if len(enough) else float(len(after))


def kl(q: float, p: float) -> float:
    """Information (nats) an event of rate q gives against rate p."""
    p = min(max(p, 1e-6), 1 - 1e-6)
    return sum(a * math.log(a / b) for a, b in ((q, p), (1 - q, 1 - p)) if a > 0)
