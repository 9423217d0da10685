"""What a monitor's state is kept under, and whether what was kept is still of use.

A state belongs to a monitor's name, its code version and what its settings say beyond their defaults. With other
settings it starts anew. A release that changes what a state means raises `code_version`; it starts anew too, unless the
monitor knows the way up (`Monitor.upgrade`). A setting that is new in a release, at its default, changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from processors.base import Monitor
from processors.packing import unpack

PREFIX = "monitor/"


@dataclass(frozen=True, slots=True)
class Kept:
    """A monitor's state as it was kept, in today's shape."""

    key: str
    """Under which it was found."""
    state: Any
    sealed: Any
    broken: str | None
    adopted: dict[int, str]


def key_of(monitor: Monitor[Any, Any], code_version: int | None = None) -> str:
    """The name of the item in which the monitor's state is kept, by this code version or another."""
    settings = monitor.settings.model_dump_json(exclude_defaults=True).encode()
    digest = hashlib.blake2b(settings, digest_size=8).hexdigest()
    return f"{PREFIX}{monitor.name}/{code_version or monitor.code_version}/{digest}"


def kept_of(monitor: Monitor[Any, Any], items: Mapping[str, bytes]) -> Kept | None:
    """What was kept of the monitor; None if it has to start anew. What broke older code may not break this one."""
    for code_version in range(monitor.code_version, 0, -1):
        key = key_of(monitor, code_version)
        if key not in items:
            continue
        tree = unpack(items[key])
        state, sealed, broken = tree["state"], tree["sealed"], tree["broken"]
        if code_version < monitor.code_version:
            upgraded = monitor.upgrade(state, sealed, code_version)
            if upgraded is None:
                return None
            state, sealed = upgraded
            broken = None
        adopted = {int(base): name for base, name in tree["adopted"].items()}
        return Kept(key, state, monitor.load_sealed(sealed), broken, adopted)
    return None


@dataclass(frozen=True, slots=True)
class Assignment:
    """A monitor as it is configured now: its name, the key of the state it goes on with, and whom it watches."""

    name: str
    key: str | None
    wants: Callable[[str], bool] | None


def reassigned(
    before: Mapping[str, Collection[str] | None], now: Sequence[Assignment], models: Sequence[str]
) -> list[tuple[str, str | None]]:
    """(monitor, model) whose state is not gone on with: settings of one model do not touch the alerts of others.

    `before` has by key the models that a state was for (None: all of `models`).
    """
    found: list[tuple[str, str | None]] = []
    for key, mine in sorted(before.items()):
        name = key.split("/")[1]
        heirs = [each.wants for each in now if each.name == name and each.key == key]
        whose = models if mine is None else mine
        found += [(name, model) for model in whose if not any(wants is None or wants(model) for wants in heirs)]
    return found


def given_up(items: Collection[str], used: Collection[str]) -> list[str]:
    """Names of the monitors of which something was kept that nobody goes on with."""
    return sorted({name.split("/")[1] for name in items if name.startswith(PREFIX) and name not in used})
