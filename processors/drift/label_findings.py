"""What is said of labels that moved: which, from what to what, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from processors.base import Finding, State
from processors.detectors.change import Change
from processors.drift import classes, distances, followed
from processors.kernels.binning import WIDTH
from processors.profile import GroupKey
from processors.rows import Floats
from processors.wording import basis, model_words, percent


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the group whose labels moved."""

    monitor: str
    group: GroupKey
    base: int
    """The number of its (model, version)."""
    usual: Floats
    """The shares that its labels had, by bin, shape (32,)."""
    names: list[str]
    """Of bins."""
    age: int
    """After so many microseconds its labels have settled."""
    followed: State
    """Whether answers moved along (`followed`)."""
    critical_effect: float


def of_all(change: Change, known: Known) -> Finding:
    """All labels together."""
    counts = change.counts if change.counts is not None else np.zeros(WIDTH)
    shares = counts / max(counts.sum(), 1)
    most = int(np.argmax(np.abs(shares - known.usual)))
    moved = f"{known.names[most]} went from {percent(known.usual[most])} to {percent(shares[most])}"
    return _told(change, "labels", _sentence(change, known.group, "labels", moved), counts, known)


def of_class(change: Change, bin_: int, known: Known) -> Finding:
    """One class of several, where all together do not say so, or are not judged yet."""
    known = replace(known, usual=np.nan_to_num(known.usual))
    counts = classes.spread_over(known.usual, bin_, change.value * change.n, change.n)
    name = known.names[bin_]
    moved = f"they went from {percent(change.reference)} to {percent(change.value)} of all"
    said = _sentence(change, known.group, f"labels of {name}", moved)
    return _told(replace(change, key=known.base), f"labels/{name.removeprefix('class ')}", said, counts, known)


def _told(change: Change, series: str, said: str, counts: Floats, known: Known) -> Finding:
    shares = counts / max(counts.sum(), 1)
    advice = followed.Advice("none", "", {})
    if change.kind != "recovered":
        advice = followed.advise(known.followed, change.key, known.base, known.usual, counts, known.names)
    return change.finding(
        known.monitor,
        series,
        known.group,
        said,
        severity="critical" if abs(change.value - change.reference) >= known.critical_effect else "warning",
        action=advice.action,
        evidence={
            "moved": distances.most_moved(known.names.__getitem__, known.usual, shares),
            "settled_after_s": known.age // 1_000_000,
            **advice.evidence,
        },
        reason=advice.reason,
        lag=known.age,
    )


def _sentence(change: Change, group: GroupKey, what: str, moved: str) -> str:
    subject = f"{model_words(group)}: {what}"
    if change.kind == "recovered":
        return f"{subject} are again distributed as in the reference ({change.n:,} labels)."
    return f"{subject} moved: {moved} ({basis(change.n, 'labels of predictions', change.since)})."
