"""The command line. `vigild --help` starts in no time: each command imports what it needs when it is run."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

from daemon import exits, kernel_cache
from daemon.commands import alert, config, demo, dlq, dump, health, replay, report, run, simulate, state, validate

COMMANDS = (run, replay, demo, validate, config, alert, dump, state, dlq, report, health, simulate)
"""In the order in which the help shows them."""

_OWN = Path(__file__).resolve().parents[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit code; what each means is in `daemon.exits`."""
    said = parser().parse_args(arguments)
    try:
        _refuse_namesakes()
        kernel_cache.ensure()
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # products of small matrices: more threads spin and wait
        return int(said.command(said))
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # whoever read our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except Exception as error:  # noqa: BLE001 - the last one to know
        code = exits.code_of(error)
        if code is None:
            traceback.print_exception(error)
            return exits.SOFTWARE
        print(exits.message_of(error), file=sys.stderr)
        return code


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    whole = _Parser(
        prog="vigild",
        description="Watches a fleet of ML models in the stream: Kafka in, alerts out.",
        epilog="exit codes:\n" + "\n".join(f"  {code:<3} {meaning}" for code, meaning in exits.MEANINGS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument("--version", action=_Version, help="show the version")
    commands = whole.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in COMMANDS:
        module.add(commands)
    return whole


class _Parser(argparse.ArgumentParser):
    """Exits with EX_USAGE, and allows no abbreviations: others script against this."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(exits.USAGE, f"{self.prog}: {message}\n")


class _Version(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **options)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from daemon.version import version

        print(f"vigild {version()}")
        parser.exit(exits.OK)


def _refuse_namesakes() -> None:
    """`daemon` and `config` are names that others use, too: Vigil's own must be the ones that are found."""
    for name in ("config", "processors"):
        found = find_spec(name)
        if found is None or found.origin is None or Path(found.origin).resolve().parents[1] != _OWN:
            place = "nowhere" if found is None else found.origin or "in several folders"
            raise exits.Ended(
                exits.SOFTWARE,
                f"the package '{name}' that Python finds ({place}) is not Vigil's, which is in {_OWN}. "
                "Install Vigil into an environment of its own, and start it as `vigild`.",
            )


if __name__ == "__main__":
    sys.exit(main())
