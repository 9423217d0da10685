"""`vigild dlq`: dead letters, to be listed and replayed. It comes with a later release."""

from __future__ import annotations

import argparse
from typing import Any

from daemon import exits


def add(commands: Any) -> None:
    """Declare it."""
    parser: argparse.ArgumentParser = commands.add_parser("dlq", help="list or replay dead letters (to come)")
    parser.add_argument("action", choices=("list", "replay"))
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Say what to do until then."""
    raise exits.Ended(
        exits.USAGE,
        f"`vigild dlq {arguments.action}` comes with a later release; until then read the topic vigil.dead_letters.",
    )
