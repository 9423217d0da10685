"""`vigild demo`: a simulated fleet with real models, watched faster than real time; no Kafka needed."""

from __future__ import annotations

import argparse
from typing import Any


def add(commands: Any) -> None:
    """Declare it."""
    parser: argparse.ArgumentParser = commands.add_parser("demo", help="watch a simulated fleet, no Kafka needed")
    parser.add_argument("--seconds", type=float, metavar="N", help="stop after so long, finished or not")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Hand over to the demo."""
    from daemon import demo

    return demo.run(arguments.seconds)
