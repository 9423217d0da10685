"""A monitor at work, and what it may spend of the false-alarm budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog

from daemon.kept import Kept, key_of
from processors.base import Finding, Monitor

log = structlog.get_logger()

Answer = TypeVar("Answer")

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
    _said: bool = True

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
        sealed = self.ask(lambda: self.monitor.dump_sealed(self.sealed), None)
        return {"state": self.state, "sealed": sealed, "broken": self.broken, "adopted": self.adopted}

    def ask(self, answer: Callable[[], Answer], otherwise: Answer) -> Answer:
        """What the monitor answers, or `otherwise` if it raises: it is asked nothing any more then.

        A third party's monitor may raise anything anywhere; it must not stop the others.
        """
        try:
            return answer()
        except Exception as error:
            log.exception("monitor quarantined", monitor=self.monitor.name)
            if self.broken is None:
                self.broken, self._said = f"{type(error).__name__}: {error}", False
            return otherwise

    def newly_broken(self) -> str | None:
        """Why it was quarantined since this was asked last."""
        why = None if self._said else self.broken
        self._said = True
        return why

    def forget(self, groups: frozenset[int], series: frozenset[int]) -> None:
        """Let it free what it holds for these."""
        self.put(self.ask(lambda: self.monitor.forget(self.state, groups, series), self.state))

    def accept(self, groups: frozenset[int], series: frozenset[int]) -> None:
        """Let it take what is now for what is normal of these."""
        self.put(self.ask(lambda: self.monitor.accept(self.state, groups, series), self.state))

    def deadline(self) -> int | None:
        """When (event time) it wants to be judged next even if nothing arrives; asked once after each change."""
        if not self._asked and self.broken is None:
            self._due, self._asked = self.ask(lambda: self.monitor.deadline(self.state), None), True
        return self._due if self.broken is None else None

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
