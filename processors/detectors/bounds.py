"""Confidence bounds in closed form, vectorised, without scipy (2.4 s to import)."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from processors.rows import Floats

_SHOWN_Z = 1.96


def normal_quantile(probability: float) -> float:
    """The standard normal value below which `probability` lies."""
    return NormalDist().inv_cdf(probability)


def wilson(hits: Floats, trials: Floats, z: float) -> tuple[Floats, Floats]:
    """Wilson's score interval of rates, (low, high); (0, 1) without trials.

    E. B. Wilson (1927), "Probable inference, the law of succession, and statistical inference", JASA 22.
    """
    known = np.maximum(trials, 1e-12)
    centre = hits + z * z / 2
    spread = z * np.sqrt(np.maximum(hits * (trials - hits) / known, 0) + z * z / 4)
    low, high = (centre - spread) / (known + z * z), (centre + spread) / (known + z * z)
    return np.where(trials > 0, np.clip(low, 0, 1), 0.0), np.where(trials > 0, np.clip(high, 0, 1), 1.0)


def shown(hits: float, trials: float) -> tuple[float, float]:
    """Wilson's 95% interval of one rate, as alerts show it."""
    low, high = wilson(np.array([hits]), np.array([trials]), _SHOWN_Z)
    return float(low[0]), float(high[0])


def chi2_quantile(z: float, freedom: Floats) -> Floats:
    """Quantile of chi-square at the probability of the normal value `z`; good to 1% from 20 degrees of freedom.

    E. B. Wilson & M. M. Hilferty (1931), "The distribution of chi-square", PNAS 17.
    """
    unit = 2 / (9 * np.maximum(freedom, 1))
    return np.asarray(np.maximum(freedom, 1) * np.maximum(1 - unit + z * np.sqrt(unit), 0) ** 3)
