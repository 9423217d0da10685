"""Bets on events of a known share: is it above its edge?

For a number of `hits` among `trials` whose chance is `edge` at most, exp(tilt * hits) over its mean under the edge has
a mean of at most 1, whatever the tilt; several tilts are mixed, for nobody knows by how much the share has risen.
"""

from __future__ import annotations

import numpy as np

from processors.rows import Floats

TILTS = np.array([0.15, 0.4, 0.8, 1.5, 3.0, 6.0])
"""By how much the log-odds are beyond the edge's."""
MOST_LOG = 600.0
"""Log evidence of one pane is held within it, so that nothing overflows."""


def log_ratios(hits: Floats, trials: Floats, edge: Floats, spread: Floats) -> Floats:
    """Log evidence of each tilt, shape (..., tilts), divided by the dispersion `spread`; see `MOST_LOG`."""
    norm = np.log1p(edge[..., None] * np.expm1(TILTS))
    ratios = (hits[..., None] * TILTS - trials[..., None] * norm) / spread[..., None]
    return np.asarray(np.clip(ratios, -MOST_LOG, MOST_LOG))
