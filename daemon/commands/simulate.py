"""`vigild simulate`: the demo's fleet, in real time, into the Kafka of a configuration; for trying a deployment."""

from __future__ import annotations

import argparse
from typing import Any

from daemon import exits
from daemon.commands import configuration


def add(commands: Any) -> None:
    """Declare it."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "simulate", help="send the events of a simulated fleet to the brokers of a configuration"
    )
    configuration.add_option(parser)
    parser.add_argument("--rate", type=float, default=50.0, metavar="N", help="predictions per second (50)")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Hand over to the simulator."""
    config = configuration.load(arguments.config)
    if config.kafka is None:
        raise exits.Ended(exits.CONFIG, f"{arguments.config}: names no brokers to send to. Add the section kafka:.")
    if not arguments.rate > 0:
        raise exits.Ended(exits.USAGE, f"--rate {arguments.rate:g}: must be more than 0.")
    from daemon import demo

    return demo.simulate(config, rate=arguments.rate)
