"""`vigild dlq`: dead letters, to be listed (`list`), and corrected and sent once more (`replay`)."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon import exits
from daemon.commands import configuration

if TYPE_CHECKING:
    from daemon.dlq.letters import Chosen, Found, NoLetter, PassedOver, Reading
    from daemon.dlq.replay import Replayed


def add(commands: Any) -> None:
    """Declare it."""
    parser: argparse.ArgumentParser = commands.add_parser("dlq", help="dead letters: list them, replay them")
    actions = parser.add_subparsers(metavar="list|replay", required=True)
    listing = actions.add_parser("list", help="what was refused, and why")
    listing.add_argument("--json", action="store_true", help="as NDJSON, for editing")
    listing.set_defaults(command=show)
    replaying = actions.add_parser(
        "replay",
        help="send them once more",
        description="Send dead letters to the topics they came from. Each counts once, however often this is run.",
    )
    replaying.add_argument("--with", dest="correct", metavar="COMMAND", help="shell command that corrects each value")
    replaying.add_argument("--output", type=Path, metavar="FILE", help="write a dump for `vigild replay` instead")
    replaying.add_argument(
        "--unsent", type=Path, metavar="FILE", help="write what can't be sent there, to be mended and replayed with -i"
    )
    replaying.add_argument("--dry-run", action="store_true", help="print what would be sent")
    replaying.set_defaults(command=replay)
    for action in (listing, replaying):
        configuration.add_option(action, default=None, otherwise="./vigil.yaml, not needed for files, if not given")
        action.add_argument(
            "-i", "--input", type=Path, nargs="+", action="extend", default=[], metavar="FILE",
            help="NDJSON of dead letters, instead of from where the configuration sends them",
        )  # fmt: skip
        action.add_argument("--reason", nargs="+", action="extend", default=[], metavar="GLOB", help="of these reasons")
        action.add_argument(
            "--ref", nargs="+", action="extend", default=[], metavar="GLOB", help="topic:partition:offset[:index]"
        )
        action.add_argument("--since", metavar="TIME", help="records from then on (RFC 3339)")
        action.add_argument("--until", metavar="TIME", help="records before then (RFC 3339)")


def show(arguments: argparse.Namespace) -> int:
    """Print the letters that are meant."""
    reasons: Counter[str] = Counter()
    reading = _reading(arguments)
    for found in reading:
        if arguments.json:
            sys.stdout.buffer.write(found.data + b"\n")
        else:
            print(_row(found, header=not reasons))
        reasons[found.letter.reason] += 1
    if not arguments.json:
        counts = ", ".join(f"{count:,} {reason}" for reason, count in sorted(reasons.items()))
        print(f"{sum(reasons.values()):,} dead letters{': ' if counts else ''}{counts}")
    _name(reading.foreign)
    if beside := _beside(reading):
        print(", ".join(beside), file=sys.stderr)
    return exits.DATA if reading.foreign.count else exits.OK


def replay(arguments: argparse.Namespace) -> int:
    """Send the letters that are meant, or write them, or print what would be sent."""
    from daemon import private
    from daemon.dlq.letters import PassedOver

    with private.whole(arguments.unsent) if arguments.unsent is not None else nullcontext() as unsent:
        return _replay(arguments, PassedOver(unsent))


def _replay(arguments: argparse.Namespace, refused: PassedOver) -> int:
    from daemon.dlq import replay as dlq
    from daemon.dlq import sending
    from daemon.sinks.base import SinkError

    config = _config(arguments)
    reading = _reading(arguments)
    records = dlq.each(reading, arguments.correct, refused)
    try:
        if arguments.dry_run:
            done, verb = _print(records), "would be sent"
        elif arguments.output is not None:
            done, verb = dlq.write(arguments.output, records), f"written to {arguments.output}"
        elif config.kafka is None:
            raise exits.Ended(
                exits.USAGE,
                "kafka: nothing is read from Kafka, so nothing can be sent there: write a dump with --output",
            )
        else:
            done, verb = sending.send(config.kafka, records, refused), "sent"
    except SinkError as error:
        raise exits.Ended(exits.UNAVAILABLE, str(error)) from error
    _name(reading.foreign)
    _name(refused)
    not_sent = [f"{refused.count:,} can't be"] if refused.count else []
    print(", ".join([f"{done:,} {verb}", *not_sent, *_beside(reading)]), file=sys.stderr)
    return exits.DATA if refused.count or reading.foreign.count else exits.OK


def _print(records: Iterable[Replayed]) -> int:
    count = 0
    for count, record in enumerate(records, 1):  # noqa: B007 - the last one is the count
        print(record.value.decode("utf-8", "replace"))
    return count


def _name(passed_over: PassedOver) -> None:
    for line in passed_over.first:
        print(line, file=sys.stderr)


def _beside(reading: Reading) -> list[str]:
    """What there was beside the letters, for people."""
    again = [f"{reading.again:,} came again"] if reading.again else []
    return again + ([f"{reading.foreign.count:,} can't be read"] if reading.foreign.count else [])


def _reading(arguments: argparse.Namespace) -> Reading:
    from daemon.dlq.letters import Reading

    return Reading(_found(arguments), _chosen(arguments))


def _found(arguments: argparse.Namespace) -> Iterator[Found | NoLetter]:
    from daemon.dlq.letters import letters

    try:
        yield from letters(_config(arguments), arguments.input)
    except FileNotFoundError as error:
        raise exits.Ended(exits.NO_INPUT, exits.message_of(error)) from error


def _chosen(arguments: argparse.Namespace) -> Chosen:
    from daemon.dlq.letters import Chosen

    return Chosen(arguments.reason, arguments.ref, *(_time(arguments, name) for name in ("since", "until")))


def _time(arguments: argparse.Namespace, name: str) -> int | None:
    """A time in milliseconds. Raises `Ended`."""
    from daemon.stamps import microseconds

    said = getattr(arguments, name)
    if said is None:
        return None
    found = int(microseconds([said])[0])
    if found < 0:
        raise exits.Ended(exits.USAGE, f"--{name}: {said!r} is no time. Write it as 2026-11-22T03:00:00Z.")
    return found // 1000


def _config(arguments: argparse.Namespace) -> Any:
    """The configuration; the defaults where a file is named and nothing is to be sent."""
    from daemon import telemetry

    telemetry.configure("warning", "auto")
    offline = bool(arguments.input) and not _sends(arguments)
    if arguments.config is None and not offline:
        return configuration.load(configuration.USUAL)
    return configuration.load(arguments.config, source_required=not offline)


def _sends(arguments: argparse.Namespace) -> bool:
    return arguments.command is replay and arguments.output is None and not arguments.dry_run


def _row(found: Found, *, header: bool) -> str:
    from daemon.dlq.letters import ref_of
    from daemon.stamps import rfc3339

    letter = found.letter
    when = rfc3339(letter.timestamp * 1000) if letter.timestamp >= 0 else "-"
    row = f"{when:24}  {letter.reason:16}  {ref_of(letter):30}  {letter.size:>9,}  {letter.detail[:80]}"
    title = f"{'time':24}  {'reason':16}  {'ref':30}  {'bytes':>9}  detail\n"
    return (title if header else "") + row
