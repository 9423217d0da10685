"""The monitors that a configuration asks for: every one that is on, with its settings and the models that it is for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from config import Config
from daemon.watched import Watched, shares
from processors.base import Monitor
from processors.registry import monitors

THRESHOLD = "threshold"
"""The monitor of bounds on readings, to which those of `models.<name>.thresholds` go."""


def chosen(config: Config) -> list[Watched]:
    """Every monitor that is on, once for all models and once more for each setting that some models have apart."""
    kinds: list[tuple[Any, Callable[[str], bool] | None]] = []
    for name, kind in monitors().items():
        usual = _monitor_settings(config, name, kind)
        apart: dict[str, tuple[Any, list[str]]] = {}
        for model in sorted(config.models):
            own = _monitor_settings(config, name, kind, model)
            if own != usual:
                apart.setdefault("" if own is None else own.model_dump_json(), (own, []))[1].append(model)
        if usual is not None:
            others = [model for _, models in apart.values() for model in models]
            kinds.append((kind(usual), _all_but(others) if others else None))
        kinds += [(kind(own), _any_of(models)) for own, models in apart.values() if own is not None]
    river = monitors()["river"]
    for detector in config.detectors:
        settings = river.Settings.model_validate(detector.model_dump())
        kinds.append((river(settings), _like(detector.models)))
    parts = shares([monitor for monitor, _ in kinds])
    return [Watched(monitor, share, wants) for (monitor, wants), share in zip(kinds, parts, strict=True)]


def _monitor_settings(config: Config, name: str, kind: type[Monitor[Any, Any]], model: str | None = None) -> Any:
    """The settings of a monitor for a model or for all, None where it is off; with the thresholds said of models."""
    settings = config.monitor_settings(name, kind.Settings, model)
    if name != THRESHOLD:
        return settings
    said = config.for_model(model or "*").thresholds
    if not said:
        return settings
    bounds = [*(settings.model_dump()["thresholds"] if settings else ()), *(bound.model_dump() for bound in said)]
    return kind.Settings.model_validate({"thresholds": bounds})


def _like(patterns: Sequence[str]) -> Callable[[str], bool]:
    return lambda model: any(fnmatchcase(model, pattern) for pattern in patterns)


def _all_but(models: Sequence[str]) -> Callable[[str], bool]:
    known = frozenset(models)
    return lambda model: model not in known


def _any_of(models: Sequence[str]) -> Callable[[str], bool]:
    known = frozenset(models)
    return lambda model: model in known
