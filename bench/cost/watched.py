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
from bench.cost.staging import stage
from daemon import app
from daemon.__main__ import main as vigild
from daemon.pipeline import Pipeline
from daemon.warming import Handful


def main() -> int:
    """See the module."""
    records, place, config = sys.argv[1:]
    marks = Marks(int(records), Stages())
    _note(marks)
    close = app.Live.close

    def noting(live: app.Live) -> None:
        """Everything read, closed, committed and sent: the side is done."""
        status = live.status()
        marks.end(Path(place), accounts=status["accounts"], quarantined=status["quarantined"])
        close(live)

    app.Live.close = noting  # type: ignore[method-assign]
    return vigild(["run", "-c", config])


def _note(marks: Marks) -> None:
    begin, step = Pipeline.__init__, Pipeline.step
    stopping: list[bool] = []

    def beginning(pipeline: Pipeline, *arguments: Any) -> None:
        begin(pipeline, *arguments)
        if isinstance(pipeline.parts.source, Handful):
            return
        stage(pipeline, marks.stages)
        poll = pipeline.parts.source.poll

        def counting(*waits: Any) -> Any:
            polled = poll(*waits)
            marks.count(sum(len(run.offsets) for run in polled.runs))
            return polled

        pipeline.parts.source.poll = counting  # type: ignore[method-assign]

    def stepping(pipeline: Pipeline) -> bool:
        ended = step(pipeline)
        if marks.complete and not stopping:
            stopping.append(True)
            os.kill(os.getpid(), signal.SIGTERM)
        return ended

    Pipeline.__init__ = beginning  # type: ignore[assignment]
    Pipeline.step = stepping  # type: ignore[method-assign]


if __name__ == "__main__":
    sys.exit(main())
