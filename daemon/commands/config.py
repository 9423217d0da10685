"""`vigild config`: what can be configured (`schema`), and what a configuration amounts to (`print`)."""

from __future__ import annotations

import argparse
from typing import Any

from daemon import exits
from daemon.commands import configuration


def add(commands: Any) -> None:
    """Declare it."""
    parser: argparse.ArgumentParser = commands.add_parser("config", help="show what can be, or what is, configured")
    actions = parser.add_subparsers(metavar="schema|print", required=True)
    schema = actions.add_parser("schema", help="the JSON Schema of a configuration, for editors and checks")
    schema.set_defaults(command=show_schema)
    effective = actions.add_parser("print", help="the configuration with all its defaults, without its secrets")
    configuration.add_option(effective)
    effective.set_defaults(command=show_effective)


def show_schema(_: argparse.Namespace) -> int:
    """Print the schema, settings of all monitors and sinks included."""
    import json
    import sys

    from config import json_schema
    from daemon import app

    json.dump(json_schema(registry=app.registry()), sys.stdout, indent=2)
    sys.stdout.write("\n")
    return exits.OK


def show_effective(arguments: argparse.Namespace) -> int:
    """Print what holds."""
    import sys

    from config import redacted_yaml

    sys.stdout.write(redacted_yaml(configuration.load(arguments.config, source_required=False)))
    return exits.OK
