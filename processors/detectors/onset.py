"""When did it begin? The onset of a change, with an interval.

The estimate is where the evidence last left its floor (the CUSUM's argmin, which is the maximum-likelihood change-point
[1]). How far it may be off follows from what an event tells: an event before the change that is counted as after it
costs KL(before, after) of log-likelihood in the mean, one after it that is counted as before KL(after, before). So the
change lies, roughly nine times in ten, at most ln 30 / KL events from the estimate on either side; besides it cannot be
told within a pane. Panes that depend on each other (`dispersion`) tell less. Measured only: `bench-accuracy` streams.

[1] D. V. Hinkley (1970), "Inference about the change-point in a sequence of random variables".
"""

from __future__ import annotations

import math

import numpy as np

from processors.rows import Floats

_LIKELY = math.log(30)
_LEAST = 1e-6
_SECOND_US = 1_000_000


def between(  # noqa: PLR0917 - two distributions, and what the estimate rests on
    before: Floats, after: Floats, since: int, end: int, n: float, dispersion: float, pane_us: int
) -> tuple[int, int]:
    """Bounds of the onset estimated at `since`, microseconds; the upper one at most `end`.

    `before` and `after` are shares of the same bins, shape (bins,); `n` events lie between `since` and `end`.
    """
    p, q = (_smoothed(np.asarray(shares, np.float64), n) for shares in (before, after))
    per_event = (end - since) / max(n, 1.0)
    ratio = np.log(q / p)
    earlier, later = max(float(-(p * ratio).sum()), _LEAST), max(float((q * ratio).sum()), _LEAST)
    low = since - _whole(_LIKELY * dispersion / earlier * per_event) - pane_us
    high = since + _whole(_LIKELY * dispersion / later * per_event) + pane_us
    return max(low // _SECOND_US * _SECOND_US, 0), min(-(-high // _SECOND_US) * _SECOND_US, end)


def _smoothed(shares: Floats, n: float) -> Floats:
    """Never quite zero: what was not seen in n events may be one in n."""
    share = shares + 0.5 / max(n, 1.0)
    return np.asarray(share / share.sum())


def _whole(us: float) -> int:
    return int(min(us, 2.0**52))
