"""How deeply events are nested: an event is the first level, its features the second."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import chain
from typing import Any

_CONTAINERS = {dict, list}


def may_nest(messages: Sequence[bytes], depth: int) -> list[int]:
    """Which messages have brackets enough for it? Those of one ordinary event have not, which spares them the walk."""
    return [n for n, message in enumerate(messages) if message.count(b"{") + message.count(b"[") > depth]


def nests(events: Collection[Any], depth: int) -> bool:
    """Is one of the events nested deeper than so many levels? All are walked together, level by level."""
    level: Collection[Any] = events
    for _ in range(depth):
        values = list(chain.from_iterable(item.values() if type(item) is dict else item for item in level))
        if _CONTAINERS.isdisjoint(map(type, values)):
            return False
        level = [value for value in values if type(value) in _CONTAINERS]
    return True
