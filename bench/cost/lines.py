"""How many lines of Python an event costs: exact, the same on every machine, and blind to how busy that is.

Two replays with the same panes and models, one with more events in each: what the second executes beyond the first is
what events cost, for all that is done once a pane, a model or a batch is equal in both.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from bench.cost.replayed import write
from bench.cost.shape import Shape
from config import Config
from daemon import app
from daemon.pipeline import Pipeline

_ROOT = Path(__file__).resolve().parents[2]
OURS = ("daemon", "processors", "config")


def lines_per_event(fewer: Shape, more: Shape, prepare: Callable[[Pipeline], None] | None = None) -> dict[str, float]:
    """Lines executed an event, by file (`daemon/decode.py`) of ours. `prepare` may change a pipeline before it runs."""
    app.warm_up()
    counts = [_replayed(shape, prepare) for shape in (fewer, more)]
    events = 2 * (more.events - fewer.events)
    return {name: (count - counts[0][name]) / events for name, count in counts[1].items()}


def _replayed(shape: Shape, prepare: Callable[[Pipeline], None] | None) -> Counter[str]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inputs = write(shape, folder)
        outputs = [folder / "alerts.ndjson", folder / "readings.ndjson"]
        with closing(app.replaying(Config(), inputs, alerts=outputs[0], readings=outputs[1])) as pipeline:
            if prepare is not None:
                prepare(pipeline)
            with _counted() as counts:
                pipeline.run(lambda: False)
    return counts


@contextmanager
def _counted() -> Iterator[Counter[str]]:
    """Count the lines that this thread executes, by file; each turn of a loop or comprehension counts."""
    counts: Counter[str] = Counter()
    named = {str(path): f"{path.relative_to(_ROOT)}" for part in OURS for path in (_ROOT / part).rglob("*.py")}

    def local(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            counts[named[frame.f_code.co_filename]] += 1
        return local

    def trace(frame: FrameType, _event: str, _: Any) -> Any:
        return local if frame.f_code.co_filename in named else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield counts
    finally:
        sys.settrace(before)
