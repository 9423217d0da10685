"""How far shares by bin are from their reference: as readings of a window, and as evidence of an alert."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from processors.base import Reading
from processors.detectors.projection import jensen_shannon, stability_index, total_variation
from processors.profile import Profile
from processors.rows import Floats, Longs
from processors.windows import Due


def readings(  # noqa: PLR0917 - what is read, when, and against what
    monitor: str, series: str, due: Due, counts: Longs, reference: Floats, profile: Profile, coverage: Any = None
) -> list[Reading]:
    """Of each group that is due and has a reference: the distance of its counts, shape (groups, 32), to that.

    `coverage` says by group on which share of what there is to count they rest, where that is not all.
    """
    n = counts.sum(axis=1)
    shares = counts / np.maximum(n, 1)[:, None]
    moved = total_variation(reference, shares)
    js, psi = jensen_shannon(reference, shares), stability_index(reference, shares)
    return [
        Reading(
            monitor,
            series,
            profile.groups[due.keys[at]],
            float(moved[at]),
            int(n[at]),
            int(due.start[at]),
            int(due.end[at]),
            reference=0.0,
            coverage=None if coverage is None else float(coverage[at]),
            details={"jensen_shannon": float(js[at]), "psi": float(psi[at])},
        )
        for at in np.flatnonzero((n > 0) & np.isfinite(moved)).tolist()
    ]


def most_moved(name: Callable[[int], str], reference: Floats, shares: Floats) -> list[dict[str, Any]]:
    """The five bins whose share changed most, by their names."""
    order = np.argsort(-np.abs(shares - reference), kind="stable")[:5].tolist()
    return [
        {"bin": name(at), "share": float(shares[at]), "reference": float(reference[at])}
        for at in order
        if shares[at] != reference[at]
    ]
