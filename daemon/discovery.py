"""How a file dropped into a folder becomes a kind of source or sink: its modules are imported and looked through."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from inspect import isabstract
from pkgutil import iter_modules
from typing import TypeVar

Kind = TypeVar("Kind")


def kinds(package: str, path: Iterable[str], contract: type[Kind]) -> dict[str, type[Kind]]:
    """The concrete classes that fulfil `contract` in the modules of a package, by their `name`, sorted.

    Raises `ValueError` if two classes have one name.
    """
    found: dict[str, type[Kind]] = {}
    for module in sorted(module.name for module in iter_modules(path)):
        for value in vars(import_module(f"{package}.{module}")).values():
            if not isinstance(value, type) or not issubclass(value, contract) or isabstract(value):
                continue
            name = getattr(value, "name", None)
            if name is not None and found.setdefault(name, value) is not value:
                raise ValueError(f"{package} has two kinds named {name!r}: {found[name]} and {value}")
    return dict(sorted(found.items()))
