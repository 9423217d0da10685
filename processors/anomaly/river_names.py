"""Objects of River by the name and parameters that stand in a config.

Only what River itself lists in a few of its packages can be named, so that a config cannot reach anything else:
`drift`, `drift.binary`, `metrics`, `anomaly` and `stats`. A parameter may be such an object too, written
`{river: …, params: {…}}`.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Literal

from processors.rows import text_hash

ROOMS = ("drift", "drift.binary", "metrics", "anomaly", "stats")

Kind = Literal["drift", "binary", "metric", "anomaly", "target_anomaly", "filter", "statistic"]
"""How an object is fed: a `target_anomaly` detector judges y, not x; a `filter` wraps either."""


class UnknownRiverError(ValueError):
    """There is no such object in River, it cannot watch a series, or its parameters are wrong. Says what to write."""


def kind_of(name: str) -> Kind:
    """How the named class is fed. Raises `UnknownRiverError`."""
    from river import base, metrics, stats

    found = _resolve(name)
    kinds: dict[type[Any], Kind] = {
        base.DriftDetector: "drift",
        base.BinaryDriftDetector: "binary",
        metrics.base.ClassificationMetric: "metric",
        metrics.base.RegressionMetric: "metric",
        base.AnomalyFilter: "filter",
        base.AnomalyDetector: "anomaly",
        base.SupervisedAnomalyDetector: "target_anomaly",
        stats.base.Univariate: "statistic",
    }
    kind = next((kind for parent, kind in kinds.items() if issubclass(found, parent)), None)
    if kind is None or name in ("metrics.CrossEntropy", "metrics.ClassificationReport", "metrics.ConfusionMatrix"):
        raise UnknownRiverError(
            f"river's {name} cannot watch a series: it is no drift or anomaly detector, univariate statistic, or "
            "metric of one number."
        )
    return kind


def build(name: str, params: Mapping[str, Any], seed: int) -> Any:
    """A new object. `seed` goes to what takes one and was not given it. Raises `UnknownRiverError`."""
    found = _resolve(name)
    known = list(inspect.signature(found).parameters)
    for given in params:
        if given not in known:
            close = get_close_matches(given, known, 1)
            hint = f"Did you mean '{close[0]}'? " if close else ""
            raise UnknownRiverError(f"river's {name} has no parameter '{given}'. {hint}It takes: {', '.join(known)}.")
    values = {given: _value(value, seed) for given, value in params.items()}
    if "seed" in known:
        values.setdefault("seed", seed)
    try:
        made = found(**values)
    except Exception as error:  # what it raises is River's choice
        raise UnknownRiverError(f"river's {name} refuses its parameters: {error}.") from error
    _seed_within(made, seed, set())
    return made


def seed_of(*names: str) -> int:
    """A seed that depends on these names alone: 31 bits, so that every generator takes it."""
    return text_hash("\x00".join(names)) & 0x7FFFFFFF


def _seed_within(made: Any, seed: int, seen: set[int]) -> None:
    """Seed the generators that an object made for itself (a Gaussian has one, although scoring never draws from it)."""
    if id(made) in seen:
        return
    seen.add(id(made))
    for part in list(getattr(made, "__dict__", {}).values()):
        if type(part).__module__ == "random":
            part.seed(seed)
        elif type(part).__module__.startswith("river."):
            _seed_within(part, seed, seen)


def _value(value: Any, seed: int) -> Any:
    if isinstance(value, Mapping) and "river" in value:
        if not value.keys() <= {"river", "params"} or not isinstance(value["river"], str):
            raise UnknownRiverError("an object of river as a parameter is written {river: name, params: {…}}.")
        kind_of(value["river"])
        return build(value["river"], value.get("params") or {}, seed)
    return value


def _resolve(name: str) -> type[Any]:
    """The class; what is not listed in one of `ROOMS` doesn't exist."""
    room, _, last = name.rpartition(".")
    if room not in ROOMS:
        raise UnknownRiverError(f"'{name}' is not in river's {', '.join(ROOMS)}. Write a name such as drift.KSWIN.")
    module = importlib.import_module(f"river.{room}")
    classes = {listed: getattr(module, listed, None) for listed in module.__all__}
    found = classes.get(last)
    if not inspect.isclass(found) or not found.__module__.startswith(f"river.{room.partition('.')[0]}."):
        names = sorted(listed for listed, value in classes.items() if inspect.isclass(value))
        close = get_close_matches(last, names, 1)
        hint = f"Did you mean {room}.{close[0]}?" if close else f"It has: {', '.join(names)}."
        raise UnknownRiverError(f"river's {room} has no {last}. {hint}")
    return found
