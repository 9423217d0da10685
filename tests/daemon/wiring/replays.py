"""Small fleets of events as files, replayed under a configuration."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson

import config
from config import Config
from daemon import app

START_S = 1_790_000_000

Event = dict[str, Any]


def configured(text: str) -> Config:
    """A configuration with everything registered; nothing to read is named."""
    return config.parse(text, {}, app.registry(), source_required=False)


def written(path: Path, events: Iterable[Event]) -> Path:
    """The events as NDJSON."""
    path.write_bytes(b"".join(orjson.dumps(event) + b"\n" for event in events))
    return path


def replayed(settings: Config, inputs: Sequence[Path], folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The data of alerts and readings, and the dead letters, of a replay."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"{name}.ndjson" for name in ("alerts", "readings", "dead_letters")}
    alerts, readings, letters = paths.values()
    with closing(app.replaying(settings, inputs, alerts=alerts, readings=readings, dead_letters=letters)) as pipeline:
        pipeline.run(lambda: False)
    return {name: said(path) for name, path in paths.items()}


def said(path: Path) -> list[dict[str, Any]]:
    """The data of the CloudEvents in a file; whole lines of what is none."""
    lines = path.read_bytes().splitlines() if path.exists() else []
    events = [orjson.loads(line) for line in lines]
    return [event.get("data", event) for event in events]


def fleet(  # noqa: PLR0917 - each makes sense alone
    count: int,
    model: str = "fraud",
    version: str = "1",
    wrong: Callable[[int], float] = lambda _: 0.1,
    amount: Callable[[int], float] = lambda _: 50.0,
    seed: int = 0,
    start_s: float = START_S,
    per_s: float = 10.0,
) -> list[Event]:
    """`count` predictions, each with its label two seconds later, by time.

    `wrong` is the chance to be wrong and `amount` the mean of the feature `amount`, by the number of the event.
    """
    rng = random.Random(seed)
    found: list[tuple[float, Event]] = []
    for number in range(count):
        second = start_s + number / per_s
        prediction = int(rng.random() < 0.4)
        label = 1 - prediction if rng.random() < wrong(number) else prediction
        name = {"id": f"{model}-{version}-{seed}-{number}", "model": model}
        score = rng.betavariate(6, 2) if prediction else rng.betavariate(2, 6)
        features = {"amount": rng.gauss(amount(number), 10), "country": rng.choice(["CN", "DE", "US"])}
        made = {"type": "prediction", **name, "version": version, "ts": second, "prediction": prediction}
        found.append((second, made | {"score": score, "features": features}))
        found.append((second + 2, {"type": "label", **name, "label": label, "ts": second + 2}))
    return [event for _, event in sorted(found, key=lambda item: item[0])]
