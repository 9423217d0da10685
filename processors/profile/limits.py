"""What the operator says of a model, and the bounds of what is admitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

UNDECIDED, BINARY, MULTICLASS, REGRESSION = range(4)
TASKS = ("undecided", "binary", "multiclass", "regression")


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What the operator said of a model; what is left out is learnt."""

    task: int = UNDECIDED
    classes: tuple[str, ...] = ()
    positive_class: str | None = None
    features: Mapping[str, str] = field(default_factory=dict)
    """Type by feature name: numeric, categorical or ignore."""
    segments: tuple[str, ...] | None = None
    """Segment keys to watch; None: all that events carry, up to the limit."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of what a profile admits. What is beyond them is counted, not monitored."""

    models: int = 10_000
    versions: int = 20
    """Of one model."""
    features: int = 1_000
    """Of one version."""
    series: int = 200_000
    """Features (and signals) of all versions."""
    segment_keys: int = 5
    segment_values: int = 50
    """Of one version and key."""
    groups: int = 50_000
    """Versions of all models, and as many segment values of all versions."""
    categories: int = 28
    """Of one feature; 28 at most, for that is what a series has bins for."""
    classes: int = 100
    """Of one model."""
