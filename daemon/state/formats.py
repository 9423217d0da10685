"""How the content of items and chunks is laid out, and how an older layout becomes today's.

A layout has a number, kept beside what is stored. Whoever changes what `to_state` makes adds a function to `UPGRADES`
that turns the tree of the number before into the new one; entries are never edited or removed. A monitor's state has
its own number, the monitor's `code_version`, and its own way up, `Monitor.upgrade`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from daemon.state.errors import TooNew
from processors.packing import pack, unpack

Upgrade = Callable[[Any], Any]


def _silences(alerts: Any) -> Any:
    """2: what operators silenced at run time."""
    return alerts | {"silences": []}


def _orders(pipeline: Any) -> Any:
    """2: what operators ordered, and whether Vigil was catching up."""
    return pipeline | {"orders": [], "orders_done": [], "behind": False, "was_live": False}


def _brief(chunk: Any) -> Any:
    """2: arrays in which one value repeats may be written as that. Only releases that don't know need to hear of it."""
    return chunk


CHUNK = "chunks/"
"""What begins the name under which the layouts of a table of chunks are known."""

_CHUNKS = ("open", "retained", "relabelled", "waiting", "met", "refs")
"""The tables there were when layout 2 came: a table that comes later begins with layout 1."""

UPGRADES: Mapping[str, Sequence[Upgrade]] = {
    "alerts": (_silences,),
    "pipeline": (_orders,),
    **{f"{CHUNK}{table}": (_brief,) for table in _CHUNKS},
}
"""By the name of an item, or `chunks/` and a table of chunks: from 1 to 2, from 2 to 3, and so on."""


def format_of(name: str) -> int:
    """The number of today's layout."""
    return 1 + len(UPGRADES.get(name, ()))


def upgraded(name: str, format_: int, blob: bytes) -> bytes:
    """What was stored in a layout, in today's. Raises `TooNew`."""
    steps = UPGRADES.get(name, ())
    if format_ > format_of(name):
        raise TooNew(f"{name} in the state was written by a newer Vigil (layout {format_}): upgrade")
    if format_ == format_of(name):
        return blob
    tree = unpack(blob)
    for step in steps[format_ - 1 :]:
        tree = step(tree)
    return pack(tree)
