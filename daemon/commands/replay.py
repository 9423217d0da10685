"""`vigild replay`: a dump, or files of events, once more: offline, in event time, the same output every time."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon import exits
from daemon.commands import configuration
from daemon.commands.progress import Progress

if TYPE_CHECKING:
    from daemon.alerts.notice import Notice

_OUTPUTS = ("alerts", "readings", "dead_letters")


def add(commands: Any) -> None:
    """Declare it."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "replay",
        help="what would have been said of a dump, or of files of events",
        description="Read a dump or NDJSON events (each file one partition) to the end, as fast as can be, and print "
        "the alerts. Input and configuration alone decide the output. Exits with 0 whether or not alerts fired.",
    )
    configuration.add_option(parser, default=None, otherwise="the defaults hold if not given")
    parser.add_argument(
        "-i", "--input", type=Path, nargs="+", action="extend", required=True, metavar="FILE", help=".ndjson or .gz"
    )
    parser.add_argument("--alerts", type=Path, metavar="FILE", help="write alerts there instead of printing them")
    parser.add_argument("--readings", type=Path, metavar="FILE", help="write readings there")
    parser.add_argument("--dead-letters", type=Path, metavar="FILE", help="write events that are refused there")
    parser.add_argument(
        "--compare", type=Path, metavar="OLD", help="show what would be alerted otherwise than by this configuration"
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="with --compare: write the comparison as a page, too")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Replay to the end."""
    _refuse(arguments)
    if arguments.compare is not None:
        return _compare(arguments)
    config = configuration.load(arguments.config, source_required=False)

    from daemon import app, telemetry
    from daemon.sinks import SinkError

    telemetry.configure(config.log.level, config.log.format)
    outputs = {name: getattr(arguments, name) for name in _OUTPUTS}
    said: Counter[str] = Counter()
    try:
        with closing(app.replaying(config, arguments.input, **outputs, on_notice=partial(_count, said))) as pipeline:
            progress = Progress(sys.stderr, time.monotonic, lambda: getattr(pipeline.parts.source, "progress", (0, 0)))
            with progress:
                pipeline.run(progress.with_each(lambda: False))
            _sum_up(pipeline.status(), said, kept=arguments.dead_letters is not None)
    except SinkError as error:
        if isinstance(error.__cause__, BrokenPipeError):
            raise error.__cause__ from None
        raise exits.Ended(exits.IO_ERROR, str(error)) from error
    return exits.OK


def _count(said: Counter[str], notice: Notice) -> None:
    said["alerts"] += notice.change == "fired"
    said["pages"] += notice.page


def _sum_up(status: Mapping[str, Any], said: Mapping[str, int], *, kept: bool) -> None:
    """What became of the events, in the log: a silence may mean that all is well, or that nothing could be read."""
    import structlog

    log = structlog.get_logger("vigild")
    if status["refused"]:
        remedy = {} if kept else {"remedy": "--dead-letters FILE keeps them and says what is wrong with each"}
        log.warning("events refused", reasons=status["refused"], **remedy)
    events = {name: count for name, count in status["accounts"].items() if count or name in ("received", "measured")}
    log.info("replayed", **events, versions=status["models"], alerts=said["alerts"], pages=said["pages"])


def _compare(arguments: argparse.Namespace) -> int:
    """Replay with either configuration, and tell what is different."""
    new = configuration.load(arguments.config, source_required=False)
    old = configuration.load(arguments.compare, source_required=False)

    from daemon import telemetry
    from daemon.preview import previewing

    telemetry.configure("error", new.log.format)
    outputs = {name: getattr(arguments, name) for name in _OUTPUTS}
    before = previewing.replayed(old, arguments.input, watched)
    after = previewing.replayed(new, arguments.input, watched, **outputs)
    names = (str(arguments.compare), str(arguments.config or "the defaults"))
    previewing.tell(before, after, names, int(new.time.pane), html=arguments.html)
    return exits.OK


def watched(pipeline: Any, stop: Any) -> Any:
    """The question whether to stop, asked with a look at how far the replay is."""
    progress = Progress(sys.stderr, time.monotonic, lambda: getattr(pipeline.parts.source, "progress", (0, 0)))
    return progress.with_each(stop)


def _refuse(arguments: argparse.Namespace) -> None:
    """Say what is wrong with the files before anything of them is touched. Raises `Ended` or OSError."""
    inputs: set[Path] = set()
    for path in arguments.input:
        if path.resolve() in inputs:
            raise exits.Ended(exits.USAGE, f"{path}: is given twice. Each file is a partition: give it once.")
        inputs.add(path.resolve())
        _readable(path)
    if arguments.html is not None and arguments.compare is None:
        raise exits.Ended(exits.USAGE, "--html: shows a comparison. Name the other configuration with --compare.")
    if arguments.compare is not None:
        _readable(arguments.compare)
    outputs: set[Path] = set()
    for name in (*_OUTPUTS, "html"):
        output: Path | None = getattr(arguments, name)
        if output is None:
            continue
        if output.resolve() in inputs | outputs:
            raise exits.Ended(exits.USAGE, f"{output}: is to be written, but is used already. Name another file.")
        outputs.add(output.resolve())
        with output.open("ab"):
            pass


def _readable(path: Path) -> None:
    if path.is_dir():
        raise exits.Ended(exits.NO_INPUT, f"{path}: is a directory. Name the files in it.")
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise exits.Ended(exits.NO_INPUT, exits.message_of(error)) from None
