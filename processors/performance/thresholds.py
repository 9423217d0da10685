"""Thresholds that an operator sets on a series, told apart from chance by the reading's interval (if it has one).

One fires when the whole interval is beyond the threshold, and recovers when the whole interval is back: what lies
between changes nothing, so it does not flap. Thresholds are not part of the false-alarm budget.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from processors.base import Finding, Reading
from processors.wording import basis, model_words, moment


class Threshold(BaseModel):
    """A bound that a window's reading should keep to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    series: str
    """Name of the series, such as `accuracy`."""
    below: float | None = None
    """Fires when the series is below this ..."""
    above: float | None = None
    """... or above this. One of the two."""
    min_n: int = Field(default=100, ge=1)
    """A window with fewer outcomes changes nothing."""
    severity: Literal["info", "warning", "critical"] = "warning"

    @model_validator(mode="after")
    def _one_bound(self) -> Threshold:
        if (self.below is None) == (self.above is None):
            raise ValueError("give either 'below' or 'above'")
        return self

    def state_of(self, low: float, high: float) -> bool | None:
        """True: the interval is wholly beyond the bound; False: wholly within; None: across it."""
        if self.below is not None:
            return True if high < self.below else False if low >= self.below else None
        return True if low > self.bound else False if high <= self.bound else None

    @property
    def bound(self) -> float:
        """The number that is not to be crossed."""
        return self.below if self.below is not None else self.above if self.above is not None else 0.0


def crossed(thresholds: tuple[Threshold, ...], firing: dict[str, Any], name: str, reading: Reading) -> list[Finding]:
    """What one window's reading changes. `firing` holds the onset of each rule that fires, by group `name`;
    it is changed in place.
    """
    if reading.scope != "window" or reading.value is None:
        return []
    # A series without an interval, such as R2, is taken at its word.
    low = reading.low if reading.low is not None else reading.value
    high = reading.high if reading.high is not None else reading.value
    findings = []
    for number, threshold in enumerate(thresholds):
        if threshold.series != reading.series or reading.n < threshold.min_n:
            continue
        beyond = threshold.state_of(low, high)
        rule = f"{number}/{reading.details.get('class', '')}"
        mine = firing.setdefault(name, {})
        if beyond and rule not in mine:
            mine[rule] = reading.start
            findings.append(_finding("fired", threshold, reading, reading.start))
        elif rule in mine and beyond is not None:
            kind: Literal["updated", "recovered"] = "updated" if beyond else "recovered"
            findings.append(_finding(kind, threshold, reading, mine[rule]))
            if not beyond:
                del mine[rule]
        if not mine:
            del firing[name]
    return findings


def _finding(
    kind: Literal["fired", "updated", "recovered"], threshold: Threshold, reading: Reading, since: int
) -> Finding:
    return Finding(
        kind=kind,
        monitor=reading.monitor,
        series=reading.series,
        group=reading.group,
        since=since,
        value=reading.value,
        n=reading.n,
        summary=_sentence(kind == "recovered", threshold, reading, since),
        reference=threshold.bound,
        low=reading.low,
        high=reading.high,
        severity=threshold.severity,
        evidence={"class": reading.details["class"]} if "class" in reading.details else {},
    )


def _sentence(back: bool, threshold: Threshold, reading: Reading, since: int) -> str:
    side = "below" if threshold.below is not None else "above"
    of_class = f" of class {reading.details['class']}" if "class" in reading.details else ""
    interval = (
        "" if reading.low is None or reading.high is None else f", between {reading.low:.3g} and {reading.high:.3g}"
    )
    return (
        f"{model_words(reading.group)}: {reading.series.replace('_', ' ')}{of_class} is {'back from ' if back else ''}"
        f"{side} {threshold.bound:g}: {reading.value:.3g}{interval} "
        f"({basis(reading.n, 'outcomes', reading.start)}; crossed {moment(since)})."
    )
