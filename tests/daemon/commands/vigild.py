"""Running `vigild` as a user does, and a small stream to run it on."""

import json
import os
import random
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from tests.forking import Process, fork

START_S = 1_795_305_600  # 2026-11-22T00:00:00Z
RATE = 10
BREAKS_AT = 2_000
"""From this prediction of `events` on, the model is right half of the time."""


Done = subprocess.CompletedProcess[str]


def vigild(*arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> Done:
    """Run one command to its end."""
    given = list(map(str, arguments))
    with TemporaryFile() as out, TemporaryFile() as errors:
        process = fork(["daemon", *given], cwd, environment(env), out.fileno(), errors.fileno())
        try:
            code = process.wait(timeout=280)
        finally:
            process.kill()
        out.seek(0)
        errors.seek(0)
        return Done(["vigild", *given], code, out.read().decode(), errors.read().decode())


def start(*arguments: str | Path, cwd: Path, log: Path, env: Mapping[str, str] | None = None) -> Process:
    """Start one command; what it logs goes to a file."""
    with log.open("ab") as file, Path(os.devnull).open("wb") as nowhere:
        return fork(["daemon", *map(str, arguments)], cwd, environment(env), nowhere.fileno(), file.fileno())


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of the tests, without what would change a configuration."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("VIGIL_")}
    return own | dict(more or {})


def events(predictions: int = 2 * BREAKS_AT) -> Iterator[dict[str, Any]]:
    """Predictions of a toy model, RATE a second, each followed by its label; the model breaks in the middle."""
    rng = random.Random(7)
    for number in range(predictions):
        ts = START_S + number / RATE
        score = rng.random()
        said = int(score > 0.5)
        right = rng.random() < (0.9 if number < BREAKS_AT else 0.5)
        shared = {"id": f"r-{number}", "model": "fraud", "ts": ts}
        features = {"amount": rng.gauss(0, 1), "country": rng.choice("ABC")}
        yield {"type": "prediction", **shared, "version": "1", "features": features, "prediction": said, "score": score}
        yield {"type": "label", **shared, "label": said if right else 1 - said}


def write(path: Path, lines: Iterator[dict[str, Any]]) -> Path:
    """Write events as NDJSON."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def parsed(text: str) -> list[dict[str, Any]]:
    """The objects of NDJSON."""
    return [json.loads(line) for line in text.splitlines()]
