"""The first rows of a version, until there are enough of them to choose bins from."""

from __future__ import annotations

from typing import Any

import numpy as np

from processors.durations import DAY_US
from processors.profile.tokens import runs_by
from processors.rows import TEXT, Cells, Names, Scalars


class Warming:
    """The first rows of a version: a sample from which its series are sealed."""

    ROWS = 1_000
    """Enough for sealing; `ROWS_SLOW` are, once they span `SPAN_US`, or where there is no room for more."""
    ROWS_SLOW = 100
    SPAN_US = DAY_US
    PARTS = 16
    """So many panes are kept apart before they are put together: a pane of one row is mostly overhead."""

    def __init__(self) -> None:
        self._cells: list[Cells] = []
        self._names: list[Names] = []
        self.rows = 0
        self.size = 0
        """Values of features that are held."""
        self.since = self.until = 0

    def add(self, cells: Cells, key: Any, start: int, end: int, names: Names) -> None:
        """Take in one pane's rows; of more than are needed those with the smallest keys."""
        if len(cells) > self.ROWS:
            cells = cells.take(np.sort(np.argsort(key, kind="stable")[: self.ROWS]))
        self.since = self.since or start
        self.until = end
        self.rows += len(cells)
        self.size += len(cells.values)
        self._cells.append(cells.take(np.arange(len(cells))))
        self._names.append(_needed(cells, names))
        if len(self._cells) >= self.PARTS:
            self._put_together()

    def ready(self) -> bool:
        """Is the sample large enough?"""
        slow = self.rows >= self.ROWS_SLOW and self.until - self.since >= self.SPAN_US
        return self.rows >= self.ROWS or slow

    def samples(self) -> tuple[dict[str, Scalars], Names]:
        """The values seen of each feature, and the words for them."""
        cells, names = self._put_together()
        parts: dict[str, list[Scalars]] = {}
        for layout, rows in runs_by(cells.layout):
            for place, feature in enumerate(names.layouts.get(layout, ())):
                parts.setdefault(feature, []).append(cells.values.take(cells.start[rows] + place))
        return {feature: Scalars.concat(values) for feature, values in parts.items()}, names

    def to_state(self) -> dict[str, Any]:
        """A tree that `packing.pack` takes."""
        cells, names = self._put_together()
        return {
            "cells": cells.to_state(),
            "texts": {str(name): text for name, text in sorted(names.texts.items())},
            "layouts": {str(name): list(layout) for name, layout in sorted(names.layouts.items())},
            "span": [self.rows, self.since, self.until],
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Warming:
        """The sample that `to_state` described."""
        warming = cls()
        warming._cells = [Cells.from_state(state["cells"])]
        texts = {int(name): text for name, text in state["texts"].items()}
        layouts = {int(name): tuple(layout) for name, layout in state["layouts"].items()}
        warming._names = [Names(texts, layouts)]
        warming.rows, warming.since, warming.until = state["span"]
        warming.size = len(warming._cells[0].values)
        return warming

    def _put_together(self) -> tuple[Cells, Names]:
        """All that is held, from now on in one piece."""
        if len(self._cells) > 1:
            self._cells = [Cells.concat(self._cells)]
            self._names = [self._names[0].merged(self._names[1:])]
        return self._cells[0], self._names[0]


def _needed(cells: Cells, names: Names) -> Names:
    """Only the names that occur in the cells."""
    texts = np.unique(cells.values.bits[cells.values.kind == TEXT]).tolist()
    layouts = np.unique(cells.layout).tolist()
    return Names(
        {text: names.texts[text] for text in texts if text in names.texts},
        {layout: names.layouts[layout] for layout in layouts if layout in names.layouts},
    )
