"""The list of monitors: what `@register` named here, and what other packages offer.

Every module in the rooms of `processors` is imported on the first call of `monitors`, so that a new monitor is one
new file. Other distributions offer monitors through the entry point group `vigil.processors`; the entry point's name
is the monitor's.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache
from importlib.metadata import entry_points
from typing import Any, TypeVar

import processors
from processors.base import Monitor

ENTRY_POINTS = "vigil.processors"

_SHARED_ROOMS = frozenset({"detectors", "examples", "kernels", "profile"})
"""Packages that hold what monitors are made of, and no monitor."""

MonitorClass = TypeVar("MonitorClass", bound=type[Monitor[Any, Any]])

_registered: dict[str, type[Monitor[Any, Any]]] = {}


class RegistryError(ValueError):
    """Two monitors want one name, or what was offered as a monitor is none."""


def register(name: str) -> Callable[[MonitorClass], MonitorClass]:
    """Give the decorated monitor its name in config, readings and alerts.

    Raises `RegistryError` if another class has that name. The same class again (a module that is imported anew, by
    tests) replaces itself.
    """

    def keep(monitor: MonitorClass) -> MonitorClass:
        _put(_registered, name, monitor)
        monitor.name = name
        return monitor

    return keep


def monitors() -> dict[str, type[Monitor[Any, Any]]]:
    """All monitors by name, in the order of the alphabet. Raises `RegistryError` for what cannot be listed."""
    _import_rooms()
    found = dict(_registered)
    for name, monitor in _offered().items():
        _put(found, name, monitor)
    return dict(sorted(found.items()))


def _put(registry: dict[str, type[Monitor[Any, Any]]], name: str, monitor: Any) -> None:
    if not (isinstance(monitor, type) and issubclass(monitor, Monitor)):
        raise RegistryError(f"'{name}' is offered as a monitor, but {monitor!r} is not a subclass of Monitor.")
    if not name.isidentifier():
        raise RegistryError(f"'{name}' cannot name a monitor: use letters, digits and underscores.")
    other = registry.get(name)
    if other is not None and _address(other) != _address(monitor):
        raise RegistryError(f"Two monitors are called '{name}': {_address(other)} and {_address(monitor)}.")
    registry[name] = monitor


def _address(monitor: type[Any]) -> str:
    return f"{monitor.__module__}.{monitor.__qualname__}"


@cache
def _import_rooms() -> None:
    for room in pkgutil.iter_modules(processors.__path__, "processors."):
        if room.ispkg and room.name.rpartition(".")[2] not in _SHARED_ROOMS:
            package = importlib.import_module(room.name)
            for module in pkgutil.walk_packages(package.__path__, room.name + "."):
                importlib.import_module(module.name)


@cache
def _offered() -> dict[str, type[Monitor[Any, Any]]]:
    offered: dict[str, type[Monitor[Any, Any]]] = {}
    for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda entry: (entry.name, entry.value)):
        monitor = entry.load()
        _put(offered, entry.name, monitor)
        monitor.name = entry.name
    return offered
