"""Can an estimate be relied on? What is told of a version, and what a segment can tell better by itself.

Three things make an estimate unreliable: features of the version left what labels are known of (`shift`); predictions
fall where few labels are known; the last estimate that labels could check was off. Features are watched of versions
only, so what moved there holds for every segment. The other two a segment tells by itself where it can: it has its own
scores, and once an estimate of it was checked against its labels that counts for it, and not what was found of its
version.
"""

from __future__ import annotations

from collections.abc import Iterable

from processors.base import State


def initial() -> State:
    """No reason for doubt."""
    return {"moved": {}, "thin": {}, "off": {}}


def note_moved(state: State, base: int, feature: str | None) -> None:
    """A version's window closed: the feature that left what labels are known of, if one did."""
    _set(state["moved"], base, feature)


def note_support(state: State, group: int, thin: bool) -> None:
    """A window of a version or segment closed: do its predictions lie where few labels are known?"""
    _set(state["thin"], group, thin or None)


def note_checked(state: State, group: int, off: float) -> None:
    """Labels checked an estimate of a version or segment: by how much it was off beyond what it allowed for, or 0."""
    state["off"][group] = off


def why(state: State, group: int, base: int) -> str:
    """Why estimates of a version or segment may be off; empty: they can be relied on."""
    if (feature := state["moved"].get(base)) is not None:
        return f"feature {feature} moved away from what labels are known of"
    if group in state["thin"]:
        return "predictions fall where few labels are known"
    if off := state["off"].get(group, state["off"].get(base, 0.0)):
        whose = "" if group in state["off"] else " of the whole version"
        return f"the last estimate{whose} that labels could check was off by {off:+.3f}"
    return ""


def forget(state: State, groups: Iterable[int]) -> None:
    """Let these be as if never seen."""
    for group in groups:
        for reasons in state.values():
            reasons.pop(group, None)


def _set(reasons: dict[int, object], number: int, reason: object) -> None:
    if reason is None:
        reasons.pop(number, None)
    else:
        reasons[number] = reason
