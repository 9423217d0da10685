"""Events as Python values turned into tables, and a seeded stream of them: what checks and tests of monitors run on.

The events look like the native ones (design section 6) with `ts` in microseconds. This is for examples: it loops over
events, which the daemon's decoder does not.
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

PANE_US = 10_000_000
START_US = 1_763_780_400_000_000
"""Where the example stream begins: 2025-11-22 03:00 UTC."""


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


def example_events(
    panes: int = 60, rows: int = 96, seed: int = 0, ugly: bool = False, calm: bool = False
) -> list[list[Event]]:
    """A stream of prediction events with labels, pane by pane; a list of events for each.

    Two versions of a binary model, one multiclass model and one regression share the rows. From the middle on (and
    until five sixths) `amount` is a thousand times larger, `country` is often absent, and half of the answers are
    wrong; not with `calm`. With `ugly` every row has something ordinary-ugly: infinities, nulls, wrong types, unseen
    categories, missing and new features, unknown classes, no label.
    """
    rng = np.random.default_rng(seed)
    events: list[list[Event]] = []
    for pane in range(panes):
        bad = not calm and panes // 2 <= pane < panes * 5 // 6
        start = START_US + pane * PANE_US
        events.append([_event(rng, f"{pane}-{row}", start + row * PANE_US // rows, row, bad) for row in range(rows)])
        if ugly:
            events[-1] = [_spoilt(event, row) for row, event in enumerate(events[-1])]
    return events


def example_signals(panes: int = 60, seed: int = 0) -> list[list[Event]]:
    """A stream of one signal of each model, pane by pane, with a step in the middle."""
    rng = np.random.default_rng(seed)
    return [
        [
            {
                "model": model,
                "version": "1",
                "name": "gpu_mem_mb",
                "ts": START_US + pane * PANE_US + at,
                "value": 1e3 * (1 + (pane >= panes // 2)) + rng.normal(0, 10),
            }
            for at in range(8)
            for model in ("fraud", "iris", "price")
        ]
        for pane in range(panes)
    ]


_MODELS = (("fraud", "1"), ("fraud", "2"), ("iris", "1"), ("price", "7"))
_COUNTRIES = ("AT", "CN", "DE", "FR")


def _event(rng: np.random.Generator, id_: str, ts: int, row: int, bad: bool) -> dict[str, Any]:
    model, version = _MODELS[row % len(_MODELS)]
    amount = float(rng.lognormal(3, 1))
    country = _COUNTRIES[int(rng.integers(4))]
    event: dict[str, Any] = {
        "id": id_,
        "model": model,
        "version": version,
        "ts": ts,
        "features": {"amount": amount * (1000 if bad else 1), "country": None if bad and row % 3 else country},
        "segment": {"region": "eu" if country != "CN" else "asia"},
        "latency_ms": float(rng.gamma(2, 2 + 20 * bad)),
        "attributions": {"amount": float(rng.normal()), "country": float(rng.normal() / (1 + 9 * bad))},
    }
    right = rng.random() >= (0.5 if bad else 0.05)
    if model == "price":
        target = amount + float(rng.normal())
        return event | {"prediction": target + (0 if right else 10), "label": target}
    if model == "iris":
        proba = rng.dirichlet(np.ones(3))
        label = int(np.argmax(proba))
        return event | {
            "prediction": ("setosa", "versicolor", "virginica")[label],
            "proba": dict(zip(("setosa", "versicolor", "virginica"), proba.tolist(), strict=True)),
            "label": ("setosa", "versicolor", "virginica")[label if right else (label + 1) % 3],
        }
    score = float(rng.beta(1, 3))
    return event | {"score": score, "prediction": int(score > 0.5), "label": int(score > 0.5) ^ (not right)}


def _spoilt(event: Event, row: int) -> Event:
    features = dict(event["features"])
    spoilt: list[dict[str, Any]] = [
        {"features": features | {"amount": np.inf}},
        {"features": features | {"amount": -1e308, "country": "??"}},
        {"features": features | {"amount": "twelve", "country": 7.5}},
        {"features": {}, "prediction": None, "label": None},
        {"features": {"amount": None, "country": None}, "score": np.nan, "label": "no such class"},
        {"features": features | {"brand_new": True}, "segment": {"region": None, "tier": 3}},
        {"score": 1.5, "proba": {"0": np.nan, "9": -1.0}, "latency_ms": -np.inf, "label": 1e308},
        {"prediction": 1e308, "attributions": {"amount": np.inf, "country": None}, "before": 1},
        {"prediction": {"a": 1}, "segment": {}, "attributions": {}},
    ]
    return {**event, **spoilt[row % len(spoilt)]}


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
