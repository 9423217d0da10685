"""Dead letters as records that are sent once more, each to count once.

A record says in its header `vigil-ref` which event it is, so that a daemon takes it in once, however often it is sent:
after a crash in the middle the whole replay is simply run again.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from zlib import crc32

from daemon import private
from daemon.decode.again import REF, TIMESTAMP, milliseconds
from daemon.dlq.letters import Found, PassedOver, ref_of
from daemon.envelopes import Consumed, DeadLetter, dump_line
from daemon.redaction import REDACTED

FIRST_NUMBER = 1_000_000
"""Partition numbers of offline replays begin here, beyond those of any topic."""


class NotReplayable(ValueError):
    """A letter that can't be sent as it is: what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """A dead letter as it goes back: to the partition in which it stood, for there it is known again."""

    topic: str
    partition: int
    timestamp: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes | None], ...]
    ref: str = field(default="", repr=False)
    """Where the letter's event stood: what it is called in what is said of it."""
    data: bytes = field(default=b"", repr=False)
    """The letter as it came."""


def replayed(letter: DeadLetter, command: str | None) -> Replayed:
    """The letter as a record, its value corrected by a command if there is one. Raises `NotReplayable`."""
    value = letter.value or b""
    if command is not None:
        value = corrected(letter, command)
        letter = replace(letter, truncated=False)
    if letter.truncated:
        raise NotReplayable('only its beginning was kept: put the whole in its place and say "truncated": false')
    if not value:
        raise NotReplayable("it is empty: correct it first")
    if REDACTED.encode() in value:
        raise NotReplayable(f"values in it are {REDACTED}: correct it first")
    origin, timestamp = _origin(letter)
    headers = [(name, held) for name, held in letter.headers if name not in (REF, TIMESTAMP)]
    headers.append((REF, origin.encode()))
    if timestamp >= 0:
        headers.append((TIMESTAMP, b"%d" % timestamp))
    return Replayed(letter.topic, letter.partition, timestamp, letter.key, value, tuple(headers))


def corrected(letter: DeadLetter, command: str) -> bytes:
    """What the shell command makes of the value, which it is given as its input. Raises `NotReplayable`."""
    done = subprocess.run(command, shell=True, input=letter.value or b"", capture_output=True, check=False)  # noqa: S602 - the operator's own
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise NotReplayable(f"the command ended with {done.returncode}{': ' + said[-1] if said else ''}")
    return done.stdout.rstrip(b"\n")


def write(path: Path, records: Iterable[Replayed]) -> int:
    """Write records as a dump for `vigild replay`, a partition of its own in which each stands at its own time."""
    found = sorted(records, key=lambda record: record.timestamp)
    content = sha256(repr(found).encode()).digest()
    number = FIRST_NUMBER + crc32(content)
    lines = [
        dump_line(Consumed(each.topic, number, place, each.timestamp, each.key, each.value, each.headers))
        for place, each in enumerate(found)
    ]
    with private.whole(path) as file:
        file.writelines(line + b"\n" for line in lines)
    return len(found)


def _origin(letter: DeadLetter) -> tuple[str, int]:
    """Which event it is, and when it stood there first: a replay that was refused again is still the first one.

    Of several events in that replay each further one is told by its place behind the ref.
    """
    held = dict(letter.headers)
    if (ref := held.get(REF)) is None:
        return ref_of(letter), letter.timestamp
    place = f":{letter.index}" if letter.index else ""
    return ref.decode("utf-8", "replace") + place, milliseconds(held.get(TIMESTAMP))


def each(letters: Iterable[Found], command: str | None, refused: PassedOver) -> Iterator[Replayed]:
    """The letters as records; of those that can't be sent is noted why."""
    for found in letters:
        try:
            record = replayed(found.letter, command)
        except NotReplayable as problem:
            refused.note(ref_of(found.letter), problem, found.data)
        else:
            yield replace(record, ref=ref_of(found.letter), data=found.data)
