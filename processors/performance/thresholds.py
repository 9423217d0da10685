"""Thresholds that an operator sets on a series, told apart from chance by the reading's interval (if it has one).

One fires when the whole interval is beyond the threshold, and recovers when the whole interval is back: what lies
between changes nothing, so it does not flap. Thresholds are not part of the false-alarm budget, and whoever set one
wants to hear of it: no other alert explains it away.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator

from processors.base import Finding, Judging, Monitor, MonitorSettings, Reading, State, Summary, Verdict
from processors.documented import Documented
from processors.profile import GroupKey, Profile
from processors.registry import register
from processors.wording import basis, model_words, moment

Kind = Literal["fired", "updated", "recovered"]


class Threshold(Documented):
    """A bound that a window's reading should keep to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    series: str
    """Name of the series, such as `accuracy`; any reading of any monitor."""
    below: float | None = None
    """Fires when the series is below this ..."""
    above: float | None = None
    """... or above this. One of the two."""
    min_n: int = Field(default=100, ge=1)
    """A window with fewer events changes nothing."""
    severity: Literal["info", "warning", "critical"] = "warning"
    """Severity of the alert."""

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


class ThresholdSettings(MonitorSettings):
    """Bounds on readings, for all models; `models.<name>.thresholds` sets them for one."""

    on_by_default: ClassVar[bool] = False

    thresholds: tuple[Threshold, ...] = ()
    """Bounds on series whose crossing is an alert."""


@register("threshold")
class Thresholds(Monitor[ThresholdSettings, Any]):
    """Readings of all other monitors → an alert for each that left its bound."""

    consumes = "readings"
    Settings = ThresholdSettings
    alarm_share = 0.0
    accepts = False

    def __init__(self, settings: ThresholdSettings) -> None:
        super().__init__(settings)
        self._series = frozenset(threshold.series for threshold in settings.thresholds)

    def measure(self, rows: Any, profile: Profile, sealed: Any) -> Summary:
        """Nothing: readings come with `judge`."""
        return self.empty()

    def initial(self) -> State:
        """Nothing fires."""
        return {"firing": {}}

    def judge(self, state: State, summary: Summary, context: Judging) -> Verdict:
        """Compare the windows that closed in this pane."""
        seen = [
            reading
            for reading in context.readings
            if reading.series in self._series and reading.scope == "window" and reading.value is not None
        ]
        numbers = _numbers(context.profile) if seen else {}
        verdict = Verdict(state)
        for reading in seen:
            if reading.group in numbers:
                verdict.findings.extend(self._compare(state["firing"], numbers[reading.group], reading))
        return verdict

    def forget(self, state: State, groups: frozenset[int], series: frozenset[int]) -> State:
        """Drop what fires of these groups."""
        for group in groups:
            state["firing"].pop(str(group), None)
        return state

    def _compare(self, firing: dict[str, Any], name: str, reading: Reading) -> list[Finding]:
        """What one window's reading changes. `firing` holds the onset of each rule that fires, by group `name`."""
        mine = firing.get(name, {})
        findings = []
        for number, threshold in enumerate(self.settings.thresholds):
            if threshold.series != reading.series or reading.n < threshold.min_n:
                continue
            beyond = threshold.state_of(*_bounds(reading))
            rule = f"{number}/{reading.monitor}/{reading.feature or ''}/{reading.details.get('class', '')}"
            if beyond and rule not in mine:
                mine[rule] = reading.start
                findings.append(self._finding("fired", threshold, reading, reading.start))
            elif rule in mine and beyond is not None:
                kind: Kind = "updated" if beyond else "recovered"
                findings.append(self._finding(kind, threshold, reading, mine[rule]))
                if not beyond:
                    del mine[rule]
        firing.pop(name, None)
        if mine:
            firing[name] = mine
        return findings

    def _finding(self, kind: Kind, threshold: Threshold, reading: Reading, since: int) -> Finding:
        """Its series names the bound too: two bounds on one reading are two alerts."""
        side = "below" if threshold.below is not None else "above"
        of_class = f"/{reading.details['class']}" if "class" in reading.details else ""
        return Finding(
            kind=kind,
            monitor=self.name,
            series=f"{reading.series}{of_class} {side} {threshold.bound:g}",
            group=reading.group,
            since=since,
            value=reading.value,
            n=reading.n,
            summary=_sentence(kind == "recovered", threshold, reading, since),
            feature=reading.feature,
            reference=threshold.bound,
            low=reading.low,
            high=reading.high,
            severity=threshold.severity,
            evidence={"monitor": reading.monitor, "series": reading.series},
            reason="Somebody has set this limit: what else fires of the model may say why it is crossed.",
        )


def _numbers(profile: Profile) -> dict[GroupKey, str]:
    """By what each group's rules are kept: its number, for a number can be forgotten; models as a whole by name."""
    live = {key: str(number) for number, key in enumerate(profile.groups) if key.model}
    return {GroupKey(key.model, ""): f"model {key.model}" for key in live} | live


def _bounds(reading: Reading) -> tuple[float, float]:
    """The reading's interval; a series without one, such as R2, is taken at its word."""
    value = reading.value if reading.value is not None else 0.0
    return (
        reading.low if reading.low is not None else value,
        reading.high if reading.high is not None else value,
    )


def _sentence(back: bool, threshold: Threshold, reading: Reading, since: int) -> str:
    side = "below" if threshold.below is not None else "above"
    of_class = f" of class {reading.details['class']}" if "class" in reading.details else ""
    interval = (
        "" if reading.low is None or reading.high is None else f", between {reading.low:.3g} and {reading.high:.3g}"
    )
    of_feature = f" of feature {reading.feature}" if reading.feature else ""
    noun = "outcomes" if reading.monitor == "performance" else "events"
    subject = f"{model_words(reading.group)}: {reading.series.replace('_', ' ')}{of_class}{of_feature}"
    return (
        f"{subject} is {'back from ' if back else ''}{side} {threshold.bound:g}: {reading.value:.3g}{interval} "
        f"({basis(reading.n, noun, reading.start)}; crossed {moment(since)})."
    )
