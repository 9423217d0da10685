"""How alike are two rankings of features by importance?"""

from __future__ import annotations

import numpy as np

from processors.rows import Floats


def ndcg(reference: Floats, current: Floats) -> float:
    """Normalised discounted cumulative gain of ranking features by `current` when `reference` is what they are worth.

    Both have shape (features,). 1: the same order; swaps at the top cost most. NaN if all of the reference is 0.
    Among equals the earlier feature comes first. K. Järvelin & J. Kekäläinen (2002), "Cumulated gain-based evaluation
    of IR techniques"; used for attributions as in Amazon SageMaker Model Monitor.
    """
    discount = 1 / np.log2(np.arange(2, len(reference) + 2))
    best = np.sort(reference)[::-1] @ discount
    order = np.argsort(-current, kind="stable")
    return float(reference[order] @ discount / best) if best > 0 else float("nan")
