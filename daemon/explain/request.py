"""What is asked of the worker and what comes back."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.explain.features import FeatureRows
from processors.rows import Floats, Hashes, Longs


@dataclass(frozen=True, slots=True)
class Request:
    """Sampled predictions of one version in one pane; `ids`, `keys`, `time` and `rows` are equally long."""

    pane_start: int
    model: str
    version: str
    ids: tuple[str, ...]
    keys: Hashes
    time: Longs
    rows: FeatureRows

    @property
    def version_key(self) -> tuple[str, str]:
        """(model, version)."""
        return self.model, self.version


@dataclass(frozen=True, slots=True)
class Explained:
    """A request's answer: SHAP values (rows, features), and for each row the base value and the explained output."""

    pane_start: int
    model: str
    version: str
    ids: tuple[str, ...]
    keys: Hashes
    time: Longs
    features: tuple[str, ...]
    values: Floats
    base: Floats
    output: Floats
    cpu_s: float
