"""Events as Python values turned into tables.

The events look like the native ones (design section 6) with `ts` in microseconds. It loops over events, which the
daemon's decoder does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from processors.profile.tokens import canonical
from processors.rows import (
    BOOLEAN,
    CORRECTION,
    FIRST,
    MISSING,
    NUMBER,
    OTHER,
    TEXT,
    Cells,
    Explanations,
    Longs,
    Names,
    Outcomes,
    Predictions,
    Refs,
    Scalars,
    Signals,
    Strings,
    text_hash,
)

Event = Mapping[str, Any]


def predictions_of(events: Sequence[Event]) -> Predictions:
    """A table of prediction events, in canonical order."""
    events = sorted(events, key=lambda event: (event["ts"], _key(event)))
    names = _Words()
    ts = _longs(event["ts"] for event in events)
    return Predictions(
        ref=_refs(len(events)),
        time=ts,
        ts=ts,
        arrival=ts,
        flags=np.zeros(len(events), np.uint8),
        model=names.hashes(event["model"] for event in events),
        version=names.hashes(event.get("version", "") for event in events),
        key=np.array([_key(event) for event in events], np.uint64),
        id=_texts(event["id"] for event in events),
        prediction=names.classes(event.get("prediction") for event in events),
        score=_floats(event.get("score") for event in events),
        latency_ms=_floats(event.get("latency_ms") for event in events),
        features=names.cells([event.get("features", {}) for event in events]),
        proba=names.cells([event.get("proba", {}) for event in events]),
        segments=names.cells([_canonical(event.get("segment", {})) for event in events]),
        attributions=names.cells([event.get("attributions", {}) for event in events]),
        content=np.array([text_hash(repr(event)) for event in events], np.uint64),
        names=names.names,
    )


def outcomes_of(events: Sequence[Event]) -> Outcomes:
    """A table of outcomes: prediction events that carry `label` and, where that is a correction, `before`."""
    events = sorted(events, key=lambda event: (event["ts"], _key(event)))
    names = _Words()
    ts = _longs(event["ts"] for event in events)
    how = [CORRECTION if "before" in event else FIRST for event in events]
    return Outcomes(
        time=ts,
        ts=ts,
        label_ts=ts,
        how=np.array(how, np.uint8),
        model=names.hashes(event["model"] for event in events),
        version=names.hashes(event.get("version", "") for event in events),
        key=np.array([_key(event) for event in events], np.uint64),
        id=_texts(event["id"] for event in events),
        prediction=names.classes(event.get("prediction") for event in events),
        score=_floats(event.get("score") for event in events),
        proba=names.cells([event.get("proba", {}) for event in events]),
        segments=names.cells([_canonical(event.get("segment", {})) for event in events]),
        label=names.classes(event.get("label") for event in events),
        before=names.classes(event.get("before") for event in events),
        names=names.names,
    )


def signals_of(events: Sequence[Event]) -> Signals:
    """A table of signal events (`model`, `version`, `name`, `value`)."""
    names = _Words()
    ts = _longs(event["ts"] for event in events)
    return Signals(
        ref=_refs(len(events)),
        time=ts,
        ts=ts,
        flags=np.zeros(len(events), np.uint8),
        model=names.hashes(event["model"] for event in events),
        version=names.hashes(event.get("version", "") for event in events),
        name=names.hashes(event["name"] for event in events),
        value=_floats(event.get("value") for event in events),
        names=names.names,
    )


def explanations_of(events: Sequence[Event]) -> Explanations:
    """A table of those prediction events that carry `attributions`."""
    events = [event for event in events if event.get("attributions")]
    table = predictions_of(events)
    return Explanations(table.time, table.model, table.version, table.key, table.id, table.attributions, table.names)


class _Words:
    """The names that the columns of one table share."""

    def __init__(self) -> None:
        self.names = Names()

    def hash(self, text: str) -> int:
        name = text_hash(text)
        self.names.texts[name] = text
        return name

    def hashes(self, texts: Any) -> Any:
        return np.array([self.hash(str(text)) for text in texts], np.uint64)

    def classes(self, values: Any) -> Scalars:
        return self.scalars([_class(value) for value in values])

    def scalars(self, values: Sequence[Any]) -> Scalars:
        pairs = [self._scalar(value) for value in values]
        return Scalars(
            np.array([kind for kind, _ in pairs], np.uint8), np.array([bits for _, bits in pairs], np.uint64)
        )

    def cells(self, rows: Sequence[Mapping[str, Any]]) -> Cells:
        layout = np.array([self._layout(tuple(row)) for row in rows], np.uint64)
        size = np.array([len(row) for row in rows], np.int32)
        start = np.cumsum(size, dtype=np.int64) - size
        return Cells(layout, start, size, self.scalars([value for row in rows for value in row.values()]))

    def _layout(self, columns: tuple[str, ...]) -> int:
        if not columns:
            return 0
        name = text_hash("\x1f".join(columns))
        self.names.layouts[name] = columns
        for column in columns:
            self.hash(column)
        return name

    def _scalar(self, value: Any) -> tuple[int, int]:
        if value is None or (isinstance(value, float) and np.isnan(value)):
            return MISSING, 0
        if isinstance(value, bool | int | float):
            kind = BOOLEAN if isinstance(value, bool) else NUMBER
            return kind, int(np.float64(float(value) + 0.0).view(np.uint64))
        return (TEXT, self.hash(value)) if isinstance(value, str) else (OTHER, text_hash(repr(value)))


def _key(event: Event) -> int:
    return text_hash(f"{event['model']}\x1f{event['id']}")


def _class(value: Any) -> Any:
    return canonical(value) if isinstance(value, str) else float(value) if isinstance(value, bool | int) else value


def _canonical(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _class(value) for name, value in values.items()}


def _refs(count: int) -> Refs:
    return Refs(np.zeros(count, np.int32), np.arange(count, dtype=np.int64), np.zeros(count, np.int32))


def _longs(values: Any) -> Longs:
    return np.array(list(values), np.int64)


def _floats(values: Any) -> Any:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _texts(values: Any) -> Strings:
    texts = list(values)
    column = np.empty(len(texts), object)
    column[:] = texts
    return column
