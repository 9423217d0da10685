"""Where dead letters are found, and which of them are meant."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from config import Config
from config.streams import FileSink, Kafka, KafkaSink, Topic
from daemon.envelopes import DeadLetter, parse_dead_letter
from daemon.records import Run
from daemon.sources import sources
from daemon.sources.base import Opening, SourceError
from daemon.sources.lines import Lines

LONGEST_LINE = 64 * 2**20
_AT_ONCE = 1_000


class NoLetter(ValueError):
    """Something stands among the dead letters that is none."""


@dataclass(frozen=True, slots=True)
class Found:
    """A dead letter and the bytes it was sent as."""

    letter: DeadLetter
    data: bytes


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


def ref_of(letter: DeadLetter) -> str:
    """Where it stood, as `topic:partition:offset:index`."""
    return f"{letter.topic}:{letter.partition}:{letter.offset}:{letter.index}"


def letters(config: Config, inputs: Sequence[Path]) -> Iterator[Found]:
    """The dead letters of these files, or else from where the configuration sends them.

    Raises `NoLetter`, `SourceError` or `OSError`.
    """
    if inputs:
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


def _fits(text: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns)


def _of_file(path: Path) -> Iterator[Found]:
    lines = Lines(path, LONGEST_LINE)
    try:
        while batch := lines.read(_AT_ONCE):
            for number, line in enumerate(batch, lines.number - len(batch) + 1):
                if line.strip():
                    yield _found(line, f"{path}:{number}")
    finally:
        lines.close()


def _of_topic(kafka: Kafka, topic: str, message_bytes: int) -> Iterator[Found]:
    """All there is up to the present end, read by a consumer that leaves no trace."""
    update = {"topics": (Topic(name=topic),), "control": None, "start": "earliest"}
    settings = kafka.model_copy(update=update | {"group": f"{kafka.group}-dlq-{os.getpid()}"})
    source = sources()["kafka"](settings, Opening(start_empty=True, message_bytes=8 * message_bytes))
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


def _of_run(run: Run) -> Iterator[Found]:
    for offset, value in zip(run.offsets, run.values, strict=True):
        if value is not None:
            yield _found(value, f"{run.partition} at {offset}")


def _found(data: bytes, where: str) -> Found:
    try:
        return Found(parse_dead_letter(data), data)
    except ValueError as error:
        raise NoLetter(f"{where}: {error}") from error
