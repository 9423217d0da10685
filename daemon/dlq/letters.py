"""Where dead letters are found, and which of them are meant."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import blake2b
from pathlib import Path
from typing import IO

from config import Config
from config.streams import FileSink, Kafka, KafkaSink, Topic
from daemon.envelopes import DeadLetter, parse_dead_letter
from daemon.records import Run
from daemon.sources import sources
from daemon.sources.base import PATIENCE_S, Opening, SourceError
from daemon.sources.lines import Lines

LONGEST_LINE = 64 * 2**20
REMEMBERED = 250_000
"""A letter that comes again is known among so many others, which takes 50 MB at most."""
NAMED = 20
"""What is passed over is named up to so often."""
_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Found:
    """A dead letter and the bytes it was sent as."""

    letter: DeadLetter
    data: bytes


@dataclass(frozen=True, slots=True)
class NoLetter:
    """What stands among the dead letters and is none: where, and what is wrong with it."""

    where: str
    problem: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which letters are meant: all that fit every one of these. Times are those of the records, in milliseconds."""

    reasons: Sequence[str] = ()
    refs: Sequence[str] = ()
    since_ms: int | None = None
    until_ms: int | None = None

    def __call__(self, letter: DeadLetter) -> bool:
        """Is it meant? A letter without a time is in no span of time."""
        if self.reasons and not _fits(letter.reason, self.reasons):
            return False
        if self.refs and not (_fits(ref_of(letter), self.refs) or _fits(ref_of(letter).rpartition(":")[0], self.refs)):
            return False
        after = self.since_ms is None or letter.timestamp >= self.since_ms
        return after and (self.until_ms is None or 0 <= letter.timestamp < self.until_ms)


class PassedOver:
    """How many were passed over, and why the first of them; all of them are written to a file if there is one."""

    def __init__(self, kept: IO[bytes] | None = None) -> None:
        self._kept = kept
        self.count = 0
        self.first: list[str] = []

    def note(self, where: str, problem: object, data: bytes = b"") -> None:
        """One more; `data` are its bytes."""
        self.count += 1
        if self._kept is not None:
            self._kept.write(data + b"\n")
        if self.count <= NAMED:
            self.first.append(f"{where}: {problem}")


class Reading:
    """The letters that are meant, each once; counts what came again and what was no letter.

    Dead letters are delivered at least once, so that after a crash some stand there twice.
    """

    def __init__(self, found: Iterable[Found | NoLetter], chosen: Chosen, remembered: int = REMEMBERED) -> None:
        self._found = found
        self._chosen = chosen
        self._recent = _Recent(remembered)
        self.again = 0
        self.foreign = PassedOver()

    def __iter__(self) -> Iterator[Found]:
        for each in self._found:
            if isinstance(each, NoLetter):
                self.foreign.note(each.where, each.problem)
            elif not self._chosen(each.letter):
                continue
            elif self._recent.is_new(_name(each.letter)):
                yield each
            else:
                self.again += 1


class _Recent:
    """Names that came lately: the last `most` at least, at most twice as many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._newer: set[bytes] = set()
        self._older: set[bytes] = set()

    def is_new(self, name: bytes) -> bool:
        """Whether it did not come lately; it has now."""
        if name in self._newer or name in self._older:
            return False
        if len(self._newer) >= self._most:
            self._older, self._newer = self._newer, set()
        self._newer.add(name)
        return True


def ref_of(letter: DeadLetter) -> str:
    """Where it stood, as `topic:partition:offset:index`."""
    return f"{letter.topic}:{letter.partition}:{letter.offset}:{letter.index}"


def letters(config: Config, inputs: Sequence[Path]) -> Iterator[Found | NoLetter]:
    """The dead letters of these files, or else from where the configuration sends them.

    Raises `SourceError` or `OSError`.
    """
    if inputs:
        for path in inputs:
            path.stat()  # a missing one is known before anything is sent
        for path in inputs:
            yield from _of_file(path)
        return
    for sink in config.outputs["dead_letters"]:
        if isinstance(sink.settings, KafkaSink) and config.kafka is not None:
            yield from _of_topic(config.kafka, sink.settings.topic, int(config.limits.message_bytes))
            return
        if isinstance(sink.settings, FileSink):
            yield from _of_file(sink.settings.path)
            return
    raise SourceError("sinks.dead_letters: dead letters go nowhere where they could be found: name a file with --input")


def _name(letter: DeadLetter) -> bytes:
    """Which event it is: a topic that was made anew has the same refs for others."""
    return blake2b(f"{ref_of(letter)} {letter.sha256}".encode(), digest_size=16).digest()


def _fits(text: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns)


def _of_file(path: Path) -> Iterator[Found | NoLetter]:
    lines = Lines(path, LONGEST_LINE)
    try:
        while batch := lines.read(_AT_ONCE):
            for number, line in enumerate(batch, lines.number - len(batch) + 1):
                if line.strip():
                    yield _found(line, f"{path}:{number}")
    finally:
        lines.close()


def _of_topic(kafka: Kafka, topic: str, message_bytes: int) -> Iterator[Found | NoLetter]:
    """All there is up to the present end, read by a consumer that leaves no trace."""
    update = {"topics": (Topic(name=topic),), "control": None, "start": "earliest"}
    settings = kafka.model_copy(update=update | {"group": f"{kafka.group}-dlq-{os.getpid()}"})
    opening = Opening(start_empty=True, message_bytes=8 * message_bytes, patience_s=PATIENCE_S)
    source = sources()["kafka"](settings, opening)
    try:
        held = done = False
        while not done:
            polled = source.poll(0.5, 2_048)
            for run in polled.runs:
                yield from _of_run(run)
            held = held or bool(polled.assigned)
            done = held and source.positions().keys() <= polled.caught_up
    finally:
        source.close()


def _of_run(run: Run) -> Iterator[Found | NoLetter]:
    for offset, value in zip(run.offsets, run.values, strict=True):
        if value is not None:
            yield _found(value, f"{run.partition} at {offset}")


def _found(data: bytes, where: str) -> Found | NoLetter:
    try:
        return Found(parse_dead_letter(data), data)
    except ValueError as error:
        return NoLetter(where, str(error))
