"""Replaying a log to see what would have been said, and telling it."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from config import Config
from daemon import app
from daemon.preview.comparing import Difference, compare
from daemon.preview.episodes import Episode, episodes
from daemon.preview.page import page

Stop = Callable[[], bool]
Watching = Callable[[Any, Stop], Stop]
"""Given a pipeline and a question whether to stop, the question asked with a look at the progress."""


def replayed(
    config: Config,
    inputs: Sequence[Path],
    watching: Watching,
    *,
    alerts: Path | None = None,
    readings: Path | None = None,
    dead_letters: Path | None = None,
) -> list[Episode]:
    """What a configuration says of a log, replayed from its beginning; written to the files that are named."""
    with tempfile.TemporaryDirectory() as folder:
        alerts = alerts or Path(folder) / "alerts.ndjson"
        with closing(
            app.replaying(config, inputs, alerts=alerts, readings=readings, dead_letters=dead_letters)
        ) as pipeline:
            pipeline.run(watching(pipeline, lambda: False))
        return recorded(alerts)


def recorded(path: Path) -> list[Episode]:
    """What a file of alerts says; nothing if it is not there, for then nothing was said."""
    if not path.exists():
        return []
    with path.open("rb") as lines:
        return episodes(lines)


def since_then(found: Iterable[Episode], since: int | None) -> list[Episode]:
    """Those that still fired then, or fired later."""
    return [each for each in found if since is None or each.ended is None or each.ended >= since]


def tell(
    old: Sequence[Episode],
    new: Sequence[Episode],
    names: tuple[str, str],
    tolerance: int,
    *,
    since: int | None = None,
    html: Path | None = None,
) -> list[Difference]:
    """Print the comparison, and write it as a page if a file is named."""
    from rich.console import Console

    from daemon.preview.table import print_comparison

    old, new = since_then(old, since), since_then(new, since)
    differences = compare(old, new, tolerance)
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 160, soft_wrap=False)
    print_comparison(console, differences, names)
    if html is not None:
        html.write_text(page(differences, names, _span([*old, *new], since)), encoding="utf-8")
        console.print(f"written: {html}", highlight=False)
    return differences


def _span(found: Sequence[Episode], since: int | None) -> tuple[int, int]:
    times = [time for each in found for time in (each.since, each.fired, each.ended) if time is not None]
    begin = min(times, default=0) if since is None else since
    return begin, max([*times, begin + 60_000_000])
