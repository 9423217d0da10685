"""`vigild run` as it is, with its CPU time noted; ends itself once the last record was dealt with.

python -m bench.cost.watched RECORDS RESULT CONFIG
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from bench.cost.marks import Marks, Stages
from bench.cost.staging import count_polls, stage
from daemon import app
from daemon.__main__ import main as vigild
from daemon.pipeline import Pipeline
from daemon.warming import Handful


def main() -> int:
    """See the module."""
    records, place, config = sys.argv[1:]
    marks = Marks(int(records), Stages())
    _note(marks)
    _end(marks, Path(place))
    return vigild(["run", "-c", config])


def _note(marks: Marks) -> None:
    """Note what the daemon's pipeline does, and ask it to stop once it has everything."""
    kind: Any = Pipeline
    begin, step = kind.__init__, kind.step
    stopping: list[bool] = []

    def beginning(pipeline: Pipeline, *arguments: Any) -> None:
        begin(pipeline, *arguments)
        if not isinstance(pipeline.parts.source, Handful):
            stage(pipeline, marks.stages)
            count_polls(pipeline, marks)

    def stepping(pipeline: Pipeline) -> bool:
        ended: bool = step(pipeline)
        if marks.complete and not stopping:
            stopping.append(True)
            os.kill(os.getpid(), signal.SIGTERM)
        return ended

    kind.__init__, kind.step = beginning, stepping


def _end(marks: Marks, place: Path) -> None:
    """Everything read, closed, committed and sent: the side is done."""
    kind: Any = app.Live
    close = kind.close

    def noting(live: app.Live) -> None:
        status = live.status()
        marks.end(place, accounts=status["accounts"], quarantined=status["quarantined"])
        close(live)

    kind.close = noting


if __name__ == "__main__":
    sys.exit(main())
