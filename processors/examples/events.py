"""A seeded stream of events in which something goes wrong, and comes right again."""

from __future__ import annotations

from typing import Any

import numpy as np

from processors.examples.tables import Event

PANE_US = 10_000_000
START_US = 1_763_780_400_000_000
"""Where the example stream begins: 2025-11-22 03:00 UTC."""


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
