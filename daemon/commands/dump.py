"""`vigild dump`: what was consumed, as envelopes and control records, to be replayed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from daemon.commands import configuration


def add(commands: Any) -> None:
    """Declare it."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "dump", help="write down what was consumed, for `replay`", description="Write down what was consumed."
    )
    configuration.add_option(parser)
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="where to, gzipped if it ends in .gz (standard output)"
    )
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Hand over to the dump. The log goes to standard error, for standard output may be the dump."""
    from daemon import dumping, telemetry

    config = configuration.load(arguments.config)
    telemetry.configure(config.log.level, config.log.format)
    return dumping.dump(config, arguments.output)
