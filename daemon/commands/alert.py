"""`vigild alert`: what fires, and what a person has to say to it: acknowledge, silence, lift, accept.

`list` looks into the state, beside the daemon. The others write an order to the control topic (`kafka.control`), which
the daemon carries out with the next pane that closes; who may write there may give orders.
"""

from __future__ import annotations

import argparse
import getpass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon import exits
from daemon.commands import configuration

if TYPE_CHECKING:
    from config import Config

_PATIENCE_S = 15.0


def add(commands: Any) -> None:
    """Declare it."""
    parser: argparse.ArgumentParser = commands.add_parser("alert", help="see what fires, and answer to it")
    actions = parser.add_subparsers(metavar="list|ack|silence|lift|accept", required=True)
    listing = actions.add_parser("list", help="what fires, what is silenced, and who ordered what")
    listing.add_argument("--json", action="store_true", help="as JSON")
    listing.add_argument("--directory", type=Path, metavar="DIR", help="a state itself; no configuration is read")
    listing.set_defaults(command=list_)
    ack = actions.add_parser("ack", help="somebody is on it: wake nobody again unless it gets worse")
    accept = actions.add_parser("accept", help="this is the new normal: end it, and judge by what comes from now on")
    for action, order in ((ack, "acknowledge"), (accept, "accept")):
        action.add_argument("alert", help="fingerprint or incident, or its first six digits or more")
        action.set_defaults(command=_sending(order, lambda arguments: {"alert": arguments.alert}))
    silence = actions.add_parser("silence", help="hold back what matches for a while")
    for field in ("model", "version", "monitor", "series"):
        silence.add_argument(f"--{field}", metavar="GLOB", help=f"its {field}: a name or a glob")
    silence.add_argument("--severity", choices=("info", "warning", "critical"))
    silence.add_argument("--for", dest="length", required=True, metavar="TIME", help="how long from now: 30m, 2h, 1d")
    silence.add_argument("--name", help="by which it can be lifted; made up and printed if not given")
    silence.set_defaults(command=_sending("silence", _hold))
    lift = actions.add_parser("lift", help="end a silence before its time")
    lift.add_argument("name", help="its name")
    lift.set_defaults(command=_sending("lift", lambda arguments: {"name": arguments.name}))
    for action in (listing, ack, accept, silence, lift):
        configuration.add_option(action)
    for action in (ack, accept, silence, lift):
        action.add_argument("--why", required=True, help="for those who read it later")
        action.add_argument("--who", help="who says so; the name of the one who is logged in if not given")


def list_(arguments: argparse.Namespace) -> int:
    """Print what the state says."""
    from daemon.control.listing import as_lines, standing

    directory = arguments.directory or configuration.load(arguments.config, source_required=False).state.path
    found = standing(Path(directory))
    if arguments.json:
        import json

        print(json.dumps(found, indent=2))
    else:
        print("\n".join(as_lines(found)))
    return exits.OK


def _sending(order: str, fields: Any) -> Any:
    def run(arguments: argparse.Namespace) -> int:
        """Write the order to the control topic, and wait until the broker has it."""
        said = {"order": order, **fields(arguments), "who": arguments.who or getpass.getuser(), "why": arguments.why}
        config = configuration.load(arguments.config, source_required=False)
        _send(config, said)
        named = f", named {said['name']}" if order == "silence" else ""
        print(f"ordered{named}: takes effect with the next pane that closes. See: vigild alert list")
        return exits.OK

    return run


def _hold(arguments: argparse.Namespace) -> dict[str, Any]:
    """The fields of a silence. Raises `Ended` if it matches nothing in particular."""
    from config.units import Duration

    names = ("model", "version", "monitor", "series", "severity")
    match = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    if not match:
        raise exits.Ended(exits.USAGE, "vigild alert silence: say what: --model, --monitor, ... (--model '*': all)")
    try:
        length = Duration.parse(arguments.length)
    except ValueError as error:
        raise exits.Ended(exits.USAGE, f"vigild alert silence: --for: {error}") from None
    now = datetime.now(UTC)
    until = now + timedelta(seconds=length.seconds)
    name = arguments.name or f"s-{now:%Y%m%d-%H%M%S}"
    return {"name": name, "match": match, "until": until.isoformat()}


def _send(config: Config, said: dict[str, Any]) -> None:
    """Raises `Ended` where there is no control topic, or the order is refused already here, or nobody answers."""
    import orjson

    from config.streams import KafkaSink as Settings
    from daemon.control.orders import Malformed, parse
    from daemon.sinks.base import Message, SinkError, Surroundings
    from daemon.sinks.kafka import KafkaSink

    if config.kafka is None or config.kafka.control is None:
        raise exits.Ended(
            exits.CONFIG, "there is no topic for orders: create one, name it under kafka.control:, restart vigild."
        )
    value = orjson.dumps(said)
    try:
        parse(value)
    except Malformed as problem:
        raise exits.Ended(exits.USAGE, f"vigild alert: {problem}") from None
    sink = KafkaSink(
        Settings(topic=config.kafka.control), Surroundings(config.kafka.client_options() | config.kafka.producer)
    )
    try:
        sink.send([Message(None, value)])
        if sink.flush(_PATIENCE_S) < 1:
            raise exits.Ended(exits.IO_ERROR, f"no broker took the order within {_PATIENCE_S:.0f} s: try again")
    except SinkError as error:
        raise exits.Ended(exits.IO_ERROR, str(error)) from error
    finally:
        sink.close()
