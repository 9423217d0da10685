"""`vigild state`: what a state holds (`inspect`), and whether all of it is as it was written (`verify`)."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from daemon import exits
from daemon.commands import configuration

_MODELS_SHOWN = 10


def add(commands: Any) -> None:
    """Declare it. Both actions may run beside a daemon."""
    parser: argparse.ArgumentParser = commands.add_parser("state", help="look at what survives a restart")
    actions = parser.add_subparsers(metavar="inspect|verify", required=True)
    inspecting = actions.add_parser("inspect", help="what the state holds, and how much of it")
    inspecting.add_argument("--json", action="store_true", help="as JSON")
    inspecting.set_defaults(command=inspect)
    checking = actions.add_parser("verify", help="whether all of it is as it was written")
    checking.set_defaults(command=verifying)
    for action in (inspecting, checking):
        configuration.add_option(action)
        action.add_argument(
            "--directory",
            type=Path,
            metavar="PLACE",
            help="a state's directory, or a copy of its file; no configuration is read",
        )


def inspect(arguments: argparse.Namespace) -> int:
    """Print what there is."""
    from daemon.state import inspect as state

    found = state.inspect(_directory(arguments))
    if arguments.json:
        import json

        print(json.dumps(found, indent=2))
    else:
        print("\n".join(_table(found)))
    return exits.OK


def verifying(arguments: argparse.Namespace) -> int:
    """Print `ok`, or raise `Ended` with everything that is damaged."""
    from daemon.state.verify import verify

    directory = _directory(arguments)
    if wrong := verify(directory):
        raise exits.Ended(exits.IO_ERROR, "\n".join(wrong))
    print(f"{directory}: ok")
    return exits.OK


def _directory(arguments: argparse.Namespace) -> Path:
    if arguments.directory is not None:
        return Path(arguments.directory)
    from daemon.state.file import check_directory

    directory = configuration.load(arguments.config, source_required=False).state.path
    check_directory(directory)
    return directory


def _table(found: Mapping[str, Any]) -> Iterator[str]:
    yield found["path"]
    yield f"{found['instance']}, version {found['version']}, {found['bytes']:,} bytes"
    yield from _progress(found["watched"])
    yield f"{found['controls']:,} control records"
    yield ""
    yield f"{'next offset':>14}  partition"
    for topic, number, next_offset, _ in found["positions"]:
        yield f"{next_offset:>14,}  {topic}/{number}"
    for section, unit in (("items", ""), ("chunks", "chunks"), ("outbox", "messages")):
        if found[section]:
            yield ""
            yield f"{'bytes':>14}  {section}"
        for name, held in found[section].items():
            count = f"  ({held['count']:,} {unit})" if unit else ""
            yield f"{held['bytes']:>14,}  {name}{count}"


def _progress(watched: Mapping[str, Any] | None) -> Iterator[str]:
    """How far it has come and what it watches, in a few lines."""
    from daemon.stamps import rfc3339

    if watched is None:
        yield "nothing was committed yet"
        return
    until = watched["closed_until"]
    yield f"panes closed until {rfc3339(until) if until else 'the beginning'}"
    yield ", ".join(f"{count:,} {account}" for account, count in sorted(watched["accounts"].items())) or "no events"
    models = watched["models"]
    shown = ", ".join(models[:_MODELS_SHOWN]) + (", ..." if len(models) > _MODELS_SHOWN else "")
    yield f"{len(models):,} models{': ' if models else ''}{shown}"
