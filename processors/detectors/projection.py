"""Distances between histograms, and the strongest fair bet against all that are close to a reference.

For the null "the distribution lies within total variation eps of p" and a guess q of what it really is, the bet that
grows fastest is q / p*, where p* is the point of the null closest to q (the reverse information projection): its mean
is at most 1 under every member of the null, as the null is convex [1]. For a total variation ball it is a clipped
likelihood ratio [2]: q / p* = clip(q / p, low, high), where the clipping moves exactly eps of the mass on each side.

[1] P. Grünwald, R. de Heide & W. Koolen (2024), "Safe testing", JRSS B 86, theorem 1.
[2] P. J. Huber & V. Strassen (1973), "Minimax tests and the Neyman-Pearson lemma for capacities", Ann. Statist. 1.
"""

from __future__ import annotations

import numpy as np

from processors.rows import Floats


def total_variation(p: Floats, q: Floats) -> Floats:
    """Share of the mass that would have to move to turn p into q, 0 to 1; over the last axis."""
    return np.asarray(np.abs(p - q).sum(axis=-1) / 2)


def jensen_shannon(p: Floats, q: Floats) -> Floats:
    """Jensen-Shannon distance (base 2, so 0 to 1): square root of the divergence; over the last axis.

    J. Lin (1991), "Divergence measures based on the Shannon entropy", IEEE Trans. Inf. Theory 37.
    """
    middle = (p + q) / 2
    divergence = (_entropy_terms(p, middle) + _entropy_terms(q, middle)).sum(axis=-1) / 2
    return np.asarray(np.sqrt(np.clip(divergence, 0, 1)))


def stability_index(p: Floats, q: Floats, floor: float = 1e-4) -> Floats:
    """Population stability index of q against p, with shares of at least `floor`; over the last axis."""
    p, q = np.maximum(p, floor), np.maximum(q, floor)
    return np.asarray(((q - p) * np.log(q / p)).sum(axis=-1))


def sampling_error(p: Floats, n: Floats, log_odds: float = 0.0) -> Floats:
    """Bound of the total variation between p and `n` draws from it, exceeded with probability exp(-log_odds).

    The mean is at most sum sqrt(p (1 - p) / n) / 2; McDiarmid's inequality does the rest.
    """
    n = np.maximum(n, 1)
    mean = np.sqrt(p * (1 - p)).sum(axis=-1) / (2 * np.sqrt(n))
    return np.asarray(np.minimum(mean + np.sqrt(log_odds / (2 * n)), 1.0))


def sampling_error_of_rare(p: Floats, n: Floats, log_odds: float) -> Floats:
    """The same bound where one bin has nearly all of the mass: by the variance of the most uncertain event.

    That is at most p (1 - p) of the largest bin if it has more than half, else 1/4. O. Bousquet (2002), "A Bennett
    concentration inequality and its application to suprema of empirical processes", C. R. Acad. Sci. Paris 334.
    """
    n = np.maximum(n, 1)
    mean = np.sqrt(p * (1 - p)).sum(axis=-1) / (2 * np.sqrt(n))
    most = np.maximum(p.max(axis=-1), 0.5)
    spread = np.sqrt(2 * log_odds * (most * (1 - most) + 2 * mean) / n)
    return np.asarray(np.minimum(mean + spread + log_odds / (3 * n), 1.0))


def best_bet(q: Floats, p: Floats, eps: Floats) -> Floats:
    """The factor q / p* for an event in each bin, shape (rows, bins); all 1 where q is itself within `eps` of p.

    `p` and `q` are positive and sum to 1 along the last axis; `eps` has shape (rows,), 0 to 1.
    """
    ratio = q / p
    order = np.argsort(-ratio, axis=-1, kind="stable")
    mass_p = np.cumsum(np.take_along_axis(p, order, -1), axis=-1)
    mass_q = np.cumsum(np.take_along_axis(q, order, -1), axis=-1)
    margin = eps[:, None]
    high = (mass_q / (mass_p + margin)).max(axis=-1, keepdims=True)
    # The tails from the other end: what is left of 1 beyond each bin, beginning with all of it.
    tail_p, tail_q = 1 - mass_p + np.take_along_axis(p, order, -1), 1 - mass_q + np.take_along_axis(q, order, -1)
    room = tail_p - margin
    low = np.where(room > 0, tail_q / np.where(room > 0, room, 1), np.inf).min(axis=-1, keepdims=True)
    inside = (high <= 1) | (low >= 1)
    return np.where(inside, 1.0, np.clip(ratio, np.minimum(low, high), high))


def _entropy_terms(p: Floats, middle: Floats) -> Floats:
    known = p > 0
    return np.where(known, p * np.log2(np.where(known, p, 1) / np.where(known, middle, 1)), 0)
