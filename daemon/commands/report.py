"""`vigild report`: what happened in a span of time, for people. It comes with a later release."""

from __future__ import annotations

import argparse
from typing import Any

from daemon import exits


def add(commands: Any) -> None:
    """Declare it."""
    parser: argparse.ArgumentParser = commands.add_parser("report", help="what happened, for people (to come)")
    parser.set_defaults(command=run)


def run(_: argparse.Namespace) -> int:
    """Say what to do until then."""
    raise exits.Ended(
        exits.USAGE,
        "`vigild report` comes with a later release; until then read the topics vigil.alerts and vigil.readings.",
    )
