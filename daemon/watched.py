"""A monitor at work, and what it may spend of the false-alarm budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from daemon.kept import Kept, key_of
from processors.base import Finding, Monitor

CONCEPT_DRIFT = "concept_drift"
"""The monitor that gets half of the false-alarm budget; the others share the rest by `alarm_share`."""


@dataclass(frozen=True, slots=True)
class Budget:
    """False alarms that may be raised, per microsecond: by one model, and by all together."""

    model: float
    fleet: float

    def per_model(self, models: int) -> float:
        """What each of so many models may spend."""
        return min(self.model, self.fleet / max(models, 1))


@dataclass(slots=True)
class Watched:
    """A monitor at work: its state, what it sealed for measuring, and the models that it is for."""

    monitor: Monitor[Any, Any]
    share: float
    wants: Callable[[str], bool] | None = None
    """Which models it watches, by name; None: all."""
    state: Any = None
    sealed: Any = None
    broken: str | None = None
    """Why it was quarantined."""
    adopted: dict[int, str] = field(default_factory=dict)
    """Name of the reference that it adopted, by (model, version)."""
    _asked: bool = False
    _due: int | None = None

    def __post_init__(self) -> None:
        self.state = self.monitor.initial()

    def put(self, state: Any) -> None:
        """Let this be its state from now on."""
        self.state, self._asked = state, False

    def go_on_from(self, kept: Kept) -> None:
        """Be what was kept of it."""
        self.put(kept.state)
        self.sealed, self.broken, self.adopted = kept.sealed, kept.broken, kept.adopted

    def tree(self) -> dict[str, Any]:
        """What is kept of it."""
        sealed = self.monitor.dump_sealed(self.sealed)
        return {"state": self.state, "sealed": sealed, "broken": self.broken, "adopted": self.adopted}

    def quarantine(self, error: Exception) -> str:
        """Ask it nothing any more, because of what it raised. Returns why, in words."""
        self.broken = f"{type(error).__name__}: {error}"
        return self.broken

    def deadline(self) -> int | None:
        """When (event time) it wants to be judged next even if nothing arrives; asked once after each change."""
        if not self._asked:
            self._due, self._asked = self.monitor.deadline(self.state), True
        return self._due

    @property
    def key(self) -> str:
        """What its state is kept under."""
        return key_of(self.monitor)

    def watches(self, model: str) -> bool:
        """Is it for this model, and not quarantined?"""
        return self.broken is None and (self.wants is None or self.wants(model))

    def found(self, finding: Finding) -> bool:
        """Is it the monitor that found this?"""
        return self.monitor.name == finding.monitor and self.watches(finding.group.model)

    def lacks(self, base: int, model: str, reference: str) -> bool:
        """Could it adopt the reference of this name for a version, and has not?"""
        monitor = self.monitor
        adopts = type(monitor).adopt is not Monitor.adopt and monitor.consumes in ("predictions", "outcomes", "both")
        return adopts and self.watches(model) and self.adopted.get(base) != reference


def shares(monitors: Sequence[Monitor[Any, Any]]) -> list[float]:
    """How the budget is divided: half to concept drift, the rest by `alarm_share`.

    Monitors of one name watch different models, so each has the whole share of that name.
    """
    rest = sum({monitor.name: monitor.alarm_share for monitor in monitors if monitor.name != CONCEPT_DRIFT}.values())
    half = 0.5 if any(monitor.name == CONCEPT_DRIFT for monitor in monitors) else 0.0
    return [
        half if monitor.name == CONCEPT_DRIFT else (1 - half) * monitor.alarm_share / (rest or 1.0)
        for monitor in monitors
    ]
