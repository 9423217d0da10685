"""What is said of a new version that is worse than the one before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from processors.base import Action, Finding
from processors.detectors import onset
from processors.detectors.bounds import shown
from processors.durations import HOUR_US, MINUTE_US
from processors.profile import GroupKey
from processors.wording import basis, model_words, moment, percent

_LATELY_US = 6 * HOUR_US
"""A version that served so lately can be gone back to."""
_SERVES_US = 10 * MINUTE_US
"""One that served so lately serves still, as far as anybody can tell."""
_MOSTLY = 0.5


@dataclass(frozen=True, slots=True)
class Known:
    """A comparison in numbers. Times in microseconds."""

    group: GroupKey
    regression: bool
    before: str
    """The version that served before."""
    since: int
    """Since when the new one has been worse: when it began to serve, if it was so from the `first`."""
    first: bool
    value: float
    """Error rate of the new version, `reference` that of the old one."""
    reference: float
    n: float
    """Outcomes of the new version, `n_before` those of the old one."""
    n_before: float
    same_traffic: float
    """Share of the outcomes that both versions got in the same panes."""
    days_known: bool
    served_until: int | None
    """When the old version predicted last; None: long ago."""
    spread: float
    """How much more than independent draws error rates vary."""
    start: int
    """Of the pane; `now` is its end."""
    now: int


def finding(monitor: str, kind: Literal["fired", "updated", "recovered"], known: Known, critical: float) -> Finding:
    """The finding; from a difference of error rates by `critical` on it is critical."""
    (low, high), (low_before, high_before) = (
        shown(known.value * known.n, known.n),
        shown(known.reference * known.n_before, known.n_before),
    )
    advice: tuple[Action, str] = ("none", "") if kind == "recovered" else _advice(known)
    evidence: dict[str, Any] = {
        "version_before": {
            "version": known.before,
            "value": known.reference,
            "interval": [low_before, high_before],
            "n": round(known.n_before),
        },
        "same_traffic": known.same_traffic,
    }
    return Finding(
        kind=kind,
        monitor=monitor,
        series="large_error_rate" if known.regression else "error_rate",
        group=known.group,
        since=known.since,
        value=known.value,
        n=round(known.n),
        summary=_sentence(kind, known),
        reference=known.reference,
        low=low,
        high=high,
        severity="critical" if known.value - known.reference >= critical else "warning",
        action=advice[0],
        provisional=known.same_traffic < _MOSTLY and not known.days_known,
        evidence=evidence,
        onset=_onset(known),
        reason=advice[1],
    )


def _onset(known: Known) -> tuple[int, int]:
    if known.first:
        return known.since, known.since
    before, after = (np.array([rate, 1 - rate]) for rate in (known.reference, known.value))
    return onset.between(before, after, known.since, known.now, known.n, known.spread, known.now - known.start)


def _advice(known: Known) -> tuple[Action, str]:
    old = _version(known, known.before)
    if known.served_until is None or known.now - known.served_until > _LATELY_US:
        when = "long ago" if known.served_until is None else moment(known.served_until)
        return "retrain", (
            f"It errs more than {old} did, but that one served last {when}, too long to go back to unseen: look into "
            "how this version was built, and train it anew."
        )
    serves = (
        "still serves" if known.now - known.served_until <= _SERVES_US else f"served until {moment(known.served_until)}"
    )
    return "rollback", f"{old} {serves} and errs less: go back to it while this version is looked into."


def _sentence(kind: str, known: Known) -> str:
    old = _version(known, known.before)
    what = "share of large errors" if known.regression else "error rate"
    where = "on the same traffic" if known.same_traffic >= _MOSTLY else "before it"
    if kind == "recovered":
        return (
            f"{model_words(known.group)} is no longer worse than {old}: {what} {percent(known.value)} in all "
            f"({known.n:,.0f} outcomes), {old} {percent(known.reference)} {where}."
        )
    return (
        f"{model_words(known.group)} is worse than {old}: {what} {percent(known.value)}, {old} had "
        f"{percent(known.reference)} {where} ({basis(round(known.n), 'outcomes', known.since)})."
    )


def _version(known: Known, version: str) -> str:
    return model_words(GroupKey(known.group.model, version)).removeprefix(f"Model {known.group.model} ")
